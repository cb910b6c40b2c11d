/** The index of the remote: which keys it has, how old they are and where their values lie. */
import { encodeFixedBooklet, openFixedBooklet, type FixedBooklet } from '../booklet/index.js'
import { fixedBookletLength } from '../booklet/encode-fixed.js'
import { decodeIndexEntry, encodeIndexEntry, INDEX_ENTRY_BYTES, type IndexEntry } from '../format/index-entry.js'
import { METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY } from '../format/internal-keys.js'
import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { FormatError } from '../base/error.js'

/* In format 1 the metadata has an entry among those of the keys. None of these can be a key of a user. */
const internalKeys = [METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY].map(utf8Decode)

/** A read-only view of an index section. Lookups hash; nothing is parsed ahead. Entries under internal keys are not seen. */
export class RemoteIndex {
  readonly bytes: Uint8Array
  /** What format 1 says of the metadata. */
  readonly metadataEntry: IndexEntry | undefined
  readonly #booklet: FixedBooklet<string> | undefined
  readonly #hidden: readonly string[]

  private constructor(bytes: Uint8Array, booklet: FixedBooklet<string> | undefined) {
    this.bytes = bytes
    this.#booklet = booklet
    this.#hidden = internalKeys.filter((key) => booklet?.has(key))
    const metadata = booklet?.getBytes(internalKeys[0]!)
    this.metadataEntry = metadata && decodeIndexEntry(metadata)
  }

  static empty(): RemoteIndex {
    return new RemoteIndex(new Uint8Array(0), undefined)
  }

  /** @throws FormatError when the bytes are not an index */
  static decode(bytes: Uint8Array): RemoteIndex {
    const booklet = openFixedBooklet(bytes, { flag: 'r', keySerializer: 'str', valueLength: INDEX_ENTRY_BYTES })
    if (booklet.valueLength !== INDEX_ENTRY_BYTES) {
      throw new FormatError(`an index has values of ${INDEX_ENTRY_BYTES} bytes, this one of ${booklet.valueLength}`)
    }
    return new RemoteIndex(bytes, booklet)
  }

  get size(): number {
    return (this.#booklet?.size ?? 0) - this.#hidden.length
  }

  has(key: string): boolean {
    return (this.#booklet?.has(key) ?? false) && !this.#hidden.includes(key)
  }

  get(key: string): IndexEntry | undefined {
    if (this.#hidden.includes(key)) return undefined
    const value = this.#booklet?.getBytes(key)
    return value && decodeIndexEntry(value)
  }

  /** Where the entry of a key lies in `bytes`; undefined when there is none. No two lie less than 36 bytes apart. */
  placeOf(key: string): number | undefined {
    return this.#booklet?.placeOf(key)
  }

  *keys(): Generator<string> {
    if (!this.#booklet) return
    for (const key of this.#booklet.keys()) if (!this.#hidden.includes(key)) yield key
  }

  *entries(): Generator<[string, IndexEntry]> {
    if (!this.#booklet) return
    for (const { key, value } of this.#booklet.rawEntries()) if (!this.#hidden.includes(key)) yield [key, decodeIndexEntry(value)]
  }
}

/** The index section of a commit: compact, in the standard layout, with buckets to match. */
export function encodeRemoteIndex(
  entries: Iterable<[string, IndexEntry]>,
  options: { minBuckets: number; timestamp: number },
): Uint8Array {
  const encoded: [string, Uint8Array][] = []
  for (const [key, entry] of entries) encoded.push([key, encodeIndexEntry(entry)])
  return encodeFixedBooklet({
    entries: encoded,
    valueLength: INDEX_ENTRY_BYTES,
    buckets: bucketsFor(encoded.length, options.minBuckets),
    keySerializer: 'str',
    timestamp: options.timestamp,
  })
}

/** How many bytes `encodeRemoteIndex` makes of entries of these keys. */
export function remoteIndexLength(keys: Iterable<string>, minBuckets: number): number {
  let [count, keyBytes] = [0, 0]
  for (const key of keys) {
    count++
    keyBytes += utf8Encode(key).length
  }
  return fixedBookletLength({ count, keyBytes, valueLength: INDEX_ENTRY_BYTES, buckets: bucketsFor(count, minBuckets) })
}

/* The steps by which the original grows its indexes: it must not have to grow this one at once. */
const bucketLadder = [12_007, 144_013, 1_728_017, 20_736_017]

function bucketsFor(count: number, minimum: number): number {
  if (count <= minimum) return minimum
  return bucketLadder.find((buckets) => buckets >= count && buckets > minimum) ?? Math.max(minimum, 20_736_017)
}
