import { FormatError } from '../base/error.js'
import { shortAsciiText } from '../base/bytes.js'
import { SMALL } from '../base/small-bytes.js'
import { type BlockHead, DEAD, newBlockHead, readBlockHead, readDigest } from '../format/block.js'
import { type Digest, newDigest } from '../format/blake2s.js'
import { isInternalKeyAt } from '../format/internal-keys.js'
import type { Engine } from './engine.js'
import { ChangedWhileIteratingError } from './errors.js'

const FIRST_CHUNK = 0x4000
const LARGEST_CHUNK = 0x100000
const HEAD_CHUNK = 0x1000
/* Chunks of which parts were given away: who keeps one value keeps so much. */
const GIVEN_CHUNK = 0x4000

export interface CursorOptions {
  /** Whether values are going to be read: then large ones are read along with their heads. */
  values?: boolean
  /** Whether to stop at the internal keys too. */
  internal?: boolean
}

/** Goes over the valid blocks in file order, unsynced ones last, reading in large chunks. */
export class BlockCursor {
  /** The block that the cursor is at. */
  position = 0
  readonly head: BlockHead = newBlockHead()
  /** Dead blocks passed so far, without those that only cover something (their digest is zero). */
  dead = 0
  readonly #engine: Engine
  readonly #values: boolean
  readonly #internal: boolean
  readonly #digest = newDigest()
  #nextPosition: number
  /* Index into the engine's list of positions, where it has one. */
  #listed = 0
  #chunk: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_CHUNK)
  #chunkSize = FIRST_CHUNK
  #chunkStart = 0
  #chunkLength = 0
  /* Whether a value that somebody has lies in the chunk: it is not read into again. */
  #given = false
  #timestampChanges: number

  constructor(engine: Engine, options: CursorOptions = {}) {
    this.#engine = engine
    this.#values = options.values ?? false
    this.#internal = options.internal ?? false
    this.#nextPosition = engine.header.dataOffset
    this.#timestampChanges = engine.timestampChanges
  }

