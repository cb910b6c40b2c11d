/** Entries put together for the workers: few at a time where the function is slow, many where it is quick. */
import { concatBytes } from '../base/bytes.js'
import { NotSendable, sizeToSend } from './sendable.js'
import { MapError } from './errors.js'
import type { Batch } from './protocol.js'

/** ms that a batch should take: long beside the cost of sending it, short for who waits for results. */
const goodTime = 8
const mostEntries = 512
/** Bytes of values from which on a batch is full, and of results that the next one should give. One may be larger. */
const fullBytes = 2 ** 20

/** Learns from what batches took, and from what they gave, how many entries the next should have. */
export class BatchSize {
  #size = 1

  get entries(): number {
    return this.#size
  }

  /**
   * @param took ms
   * @param bytes of the results, about
   */
  learn(entries: number, took: number, bytes: number): void {
    if (entries === 0) return
    const inTime = (goodTime * entries) / Math.max(took, 0.01)
    const inBytes = (fullBytes * entries) / Math.max(bytes, 1)
    // One batch says little of the next: no more than four times as many.
    this.#size = Math.max(1, Math.floor(Math.min(inTime, inBytes, entries * 4, mostEntries)))
  }
}

/** Decodes a value in this thread, where no other can. */
export type DecodeHere<K> = (bytes: Uint8Array, key: K) => unknown

/** One batch that is being filled. */
export class BatchBuilder<K> {
  readonly #decodeHere: DecodeHere<K> | undefined
  readonly #keys: K[] = []
  readonly #parts: Uint8Array[] = []
  readonly #decoded: unknown[] = []
  #bytes = 0

  constructor(decodeHere: DecodeHere<K> | undefined) {
    this.#decodeHere = decodeHere
  }

  get entries(): number {
    return this.#keys.length
  }

  get isFull(): boolean {
    return this.#bytes >= fullBytes
  }

  /** @throws MapError when the value can't be decoded here or the entry not be sent */
  add(key: K, value: Uint8Array): void {
    if (this.#decodeHere === undefined) this.#parts.push(value)
    else this.#decoded.push(this.#decode(key, value, this.#decodeHere))
    checkSendable(key, 'the key', key)
    this.#keys.push(key)
    this.#bytes += value.length
  }

  batch(): Batch {
    const position = new Int32Array(new SharedArrayBuffer(4))
    return { keys: this.#keys, values: this.#decodeHere === undefined ? this.#packed() : { decoded: this.#decoded }, position }
  }

  /* Copied into one buffer: those of single values may belong to others, too, and one is sent faster than many. */
  #packed(): { bytes: Uint8Array<ArrayBuffer>; lengths: number[] } {
    return { bytes: concatBytes(this.#parts), lengths: this.#parts.map(({ length }) => length) }
  }

  #decode(key: K, bytes: Uint8Array, decode: DecodeHere<K>): unknown {
    let value: unknown
    try {
      value = decode(bytes, key)
    } catch (cause) {
      throw new MapError(key, `its value can not be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
    checkSendable(key, 'its value, decoded by your own serializer or schema,', value)
    return value
  }
}

/** @throws MapError */
function checkSendable(key: unknown, what: string, value: unknown): void {
  try {
    sizeToSend(value)
  } catch (cause) {
    if (!(cause instanceof NotSendable)) throw cause
    throw new MapError(key, `${what} can't be sent: ${cause.message}`, { cause })
  }
}
