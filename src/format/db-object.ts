import { concatBytes, equalBytes, fromHex, utf8Decode, utf8Encode } from '../base/bytes.js'
import { FormatError, UnsupportedVersionError } from '../base/error.js'
import { Format1Error } from './errors.js'
import { parseJson } from './json.js'
import { stringifyJson } from './json-write.js'
import { manifestFromJson, manifestToJson, type Manifest } from './manifest.js'
import { checkTimestamp, timestampFromJson } from './timestamp.js'

/*
 * The payload of the db object, integers big-endian:
 *
 *   0   12  "ebooklet-db\0"
 *   12   2  payload version, 2
 *   14   2  0 (not looked at when reading)
 *   16   8  bytes of the manifest section
 *   24   8  bytes of the metadata section
 *   32   8  bytes of the index section
 *   40   …  manifest: a JSON object, group number in decimal → generation
 *    …   …  metadata: JSON {"timestamp": µs, "data": …}; no bytes when there is none
 *    …   …  index: a whole fixed-length booklet file
 *
 * Bytes after the index section are ignored.
 */
const magic = utf8Encode('ebooklet-db\0')
const payloadVersion = 2
const headBytes = 40
const fixedTypeId = fromHex('04d3b294f2104162958d0400738c9e0a')

export interface DbPayload {
  manifest: Manifest
  /** The raw metadata section (`decodeMetaSection` reads it); undefined when there is none. */
  metaSection: Uint8Array | undefined
  /** A booklet file of fixed-length values: key → index entry. */
  index: Uint8Array
}

export function encodeDbPayload(payload: DbPayload): Uint8Array<ArrayBuffer> {
  const manifest = utf8Encode(manifestToJson(payload.manifest))
  const meta = payload.metaSection ?? new Uint8Array(0)
  const head = new Uint8Array(headBytes)
  head.set(magic)
  const view = new DataView(head.buffer)
  view.setUint16(12, payloadVersion)
  for (const [i, section] of [manifest, meta, payload.index].entries()) view.setBigUint64(16 + 8 * i, BigInt(section.length))
  return concatBytes([head, manifest, meta, payload.index])
}

/**
 * Takes a payload apart. The sections are views of `bytes`.
 *
 * @throws Format1Error for the bare index of format 1
 * @throws UnsupportedVersionError for a newer payload version
 * @throws FormatError for anything that is no payload
 */
export function decodeDbPayload(bytes: Uint8Array): DbPayload {
  checkHead(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = headBytes
  const sections = ['manifest', 'metadata', 'index'].map((name, i) => {
    const length = view.getBigUint64(16 + 8 * i)
    if (length > BigInt(bytes.length - at)) throw new FormatError(`The db object is cut short: its ${name} section states ${length} bytes, ${bytes.length - at} are left of ${bytes.length}.`)
    const start = at
    at += Number(length)
    return bytes.subarray(start, at)
  }) as [Uint8Array, Uint8Array, Uint8Array]
  const manifest = manifestFromJson(sectionJson(sections[0], 'manifest'), 'The manifest of the db object')
  return { manifest, metaSection: sections[1].length === 0 ? undefined : sections[1], index: sections[2] }
}

/** How many bytes of a payload `locateMetaSection` needs. */
export const PAYLOAD_HEAD_BYTES = headBytes

/**
 * Where the metadata section lies in a payload of `size` bytes whose beginning is at hand; a length of 0 = there is none.
 * @throws like decodeDbPayload
 */
export function locateMetaSection(head: Uint8Array, size: number): { offset: number; length: number } {
  checkHead(head)
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const offset = BigInt(headBytes) + view.getBigUint64(16)
  const length = view.getBigUint64(24)
  if (offset + length > BigInt(size)) throw new FormatError(`The db object is cut short: its metadata section would end at byte ${offset + length} of ${size}.`)
  return { offset: Number(offset), length: Number(length) }
}

function checkHead(bytes: Uint8Array): void {
  if (equalBytes(bytes.subarray(0, fixedTypeId.length), fixedTypeId)) throw new Format1Error('The db object')
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) throw new FormatError('The object is no EBooklet database: it does not start with "ebooklet-db".')
  if (bytes.length < headBytes) throw new FormatError(`The db object is cut short: it has ${bytes.length} bytes.`)
  const version = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0)
  if (version > payloadVersion) throw new UnsupportedVersionError(`The db object is of payload version ${version}; this release reads ${payloadVersion}. Upgrade to open it.`, version)
  if (version < payloadVersion) throw new FormatError(`The db object states the payload version ${version}, which never existed.`)
}

function sectionJson(bytes: Uint8Array, name: string): unknown {
  try {
    return parseJson(utf8Decode(bytes))
  } catch (cause) {
    throw new FormatError(`The ${name} section of the db object is not JSON.`, { cause })
  }
}

export interface MetaSection {
  /** When the metadata was set, µs since the Unix epoch. */
  timestamp: number
  /** Any JSON value; null stands for metadata that was removed. */
  data: unknown
}

/** @throws InvalidArgumentError for data that JSON can't hold, or a timestamp out of range */
export function encodeMetaSection(section: MetaSection): Uint8Array<ArrayBuffer> {
  checkTimestamp(section.timestamp)
  return utf8Encode(`{"timestamp":${section.timestamp},"data":${stringifyJson(section.data)}}`)
}

/** Fields other than the two are ignored. @throws FormatError */
export function decodeMetaSection(bytes: Uint8Array): MetaSection {
  const section = sectionJson(bytes, 'metadata')
  if (typeof section !== 'object' || section === null || !('timestamp' in section) || !('data' in section)) {
    throw new FormatError('The metadata section of the db object is not an object with timestamp and data.')
  }
  return { timestamp: timestampFromJson(section.timestamp, 'The metadata section of the db object'), data: section.data }
}
