import { utf8Decode } from '../base/bytes.js'
import { FormatError } from '../base/error.js'
import { readTimestamp } from './timestamp.js'

/** What a group object says of one of its entries. */
export interface ScannedEntry {
  key: string
  /** µs since the Unix epoch. */
  timestamp: number
  /** Where the value starts in the object. */
  offset: number
  /** Bytes of the value. */
  length: number
}

const countBytes = 4
const afterKey = 11
const leastEntry = 13

/**
 * Reads a group object (see group.ts) that comes piece by piece, in the memory of a piece and the longest key: the values
 * are passed over.
 */
export class GroupScanner {
  readonly #size: number
  #rest: Uint8Array = new Uint8Array(0)
  /** Position of `#rest` in the object. */
  #at = 0
  #skip = 0
  #left: number | undefined

  /** @param size bytes of the whole object */
  constructor(size: number) {
    this.#size = size
  }

  /** The entries whose heads are complete with this piece, which follows the one before. @throws FormatError */
  *push(piece: Uint8Array): Generator<ScannedEntry, void, undefined> {
    let bytes = joined(this.#rest, piece)
    for (;;) {
      const passed = Math.min(this.#skip, bytes.length)
      this.#skip -= passed
      this.#at += passed
      bytes = bytes.subarray(passed)
      this.#rest = bytes
      if (this.#left === undefined) {
        if (bytes.length < countBytes) return
        this.#left = this.#count(bytes)
        this.#skip = countBytes
        continue
      }
      if (this.#left === 0) this.#skip = Infinity
      if (this.#skip > 0) {
        if (bytes.length === 0) return
        continue
      }
      const entry = this.#entry(bytes)
      if (entry === undefined) return
      this.#left--
      this.#skip = entry.offset - this.#at + entry.length
      yield entry
    }
  }

  /** Call it after the last piece. @throws FormatError when entries are missing */
  finish(): void {
    const value = this.#skip !== Infinity && this.#skip > 0
    if (this.#left === undefined || this.#left > 0 || value) throw this.#damaged('it ends too early')
  }

  #count(bytes: Uint8Array): number {
    const count = view(bytes).getUint32(0)
    if (count * leastEntry > this.#size - countBytes) throw this.#damaged(`it can not hold the ${count} entries that it states`)
    return count
  }

  #entry(bytes: Uint8Array): ScannedEntry | undefined {
    if (bytes.length < leastEntry) return undefined
    const keyEnd = 2 + view(bytes).getUint16(0)
    if (bytes.length < keyEnd + afterKey) return undefined
    const length = view(bytes).getUint32(keyEnd + 7)
    const offset = this.#at + keyEnd + afterKey
    if (offset + length > this.#size) throw this.#damaged('a value would reach beyond its end')
    return { key: this.#key(bytes.subarray(2, keyEnd)), timestamp: readTimestamp(bytes, keyEnd), offset, length }
  }

  #key(bytes: Uint8Array): string {
    try {
      return utf8Decode(bytes)
    } catch {
      throw this.#damaged('a key is not UTF-8')
    }
  }

  #damaged(why: string): FormatError {
    return new FormatError(`The group object of ${this.#size} bytes is damaged at byte ${this.#at}: ${why}.`)
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
