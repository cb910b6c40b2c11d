import { FormatError } from '../base/error.js'
import { type BlockHead, type BlockLayout, DEAD, hasDigest, LAST, newBlockHead, NEXT_AT, readBlockHead, readDigest } from '../format/block.js'
import { digestKey, newDigest } from '../format/blake2s.js'
import { BUCKET_LENGTH, type BookletHeader, HEADER_LENGTH } from '../format/booklet-header.js'
import { Buckets } from '../format/bucket.js'
import { readU48 } from '../format/integers.js'
import { isInternalKeyAt } from '../format/internal-keys.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

/** What a survey looks at: a file up to `end`, in terms of a header. */
export interface Surveyed {
  file: RandomAccessFile
  layout: BlockLayout
  header: BookletHeader
  end: number
}

/** All blocks that aren't dead, in file order, column by column. */
export class BlockList {
  count = 0
  position = new Float64Array(256)
  next = new Float64Array(256)
  bucket = new Uint32Array(256)
  w0 = new Int32Array(256)
  w1 = new Int32Array(256)
  w2 = new Int32Array(256)
  w3 = new Uint8Array(256)
  internal = new Uint8Array(256)

  /** Index of the block at a position, or -1. */
  find(position: number): number {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const there = this.position[middle]!
      if (there === position) return middle
      if (there < position) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  sameKey(a: number, b: number): boolean {
    return this.w0[a] === this.w0[b] && this.w1[a] === this.w1[b] && this.w2[a] === this.w2[b] && this.w3[a] === this.w3[b]
  }

  /** A text that only blocks of the same key share. */
  keyName(i: number): string {
    return `${this.w0[i]},${this.w1[i]},${this.w2[i]},${this.w3[i]}`
  }

  grow(): void {
    if (this.count < this.position.length) return
    const room = this.count * 2
    this.position = copied(this.position, new Float64Array(room))
    this.next = copied(this.next, new Float64Array(room))
    this.bucket = copied(this.bucket, new Uint32Array(room))
    this.w0 = copied(this.w0, new Int32Array(room))
    this.w1 = copied(this.w1, new Int32Array(room))
    this.w2 = copied(this.w2, new Int32Array(room))
    this.w3 = copied(this.w3, new Uint8Array(room))
    this.internal = copied(this.internal, new Uint8Array(room))
  }
}

/* From this many keys on, looking each up is faster than comparing with all. */
const FEW = 16

/** Keys of a bucket, by digest: a hostile file may put all of its blocks into one. */
export class KeySet {
  readonly #blocks: BlockList
  readonly #list: number[] = []
  #names: Set<string> | undefined

  constructor(blocks: BlockList, members: Iterable<number> = []) {
    this.#blocks = blocks
    for (const i of members) this.add(i)
  }

  /** False when the set has the key of this block already. */
  add(i: number): boolean {
    if (this.#names === undefined) {
      if (this.#list.some((other) => this.#blocks.sameKey(other, i))) return false
      this.#list.push(i)
      if (this.#list.length > FEW) this.#names = new Set(this.#list.map((member) => this.#blocks.keyName(member)))
      return true
    }
    const name = this.#blocks.keyName(i)
    if (this.#names.has(name)) return false
    this.#names.add(name)
    return true
  }
}

/** The first of ascending positions that is greater than `after`. */
export function firstAfter(positions: Float64Array, after: number): number | undefined {
  let low = 0
  let high = positions.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (positions[middle]! > after) high = middle
    else low = middle + 1
  }
  return positions[low]
}

function copied<T extends Float64Array | Uint32Array | Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from)
  return to
}

const CHUNK = 0x100000
/* Bytes of keys that are hashed whatever the size of the file; blocks that don't overlap never come to more than it. */
const HASHED_FREELY = 0x1000000

/* How far beyond the end a pointer of a cut file is likely to lead. */
const LIKELY_REACH = 2 ** 32

/** Reads blocks one after the other, checking each: a block that isn't dead must hold the digest of its key. */
export class BlockReader {
  readonly head: BlockHead = newBlockHead()
  readonly #what: Surveyed
  readonly #buckets: Buckets
  readonly #digest = newDigest()
  #hashed = 0
  #chunk = new Uint8Array(CHUNK)
  #start = 0
  #length = 0

  constructor(what: Surveyed) {
    this.#what = what
    this.#buckets = new Buckets(what.header.nBuckets)
  }

