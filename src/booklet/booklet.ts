import { InvalidArgumentError } from '../base/error.js'
import { type Digest, newDigest } from '../format/blake2s.js'
import { METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY } from '../format/internal-keys.js'
import { type NamedSerializer, resolveSerializer } from '../serializers/index.js'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ValueCodec, type WithSchema } from '../values/index.js'
import { BookletBase, checkTimestamp, type TimestampOption } from './base.js'
import { type Opened, openFile, type Source } from './open.js'
import { offerPackages } from '../values/optional-packages.js'
import { type BookletOptions, bucketsOf, checkOptions, serializerForExisting, serializerForNew } from './options.js'

/** A reserved slot's content. */
export interface SlotContent {
  bytes: Uint8Array<ArrayBuffer>
  /** µs; undefined where entries carry none. */
  timestamp: number | undefined
}

/** Overwrites parts of what slots hold. */
export interface SlotBytes {
  /** Position in the file of what a slot holds, until it is set or the file pruned; undefined when it holds nothing. */
  place(slot: 1 | 2): number | undefined
  /** Overwrites bytes of what the slot holds, from `at` on; safe from crashes after the next sync, as all changes. */
  overwrite(slot: 1 | 2, at: number, bytes: Uint8Array): void
}

/** Two entries beside the user's, for what programs on top of the file need to remember. Gone after `clear`. */
export interface ReservedSlots {
  get(slot: 1 | 2): SlotContent | undefined
  /** @param timestamp µs; default now */
  set(slot: 1 | 2, bytes: Uint8Array, timestamp?: number): void
  delete(slot: 1 | 2): boolean
}

/**
 * A `Map` of keys and values in a file, synchronous, byte-compatible with the Python package `booklet`.
 * Made by `openBooklet`. Changes are safe after `sync` or `close`.
 */
export class Booklet<K = string, V = unknown, I = V> extends BookletBase<K, V, I> {
  readonly reserved: ReservedSlots
  /** @internal */
  readonly slotBytes: SlotBytes
  /** Name of the value serializer, as in Python; `custom` for one of your own. */
  readonly valueSerializer: string

  /** @internal */
  constructor(opened: Opened, path: string | undefined, keys: NamedSerializer<K>, values: ValueCodec<V, I>) {
    super(opened, path, keys, values)
    this.valueSerializer = values.name
    this.reserved = {
      get: (slot) => this.#getInternal(slotKey(slot)),
      set: (slot, bytes, timestamp) => this.#setInternal(slotKey(slot), bytes, timestamp),
      delete: (slot) => this.engine.delete(slotKey(slot)),
    }
    this.slotBytes = {
      place: (slot) => this.engine.placeOfValue(slotKey(slot)),
      overwrite: (slot, at, bytes) => this.engine.overwriteValue(slotKey(slot), at, bytes),
    }
  }

  get [Symbol.toStringTag](): string {
    return 'Booklet'
  }

  /** The value serializer's code in the header. */
  get valueSerializerCode(): number {
    return this.engine.header.valueSerializer
  }

  /** Whether entries carry timestamps. */
  get hasTimestamps(): boolean {
    return this.engine.layout.timestamps
  }

  /** When a key was last set, µs; undefined when it doesn't exist, or entries carry no timestamps. */
  getTimestamp(key: K): number | undefined {
    const { engine } = this
    engine.checkOpen()
    if (!engine.layout.timestamps) return undefined
    const bytes = this.encodeKey(key)
    return !engine.isInternal(bytes) && engine.find(bytes) ? engine.found.timestamp : undefined
  }

  /** Changes the timestamp of a key and leaves its value; false when there is no such key. Allowed while iterating. */
  setTimestamp(key: K, timestamp: number): boolean {
    const { engine } = this
    engine.checkWritable()
    if (!engine.layout.timestamps) throw new InvalidArgumentError('the entries of this file carry no timestamps')
    checkTimestamp(timestamp)
    const bytes = this.encodeKey(key)
    return !engine.isInternal(bytes) && engine.setTimestamp(bytes, timestamp)
  }

  /** Keys with their timestamps, without reading values. */
  *timestamps(): Generator<[K, number]> {
    if (!this.engine.layout.timestamps) throw new InvalidArgumentError('the entries of this file carry no timestamps')
    for (const cursor = this.walk({}); cursor.next(); ) yield [this.keyAt(cursor), cursor.head.timestamp]
  }

