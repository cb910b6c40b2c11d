import type { Digest } from './blake2s.js'
import { readI32, readU16, readU32, readU48, readU56, writeU16, writeU32, writeU48, writeU56 } from './integers.js'

/*
 * A data block, integers little-endian (section 1.3 of the format):
 *
 *   variable   0 digest 13 | 13 next 6 | 19 key_len 2 | 21 value_len 4 | [25 timestamp 7] | key | value
 *   fixed      0 digest 13 | 13 next 6 | 19 key_len 2 | key | value, as long as the header says
 *
 * next: 0 = dead (deleted or superseded), 1 = last of its chain, else the position of the next block.
 */

export const NEXT_AT = 13
const KEY_LENGTH_AT = 19
const VALUE_LENGTH_AT = 21
export const TIMESTAMP_AT = 25

export const MAX_KEY_LENGTH = 0xffff
export const MAX_VALUE_LENGTH = 0xffffffff
export const MAX_POSITION = 0xffffffffffff

export const DEAD = 0
export const LAST = 1

/** How the blocks of one file look. */
export interface BlockLayout {
  readonly fixed: boolean
  readonly timestamps: boolean
  /** Length of each value of a fixed file; 0 in a variable one. */
  readonly valueLength: number
  /** Bytes before the key. */
  readonly headerLength: number
  /** What a run of zeros parses as: a dead block of this many bytes. */
  readonly zeroLength: number
}

export function blockLayout(options: { fixed: boolean; timestamps: boolean; valueLength: number }): BlockLayout {
  const { fixed, valueLength } = options
  const timestamps = options.timestamps && !fixed
  const headerLength = fixed ? 21 : timestamps ? 32 : 25
  return { fixed, timestamps, valueLength, headerLength, zeroLength: headerLength + valueLength }
}

/** The fields before the key, as read from a block. */
export interface BlockHead {
  next: number
  keyLength: number
  valueLength: number
  /** µs; 0 where blocks carry none. */
  timestamp: number
  /** Bytes of the whole block. */
  length: number
}

export function newBlockHead(): BlockHead {
  return { next: 0, keyLength: 0, valueLength: 0, timestamp: 0, length: 0 }
}

/** Reads the fields of a block; `bytes` must hold `headerLength` bytes from `at`. */
export function readBlockHead(layout: BlockLayout, bytes: Uint8Array, at: number, out: BlockHead): void {
  out.next = readU48(bytes, at + NEXT_AT)
  out.keyLength = readU16(bytes, at + KEY_LENGTH_AT)
  out.valueLength = layout.fixed ? layout.valueLength : readU32(bytes, at + VALUE_LENGTH_AT)
  out.timestamp = layout.timestamps ? readU56(bytes, at + TIMESTAMP_AT) : 0
  out.length = layout.headerLength + out.keyLength + out.valueLength
}

export function hasDigest(bytes: Uint8Array, at: number, digest: Digest): boolean {
  return (
    readI32(bytes, at) === digest.w0 &&
    readI32(bytes, at + 4) === digest.w1 &&
    readI32(bytes, at + 8) === digest.w2 &&
    bytes[at + 12] === digest.w3
  )
}

export function readDigest(bytes: Uint8Array, at: number, out: Digest): void {
  out.w0 = readI32(bytes, at)
  out.w1 = readI32(bytes, at + 4)
  out.w2 = readI32(bytes, at + 8)
  out.w3 = bytes[at + 12]!
}

/** What goes into the fields before the key. */
export interface BlockFields {
  digest: Digest
  next: number
  keyLength: number
  valueLength: number
  timestamp: number
}

export function writeBlockHead(layout: BlockLayout, bytes: Uint8Array, at: number, fields: BlockFields): void {
  writeU32(bytes, at, fields.digest.w0)
  writeU32(bytes, at + 4, fields.digest.w1)
  writeU32(bytes, at + 8, fields.digest.w2)
  bytes[at + 12] = fields.digest.w3
  writeU48(bytes, at + NEXT_AT, fields.next)
  writeU16(bytes, at + KEY_LENGTH_AT, fields.keyLength)
  if (layout.fixed) return
  writeU32(bytes, at + VALUE_LENGTH_AT, fields.valueLength)
  if (layout.timestamps) writeU56(bytes, at + TIMESTAMP_AT, fields.timestamp)
}

/** The longest span that one dead block can cover. */
export function longestFiller(layout: BlockLayout): number {
  return layout.zeroLength + MAX_KEY_LENGTH + (layout.fixed ? 0 : MAX_VALUE_LENGTH)
}

/**
 * The head of one dead block that covers exactly `span` bytes, whatever they hold: how readers are made
 * to step over something. Undefined when one block can't be that short or that long.
 */
export function fillerHead(layout: BlockLayout, span: number): Uint8Array<ArrayBuffer> | undefined {
  const body = span - layout.zeroLength
  if (body < 0 || span > longestFiller(layout)) return undefined
  const bytes = new Uint8Array(layout.headerLength)
  const valueLength = layout.fixed ? 0 : Math.min(body, MAX_VALUE_LENGTH)
  writeU16(bytes, KEY_LENGTH_AT, body - valueLength)
  if (!layout.fixed) writeU32(bytes, VALUE_LENGTH_AT, valueLength)
  return bytes
}

/** Lengths of dead blocks that together cover `span` bytes; undefined when no number of them fits. */
export function fillerSpans(layout: BlockLayout, span: number): number[] | undefined {
  if (span === 0) return []
  const longest = longestFiller(layout)
  const count = Math.ceil(span / longest)
  if (count * layout.zeroLength > span) return undefined
  const spans: number[] = []
  let rest = span
  for (let left = count; left > 0; left--) {
    // Take as much as possible, but leave each later block its least length.
    const length = Math.min(longest, rest - (left - 1) * layout.zeroLength)
    spans.push(length)
    rest -= length
  }
  return spans
}
