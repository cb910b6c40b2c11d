import { InvalidArgumentError } from '../base/error.js'
import { AREA_AT, patchHeader } from '../format/booklet-header.js'
import { MAX_TIMESTAMP } from '../format/timestamp.js'
import { MemoryFile } from '../platform/random-access-file.js'
import { mapEntries, type MapFunction, type MapModule, type MapOptions } from '../map/index.js'
import type { NamedSerializer } from '../serializers/index.js'
import type { ValueCodec } from '../values/index.js'
import { type BlockCursor, type CursorOptions, WatchingCursor } from './block-cursor.js'
import { bucketsToGrowTo, canGrowInPlace, commitPending, writeClean } from './commit.js'
import type { Engine } from './engine.js'
import type { RepairReport } from './errors.js'
import type { Opened } from './open.js'
import { ValuePlaces } from './places.js'
import { clearFile, pruneFile, rewriteWithBuckets } from './rewrite.js'
import { trustworthy } from './verify.js'

/** Where a value lies. */
export interface EntryLocation<K> {
  key: K
  /** µs; undefined where entries carry none. */
  timestamp: number | undefined
  /** Position of the value in the file, valid after the next `sync` and until the next `prune` or `clear`. */
  offset: number
  /** Bytes of the value. */
  length: number
}

/** A key with the bytes of its value. */
export interface RawEntry<K> {
  key: K
  /** µs; undefined where entries carry none. */
  timestamp: number | undefined
  value: Uint8Array<ArrayBuffer>
}

export interface TimestampOption {
  /** µs since the epoch, 0 to 2^56 - 8. Default: now. */
  timestamp?: number
}

/** What both kinds of file have in common: a synchronous `Map` kept in a file. `I` is what a schema lets be set. */
export abstract class BookletBase<K, V, I = V> implements Omit<Map<K, V>, 'set' | 'forEach'>, Disposable {
  /** The path; undefined for one in memory. */
  readonly path: string | undefined
  /**
   * True when the file was found as the last writer of this library left it, or is new. False when it had to
   * be looked through first: after a crash, or after another program wrote to it.
   */
  readonly openedClean: boolean
  /** What opening it for writing had to put right; undefined when nothing was wrong. */
  readonly repair: RepairReport | undefined
  /** Where the values lie. @internal */
  readonly places: ValuePlaces<K>
  /** @internal */
  protected readonly engine: Engine
  /** @internal */
  protected readonly opened: Opened
  readonly #keys: NamedSerializer<K>
  readonly #keysAreText: boolean
  readonly #values: ValueCodec<V, I>
  #looked = false

  /** @internal */
  protected constructor(opened: Opened, path: string | undefined, keys: NamedSerializer<K>, values: ValueCodec<V, I>) {
    this.opened = opened
    this.engine = opened.engine
    this.places = new ValuePlaces(opened.engine, (key) => keys.encode(key))
    this.path = path
    this.openedClean = opened.clean
    this.repair = opened.repair
    this.#keys = keys
    this.#keysAreText = keys.name === 'str'
    this.#values = values
    // Opening for writing has looked already.
    this.#looked = opened.clean || !opened.engine.readonly
  }

  /** The value of a key, or undefined. It belongs to the caller; for bytes, see `getBytes`. */
  get(key: K): V | undefined {
    if (!this.has(key)) return undefined
    const { engine } = this
    return this.#values.decode(this.#values.keepsBytes ? engine.foundValue() : engine.foundValueView(), key)
  }

  has(key: K): boolean {
    this.engine.checkOpen()
    const bytes = this.encodeKey(key)
    return !this.engine.isInternal(bytes) && this.engine.find(bytes)
  }