  /** Moves to the next valid block; false at the end. */
  next(): boolean {
    const engine = this.#engine
    const { head } = this
    if (this.#timestampChanges !== engine.timestampChanges) {
      this.#timestampChanges = engine.timestampChanges
      this.#chunkLength = 0
    }
    while (this.#step()) {
      const at = this.position - this.#chunkStart
      if (head.next === DEAD) {
        readDigest(this.#chunk, at, this.#digest)
        const { w0, w1, w2, w3 } = this.#digest
        if ((w0 | w1 | w2 | w3) !== 0) this.dead++
        continue
      }
      if (!this.#internal && !engine.layout.fixed && isInternalKeyAt(this.#chunk, at + engine.layout.headerLength, head.keyLength)) continue
      if (this.position < engine.dataEnd && engine.hasChanges) {
        if (this.#isReplaced(at)) continue
        head.timestamp = engine.newTimestamps.get(this.position) ?? head.timestamp
      }
      return true
    }
    return false
  }

  #isReplaced(at: number): boolean {
    const { pending } = this.#engine
    if (pending.count === 0) return false
    readDigest(this.#chunk, at, this.#digest)
    const entry = pending.find(this.#digest)
    return entry >= 0 && pending.replaces(entry) === this.position
  }

  /* Reads the head and key of the next block, valid or not; false at the end. */
  #step(): boolean {
    const engine = this.#engine
    const position = this.#pickPosition()
    const end = engine.stretchEnd(position)
    if (position >= end) return false
    const { headerLength } = engine.layout
    if (!this.#has(position, headerLength)) throw this.#damaged(position)
    readBlockHead(engine.layout, this.#chunk, position - this.#chunkStart, this.head)
    const { length, keyLength } = this.head
    if (position + length > end) throw this.#damaged(position)
    if (!this.#has(position, headerLength + keyLength)) throw this.#damaged(position)
    this.position = position
    this.#nextPosition = position + length
    return true
  }

  #pickPosition(): number {
    const engine = this.#engine
    const list = engine.livePositions
    if (list === undefined || this.#nextPosition >= engine.dataEnd) return engine.stepOverIndex(this.#nextPosition)
    // A list may have been rebuilt by a sync meanwhile: find the place again.
    while (this.#listed > 0 && (list[this.#listed - 1] ?? Infinity) >= this.#nextPosition) this.#listed--
    while (this.#listed < list.length && list[this.#listed]! < this.#nextPosition) this.#listed++
    return this.#listed < list.length ? list[this.#listed]! : engine.dataEnd
  }

  #damaged(position: number): FormatError {
    return new FormatError(`${this.#engine.path} is damaged: there is no whole block at ${position}. Open it for writing to repair it.`)
  }

  /* Has `length` bytes from a position in the chunk, reading it when needed. */
  #has(position: number, length: number): boolean {
    if (position >= this.#chunkStart && position + length <= this.#chunkStart + this.#chunkLength) return true
    const sequential = position >= this.#chunkStart && position <= this.#chunkStart + this.#chunkLength
    // When values are skipped and large, reading on would read them for nothing.
    if (sequential) this.#chunkSize = Math.min(this.#chunkSize * 2, LARGEST_CHUNK)
    else if (!this.#values) this.#chunkSize = HEAD_CHUNK
    const size = Math.max(length, this.#given ? GIVEN_CHUNK : this.#chunkSize)
    if (this.#given || this.#chunk.length < size) this.#chunk = new Uint8Array(size)
    this.#given = false
    this.#chunkStart = position
    this.#chunkLength = this.#engine.read(position, this.#chunk.subarray(0, size))
    return this.#chunkLength >= length
  }

  /** The key of the block, as bytes of its own. */
  key(): Uint8Array<ArrayBuffer> {
    const at = this.position - this.#chunkStart + this.#engine.layout.headerLength
    return this.#chunk.slice(at, at + this.head.keyLength)
  }

  /** The same, valid until the next step. */
  keyView(): Uint8Array {
    const at = this.position - this.#chunkStart + this.#engine.layout.headerLength
    return this.#chunk.subarray(at, at + this.head.keyLength)
  }

  /** The key as text, where it is short and ASCII: mostly it is, and needs no array then. */
  shortKeyText(): string | undefined {
    return shortAsciiText(this.#chunk, this.position - this.#chunkStart + this.#engine.layout.headerLength, this.head.keyLength)
  }

  /** The fields before the key, as bytes of their own. */
  headBytes(): Uint8Array {
    const at = this.position - this.#chunkStart
    return this.#chunk.slice(at, at + this.#engine.layout.headerLength)
  }

  /** Fills `target` from a position if all of that was read along; else false. */
  copy(position: number, target: Uint8Array): boolean {
    const at = position - this.#chunkStart
    if (at < 0 || at + target.length > this.#chunkLength) return false
    target.set(this.#chunk.subarray(at, at + target.length))
    return true
  }

  /** Puts the digest that the block holds into `out`. */
  digest(out: Digest): void {
    readDigest(this.#chunk, this.position - this.#chunkStart, out)
  }

  /** Position of the value in the file. */
  get valueOffset(): number {
    return this.position + this.#engine.layout.headerLength + this.head.keyLength
  }

  /**
   * The value of the block, as bytes of its own; not to be asked for twice, nor the key after it. A small one stays where it was
   * read, moved over its key to where a view of longer numbers may begin: a copy elsewhere takes three times as long.
   */
  takeValue(): Uint8Array<ArrayBuffer> {
    const { valueLength } = this.head
    const at = this.valueOffset - this.#chunkStart
    if (at + valueLength > this.#chunkLength) return this.#readValue()
    if (valueLength > SMALL) return this.#chunk.slice(at, at + valueLength)
    const start = at & ~7
    if (start !== at) this.#chunk.copyWithin(start, at, at + valueLength)
    this.#given = true
    return new Uint8Array(this.#chunk.buffer, start, valueLength)
  }

  /** The value, valid until the next step. */
  valueView(): Uint8Array {
    const { valueLength } = this.head
    const at = this.valueOffset - this.#chunkStart
    return at + valueLength <= this.#chunkLength ? this.#chunk.subarray(at, at + valueLength) : this.#readValue()
  }

  #readValue(): Uint8Array<ArrayBuffer> {
    const { valueLength } = this.head
    const offset = this.valueOffset
    const out = new Uint8Array(valueLength)
    if (this.#engine.read(offset, out) < valueLength) throw this.#damaged(this.position)
    return out
  }
}

/** A cursor for iterations of callers: every step makes sure that the file is open and holds what it did at the first. */
export class WatchingCursor extends BlockCursor {
  readonly #watched: Engine
  readonly #changes: number

  constructor(engine: Engine, options: CursorOptions) {
    super(engine, options)
    this.#watched = engine
    this.#changes = engine.changes
  }

  override next(): boolean {
    this.#watched.checkOpen()
    if (this.#watched.changes !== this.#changes) throw new ChangedWhileIteratingError()
    return super.next()
  }
}
