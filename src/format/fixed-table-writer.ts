import { InvalidArgumentError } from '../base/error.js'
import { utf8Decode } from '../base/bytes.js'
import { type BlockLayout, blockLayout, hasDigest, LAST, MAX_KEY_LENGTH, NEXT_AT, readDigest, writeBlockHead } from './block.js'
import { digestKey, newDigest } from './blake2s.js'
import { BUCKET_LENGTH, encodeHeader, HEADER_LENGTH, patchHeader } from './booklet-header.js'
import { Buckets, emptyIndex } from './bucket.js'
import type { FixedTable } from './fixed-table.js'
import { readU48, writeU48 } from './integers.js'

export interface FixedTableOptions {
  buckets: number
  /** Bytes of each value. */
  valueLength: number
  /** Code of the serializer of keys. */
  keySerializer: number
  /** 32 hex digits. */
  uuid: string
  /** Of the file, µs. */
  timestamp: number
  /** Bytes that its blocks will have at most, about. */
  expected?: number
}

/** Makes a whole file of fixed-length values at once, compact and in the standard layout. */
export class FixedTableWriter {
  /** Grows: take it anew for each value. */
  bytes: Uint8Array<ArrayBuffer>
  readonly #options: FixedTableOptions
  readonly #layout: BlockLayout
  readonly #buckets: Buckets
  readonly #digest = newDigest()
  #positions = new Float64Array(64)
  #count = 0
  #end: number

  constructor(options: FixedTableOptions) {
    this.#options = options
    this.#layout = blockLayout({ fixed: true, timestamps: false, valueLength: options.valueLength })
    this.#buckets = new Buckets(options.buckets)
    this.#end = HEADER_LENGTH + options.buckets * BUCKET_LENGTH
    this.bytes = new Uint8Array(this.#end + (options.expected ?? 0x4000))
    this.bytes.set(emptyIndex(options.buckets), HEADER_LENGTH)
  }

  /**
   * Adds a key; returns where its value is to be written into `bytes`.
   * @throws InvalidArgumentError for a key that is too long or comes twice
   */
  add(key: Uint8Array): number {
    if (key.length > MAX_KEY_LENGTH) throw new InvalidArgumentError(`the key ${JSON.stringify(utf8Decode(key.subarray(0, 40)))}… has ${key.length} bytes; at most ${MAX_KEY_LENGTH} are possible`)
    digestKey(key, this.#digest)
    const slot = this.#slot()
    for (let at = readU48(this.bytes, slot); at > LAST; at = readU48(this.bytes, at + NEXT_AT)) {
      if (hasDigest(this.bytes, at, this.#digest)) throw new InvalidArgumentError(`the key ${JSON.stringify(utf8Decode(key))} comes twice`)
    }
    const { headerLength, valueLength, zeroLength } = this.#layout
    const at = this.#take(zeroLength + key.length)
    writeBlockHead(this.#layout, this.bytes, at, { digest: this.#digest, next: this.#link(slot, at), keyLength: key.length, valueLength, timestamp: 0 })
    this.bytes.set(key, at + headerLength)
    return at + headerLength + key.length
  }

  /** Takes over a block of another table as it stands, whose key is not here yet; returns where its value lies now. */
  copy(from: FixedTable, position: number): number {
    const length = from.lengthAt(position)
    const at = this.#take(length)
    // Block by block this is faster than by views of the bytes.
    for (let i = 0; i < length; i++) this.bytes[at + i] = from.bytes[position + i]!
    readDigest(this.bytes, at, this.#digest)
    writeU48(this.bytes, at + NEXT_AT, this.#link(this.#slot(), at))
    return at + length - this.#layout.valueLength
  }

  /** The file, and where its blocks lie. */
  finish(): { bytes: Uint8Array<ArrayBuffer>; positions: Float64Array } {
    const { buckets: nBuckets, valueLength, keySerializer, uuid, timestamp: fileTimestamp } = this.#options
    const header = encodeHeader({ kind: 'fixed', nBuckets, valueSerializer: 0, keySerializer, valueLength, timestamps: false, fileTimestamp, uuid })
    patchHeader(header, { nKeys: this.#count })
    this.bytes.set(header)
    return { bytes: this.bytes.slice(0, this.#end), positions: this.#positions.slice(0, this.#count) }
  }

  /* Where the head of the chain stands to which the digest leads. */
  #slot(): number {
    return HEADER_LENGTH + this.#buckets.of(this.#digest) * BUCKET_LENGTH
  }

  /* Puts a block before the others of its chain; returns what follows it. */
  #link(slot: number, at: number): number {
    const next = Math.max(readU48(this.bytes, slot), LAST)
    writeU48(this.bytes, slot, at)
    return next
  }

  #take(length: number): number {
    const at = this.#end
    this.#end += length
    if (this.#end > this.bytes.length) this.bytes = grown(this.bytes, new Uint8Array(Math.max(this.#end, this.bytes.length * 2)))
    if (this.#count === this.#positions.length) this.#positions = grown(this.#positions, new Float64Array(this.#count * 2))
    this.#positions[this.#count++] = at
    return at
  }
}

function grown<T extends Uint8Array<ArrayBuffer> | Float64Array<ArrayBuffer>>(from: T, to: T): T {
  to.set(from)
  return to
}
