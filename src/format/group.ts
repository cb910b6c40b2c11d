import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { FormatError } from '../base/error.js'
import { GroupTooLargeError } from './errors.js'
import { countBytes, fixedBytes, GroupLayout, keyLengthBytes, MAX_GROUP_BYTES, timestampBytes, valueLengthBytes } from './group-layout.js'
import { readTimestamp } from './timestamp.js'

export { MAX_GROUP_BYTES, MAX_KEY_BYTES } from './group-layout.js'

/*
 * One group object. The counts and lengths are big-endian, the timestamp is little-endian.
 *
 *   0  4  how many entries
 *   then each entry:
 *      2  bytes of the key
 *      …  the key, UTF-8
 *      7  timestamp of the value, µs, LE
 *      4  bytes of the value
 *      …  the value
 *
 * Everything that names a value stands right before it, so that a reader of a byte range can check what
 * it got. Bytes after the last entry are ignored; of two entries of one key the later one counts.
 */

export interface GroupEntry {
  key: string
  /** µs since the Unix epoch. */
  timestamp: number
  value: Uint8Array
}

export interface EncodedGroup {
  bytes: Uint8Array<ArrayBuffer>
  /** Where the value of each entry starts in `bytes`, in the order of the entries. */
  offsets: readonly number[]
}

/**
 * Refuses a group that can't be, when only the lengths of its values are known.
 * @throws GroupTooLargeError
 */
export function checkGroupSize(members: Iterable<{ key: string; length: number }>): void {
  const size = groupSize(members)
  if (size > MAX_GROUP_BYTES) throw new GroupTooLargeError(size)
}

/** Bytes of a group object, possible or not. */
export function groupSize(members: Iterable<{ key: string; length: number }>): number {
  let size = countBytes
  for (const { key, length } of members) size += entryHeaderBytes(key) + length
  return size
}

/**
 * Packs entries into a group object, in the order given.
 *
 * @throws GroupTooLargeError before anything is built, when it would exceed 2^32 - 1 bytes
 * @throws InvalidArgumentError for a key over 65,535 bytes, or a timestamp out of range
 */
export function encodeGroup(entries: Iterable<GroupEntry>): EncodedGroup {
  const members: GroupEntry[] = [...entries]
  const layout = new GroupLayout(members.map(({ key, timestamp, value }) => ({ key, timestamp, length: value.length })))
  const bytes = new Uint8Array(layout.size)
  layout.fill(bytes, 0, (i, from, target) => target.set(members[i]!.value.subarray(from, from + target.length)))
  return { bytes, offsets: layout.offsets }
}

export interface DecodedGroupEntry extends GroupEntry {
  /** Where the value starts in the group object. */
  offset: number
}

/**
 * The entries of a whole group object, in its order. Values are views of `bytes`, not copies. Entries
 * come as they are reached, so the error for a damaged one comes after those before it.
 *
 * @throws FormatError when the object is cut short, or a length or a key is wrong
 */
export function* decodeGroup(bytes: Uint8Array): Generator<DecodedGroupEntry, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < countBytes) throw new FormatError(`A group object of ${bytes.length} bytes is cut short.`)
  const count = view.getUint32(0)
  if (count * fixedBytes > bytes.length - countBytes) throw new FormatError(`A group object of ${bytes.length} bytes can not hold the ${count} entries that it states.`)
  let at = countBytes
  for (let i = 0; i < count; i++) {
    const entry = readEntry(bytes, view, at)
    if (entry === undefined) throw new FormatError(`Entry ${i} of ${count} in a group object of ${bytes.length} bytes is cut short or damaged, at byte ${at}.`)
    yield entry
    at = entry.offset + entry.value.length
  }
}

function readEntry(bytes: Uint8Array, view: DataView, start: number): DecodedGroupEntry | undefined {
  if (start + fixedBytes > bytes.length) return undefined
  const keyStart = start + keyLengthBytes
  const keyEnd = keyStart + view.getUint16(start)
  const offset = keyEnd + timestampBytes + valueLengthBytes
  if (offset > bytes.length) return undefined
  const end = offset + view.getUint32(keyEnd + timestampBytes)
  if (end > bytes.length) return undefined
  const key = decodeKey(bytes.subarray(keyStart, keyEnd))
  if (key === undefined) return undefined
  return { key, timestamp: readTimestamp(bytes, keyEnd), value: bytes.subarray(offset, end), offset }
}

function decodeKey(bytes: Uint8Array): string | undefined {
  try {
    return utf8Decode(bytes)
  } catch {
    return undefined
  }
}

/** How many bytes stand between the start of an entry and its value. A ranged read of a value starts that much earlier. */
export function entryHeaderBytes(key: string): number {
  return fixedBytes + utf8Encode(key).length
}

/**
 * Checks and takes one entry out of a piece of a group object, as a ranged read gives it.
 *
 * @param piece bytes of the group object
 * @param at where in `piece` the value should start
 * @returns the entry (its value a view of `piece`), or undefined when another key or length stands there,
 *   or the piece doesn't hold all of the entry: then read the whole object
 */
export function takeEntry(piece: Uint8Array, at: number, key: string, length: number): { timestamp: number; value: Uint8Array } | undefined {
  const timestamp = takeEntryHeader(piece, at, key, length)
  if (timestamp === undefined || at + length > piece.length) return undefined
  return { timestamp, value: piece.subarray(at, at + length) }
}

/** The timestamp of an entry whose header is in the piece, the value or not; undefined when another key or length stands there. */
export function takeEntryHeader(piece: Uint8Array, at: number, key: string, length: number): number | undefined {
  const keyBytes = utf8Encode(key)
  const keyEnd = at - timestampBytes - valueLengthBytes
  const keyStart = keyEnd - keyBytes.length
  const start = keyStart - keyLengthBytes
  if (start < 0 || at > piece.length) return undefined
  // Not by a DataView: one for each entry takes longer than all the rest.
  const keyLength = (piece[start]! << 8) | piece[start + 1]!
  const lengthAt = keyEnd + timestampBytes
  const found = ((piece[lengthAt]! << 24) | (piece[lengthAt + 1]! << 16) | (piece[lengthAt + 2]! << 8) | piece[lengthAt + 3]!) >>> 0
  if (keyLength !== keyBytes.length || found !== length) return undefined
  for (let i = 0; i < keyLength; i++) if (piece[keyStart + i] !== keyBytes[i]) return undefined
  return readTimestamp(piece, keyEnd)
}