  /**
   * Takes entries of another file over as they stand: their keys are not hashed again, so it has to be one that this process wrote.
   *
   * @param wants whether to take an entry, by the digest of its key (valid during the call) and its timestamp, µs
   * @internal
   */
  takeOver(from: Booklet<K, V, I>, wants: (digest: Digest, timestamp: number) => boolean): void {
    const digest = newDigest()
    for (const cursor = from.walk({ values: true }); cursor.next(); ) {
      const { timestamp } = cursor.head
      cursor.digest(digest)
      if (wants(digest, timestamp)) this.engine.putDigested(digest, cursor.keyView(), cursor.valueView(), timestamp)
    }
  }

  /** Any JSON value that describes the file; undefined when there is none. Setting undefined removes it. */
  get metadata(): unknown {
    const content = this.#getInternal(METADATA_KEY)
    return content === undefined ? undefined : metadataSerializer.decode(content.bytes)
  }

  set metadata(value: unknown) {
    this.setMetadata(value)
  }

  /** Sets the metadata with a timestamp of its own. */
  setMetadata(value: unknown, options: TimestampOption = {}): void {
    this.engine.checkWritable()
    if (value === undefined) this.engine.delete(METADATA_KEY)
    else this.#setInternal(METADATA_KEY, metadataSerializer.encode(value), options.timestamp)
  }

  /** When the metadata was set, µs; undefined when there is none, or entries carry no timestamps. */
  get metadataTimestamp(): number | undefined {
    return this.#getInternal(METADATA_KEY)?.timestamp
  }

  #getInternal(key: Uint8Array): SlotContent | undefined {
    const { engine } = this
    engine.checkOpen()
    if (!engine.find(key)) return undefined
    const timestamp = engine.layout.timestamps ? engine.found.timestamp : undefined
    return { bytes: engine.foundValue(), timestamp }
  }

  #setInternal(key: Uint8Array, bytes: Uint8Array, timestamp: number | undefined): void {
    this.engine.checkWritable()
    this.engine.put(key, bytes, this.timestampFor(timestamp))
  }
}

const metadataSerializer = resolveSerializer<unknown>('orjson')

function slotKey(slot: number): Uint8Array {
  if (slot === 1) return SLOT_1_KEY
  if (slot === 2) return SLOT_2_KEY
  throw new InvalidArgumentError(`there is no reserved slot ${slot}; there are 1 and 2`)
}

/**
 * Opens or creates a booklet file.
 *
 * @param source a path, the bytes of a file (copied before they are changed; get them back with
 *   `toBytes`), or null for a new one in memory
 * @throws InvalidArgumentError, FileNotFoundError, FileLockedError, FileNotClosedError (only for flag `r`),
 *   WrongFileTypeError, UnsupportedVersionError, FormatError
 */
export function openBooklet<S extends StandardSchemaV1, K = string>(
  source: string | Uint8Array | null,
  options: WithSchema<BookletOptions<K, StandardSchemaV1.InferOutput<S>>, S>,
): Booklet<K, StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>
export function openBooklet<K = string, V = unknown>(source: string | Uint8Array | null, options?: BookletOptions<K, V>): Booklet<K, V>
export function openBooklet<K, V>(source: string | Uint8Array | null, options: BookletOptions<K, V> = {}): Booklet<K, V> {
  return openBookletOn(source, options)
}

/** The same on a made-up disk too. @internal */
export function openBookletOn<K = string, V = unknown>(source: Source, options: BookletOptions<K, V> = {}): Booklet<K, V> {
  checkOptions(options as BookletOptions<never, never>)
  offerPackages()
  // Names that don't exist are refused before a file is touched.
  const newKeys = serializerForNew<K>(options.keySerializer, 'str')
  const newValues = serializerForNew<V>(options.valueSerializer, 'json')
  const opened = openFile(source, options as BookletOptions<never, never>, {
    kind: 'variable',
    buckets: bucketsOf(options as BookletOptions<never, never>),
    keySerializer: newKeys.code,
    valueSerializer: newValues.code,
    valueLength: 0,
    timestamps: options.timestamps ?? true,
    initBytes: options.initBytes,
  })
  try {
    const { header } = opened.engine
    const keys = serializerForExisting<K>(options.keySerializer, header.keySerializer, 'keySerializer')
    const values = serializerForExisting<V>(options.valueSerializer, header.valueSerializer, 'valueSerializer')
    return new Booklet<K, V>(opened, typeof source === 'string' ? source : undefined, keys, new ValueCodec(values, options))
  } catch (error) {
    opened.engine.file.close()
    throw error
  }
}
