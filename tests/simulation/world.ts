/** The remote as it really is, watched below every fault: each commit is decoded and compared with what it may be. */
import { decodeDbMetadata } from '../../src/format/db-metadata.js'
import { decodeDbPayload, decodeMetaSection } from '../../src/format/db-object.js'
import { groupId } from '../../src/format/group-id.js'
import { decodeGroup } from '../../src/format/group.js'
import { groupKey, parseGroupKey, valueKey } from '../../src/format/names.js'
import { passedOn } from './parts.js'
import { RemoteIndex } from '../../src/sync/remote-index.js'
import { type MemoryBucket, MemoryStore } from '../../src/store/memory-store.js'
import type { DeleteTarget, ObjectStore, PutOptions, PutResult } from '../../src/store/object-store.js'

export const dbKey = 'db'
/** Under this name the metadata is treated like a key. */
export const metaName = '(metadata)'

/** A promise was broken. */
export class Violation extends Error {}

export interface Held {
  /** JSON of the value. */
  value: string
  timestamp: number
}

export interface Commit {
  seq: number
  id: string
  timestamp: number
  content: ReadonlyMap<string, Held>
  numGroups: number | undefined
  /** Objects that it refers to. */
  objects: ReadonlySet<string>
  /** True for one that a writer overwrote without knowing it, where nothing but the lock protects and the lock was broken. */
  lost: boolean
}

/** What a push may do: the changes that were pending when it began, and those made while it runs. */
export interface PushRecord {
  who: string
  /** JSON of values; null for a delete. */
  candidates: Map<string, Set<string | null>>
  replace: boolean
  /** True where no commit may be lost by it: its commit is conditional, or nobody broke the lock while it ran. */
  safe: () => boolean
  /** Commits that it made. */
  commits: Commit[]
  /** Where conflicts are looked for: what it may replace. */
  rule?: { mayReplace(key: string, timestamp: number | undefined): boolean; mayReplaceAll(commit: number): boolean }
}

export function addTo(map: Map<string, Set<string | null>>, key: string, value: string | null): void {
  const set = map.get(key)
  if (set) set.add(value)
  else map.set(key, new Set([value]))
}

export class World {
  readonly bucket: MemoryBucket
  readonly store: ObjectStore
  readonly commits: Commit[] = []
  readonly #byTimestamp = new Map<number, Commit>()
  readonly #records = new WeakMap<Uint8Array, PushRecord>()
  /** Per-key mode: every value that an object had, with the number of commits before it. */
  readonly #valuesPut = new Map<string, { after: number; value: string }[]>()
  readonly #groups = new WeakMap<Uint8Array, Map<string, Held & { offset: number; length: number }>>()
  /** The first thing that went wrong. */
  violation: Error | undefined
  readonly #log: (line: string) => void

  constructor(bucket: MemoryBucket, log: (line: string) => void) {
    this.bucket = bucket
    this.#log = log
    const inner = new MemoryStore({ bucket })
    this.store = {
      name: inner.name,
      writable: true,
      parts: {
        ...passedOn(inner.parts),
        complete: async (upload, parts, options) => {
          const result = await inner.parts.complete(upload, parts, options)
          this.#log(`  ◫ ${upload.key} of ${parts.length} parts`)
          this.#valuePut(upload.key, this.bucket.latest(upload.key)?.bytes)
          return result
        },
      },
      get: (key, options) => inner.get(key, options),
      head: (key, options) => inner.head(key, options),
      put: async (key, body, options) => this.#put(inner, key, body, options),
      delete: (targets, options) => {
        this.#check(() => this.#beforeDelete(targets))
        return inner.delete(targets, options)
      },
      list: (prefix, options) => inner.list(prefix, options),
      listVersions: (prefix, options) => inner.listVersions(prefix, options),
      copy: (source, target, options) => inner.copy(source, target, options),
      close: () => inner.close(),
    }
  }

  get current(): Commit | undefined {
    return this.commits.at(-1)
  }