  /** Whether a block lies at a position and ends at `limit` or before; its fields are in `head`. */
  isBlock(position: number, limit: number): boolean {
    const { layout } = this.#what
    if (!this.#has(position, layout.headerLength)) return false
    readBlockHead(layout, this.#chunk, position - this.#start, this.head)
    const { length, keyLength, next } = this.head
    if (position + length > limit) return false
    if (next === DEAD) return true
    if (!this.#has(position, layout.headerLength + keyLength)) return false
    const at = position - this.#start
    this.#hashed += keyLength
    if (this.#hashed > this.#what.end * 4 + HASHED_FREELY) throw new FormatError('the index of the booklet leads to blocks that lie within each other: the file is damaged, or was made to do harm')
    digestKey(this.#chunk.subarray(at + layout.headerLength, at + layout.headerLength + keyLength), this.#digest)
    return hasDigest(this.#chunk, at, this.#digest)
  }

  /** Whether a whole live block may lie at a position, told by its pointer before anything is hashed. */
  couldBeLive(position: number): boolean {
    const { layout, end } = this.#what
    if (!this.#has(position, layout.headerLength)) return false
    const next = readU48(this.#chunk, position - this.#start + NEXT_AT)
    // In a file that was cut, pointers lead beyond its end.
    return next === LAST || (next >= HEADER_LENGTH && next < end + LIKELY_REACH)
  }

  /** Appends the block that was just read to a list. */
  appendTo(list: BlockList, position: number): void {
    list.grow()
    const i = list.count++
    const at = position - this.#start
    readDigest(this.#chunk, at, this.#digest)
    list.position[i] = position
    list.next[i] = this.head.next
    list.bucket[i] = this.#buckets.of(this.#digest)
    list.w0[i] = this.#digest.w0
    list.w1[i] = this.#digest.w1
    list.w2[i] = this.#digest.w2
    list.w3[i] = this.#digest.w3
    const { layout } = this.#what
    list.internal[i] = !layout.fixed && isInternalKeyAt(this.#chunk, at + layout.headerLength, this.head.keyLength) ? 1 : 0
  }

  #has(position: number, length: number): boolean {
    if (position >= this.#start && position + length <= this.#start + this.#length) return true
    if (position + length > this.#what.end) return false
    if (this.#chunk.length < length) this.#chunk = new Uint8Array(length)
    const size = Math.min(this.#chunk.length, this.#what.end - position)
    this.#start = position
    this.#length = this.#what.file.read(position, this.#chunk.subarray(0, size))
    return this.#length >= length
  }
}

/** Throws a FormatError when index or data would lie beyond the end of the file. */
export function checkLayout(path: string, size: number, { indexOffset, dataOffset, nBuckets }: BookletHeader): void {
  const end = indexOffset + nBuckets * BUCKET_LENGTH
  if (end > size) throw new FormatError(`${path} has ${size} bytes, but its index would end at ${end}: the file is cut short`)
  if (dataOffset > size) throw new FormatError(`${path} has ${size} bytes, but its data would begin at ${dataOffset}: the file is cut short`)
}

/** First and end position of each stretch of blocks. */
export function stretches({ header, end }: Surveyed): [number, number][] {
  const { indexOffset, dataOffset, nBuckets } = header
  if (indexOffset < dataOffset) return [[dataOffset, end]]
  const indexEnd = indexOffset + nBuckets * BUCKET_LENGTH
  return [[dataOffset, indexOffset], [indexEnd, Math.max(indexEnd, end)]]
}

/** Bytes between blocks that aren't blocks. */
export interface Gap {
  start: number
  end: number
}

/** Everything that lies in the data part of a file. */
export interface Survey {
  blocks: BlockList
  /** Stretches within the data that hold no blocks. */
  gaps: Gap[]
  /** Where the last whole block ends; what follows is torn. */
  end: number
}

/**
 * Reads a file front to back. Where something isn't a block, `resume` tells the next position that one is
 * known to lie at (because a chain leads there).
 */
export function survey(what: Surveyed, resume: (after: number) => number | undefined): Survey {
  const reader = new BlockReader(what)
  const blocks = new BlockList()
  const gaps: Gap[] = []
  let lastEnd = what.header.dataOffset
  for (const [start, end] of stretches(what)) {
    lastEnd = Math.min(start, end)
    for (let at = start; at < end; ) {
      if (reader.isBlock(at, end)) {
        if (reader.head.next !== DEAD) reader.appendTo(blocks, at)
        at += reader.head.length
        lastEnd = at
        continue
      }
      const next = resume(at)
      if (next === undefined || next >= end) {
        if (end < what.end) gaps.push({ start: at, end })
        break
      }
      gaps.push({ start: at, end: next })
      at = next
    }
  }
  return { blocks, gaps, end: Math.max(lastEnd, dataFloor(what)) }
}

/* The file can't end before its index does. */
function dataFloor({ header }: Surveyed): number {
  const { indexOffset, dataOffset, nBuckets } = header
  return Math.max(dataOffset, indexOffset + nBuckets * BUCKET_LENGTH)
}