  /** Sets a value. Valid at once for this handle; safe from crashes, and visible to others, after `sync` or `close`. */
  set(key: K, value: I, options?: TimestampOption): this {
    this.engine.checkWritable()
    return this.setBytes(key, this.#values.encode(value, key), options)
  }

  /** Deletes a key; false when there was none. */
  delete(key: K): boolean {
    this.engine.checkWritable()
    return this.engine.delete(this.#ownKey(key))
  }

  /**
   * The serialized value of a key, or undefined. The bytes belong to the caller. As with small Buffers of Node, their `buffer` may
   * hold others beside them: mind `byteOffset`.
   */
  getBytes(key: K): Uint8Array<ArrayBuffer> | undefined {
    this.engine.checkOpen()
    const bytes = this.encodeKey(key)
    return !this.engine.isInternal(bytes) && this.engine.find(bytes) ? this.engine.foundValue() : undefined
  }

  /** Bytes of the serialized value of a key, without reading them; undefined when there is no such key. */
  lengthOf(key: K): number | undefined {
    this.engine.checkOpen()
    const bytes = this.encodeKey(key)
    return !this.engine.isInternal(bytes) && this.engine.find(bytes) ? this.engine.found.valueLength : undefined
  }

  /** Where the block of a key lies in the file; undefined when there is no such key. @internal */
  placeOf(key: K): number | undefined {
    return this.lengthOf(key) === undefined ? undefined : this.engine.found.position
  }

  /** Sets a value that is serialized already. The bytes are copied. */
  setBytes(key: K, value: Uint8Array, options?: TimestampOption): this {
    this.engine.checkWritable()
    this.engine.put(this.#ownKey(key), value, this.timestampFor(options?.timestamp))
    return this
  }

  /** The serialized value of a key with its timestamp, or undefined. */
  getEntryBytes(key: K): { value: Uint8Array<ArrayBuffer>; timestamp: number | undefined } | undefined {
    const value = this.getBytes(key)
    return value === undefined ? undefined : { value, timestamp: this.#timestampOf(this.engine.found.timestamp) }
  }

  /** Number of keys. */
  get size(): number {
    this.engine.checkOpen()
    this.#look()
    return this.engine.keyCount
  }

  /** True when no value can be in it, as far as the file says: cheaper to ask than `size` of a file that others wrote. @internal */
  get holdsNothing(): boolean {
    return this.engine.keyCount === 0
  }

  *keys(): MapIterator<K> {
    for (const cursor = this.walk({}); cursor.next(); ) yield this.keyAt(cursor)
  }

  *values(): MapIterator<V> {
    const { validatesReads } = this.#values
    for (const cursor = this.walk({ values: true }); cursor.next(); ) {
      // Only a message of the schema asks for the key.
      yield this.#valueAt(cursor, validatesReads ? this.keyAt(cursor) : undefined)
    }
  }

  *entries(): MapIterator<[K, V]> {
    for (const cursor = this.walk({ values: true }); cursor.next(); ) {
      const key = this.keyAt(cursor)
      yield [key, this.#valueAt(cursor, key)]
    }
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  forEach(callback: (value: V, key: K, map: Map<K, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this as unknown as Map<K, V>)
  }

  /**
   * Runs a function on worker threads for each key and value, and gives its results as they come, in no order; null skips.
   * Works on the keys that exist when it begins, with the values as they are when their turn comes: writing meanwhile is
   * allowed. Values are decoded in the workers; with a serializer of your own or `validateReads`, here, and sent as
   * structured clones, as results are. Leaving the loop ends the workers.
   *
   * @param fn sent to the workers as its source text, so that it sees nothing of its surroundings; or an export of a module
   * @throws InvalidArgumentError, MapFunctionError before anything runs; the iteration throws MapError (it names the key),
   *   MapWorkerError, ClosedError, and the reason of the signal
   */
  map<NK = unknown, NV = unknown>(fn: MapFunction<K, V, NK, NV> | MapModule, options: MapOptions<K> = {}): AsyncGenerator<[NK, NV]> {
    this.engine.checkOpen()
    return mapEntries({ entries: () => this.#eachNow(options.keys), values: this.#values }, fn, options)
  }

  /* Looked up one by one: the file may be changed between two of them. */
  *#eachNow(keys: Iterable<K> | undefined): Generator<[K, Uint8Array]> {
    for (const key of keys === undefined ? [...this.keys()] : new Set(keys)) {
      const bytes = this.getBytes(key)
      if (bytes !== undefined) yield [key, bytes]
    }
  }

  abstract get [Symbol.toStringTag](): string

  /** Keys, timestamps and where values lie, without reading values. */
  *locations(): Generator<EntryLocation<K>> {
    for (const cursor = this.walk({}); cursor.next(); ) {
      const { timestamp, valueLength } = cursor.head
      yield { key: this.keyAt(cursor), timestamp: this.#timestampOf(timestamp), offset: cursor.valueOffset, length: valueLength }
    }
  }

  /** Keys, timestamps and serialized values. */
  *rawEntries(): Generator<RawEntry<K>> {
    for (const cursor = this.walk({ values: true }); cursor.next(); ) {
      yield { key: this.keyAt(cursor), timestamp: this.#timestampOf(cursor.head.timestamp), value: cursor.takeValue() }
    }
  }

  /**
   * Makes all changes so far safe: they survive a crash of the process and of the machine once this
   * returns. Grows the index when there are more keys than buckets.
   */
  sync(): void {
    const { engine } = this
    engine.checkWritable()
    if (!engine.hasChanges && engine.header.nKeys === engine.keyCount) return
    const grow = bucketsToGrowTo(engine)
    const inPlace = grow !== undefined && canGrowInPlace(engine)
    commitPending(engine, this.opened.environment.now(), inPlace ? grow : undefined)
    if (grow !== undefined && !inPlace && !this.places.held) rewriteWithBuckets(this.opened, grow)
  }

  /** Deletes all keys, the metadata and the reserved slots, at once and for good: this is not undone by a crash. */
  clear(): void {
    this.engine.checkWritable()
    this.places.checkFree('clear')
    clearFile(this.opened)
    this.engine.changes++
  }

  /**
   * Rewrites the file without the space of overwritten and deleted entries, and returns how many entries went.
   *
   * @param options.before drops entries with a timestamp less than this, µs
   * @param options.keep keys that `before` doesn't drop
   */
  prune(options: { before?: number; keep?: Iterable<K> } = {}): number {
    this.engine.checkWritable()
    this.places.checkFree('prune')
    const { before, keep } = options
    if (before !== undefined && !this.engine.layout.timestamps) {
      throw new InvalidArgumentError('the entries of this file carry no timestamps, so prune can\'t drop any by age')
    }
    const kept = new Set<string>()
    for (const key of keep ?? []) kept.add(keyText(this.encodeKey(key)))
    this.sync()
    const removed = pruneFile(this.opened, before === undefined ? undefined : { before: checkTimestamp(before), keeps: (key) => kept.has(keyText(key)) })
    this.engine.changes++
    return removed
  }

  /** Syncs and closes the file. Closing twice does no harm. */
  close(): void {
    const { engine } = this
    if (engine.closed) return
    try {
      if (!engine.readonly && !engine.broken) this.sync()
    } finally {
      engine.markClosed()
      engine.file.close()
    }
  }

  /** Closes a file that is to be deleted: what was not synced is not written. @internal */
  abandon(): void {
    this.engine.markClosed()
    this.engine.file.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** 32 hex digits that name the database, whatever the file is called. */
  get uuid(): string {
    return this.engine.header.uuid
  }

  get readonly(): boolean {
    return this.engine.readonly
  }

  /** Buckets of the index. */
  get nBuckets(): number {
    return this.engine.header.nBuckets
  }

  get keySerializer(): string {
    return this.#keys.name
  }

  /** The key serializer's code in the header. */
  get keySerializerCode(): number {
    return this.engine.header.keySerializer
  }

  /** µs since the epoch: a time that the header records for the whole file. Set it to change that. */
  get fileTimestamp(): number {
    return this.engine.header.fileTimestamp
  }

  set fileTimestamp(timestamp: number) {
    const { engine } = this
    engine.checkWritable()
    checkTimestamp(timestamp)
    this.sync()
    patchHeader(engine.headerBytes, { fileTimestamp: timestamp })
    engine.header.fileTimestamp = timestamp
    writeClean(engine, engine.header, engine.dataEnd, this.opened.environment.now())
    engine.file.sync()
  }

  /**
   * The 200 bytes of the header as they may travel (`initBytes`): without the number of keys and without
   * what this library notes for itself.
   */
  headerBytes(): Uint8Array<ArrayBuffer> {
    const bytes = this.engine.headerBytes.slice()
    patchHeader(bytes, { nKeys: 0, version: this.engine.header.version })
    bytes.fill(0, AREA_AT)
    return bytes
  }

  /** The whole file of a booklet in memory, synced, as a copy. */
  toBytes(): Uint8Array<ArrayBuffer> {
    this.engine.checkOpen()
    const { file } = this.engine
    if (!(file instanceof MemoryFile)) throw new InvalidArgumentError('toBytes() is for booklets in memory; read the file instead')
    if (!this.engine.readonly) this.sync()
    const bytes = file.contents().slice()
    bytes.fill(0, AREA_AT, 200)
    return bytes
  }

  /** @internal */
  protected encodeKey(key: K): Uint8Array {
    return this.#keys.encode(key)
  }

  /** @internal */
  protected keyAt(cursor: BlockCursor): K {
    const text = this.#keysAreText ? cursor.shortKeyText() : undefined
    if (text !== undefined) return text as K
    return this.#keys.decode(this.#keys.keepsBytes ? cursor.key() : cursor.keyView())
  }

  #valueAt(cursor: BlockCursor, key: K | undefined): V {
    return this.#values.decode(this.#values.keepsBytes ? cursor.takeValue() : cursor.valueView(), key)
  }

  /** @internal */
  protected timestampFor(given: number | undefined): number {
    if (given === undefined) return this.engine.layout.timestamps ? this.opened.environment.now() : 0
    if (!this.engine.layout.timestamps) throw new InvalidArgumentError('the entries of this file carry no timestamps')
    return checkTimestamp(given)
  }

  /* The bytes of a key that the caller may change. */
  #ownKey(key: K): Uint8Array {
    const bytes = this.encodeKey(key)
    if (this.engine.isInternal(bytes)) {
      throw new InvalidArgumentError('the file keeps this key for itself; use the properties metadata and reserved, or another key')
    }
    return bytes
  }

  #timestampOf(timestamp: number): number | undefined {
    return this.engine.layout.timestamps ? timestamp : undefined
  }

  /* Looks a file through that others wrote to, before its front-to-back order and its count are relied on. */
  #look(): void {
    if (this.#looked) return
    trustworthy(this.engine)
    this.#looked = true
  }

  /** Goes over all entries; the iteration ends with an error when the contents change under it. @internal */
  protected walk(options: CursorOptions): BlockCursor {
    this.engine.checkOpen()
    this.#look()
    return new WatchingCursor(this.engine, options)
  }
}

export function checkTimestamp(timestamp: number): number {
  if (Number.isInteger(timestamp) && timestamp >= 0 && timestamp <= MAX_TIMESTAMP) return timestamp
  throw new InvalidArgumentError(`${timestamp} is no timestamp; it takes whole microseconds since the epoch, 0 to 2^56 - 8`)
}

/* Bytes as a string of equal length: a key for sets. */
function keyText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