  /** The commit that a session is on. */
  commitAt(timestamp: number | undefined): Commit | undefined {
    return timestamp === undefined ? undefined : this.#byTimestamp.get(timestamp)
  }

  /** Tells whose PUT of the db object this will be. */
  expect(body: Uint8Array, record: PushRecord): void {
    this.#records.set(body, record)
  }

  /** Values that readers may see for a key while they are on the commits from `first` to `last`. */
  visible(key: string, first: number, last: number): Set<string | undefined> {
    const out = new Set<string | undefined>()
    for (const commit of this.commits.slice(first, last + 1)) out.add(commit.content.get(key)?.value)
    // In per-key mode the object is overwritten before the commit, and copies from before it stay valid until then.
    let from = first
    while (from > 0 && this.#perKeyTimestamp(from - 1, key) !== undefined && this.#perKeyTimestamp(from - 1, key) === this.#perKeyTimestamp(first, key)) from--
    for (const commit of this.commits.slice(from, first)) out.add(commit.content.get(key)?.value)
    for (const put of this.#valuesPut.get(key) ?? []) if (put.after > from) out.add(put.value)
    return out
  }

  #perKeyTimestamp(seq: number, key: string): number | undefined {
    const commit = this.commits[seq]
    return commit?.numGroups === undefined ? commit?.content.get(key)?.timestamp : undefined
  }

  async #put(inner: ObjectStore, key: string, body: Uint8Array, options: PutOptions | undefined): Promise<PutResult> {
    const result = await inner.put(key, body, options)
    if (key === dbKey) this.#check(() => this.#committed(this.#records.get(body)))
    else this.#valuePut(key, body)
    return result
  }

