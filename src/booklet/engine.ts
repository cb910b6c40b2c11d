import { ClosedError, FormatError, InvalidArgumentError, ReadOnlyError } from '../base/error.js'
import { ownCopy } from '../base/small-bytes.js'
import {
  type BlockHead,
  type BlockLayout,
  blockLayout,
  DEAD,
  hasDigest,
  LAST,
  MAX_KEY_LENGTH,
  MAX_VALUE_LENGTH,
  NEXT_AT,
  newBlockHead,
  readBlockHead,
  TIMESTAMP_AT,
  writeBlockHead,
} from '../format/block.js'
import { copyDigest, type Digest, digestKey, newDigest } from '../format/blake2s.js'
import { BUCKET_LENGTH, type BookletHeader, HEADER_LENGTH, NOT_CLOSED, patchHeader } from '../format/booklet-header.js'
import { Buckets } from '../format/bucket.js'
import { writeU56 } from '../format/integers.js'
import { isInternalKey } from '../format/internal-keys.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'
import { BrokenHandleError } from './errors.js'
import { IndexPages } from './index-pages.js'
import { PendingTable } from './pending-table.js'
import { writeRecord } from './recovery-record.js'
import { Tail } from './tail.js'

/* What a lookup reads at once: the head of a block and, mostly, all of it. */
const SCRATCH = 512
const ZERO_POINTER = new Uint8Array(6)

/** A block that a lookup found. */
export interface FoundBlock extends BlockHead {
  position: number
  /** The block that leads to this one; 0: its bucket does. Only known of synced blocks. */
  before: number
}

/**
 * One open file, in terms of bytes: serialized keys in, serialized values out. On disk stands the state of the
 * last sync; what changed since is in `pending` (which key has a new block), `tail` (the new blocks) and
 * `newTimestamps` (of synced blocks). `commitPending` (commit.ts) brings that to disk.
 */
export class Engine {
  readonly file: RandomAccessFile
  readonly path: string
  readonly readonly: boolean
  readonly layout: BlockLayout
  readonly bufferSize: number
  /** The 200 bytes as they stand on disk, or are to be written next. */
  readonly headerBytes: Uint8Array
  header: BookletHeader
  index: IndexPages
  buckets: Buckets
  /** Number of keys, pending changes included. */
  keyCount: number
  /** Appended blocks; undefined when there are none. */
  tail: Tail | undefined
  readonly pending = new PendingTable()
  readonly newTimestamps = new Map<number, number>()
  /** Parts of values of synced blocks, by position, that were overwritten. */
  readonly newBytes = new Map<number, Uint8Array>()
  /** Goes up with each change of contents, so that iterations notice. */
  changes = 0
  /** The same for timestamps, which may change during an iteration. */
  timestampChanges = 0
  /** A sync of what is pending was tried before and failed. */
  syncFailed = false
  /** Where the synced data ends. */
  dataEnd: number
  /**
   * Positions of the valid synced blocks in ascending order, where the file can't be read front to back
   * (it has stretches that aren't blocks, or blocks that no lookup finds).
   */
  livePositions: Float64Array | undefined
  /** The result of the last lookup. */
  readonly found: FoundBlock = { position: 0, before: 0, ...newBlockHead() }
  readonly #digest = newDigest()
  readonly #scratch = new Uint8Array(SCRATCH)
  /* Where the last block is, from which position on, and how many of its bytes at least are there. */
  #block: Uint8Array = this.#scratch
  #blockAt = 0
  #blockLength = 0
  #closed = false
  #broken: unknown

