import { FormatError, InvalidArgumentError } from '../base/error.js'
import { readU32, writeU32 } from './integers.js'
import { readTimestamp, writeTimestamp } from './timestamp.js'

/*
 * The value of a key in the remote index, 15 bytes, integers LE:
 *
 *   0   7  timestamp of the value, µs
 *   7   4  offset of the value bytes in the live generation of its group   (per-key mode: 0)
 *   11  4  how many bytes the value has                                     (per-key mode: 0)
 */
export const INDEX_ENTRY_BYTES = 15

export interface IndexEntry {
  /** µs since the Unix epoch. */
  timestamp: number
  /** Where the value bytes start in the group object; 0 in per-key mode. */
  offset: number
  /** Bytes of the value; 0 in per-key mode, and for an empty value. */
  length: number
}

/** @throws InvalidArgumentError for a field that doesn't fit */
export function encodeIndexEntry(entry: IndexEntry): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(INDEX_ENTRY_BYTES)
  writeIndexEntry(out, 0, entry)
  return out
}

/** Puts an entry into 15 bytes of others. @throws InvalidArgumentError for a field that doesn't fit */
export function writeIndexEntry(bytes: Uint8Array, at: number, { timestamp, offset, length }: IndexEntry): void {
  writeTimestamp(bytes, at, timestamp)
  writeUint32(bytes, at + 7, offset)
  writeUint32(bytes, at + 11, length)
}

/** @throws FormatError unless these are 15 bytes */
export function decodeIndexEntry(bytes: Uint8Array): IndexEntry {
  if (bytes.length !== INDEX_ENTRY_BYTES) throw new FormatError(`An index entry has ${INDEX_ENTRY_BYTES} bytes; this one has ${bytes.length}.`)
  return readIndexEntry(bytes, 0)
}

/** The entry in the 15 bytes from `at` on. */
export function readIndexEntry(bytes: Uint8Array, at: number): IndexEntry {
  return { timestamp: readTimestamp(bytes, at), offset: readU32(bytes, at + 7), length: readU32(bytes, at + 11) }
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new InvalidArgumentError(`An index entry holds offsets and lengths of 32 bits; this is ${String(value)}.`)
  writeU32(bytes, at, value)
}
