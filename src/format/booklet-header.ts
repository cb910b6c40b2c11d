import { equalBytes, fromHex, toHex } from '../base/bytes.js'
import { FormatError, UnsupportedVersionError } from '../base/error.js'
import { readU16, readU32, readU48, readU56, writeU16, writeU32, writeU48, writeU56 } from './integers.js'

/*
 * The first 200 bytes of a booklet file, integers little-endian (section 1.1 of the format):
 *
 *    0 type id 16 | 16 version 2 | 18 position width 1 | 19 key_len width 1 | 20 value_len width 1
 *   21 n_buckets 4 | 25 unused 4 | 29 value serializer 2 | 31 key serializer 2 | 33 n_keys 4
 *   37 value_len 4 | 41 timestamps 1 | 42 file timestamp 7 | 49 uuid 16
 *   65 index_offset 6 | 71 first_data_block_pos 6 | 77 implementation area 123
 */

export const HEADER_LENGTH = 200
/** Bytes of one bucket of the index. */
export const BUCKET_LENGTH = 6
export const CURRENT_VERSION = 5
/** n_keys of a file that was not closed: readers refuse, a writer recounts. */
export const NOT_CLOSED = 0xffffffff
/** A version that every reader refuses: marks a file that is being rewritten in place. */
export const REWRITING_VERSION = 0
/** Where our recovery record lies; nothing else reads these bytes. */
export const AREA_AT = 77
export const DEFAULT_BUCKETS = 12007
/** The most buckets that a file is made with: an index of 1.5 GiB. Larger ones are read, if they are there. */
export const MAX_NEW_BUCKETS = 2 ** 28

const VARIABLE_ID = fromHex('4f7e8a3fe75c4750ad430a728fe31cfe')
const FIXED_ID = fromHex('04d3b294f2104162958d0400738c9e0a')
const VERSION_AT = 16
const BUCKETS_AT = 21
const VALUE_SERIALIZER_AT = 29
const KEY_SERIALIZER_AT = 31
const KEYS_AT = 33
const VALUE_LENGTH_AT = 37
const TIMESTAMPS_AT = 41
const FILE_TIMESTAMP_AT = 42
/** Where the uuid lies, 16 bytes. */
export const UUID_AT = 49
const INDEX_AT = 65
const DATA_AT = 71
/* Six ASCII zeros: how early files padded fields that weren't set. */
const ASCII_ZEROS = 0x303030303030

export type BookletKind = 'variable' | 'fixed'

/** The file is not a booklet, or one of the other kind. */
export class WrongFileTypeError extends FormatError {
  override readonly code = 'WRONG_FILE_TYPE'
  /** The kind that was found; undefined when it is no booklet at all. */
  readonly found: BookletKind | undefined
  constructor(message: string, found: BookletKind | undefined) {
    super(message)
    this.found = found
  }
}

export interface BookletHeader {
  kind: BookletKind
  version: number
  nBuckets: number
  valueSerializer: number
  keySerializer: number
  /** Number of keys, or `NOT_CLOSED`. */
  nKeys: number
  /** Length of each value of a fixed file, else 0. */
  valueLength: number
  /** Whether blocks carry timestamps: what the byte says, and never in fixed files and version 3. */
  timestamps: boolean
  /** µs since the epoch. */
  fileTimestamp: number
  /** 32 hex digits. */
  uuid: string
  /** Where the index lies, resolved. */
  indexOffset: number
  /** Where the first data block lies, resolved. */
  dataOffset: number
}

/** The 16 bytes that a file of this kind starts with. */
export function typeIdOf(kind: BookletKind): Uint8Array {
  return kind === 'fixed' ? FIXED_ID : VARIABLE_ID
}

/** The kind that the type id names, or undefined. */
export function bookletKind(bytes: Uint8Array): BookletKind | undefined {
  const id = bytes.subarray(0, 16)
  return equalBytes(id, VARIABLE_ID) ? 'variable' : equalBytes(id, FIXED_ID) ? 'fixed' : undefined
}

/**
 * Decodes and checks a header.
 *
 * @param version what to take as the version instead of the field (a file that is being rewritten)
 * @throws WrongFileTypeError, UnsupportedVersionError, FormatError
 */
