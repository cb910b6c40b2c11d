import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { concatBytes } from '../../base/bytes.js'
import { FormatError } from '../../base/error.js'
import { readableMetadata } from '../checks.js'
import type { ObjectInfo } from '../object-store.js'

/*
 * The file of one object. Integers big-endian.
 *
 *   8   magic `EBLTOBJ1`
 *   4   length of the header
 *   …   header, JSON: {"size", "etag", "metadata", "contentType"}
 *   …   body, `size` bytes, to the end of the file
 */
const MAGIC = new TextEncoder().encode('EBLTOBJ1')
const PREAMBLE = 12
const MAX_HEADER = 64 * 1024
/** Bytes that are read or written at a time. */
export const FILE_PIECE = 1024 * 1024

export interface ObjectFile {
  info: ObjectInfo
  /** Where the body starts. */
  bodyAt: number
}

/** What stands before the body. */
export interface ObjectHead {
  size: number
  /** The MD5 of the body, as on most S3 stores, or that of its parts' MD5s. */
  etag: string
  metadata: Readonly<Record<string, string>>
  contentType: string | undefined
}

/** The ETag of a body that is written whole. */
export function etagOf(body: Uint8Array): string {
  return createHash('md5').update(body).digest('hex')
}

/** Everything before the body. */
export function encodeHead({ size, etag, metadata, contentType }: ObjectHead): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ size, etag, metadata, contentType }))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, header.length)
  return concatBytes([MAGIC, length, header])
}

/** @throws FormatError when the file is none of an object, or is damaged */
export async function readHead(file: FileHandle, path: string): Promise<ObjectFile> {
  const start = new Uint8Array(4096)
  const { bytesRead } = await file.read(start, 0, start.length, 0)
  if (bytesRead < PREAMBLE || MAGIC.some((byte, i) => start[i] !== byte)) throw new FormatError(`${path} is not the file of an object`)
  const headerLength = new DataView(start.buffer).getUint32(8)
  if (headerLength > MAX_HEADER) throw new FormatError(`${path} is damaged: its header would have ${headerLength} bytes`)
  let header = start.subarray(PREAMBLE, Math.min(PREAMBLE + headerLength, bytesRead))
  if (header.length < headerLength) header = await readExactly(file, path, PREAMBLE, headerLength)
  const { size, etag, metadata } = parseHeader(header, path)
  const stat = await file.stat()
  const bodyAt = PREAMBLE + headerLength
  if (stat.size !== bodyAt + size) throw new FormatError(`${path} is damaged: it has ${stat.size} bytes instead of ${bodyAt + size}`)
  // ctime, not mtime: a rename sets it, by the clock of the file system, at the moment the object shows up. So ages of
  // lock tickets order as their appearance does, for all machines that share the folder.
  return { info: { size, etag, lastModified: Math.floor(stat.ctimeMs), metadata, versionId: undefined }, bodyAt }
}

function parseHeader(bytes: Uint8Array, path: string): { size: number; etag: string; metadata: Record<string, string> } {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new FormatError(`${path} is damaged: its header is not JSON`, { cause })
  }
  const { size, etag, metadata } = (header ?? {}) as Record<string, unknown>
  const entries = typeof metadata === 'object' && metadata !== null ? Object.entries(metadata) : undefined
  const plain = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === 'string'
  if (!Number.isSafeInteger(size) || (size as number) < 0 || typeof etag !== 'string' || !entries?.every(plain)) {
    throw new FormatError(`${path} is damaged: its header lacks facts`)
  }
  return { size: size as number, etag, metadata: readableMetadata(entries) }
}

/** Reads exactly `length` bytes, in pieces; `check` is called before each. */
export async function readExactly(file: FileHandle, path: string, position: number, length: number, check?: () => void): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    check?.()
    const { bytesRead } = await file.read(out, at, Math.min(FILE_PIECE, length - at), position + at)
    if (bytesRead === 0) throw new FormatError(`${path} is damaged: it ends early`)
    at += bytesRead
  }
  return out
}

/** Writes all bytes, in pieces; `check` is called before each. `position`: default where the file stands. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, check?: () => void, position?: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    check?.()
    const { bytesWritten } = await file.write(bytes, at, Math.min(FILE_PIECE, bytes.length - at), position === undefined ? null : position + at)
    at += bytesWritten
  }
}
