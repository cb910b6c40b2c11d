/** What a committed state refers to, and what of it was seen. Pure bookkeeping. */
import { groupId } from '../../format/group-id.js'
import { utf8Encode } from '../../base/bytes.js'
import { groupKey, MAX_OBJECT_KEY_BYTES, parseGroupKey, parseValueKey } from '../../format/names.js'
import type { IndexEntry } from '../../format/index-entry.js'
import type { RemoteSnapshot } from '../remote.js'

/** Keys of a group or object that are told by name; the others are counted. */
const namedKeys = 10

/* What a block of an index has at least: no two values lie nearer. */
const leastBlock = 36

export interface NeededGroup {
  keys: string[]
  keyCount: number
}

/** One committed state as a set of objects; without a state, the empty set. */
export class References {
  readonly snapshot: RemoteSnapshot | undefined
  readonly numGroups: number | undefined
  readonly #dbKey: string
  /** Bytes of the group objects that were seen, by group. */
  readonly groupSizes = new Map<number, number>()
  /** One bit for each index entry that was seen as an object, or within one. */
  readonly #seen: Uint8Array
  #seenCount = 0

  constructor(dbKey: string, snapshot: RemoteSnapshot | undefined) {
    this.#dbKey = dbKey
    this.snapshot = snapshot
    this.numGroups = snapshot?.metadata.numGroups
    this.#seen = new Uint8Array(snapshot === undefined ? 0 : Math.ceil(snapshot.index.bytes.length / leastBlock / 8) + 1)
  }

  /** Whether the state refers to the object of this key. */
  refersTo(object: string): boolean {
    const { snapshot } = this
    if (snapshot === undefined) return false
    const group = parseGroupKey(this.#dbKey, object)
    if (group !== undefined && snapshot.state.manifest.get(group.gid) === group.generation) return true
    if (this.numGroups !== undefined) return false
    const key = parseValueKey(this.#dbKey, object)
    return key !== undefined && snapshot.index.has(key)
  }

  /** Takes note that an object that is referred to is there. */
  saw(object: string, bytes: number): void {
    const group = parseGroupKey(this.#dbKey, object)
    if (group !== undefined && this.snapshot?.state.manifest.get(group.gid) === group.generation) this.groupSizes.set(group.gid, bytes)
    else this.mark(object.slice(this.#dbKey.length + 1))
  }

  /** Takes note that the value of a key was seen; false when the index doesn't have it. */
  mark(key: string): boolean {
    const place = this.snapshot?.index.placeOf(key)
    if (place === undefined) return false
    const bit = Math.floor(place / leastBlock)
    const mask = 1 << (bit & 7)
    if ((this.#seen[bit >> 3]! & mask) === 0) this.#seenCount++
    this.#seen[bit >> 3]! |= mask
    return true
  }

  isMarked(key: string): boolean {
    const place = this.snapshot?.index.placeOf(key)
    if (place === undefined) return false
    const bit = Math.floor(place / leastBlock)
    return (this.#seen[bit >> 3]! & (1 << (bit & 7))) !== 0
  }

  /** False when every entry of the index was marked. */
  get someUnmarked(): boolean {
    return this.#seenCount < (this.snapshot?.index.size ?? 0)
  }

  /** Every entry with its group; undefined in per-key mode. */
  *entries(): Generator<{ key: string; entry: IndexEntry; group: number | undefined }> {
    for (const [key, entry] of this.snapshot?.index.entries() ?? []) yield { key, entry, group: this.groupOf(key) }
  }

  /** Groups that have keys, with how many and some of them. */
  neededGroups(): Map<number, NeededGroup> {
    const needed = new Map<number, NeededGroup>()
    for (const { key, group } of this.entries()) {
      if (group === undefined) continue
      const found = needed.get(group) ?? { keys: [], keyCount: 0 }
      if (found.keyCount++ === 0) needed.set(group, found)
      if (found.keys.length < namedKeys) found.keys.push(key)
    }
    return needed
  }

  /** Every object that the state refers to and that was not seen, as far as it can be the name of one. */
  *unseenObjects(): Generator<string> {
    for (const [group, generation] of this.manifest) if (!this.groupSizes.has(group)) yield groupKey(this.#dbKey, group, generation)
    if (this.numGroups !== undefined || !this.someUnmarked) return
    for (const { key } of this.entries()) {
      const object = `${this.#dbKey}/${key}`
      if (!this.isMarked(key) && utf8Encode(object).length <= MAX_OBJECT_KEY_BYTES) yield object
    }
  }

  /** The group that a key belongs to; undefined in per-key mode. */
  groupOf(key: string): number | undefined {
    return this.numGroups === undefined ? undefined : groupId(key, this.numGroups)
  }

  /** The object of a group; undefined when the manifest doesn't have it. */
  objectOf(group: number): string | undefined {
    const generation = this.snapshot?.state.manifest.get(group)
    return generation === undefined ? undefined : groupKey(this.#dbKey, group, generation)
  }

  get manifest(): ReadonlyMap<number, string> {
    return this.snapshot?.state.manifest ?? new Map<number, string>()
  }
}
