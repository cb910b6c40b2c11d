/** The index of the remote: which keys it has, how old they are and where their values lie. */
import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { systemEnvironment } from '../base/environment.js'
import { FormatError } from '../base/error.js'
import { newUuid } from '../base/uuid.js'
import type { Digest } from '../format/blake2s.js'
import { readDigest } from '../format/block.js'
import { FixedTable } from '../format/fixed-table.js'
import { FixedTableWriter } from '../format/fixed-table-writer.js'
import { groupIdOfBytes } from '../format/group-id.js'
import { INDEX_ENTRY_BYTES, readIndexEntry, writeIndexEntry, type IndexEntry } from '../format/index-entry.js'
import { METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY } from '../format/internal-keys.js'
import { readTimestamp } from '../format/timestamp.js'

/* In format 1 the metadata has an entry among those of the keys. None of these can be a key of a user. */
const internalKeys = [METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY]
/* Of an entry, without its key. */
const BLOCK_BYTES = 36
/** The code of text. */
const keySerializer = 2

/** A read-only view of an index section. Lookups hash; nothing is parsed ahead. Entries under internal keys are not seen. */
export class RemoteIndex {
  readonly bytes: Uint8Array
  /** What format 1 says of the metadata. */
  readonly metadataEntry: IndexEntry | undefined
  readonly #table: FixedTable | undefined
  /** Where the entries lie that are not seen. */
  readonly #hidden: ReadonlySet<number>

  private constructor(table: FixedTable | undefined) {
    this.bytes = table?.bytes ?? new Uint8Array(0)
    this.#table = table
    const hidden = internalKeys.map((key) => table?.find(key))
    this.#hidden = new Set(hidden.filter((position) => position !== undefined))
    this.metadataEntry = hidden[0] === undefined ? undefined : this.entryAt(hidden[0])
  }

  static empty(): RemoteIndex {
    return new RemoteIndex(undefined)
  }

  /** @throws FormatError when the bytes are not an index */
  static decode(bytes: Uint8Array): RemoteIndex {
    const table = FixedTable.decode(bytes)
    const { valueLength, keySerializer: found } = table.header
    if (valueLength !== INDEX_ENTRY_BYTES) throw new FormatError(`an index has values of ${INDEX_ENTRY_BYTES} bytes, this one of ${valueLength}`)
    if (found !== keySerializer) throw new FormatError(`the keys of an index are text (serializer ${keySerializer}), those of this one have serializer ${found}`)
    return new RemoteIndex(table)
  }