export function decodeHeader(bytes: Uint8Array, version: number = bytes.length < 18 ? 0 : readU16(bytes, VERSION_AT)): BookletHeader {
  const kind = bookletKind(bytes)
  if (kind === undefined) {
    throw new WrongFileTypeError(
      bytes.length === 0 ? 'the file is empty: no booklet' : `not a booklet file: it starts with ${toHex(bytes.subarray(0, 16))}`,
      undefined,
    )
  }
  if (bytes.length < HEADER_LENGTH) throw new FormatError(`the booklet header has ${bytes.length} bytes of ${HEADER_LENGTH}: the file is cut short`)
  checkVersion(kind, version)
  const valueWidth = kind === 'fixed' ? 0 : 4
  if (bytes[18] !== 6 || bytes[19] !== 2 || bytes[20] !== valueWidth) {
    throw new FormatError(`field widths ${bytes[18]}, ${bytes[19]}, ${bytes[20]} in the booklet header instead of 6, 2, ${valueWidth}: the file is damaged`)
  }
  const nBuckets = readU32(bytes, BUCKETS_AT)
  if (nBuckets === 0) throw new FormatError('the booklet header says 0 buckets: the file is damaged')
  const indexOffset = resolve(readU48(bytes, INDEX_AT), HEADER_LENGTH)
  const dataOffset = resolve(readU48(bytes, DATA_AT), HEADER_LENGTH + nBuckets * BUCKET_LENGTH)
  if (indexOffset < HEADER_LENGTH || dataOffset < HEADER_LENGTH) throw new FormatError('the booklet header places the index or the data inside itself')
  if (indexOffset < dataOffset && indexOffset + nBuckets * BUCKET_LENGTH > dataOffset) {
    throw new FormatError('the booklet header says that index and data overlap')
  }
  return {
    kind,
    version,
    nBuckets,
    valueSerializer: readU16(bytes, VALUE_SERIALIZER_AT),
    keySerializer: readU16(bytes, KEY_SERIALIZER_AT),
    nKeys: readU32(bytes, KEYS_AT),
    valueLength: kind === 'fixed' ? readU32(bytes, VALUE_LENGTH_AT) : 0,
    timestamps: kind === 'variable' && version > 3 && bytes[TIMESTAMPS_AT] !== 0,
    fileTimestamp: readU56(bytes, FILE_TIMESTAMP_AT),
    uuid: toHex(bytes.subarray(UUID_AT, UUID_AT + 16)),
    indexOffset,
    dataOffset,
  }
}

function checkVersion(kind: BookletKind, version: number): void {
  if (version > CURRENT_VERSION) {
    throw new UnsupportedVersionError(`the booklet file has version ${version}, this release reads up to ${CURRENT_VERSION}: update ebooklet`, version)
  }
  if (version < 3) {
    throw new UnsupportedVersionError(`the ${kind}-length booklet file has version ${version}; versions 3 to ${CURRENT_VERSION} are supported: rewrite it with the release that made it`, version)
  }
}

function resolve(raw: number, unset: number): number {
  return raw === 0 || raw === ASCII_ZEROS ? unset : raw
}

/** What a new header holds. Both layout fields are 0: index at 200, data right behind it. */
export interface NewHeader {
  kind: BookletKind
  nBuckets: number
  valueSerializer: number
  keySerializer: number
  valueLength: number
  timestamps: boolean
  fileTimestamp: number
  uuid: string
}

export function encodeHeader(fields: NewHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_LENGTH)
  bytes.set(fields.kind === 'fixed' ? FIXED_ID : VARIABLE_ID)
  writeU16(bytes, VERSION_AT, CURRENT_VERSION)
  bytes[18] = 6
  bytes[19] = 2
  bytes[20] = fields.kind === 'fixed' ? 0 : 4
  writeU32(bytes, BUCKETS_AT, fields.nBuckets)
  writeU16(bytes, VALUE_SERIALIZER_AT, fields.valueSerializer)
  writeU16(bytes, KEY_SERIALIZER_AT, fields.keySerializer)
  writeU32(bytes, VALUE_LENGTH_AT, fields.valueLength)
  bytes[TIMESTAMPS_AT] = fields.timestamps ? 1 : 0
  writeU56(bytes, FILE_TIMESTAMP_AT, fields.fileTimestamp)
  bytes.set(fromHex(fields.uuid), UUID_AT)
  return bytes
}

/** Sets fields of an existing header; bytes that it doesn't name stay as they are. */
export function patchHeader(
  bytes: Uint8Array,
  fields: { version?: number; nBuckets?: number; nKeys?: number; fileTimestamp?: number; layout?: { indexOffset: number; dataOffset: number } },
): void {
  if (fields.version !== undefined) writeU16(bytes, VERSION_AT, fields.version)
  if (fields.nBuckets !== undefined) writeU32(bytes, BUCKETS_AT, fields.nBuckets)
  if (fields.nKeys !== undefined) writeU32(bytes, KEYS_AT, fields.nKeys)
  if (fields.fileTimestamp !== undefined) writeU56(bytes, FILE_TIMESTAMP_AT, fields.fileTimestamp)
  if (fields.layout) {
    writeU48(bytes, INDEX_AT, fields.layout.indexOffset)
    writeU48(bytes, DATA_AT, fields.layout.dataOffset)
  }
}

/** The version field, unchecked. */
export function headerVersion(bytes: Uint8Array): number {
  return readU16(bytes, VERSION_AT)
}