  constructor(parts: { file: RandomAccessFile; path: string; readonly: boolean; bufferSize: number; header: BookletHeader; headerBytes: Uint8Array; dataEnd: number }) {
    this.file = parts.file
    this.path = parts.path
    this.readonly = parts.readonly
    this.bufferSize = parts.bufferSize
    this.header = parts.header
    this.headerBytes = parts.headerBytes
    this.dataEnd = parts.dataEnd
    this.keyCount = parts.header.nKeys
    const { kind, timestamps, valueLength } = parts.header
    this.layout = blockLayout({ fixed: kind === 'fixed', timestamps, valueLength })
    this.index = new IndexPages(this.file, this.header.indexOffset, this.header.nBuckets)
    this.buckets = new Buckets(this.header.nBuckets)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Where everything ends, unsynced blocks included. */
  get end(): number {
    return this.tail?.end ?? this.dataEnd
  }

  get hasChanges(): boolean {
    return this.tail !== undefined || this.pending.count > 0 || this.newTimestamps.size > 0 || this.newBytes.size > 0
  }

  checkOpen(): void {
    if (this.#closed) throw new ClosedError(`${this.path} is closed`)
    if (this.#broken !== undefined) throw new BrokenHandleError(this.path, this.#broken)
  }

  checkWritable(): void {
    this.checkOpen()
    if (this.readonly) throw new ReadOnlyError(`${this.path} was opened for reading; open it with flag 'w' to change it`)
  }

  /** Forgets everything about the file's contents and takes a new header (after a rewrite). */
  reload(header: BookletHeader, dataEnd: number): void {
    this.header = header
    this.dataEnd = dataEnd
    this.keyCount = header.nKeys
    this.tail = undefined
    this.pending.clear()
    this.newTimestamps.clear()
    this.newBytes.clear()
    this.livePositions = undefined
    this.index = new IndexPages(this.file, header.indexOffset, header.nBuckets)
    this.buckets = new Buckets(header.nBuckets)
  }

  /** Takes note that everything pending is on disk now, up to `dataEnd`. */
  settle(dataEnd: number): void {
    this.dataEnd = dataEnd
    this.tail = undefined
    this.syncFailed = false
    this.pending.clear()
    this.newTimestamps.clear()
    this.newBytes.clear()
  }

  /** Fills `target` from what the file would hold if everything were synced; returns the bytes there were. */
  read(position: number, target: Uint8Array): number {
    if (this.tail !== undefined && position >= this.tail.start) return this.tail.read(position, target)
    const count = Math.min(target.length, this.dataEnd - position)
    if (count <= 0) return 0
    return this.file.read(position, count === target.length ? target : target.subarray(0, count))
  }

  /** Looks a key up; the block is in `found`. The result is valid until the next call. */
  find(key: Uint8Array): boolean {
    digestKey(key, this.#digest)
    return this.findDigest(this.#digest)
  }

  findDigest(digest: Digest): boolean {
    const entry = this.pending.find(digest)
    if (entry < 0) return this.#findSynced(digest)
    const position = this.pending.position(entry)
    if (position === 0) return false
    this.loadBlock(position)
    return true
  }

  #findSynced(digest: Digest): boolean {
    let position = this.index.head(this.buckets.of(digest))
    let before = 0
    // Brent's way to notice a loop: compare with a block that moves up at each power of two.
    let mark = 0
    let power = 1
    let steps = 0
    while (position > LAST) {
      this.loadBlock(position)
      const { found } = this
      if (found.next === DEAD) return false
      if (hasDigest(this.#block, this.#blockAt, digest)) {
        found.before = before
        return true
      }
      if (found.next === mark || found.next === position) throw new FormatError(`${this.path} is damaged: a chain of its index runs in a circle at ${position}. Open it for writing to repair it.`)
      if (++steps === power) {
        mark = position
        power *= 2
        steps = 0
      }
      before = position
      position = found.next
    }
    return false
  }

  /** Reads the head of the block at a position into `found`, and as much of the rest as comes along. */
  loadBlock(position: number): void {
    const { found, layout } = this
    this.#bring(position, SCRATCH)
    if (this.#blockLength < layout.headerLength) throw this.#outside(position)
    readBlockHead(layout, this.#block, this.#blockAt, found)
    if (position + found.length > this.end || position < HEADER_LENGTH) throw this.#outside(position)
    found.position = position
    if (this.newTimestamps.size > 0) found.timestamp = this.newTimestamps.get(position) ?? found.timestamp
  }

  /* Finds bytes where they are held in memory, or reads the first ones. */
  #bring(position: number, length: number): void {
    const held = position < this.dataEnd ? this.file.inMemory?.(position, length) : undefined
    this.#block = held ?? this.#scratch
    this.#blockAt = held === undefined ? 0 : position
    this.#blockLength = held === undefined ? this.read(position, this.#scratch) : Math.min(length, this.dataEnd - position)
  }

  #outside(position: number): FormatError {
    return new FormatError(`${this.path} is damaged: the block at ${position} reaches beyond its end at ${this.end}. Open it for writing to repair it.`)
  }

  /** The value of the block in `found`, as bytes of its own. */
  foundValue(): Uint8Array<ArrayBuffer> {
    const { keyLength, valueLength, position } = this.found
    const at = this.layout.headerLength + keyLength
    if (at + valueLength <= this.#blockLength) return this.#renewed(position + at, ownCopy(this.#block, this.#blockAt + at, valueLength))
    const value = new Uint8Array(valueLength)
    if (this.read(position + at, value) < valueLength) throw this.#outside(position)
    return this.#renewed(position + at, value)
  }

  /** The same, valid until the next call. */
  foundValueView(): Uint8Array {
    const { keyLength, valueLength } = this.found
    const at = this.layout.headerLength + keyLength
    if (at + valueLength > this.#blockLength || this.newBytes.size > 0) return this.foundValue()
    return this.#block.subarray(this.#blockAt + at, this.#blockAt + at + valueLength)
  }

  /* A value with what was overwritten of it. */
  #renewed(position: number, value: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.newBytes.size > 0) for (const [at, bytes] of this.newBytes) if (at >= position && at < position + value.length) value.set(bytes, at - position)
    return value
  }

  /** Where the value of a key lies; undefined when there is no such key. */
  placeOfValue(key: Uint8Array): number | undefined {
    this.checkOpen()
    return this.find(key) ? this.found.position + this.layout.headerLength + this.found.keyLength : undefined
  }

  /** Overwrites a part of the value of a key. */
  overwriteValue(key: Uint8Array, at: number, bytes: Uint8Array): void {
    this.checkWritable()
    const place = this.placeOfValue(key)
    if (place === undefined || at + bytes.length > this.found.valueLength) throw new InvalidArgumentError('there are no such bytes to be overwritten')
    if (this.tail !== undefined && place >= this.tail.start) this.tail.overwrite(place + at, bytes)
    else this.newBytes.set(place + at, bytes)
  }


  /** Throws when a key or value is too long for the format. */
  checkLengths(key: Uint8Array, value: Uint8Array): void {
    if (key.length > MAX_KEY_LENGTH) throw new InvalidArgumentError(`the key has ${key.length} bytes; at most ${MAX_KEY_LENGTH} are possible`)
    if (this.layout.fixed) {
      if (value.length !== this.layout.valueLength) {
        throw new InvalidArgumentError(`the value has ${value.length} bytes; in this file each has ${this.layout.valueLength}`)
      }
    } else if (value.length > MAX_VALUE_LENGTH) {
      throw new InvalidArgumentError(`the value has ${value.length} bytes; at most ${MAX_VALUE_LENGTH} are possible: split it`)
    }
  }

  /** True for the keys that a variable-length file keeps for itself. */
  isInternal(key: Uint8Array): boolean {
    return !this.layout.fixed && isInternalKey(key)
  }

  put(key: Uint8Array, value: Uint8Array, timestamp: number): void {
    digestKey(key, this.#digest)
    this.#put(key, value, timestamp)
  }

  /** The same with a key whose digest is known. */
  putDigested(digest: Digest, key: Uint8Array, value: Uint8Array, timestamp: number): void {
    copyDigest(digest, this.#digest)
    this.#put(key, value, timestamp)
  }

  #put(key: Uint8Array, value: Uint8Array, timestamp: number): void {
    this.checkWritable()
    this.checkLengths(key, value)
    const digest = this.#digest
    const entry = this.pending.find(digest)
    const replaced = entry < 0 && this.#findSynced(digest) ? this.found : undefined
    const position = this.#append(key, value, timestamp)
    const counted = this.isInternal(key) ? 0 : 1
    if (entry < 0) {
      this.pending.add(digest, position, replaced)
      if (replaced === undefined) this.keyCount += counted
    } else {
      const old = this.pending.position(entry)
      if (old === 0) this.keyCount += counted
      else this.#kill(old)
      this.pending.setPosition(entry, position)
    }
    this.changes++
  }

  #append(key: Uint8Array, value: Uint8Array, timestamp: number): number {
    const { layout } = this
    const tail = this.tail ?? this.beginTail()
    const room = tail.reserve(layout.headerLength + key.length + value.length)
    const { bytes, at } = room
    writeBlockHead(layout, bytes, at, { digest: this.#digest, next: LAST, keyLength: key.length, valueLength: value.length, timestamp })
    bytes.set(key, at + layout.headerLength)
    bytes.set(value, at + layout.headerLength + key.length)
    return tail.end - layout.headerLength - key.length - value.length
  }

  /** Deletes a key; false when there was none. */
  delete(key: Uint8Array): boolean {
    this.checkWritable()
    const digest = this.#digest
    digestKey(key, digest)
    const entry = this.pending.find(digest)
    if (entry < 0) {
      if (!this.#findSynced(digest)) return false
      this.pending.add(digest, 0, this.found)
    } else {
      const position = this.pending.position(entry)
      if (position === 0) return false
      this.#kill(position)
      this.pending.setPosition(entry, 0)
    }
    if (!this.isInternal(key)) this.keyCount--
    this.changes++
    return true
  }

  /* Marks a block that was never synced as dead. */
  #kill(position: number): void {
    this.tail!.overwrite(position + NEXT_AT, ZERO_POINTER)
  }

  /** Sets the timestamp of the block of a key; false when there is none. */
  setTimestamp(key: Uint8Array, timestamp: number): boolean {
    this.checkWritable()
    if (!this.find(key)) return false
    const { position } = this.found
    if (this.tail !== undefined && position >= this.tail.start) {
      const bytes = new Uint8Array(7)
      writeU56(bytes, 0, timestamp)
      this.tail.overwrite(position + TIMESTAMP_AT, bytes)
    } else this.newTimestamps.set(position, timestamp)
    this.timestampChanges++
    return true
  }

  /** Starts to append. The file's header says so first. */
  beginTail(): Tail {
    this.markOpen()
    this.tail = new Tail(this.file, this.layout, this.dataEnd, this.bufferSize)
    return this.tail
  }

  /** Tells readers, before anything else is written, that the file is being changed. */
  markOpen(): void {
    if (this.header.nKeys === NOT_CLOSED) return
    this.header.nKeys = NOT_CLOSED
    patchHeader(this.headerBytes, { nKeys: NOT_CLOSED })
    writeRecord(this.headerBytes, { state: 'open', version: this.header.version, length: this.dataEnd })
    this.file.write(0, this.headerBytes)
  }

  /** Where the stretch of blocks ends that `position` belongs to: at a relocated index, or at the end. */
  stretchEnd(position: number): number {
    const { indexOffset, dataOffset } = this.header
    return indexOffset >= dataOffset && position < indexOffset ? indexOffset : this.end
  }

  /** The position to read on from: steps over a relocated index. */
  stepOverIndex(position: number): number {
    const { indexOffset, dataOffset, nBuckets } = this.header
    return indexOffset >= dataOffset && position === indexOffset ? indexOffset + nBuckets * BUCKET_LENGTH : position
  }

  markClosed(): void {
    this.#closed = true
  }

  /** A write failed at a point where only opening the file anew tells how things stand. */
  markBroken(cause: unknown): void {
    this.#broken = cause
  }

  get broken(): boolean {
    return this.#broken !== undefined
  }
}