  /**
   * The index of a commit: compact, in the standard layout, with buckets to match. What stays is taken over as it stands:
   * neither parsed nor hashed again.
   *
   * @param options.minBuckets as many at least
   * @param options.timestamp of the commit, µs
   */
  after(changes: IndexChanges, options: { minBuckets: number; timestamp: number }): RemoteIndex {
    const { changed, gone, added } = this.#placesOf(changes)
    const count = this.size - gone + added.length
    const uuid = this.#table?.header.uuid ?? newUuid(systemEnvironment())
    const buckets = bucketsFor(count, options.minBuckets)
    const expected = added.reduce((sum, [key]) => sum + key.length + BLOCK_BYTES, this.bytes.length)
    const writer = new FixedTableWriter({ buckets, valueLength: INDEX_ENTRY_BYTES, keySerializer, uuid, timestamp: options.timestamp, expected })
    const table = this.#table
    for (const position of table?.positions ?? []) {
      const change = changed.get(position)
      if (change === null || this.#hidden.has(position)) continue
      const at = writer.copy(table!, position)
      if (change) writeIndexEntry(writer.bytes, at, change)
    }
    for (const [key, entry] of added) {
      const at = writer.add(utf8Encode(key))
      writeIndexEntry(writer.bytes, at, entry)
    }
    return new RemoteIndex(FixedTable.made(writer.finish()))
  }

  get size(): number {
    return (this.#table?.positions.length ?? 0) - this.#hidden.size
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined
  }

  get(key: string): IndexEntry | undefined {
    const position = this.#find(key)
    return position === undefined ? undefined : this.entryAt(position)
  }

  /** µs of the entry of a key, by the key's digest; undefined when there is none. */
  timestampOf(digest: Digest): number | undefined {
    const position = this.#table?.findDigest(digest)
    return position === undefined || this.#hidden.has(position) ? undefined : readTimestamp(this.bytes, this.#table!.valueAt(position))
  }

  /** Where the entry of a key lies in `bytes`; undefined when there is none. No two lie less than 36 bytes apart. */
  placeOf(key: string): number | undefined {
    return this.#find(key)
  }

  *keys(): Generator<string> {
    for (const position of this.#positions()) yield utf8Decode(this.#table!.keyAt(position))
  }

  *entries(): Generator<[string, IndexEntry]> {
    // Not by way of `#positions`: one generator within another takes as long as reading an entry.
    const table = this.#table
    for (const position of table?.positions ?? []) {
      if (!this.#hidden.has(position)) yield [utf8Decode(table!.keyAt(position)), this.entryAt(position)]
    }
  }

  /** Members of some groups, each with its group. */
  *members(groups: { has(gid: number): boolean }, numGroups: number): Generator<[number, PlacedKey]> {
    for (const place of this.#positions()) {
      const key = this.#table!.keyAt(place)
      const gid = groupIdOfBytes(key, numGroups)
      if (groups.has(gid)) yield [gid, { key: utf8Decode(key), place }]
    }
  }

  /** The entry that lies at a place. */
  entryAt(place: number): IndexEntry {
    return readIndexEntry(this.bytes, this.#table!.valueAt(place))
  }

  /** Puts the digest of the key whose entry lies at a place into `out`. */
  digestAt(place: number, out: Digest): void {
    readDigest(this.bytes, place, out)
  }

  *#positions(): Generator<number> {
    for (const position of this.#table?.positions ?? []) if (!this.#hidden.has(position)) yield position
  }

  #find(key: string): number | undefined {
    const position = this.#table?.find(utf8Encode(key))
    return position === undefined || this.#hidden.has(position) ? undefined : position
  }

  /* What becomes of the entries that are here (null: it goes), and those that are not. */
  #placesOf({ set, moved = [], gone }: IndexChanges) {
    const changed = new Map<number, IndexEntry | null>()
    const added: (readonly [string, IndexEntry])[] = []
    for (const key of gone) {
      const position = this.#find(key)
      if (position !== undefined) changed.set(position, null)
    }
    let left = changed.size
    for (const each of set) {
      const position = this.#find(each[0])
      if (position === undefined) added.push(each)
      else {
        if (changed.get(position) === null) left--
        changed.set(position, each[1])
      }
    }
    for (const { place, entry } of moved) {
      if (changed.get(place) === null) left--
      changed.set(place, entry)
    }
    return { changed, gone: left, added }
  }
}

/** A key of an index, with where its entry lies there. */
export interface PlacedKey {
  key: string
  place: number
}

export interface IndexChanges {
  /** New and changed entries, each key once. */
  set: Iterable<readonly [string, IndexEntry]>
  /** Changed entries of which is known where they lie: their keys need not be hashed again. */
  moved?: Iterable<{ place: number; entry: IndexEntry }>
  /** Keys that go, unless they are among the others. */
  gone: Iterable<string>
}

/** An index of these entries only; of two under one key the later counts. */
export function encodeRemoteIndex(entries: Iterable<readonly [string, IndexEntry]>, options: { minBuckets: number; timestamp: number }): Uint8Array {
  return RemoteIndex.empty().after({ set: new Map(entries), gone: [] }, options).bytes
}

/* The steps by which the original grows its indexes: it must not have to grow this one at once. */
const bucketLadder = [12_007, 144_013, 1_728_017, 20_736_017]

function bucketsFor(count: number, minimum: number): number {
  if (count <= minimum) return minimum
  return bucketLadder.find((buckets) => buckets >= count && buckets > minimum) ?? Math.max(minimum, 20_736_017)
}
