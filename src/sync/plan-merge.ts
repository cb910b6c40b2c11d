/**
 * Three ways to look at each pending change, decided purely: what the remote had where it began (its base), what it has
 * now, and what is pending. Only one side changed: they merge. Both: a conflict. Clocks are never compared.
 */
import type { IndexEntry } from '../format/index-entry.js'
import type { Base, BaseEntry, Bases } from './bases.js'

/**
 * - `both-changed` set on both sides
 * - `changed-deleted` set here, deleted on the remote
 * - `deleted-changed` deleted here, set on the remote
 * - `metadata` edited on both sides
 * - `replacement` the whole database is to be replaced (flag `n`), and somebody committed since that was begun
 */
export type ConflictKind = 'both-changed' | 'changed-deleted' | 'deleted-changed' | 'metadata' | 'replacement'

export interface KeyClash {
  kind: Exclude<ConflictKind, 'metadata' | 'replacement'>
  key: string
  base: Base<BaseEntry>
  /** What the remote has now. */
  entry: IndexEntry | undefined
}

export interface MergePlan {
  /** Keys that were changed on both sides. Setting one to the same bytes on both is no conflict, but only the bytes tell. */
  keys: KeyClash[]
  /** The base of the metadata where both sides edited it. */
  meta: Base<Uint8Array> | undefined
  /** µs of the commit that a replacement saw, when there was another since. */
  replace: number | 'unknown' | undefined
}

export interface MergeInput {
  written: ReadonlySet<string>
  deletes: ReadonlySet<string>
  bases: Pick<Bases, 'keys' | 'meta' | 'replace'>
  metaPending: boolean
  replacePending: boolean
  /** What the remote has now. */
  entryOf: (key: string) => IndexEntry | undefined
  metaSection: Uint8Array | null
  /** Whether the remote keeps its values in groups, where the index tells lengths. */
  grouped: boolean
  sameMeta: (a: Uint8Array | null, b: Uint8Array | null) => boolean
}

export function planMerge(input: MergeInput): MergePlan {
  const { bases, replacePending, metaPending } = input
  // A replacement leaves nothing of what the others have: it is one change, and one conflict.
  if (replacePending) return { keys: [], meta: undefined, replace: bases.replace }
  const keys: KeyClash[] = []
  for (const [key, base] of bases.keys) {
    const entry = input.entryOf(key)
    const kind = isBase(base, entry, input.grouped) ? undefined : kindOf(input, key, entry)
    if (kind) keys.push({ kind, key, base, entry })
  }
  const meta = metaPending && bases.meta !== undefined && !isMetaBase(input, bases.meta) ? bases.meta : undefined
  return { keys, meta, replace: undefined }
}

function kindOf({ written, deletes }: MergeInput, key: string, entry: IndexEntry | undefined): KeyClash['kind'] | undefined {
  if (written.has(key)) return entry ? 'both-changed' : 'changed-deleted'
  // Deleted on both sides is what both wanted.
  return deletes.has(key) && entry ? 'deleted-changed' : undefined
}

function isMetaBase({ metaSection, sameMeta }: MergeInput, base: Base<Uint8Array>): boolean {
  return base !== 'unknown' && sameMeta(base === 'absent' ? null : base, metaSection)
}

/** Whether an index entry is still the base. One timestamp stands for one value of a key; a length that differs tells of a rival who thought otherwise. */
export function isBase(base: Base<BaseEntry>, entry: IndexEntry | undefined, grouped: boolean): boolean {
  if (base === 'unknown') return false
  if (base === 'absent' || !entry) return base === 'absent' && !entry
  return base.timestamp === entry.timestamp && (!grouped || base.length === null || base.length === entry.length)
}

/** What an index says of a key, as a base. */
export function baseOf(entry: IndexEntry | undefined, grouped: boolean): Base<BaseEntry> {
  return entry ? { timestamp: entry.timestamp, length: grouped ? entry.length : null } : 'absent'
}