  #valuePut(key: string, body: Uint8Array | null | undefined): void {
    if (!body || !key.startsWith(`${dbKey}/`) || parseGroupKey(dbKey, key) !== undefined) return
    const name = key.slice(dbKey.length + 1)
    const list = this.#valuesPut.get(name)
    const put = { after: this.commits.length, value: new TextDecoder().decode(body) }
    if (list) list.push(put)
    else this.#valuesPut.set(name, [put])
  }

  #check(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.violation ??= error as Error
    }
  }

  #beforeDelete(targets: readonly DeleteTarget[]): void {
    for (const { key } of targets) {
      if (key === dbKey) throw new Violation('the db object is being deleted')
      if (this.current?.objects.has(key)) throw new Violation(`${key} is being deleted, and commit ${this.current.seq} refers to it`)
    }
  }

  #committed(record: PushRecord | undefined): void {
    const next = this.#decode()
    const before = this.current
    if (before?.id === next.id) return
    this.#log(`  ○ commit ${next.seq} by ${record?.who ?? 'nobody'}: ${[...next.content].map(([key, held]) => `${key}=${shown(held.value)}`).join(' ')}`)
    this.commits.push(next)
    this.#byTimestamp.set(next.timestamp, next)
    if (!record) throw new Violation('a commit by nobody')
    record.commits.push(next)
    if (!record.safe() && before) {
      before.lost = true
      return
    }
    if (before && next.timestamp <= before.timestamp) throw new Violation(`commit ${next.seq} is not later than the one before it`)
    this.#explain(record, before, next)
  }

  /* Every difference to the commit before must be a change that the writer had to push. */
  #explain(record: PushRecord, before: Commit | undefined, next: Commit): void {
    if (record.replace && before && record.rule?.mayReplaceAll(before.timestamp) === false) throw new Violation(`commit ${next.seq} by ${record.who} replaces commit ${before.seq}, of which it was not asked`)
    const base: ReadonlyMap<string, Held> = record.replace ? new Map() : (before?.content ?? new Map())
    for (const key of new Set([...base.keys(), ...next.content.keys()])) {
      const [old, now] = [base.get(key), next.content.get(key)]
      const same = old?.value === now?.value && old?.timestamp === now?.timestamp
      const candidates = record.candidates.get(key)
      if (same) continue
      if (candidates?.has(now?.value ?? null)) {
        // Per key, the object of an uncommitted value may show under the entry of the committed one.
        if (old && now && key !== metaName && next.numGroups !== undefined && now.timestamp <= old.timestamp) throw new Violation(`commit ${next.seq} by ${record.who} makes another value of ${key} without making it newer`)
        if (!record.replace && record.rule?.mayReplace(key, old?.timestamp) === false) throw new Violation(`commit ${next.seq} by ${record.who} makes ${key} ${shown(now?.value)} of ${shown(old?.value)}@${old?.timestamp}, which somebody else had changed, without asking`)
        continue
      }
      // Per key: the value came into the object before its commit, and the commit has another entry.
      if (next.numGroups === undefined && old && now && old.timestamp === now.timestamp && this.visible(key, before?.seq ?? 0, next.seq).has(now.value)) continue
      throw new Violation(
        `commit ${next.seq} by ${record.who} makes ${key} ${shown(now?.value)}@${now?.timestamp} of ${shown(old?.value)}@${old?.timestamp}, but what it had to push is ` +
          (candidates ? [...candidates].map((value) => shown(value ?? undefined)).join(' or ') : 'nothing'),
      )
    }
  }

  #decode(): Commit {
    const object = this.bucket.latest(dbKey)!
    const metadata = decodeDbMetadata(object.metadata)
    const { manifest, metaSection, index } = decodeDbPayload(object.bytes!)
    const content = new Map<string, Held>()
    const objects = new Set<string>([dbKey])
    const { numGroups } = metadata
    for (const [gid, generation] of manifest) objects.add(groupKey(dbKey, gid, generation))
    for (const [key, entry] of RemoteIndex.decode(index).entries()) {
      if (numGroups === undefined) {
        const name = valueKey(dbKey, key)
        objects.add(name)
        content.set(key, { value: this.#value(name, key, entry.timestamp), timestamp: entry.timestamp })
        continue
      }
      const gid = groupId(key, numGroups)
      const generation = manifest.get(gid)
      const name = `${dbKey}/${gid}.${generation}`
      const held = this.#group(name).get(key)
      if (!held) throw new Violation(`${key} is in the index, but not in ${name}`)
      if (held.offset !== entry.offset || held.length !== entry.length || held.timestamp !== entry.timestamp) throw new Violation(`the index entry of ${key} is not what ${name} holds`)
      content.set(key, { value: held.value, timestamp: held.timestamp })
    }
    if (metaSection) {
      const { data, timestamp } = decodeMetaSection(metaSection)
      if (data !== null) content.set(metaName, { value: JSON.stringify(data), timestamp })
    }
    return { seq: this.commits.length, id: object.metadata['commit_id'] ?? '', timestamp: metadata.timestamp, content, numGroups, objects, lost: false }
  }

  #value(name: string, key: string, timestamp: number): string {
    const object = this.bucket.latest(name)
    if (!object?.bytes) throw new Violation(`${key} is in the index, but its object is missing`)
    if (Number(object.metadata['timestamp']) < timestamp) throw new Violation(`the object of ${key} is older than the index says`)
    return new TextDecoder().decode(object.bytes)
  }

  #group(name: string): Map<string, Held & { offset: number; length: number }> {
    const bytes = this.bucket.latest(name)?.bytes
    if (!bytes) throw new Violation(`${name} is referred to, and does not exist`)
    let group = this.#groups.get(bytes)
    if (!group) {
      group = new Map()
      for (const { key, timestamp, value, offset } of decodeGroup(bytes)) group.set(key, { value: new TextDecoder().decode(value), timestamp, offset, length: value.length })
      this.#groups.set(bytes, group)
    }
    return group
  }
}

/** A value for people: its beginning. */
export function shown(value: string | undefined | null): string {
  return value === undefined || value === null ? 'absent' : value.length > 14 ? `${value.slice(1, 12)}…` : value.slice(1, -1)
}
