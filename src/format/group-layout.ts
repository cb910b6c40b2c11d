import { utf8Encode } from '../base/bytes.js'
import { InvalidArgumentError } from '../base/error.js'
import { GroupTooLargeError } from './errors.js'
import { writeTimestamp } from './timestamp.js'

/* The parts of a group object; group.ts has the table. */
export const countBytes = 4
export const keyLengthBytes = 2
export const timestampBytes = 7
export const valueLengthBytes = 4
export const fixedBytes = keyLengthBytes + timestampBytes + valueLengthBytes

/** The most bytes of a group object: offsets in the index have 32 bits. */
export const MAX_GROUP_BYTES = 2 ** 32 - 1
/** The most bytes of a key. */
export const MAX_KEY_BYTES = 2 ** 16 - 1

/** What must be known of an entry to give it its place. */
export interface GroupMember {
  key: string
  /** µs since the Unix epoch. */
  timestamp: number
  /** Bytes of the value. */
  length: number
}

/** Gives the bytes of the value of a member, from `from` on, as many as `target` has. */
export type ReadMember = (member: number, from: number, target: Uint8Array) => void

/**
 * Where everything of a group object lies, known before a value is read: so it can be made piece by piece, any piece as
 * often as wanted, in the memory of a piece.
 */
export class GroupLayout {
  /** Bytes of the whole object. */
  readonly size: number
  /** Where the value of each member starts in the object, in their order. */
  readonly offsets: readonly number[]
  readonly #members: readonly GroupMember[]

  /**
   * @throws GroupTooLargeError when it would exceed 2^32 - 1 bytes
   * @throws InvalidArgumentError for a key over 65,535 bytes
   */
  constructor(members: readonly GroupMember[]) {
    this.#members = members
    const offsets: number[] = []
    let at = countBytes
    for (const { key, length } of members) {
      const keyBytes = isAscii(key) ? key.length : utf8Encode(key).length
      if (keyBytes > MAX_KEY_BYTES) throw new InvalidArgumentError(`A key of ${keyBytes} bytes is too long; ${MAX_KEY_BYTES} are possible.`)
      offsets.push(at + fixedBytes + keyBytes)
      at += fixedBytes + keyBytes + length
    }
    if (at > MAX_GROUP_BYTES) throw new GroupTooLargeError(at)
    this.offsets = offsets
    this.size = at
  }

  /**
   * Fills `target` with the bytes of the object from `start` on.
   * @throws InvalidArgumentError for a timestamp out of range
   */
  fill(target: Uint8Array, start: number, readValue: ReadMember): void {
    const end = start + target.length
    if (start < countBytes) place(target, start, 0, count(this.#members.length))
    for (let i = this.#memberAt(start); i < this.#members.length; i++) {
      const member = this.#members[i]!
      const valueAt = this.offsets[i]!
      const headAt = i === 0 ? countBytes : this.offsets[i - 1]! + this.#members[i - 1]!.length
      if (headAt >= end) return
      if (start <= headAt && valueAt <= end) writeHead(target, headAt - start, valueAt - headAt - fixedBytes, member)
      else if (start < valueAt) place(target, start, headAt, entryHead(member, valueAt - headAt))
      const from = Math.max(valueAt, start)
      const to = Math.min(valueAt + member.length, end)
      if (from < to) readValue(i, from - valueAt, target.subarray(from - start, to - start))
    }
  }

  /* The member whose head or value holds a position; the first one where there is none. */
  #memberAt(position: number): number {
    let low = 0
    let high = this.#members.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.offsets[middle]! + this.#members[middle]!.length > position) high = middle
      else low = middle + 1
    }
    return low
  }
}

function count(members: number): Uint8Array {
  const bytes = new Uint8Array(countBytes)
  new DataView(bytes.buffer).setUint32(0, members)
  return bytes
}

function entryHead(member: GroupMember, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  writeHead(bytes, 0, length - fixedBytes, member)
  return bytes
}

/* Without views and arrays in between: a group has many entries. */
function writeHead(bytes: Uint8Array, start: number, keyBytes: number, { key, timestamp, length }: GroupMember): void {
  bytes[start] = keyBytes >>> 8
  bytes[start + 1] = keyBytes
  let at = start + keyLengthBytes
  if (keyBytes === key.length) for (let i = 0; i < keyBytes; i++) bytes[at + i] = key.charCodeAt(i)
  else bytes.set(utf8Encode(key), at)
  at += keyBytes
  writeTimestamp(bytes, at, timestamp)
  at += timestampBytes
  bytes[at] = length >>> 24
  bytes[at + 1] = length >>> 16
  bytes[at + 2] = length >>> 8
  bytes[at + 3] = length
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/* Copies what of `bytes`, which belong at `at`, falls into the piece that starts at `start`. */
function place(piece: Uint8Array, start: number, at: number, bytes: Uint8Array): void {
  const from = Math.max(at, start)
  const to = Math.min(at + bytes.length, start + piece.length)
  if (from < to) piece.set(from === at && to === at + bytes.length ? bytes : bytes.subarray(from - at, to - at), from - start)
}
