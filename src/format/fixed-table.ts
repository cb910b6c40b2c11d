import { FormatError } from '../base/error.js'
import { type BlockLayout, blockLayout, DEAD, hasDigest, LAST, newBlockHead, readBlockHead, readDigest } from './block.js'
import { digestKey, newDigest, type Digest } from './blake2s.js'
import { BUCKET_LENGTH, decodeHeader, HEADER_LENGTH, NOT_CLOSED, WrongFileTypeError, type BookletHeader } from './booklet-header.js'
import { Buckets } from './bucket.js'
import { readU48 } from './integers.js'

/* Bytes of keys that are hashed whatever the size; blocks that don't overlap never come to more than it. */
const HASHED_FREELY = 0x1000000
/* From so many blocks on, a chain is searched for a key that comes twice by a set of its digests. */
const LONG_CHAIN = 16

/**
 * A booklet file of fixed-length values in memory, as the index of a remote is, to be looked into only. Nothing is parsed
 * ahead; the first call that needs every key (`positions`) checks that what it gives is what lookups find.
 */
export class FixedTable {
  readonly bytes: Uint8Array
  readonly header: BookletHeader
  readonly layout: BlockLayout
  readonly #buckets: Buckets
  readonly #digest = newDigest()
  readonly #head = newBlockHead()
  #positions: Float64Array | undefined

  /** @param positions of all blocks, where whoever made the bytes knows them */
  private constructor(bytes: Uint8Array, header: BookletHeader, positions?: Float64Array) {
    // A subarray of a Buffer takes several times as long as one of these.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.header = header
    this.layout = blockLayout({ fixed: true, timestamps: false, valueLength: header.valueLength })
    this.#buckets = new Buckets(header.nBuckets)
    this.#positions = positions
  }

  /** @throws FormatError, WrongFileTypeError, UnsupportedVersionError when the bytes are no such file, or were not closed */
  static decode(bytes: Uint8Array): FixedTable {
    const header = decodeHeader(bytes)
    if (header.kind !== 'fixed') throw new WrongFileTypeError('the index is a booklet file whose values vary in length', header.kind)
    if (header.nKeys === NOT_CLOSED) throw new FormatError('the index was not closed by who wrote it')
    if (header.indexOffset + header.nBuckets * BUCKET_LENGTH > bytes.length) throw new FormatError(`the index has ${bytes.length} bytes, too few for its ${header.nBuckets} buckets`)
    return new FixedTable(bytes, header)
  }

  /** What a writer has made. */
  static made({ bytes, positions }: { bytes: Uint8Array; positions: Float64Array }): FixedTable {
    return new FixedTable(bytes, decodeHeader(bytes), positions)
  }

  /** Where the block of a key lies; undefined when there is none. @throws FormatError when its chain is damaged */
  find(key: Uint8Array): number | undefined {
    digestKey(key, this.#digest)
    return this.findDigest(this.#digest)
  }

  /** The same for a key whose digest is known. */
  findDigest(digest: Digest): number | undefined {
    let steps = this.#most
    for (let at = this.#chainOf(this.#buckets.of(digest)); at > LAST; ) {
      const { next } = this.#blockAt(at)
      if (next === DEAD) return undefined
      if (hasDigest(this.bytes, at, digest)) return at
      if (steps-- === 0) throw this.#damaged(at)
      at = next
    }
    return undefined
  }

  /** The key of the block at a position. */
  keyAt(position: number): Uint8Array {
    const from = position + this.layout.headerLength
    return this.bytes.subarray(from, from + this.#blockAt(position).keyLength)
  }

  /** Where the value of the block at a position lies. */
  valueAt(position: number): number {
    return position + this.layout.headerLength + this.#blockAt(position).keyLength
  }

  /** Bytes of the block at a position. */
  lengthAt(position: number): number {
    return this.#blockAt(position).length
  }

  /**
   * Where the blocks lie that lookups find, in the order of the file.
   * @throws FormatError when a chain is damaged: keys may be missing then
   */
  get positions(): Float64Array {
    return (this.#positions ??= this.#lookThrough())
  }

  #chainOf(bucket: number): number {
    return readU48(this.bytes, this.header.indexOffset + bucket * BUCKET_LENGTH)
  }

  #blockAt(position: number) {
    if (position < HEADER_LENGTH || position + this.layout.zeroLength > this.bytes.length) throw this.#damaged(position)
    readBlockHead(this.layout, this.bytes, position, this.#head)
    if (position + this.#head.length > this.bytes.length) throw this.#damaged(position)
    return this.#head
  }

  /** The most blocks that there can be. */
  get #most(): number {
    return Math.floor(this.bytes.length / this.layout.zeroLength)
  }

  #lookThrough(): Float64Array {
    const found = new Float64Array(this.#most)
    const budget = { hashed: 0, steps: this.#most }
    let count = 0
    for (let bucket = 0; bucket < this.header.nBuckets; bucket++) {
      const first = count
      for (let at = this.#chainOf(bucket); at > LAST; at = this.#head.next) {
        // More than can be are passed: a chain in a circle, or one that runs into another.
        if (budget.steps-- === 0) throw this.#damaged(at)
        this.#checkBlock(at, bucket, budget)
        found[count++] = at
      }
      if (count - first > 1) count = first + this.#dropHidden(found.subarray(first, count))
    }
    const positions = found.slice(0, count).sort()
    for (let i = 1; i < count; i++) if (positions[i] === positions[i - 1]) throw this.#damaged(positions[i]!)
    return positions
  }

  /* Lookups find it: its digest is that of its key, and leads to its bucket. */
  #checkBlock(at: number, bucket: number, budget: { hashed: number }): void {
    const { next, keyLength } = this.#blockAt(at)
    budget.hashed += keyLength
    if (budget.hashed > this.bytes.length * 4 + HASHED_FREELY) throw this.#damaged(at)
    const from = at + this.layout.headerLength
    digestKey(this.bytes.subarray(from, from + keyLength), this.#digest)
    if (next === DEAD || !hasDigest(this.bytes, at, this.#digest) || this.#buckets.of(this.#digest) !== bucket) throw this.#damaged(at)
  }

  /* Of blocks of one key the first in its chain counts. Moves those that count to the front; returns how many. */
  #dropHidden(chain: Float64Array): number {
    const names = chain.length > LONG_CHAIN ? new Set<string>() : undefined
    const digest: Digest = newDigest()
    let kept = 0
    for (const at of chain) {
      readDigest(this.bytes, at, digest)
      const hidden = names ? names.size === names.add(`${digest.w0} ${digest.w1} ${digest.w2} ${digest.w3}`).size : chain.subarray(0, kept).some((other) => hasDigest(this.bytes, other, digest))
      if (!hidden) chain[kept++] = at
    }
    return kept
  }

  #damaged(position: number): FormatError {
    return new FormatError(`the index is damaged: a chain of it breaks at byte ${position} of ${this.bytes.length}`)
  }
}
