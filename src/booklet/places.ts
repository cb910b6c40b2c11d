import { FormatError, InvalidArgumentError } from '../base/error.js'
import type { Digest } from '../format/blake2s.js'
import type { Engine } from './engine.js'

/** A value as it lies in the file. */
export interface ValuePlace {
  /** Position in the file. */
  offset: number
  /** Bytes. */
  length: number
  /** µs; 0 where entries carry none. */
  timestamp: number
}

/** Where values lie, for who reads them piece by piece, later: the bytes of a value stay what they are, whatever becomes of its key. */
export class ValuePlaces<K> {
  readonly #engine: Engine
  readonly #encode: (key: K) => Uint8Array
  #held = 0

  constructor(engine: Engine, encode: (key: K) => Uint8Array) {
    this.#engine = engine
    this.#encode = encode
  }

  /** Where the value of a key lies now; undefined when there is no such key. */
  locate(key: K): ValuePlace | undefined {
    const engine = this.#engine
    engine.checkOpen()
    const bytes = this.#encode(key)
    return !engine.isInternal(bytes) && engine.find(bytes) ? this.#found() : undefined
  }

  /** The same for a key, none of the internal ones, whose digest is known. */
  locateDigested(digest: Digest): ValuePlace | undefined {
    this.#engine.checkOpen()
    return this.#engine.findDigest(digest) ? this.#found() : undefined
  }

  #found(): ValuePlace {
    const { layout, found } = this.#engine
    const { position, keyLength, valueLength, timestamp } = found
    return { offset: position + layout.headerLength + keyLength, length: valueLength, timestamp }
  }

  /** Fills `target` with the bytes from a place in the file on, synced or not. */
  read(offset: number, target: Uint8Array): void {
    this.#engine.checkOpen()
    if (this.#engine.read(offset, target) < target.length) throw new FormatError(`${this.#engine.path} became shorter while it was open`)
  }

  /**
   * Keeps everything where it lies, until the function that this gives is called: `prune` and `clear` are refused, and an
   * index that can't grow in place grows later.
   */
  hold(): () => void {
    this.#engine.checkOpen()
    this.#held++
    let holds = true
    return () => {
      if (holds) this.#held--
      holds = false
    }
  }

  get held(): boolean {
    return this.#held > 0
  }

  /** @throws InvalidArgumentError while places are held */
  checkFree(operation: string): void {
    if (this.held) throw new InvalidArgumentError(`${operation}() would move what is being read: wait until that has ended`)
  }
}
