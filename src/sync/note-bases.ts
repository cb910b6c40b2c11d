/** Before another state of the remote is taken in: noting what pending changes were based on, where that is about to be forgotten. */
import { equalBytes } from '../base/bytes.js'
import { decodeMetaSection } from '../format/db-object.js'
import { stringifyJson } from '../format/json-write.js'
import type { IndexEntry } from '../format/index-entry.js'
import type { Base, BaseEntry } from './bases.js'
import type { OwnCommit } from './observe.js'
import { baseOf, isBase } from './plan-merge.js'
import type { TakenIn } from './remote.js'
import type { SyncState } from './state.js'

/** Returns whether there was anything to note: then it has to be durable before the old index goes. */
export function noteBases(state: SyncState, snapshot: TakenIn): boolean {
  const { pending } = state
  if (pending.isEmpty) return false
  const known = state.knownRemote
  // An index that was lost is no loss where the remote is still what it was.
  if (known.stateLost && known.timestamp === snapshot.metadata.timestamp) return false
  return pending.replacePending ? noteReplaced(state, snapshot, known.timestamp) : noteChanged(state, snapshot, known)
}

function noteReplaced({ pending, observers }: SyncState, snapshot: TakenIn, seen: number | null): boolean {
  const { timestamp } = snapshot.metadata
  if (seen === timestamp || pending.bases.replace !== undefined) return false
  // The very replacement, whose acknowledgement was lost.
  if (observers.sent?.replaces && observers.sent.after.timestamp === timestamp) return false
  pending.noteBases((bases) => bases.noteReplace(seen ?? 'unknown'))
  return true
}

function noteChanged(state: SyncState, snapshot: TakenIn, known: SyncState['knownRemote']): boolean {
  const { pending } = state
  const keys = changedKeys(state, snapshot, known.keysLost)
  const meta = pending.metaPending && pending.bases.meta === undefined ? metaBase(state, snapshot, known.stateLost) : undefined
  if (keys.length === 0 && meta === undefined) return false
  pending.noteBases((bases) => {
    for (const [key, base] of keys) bases.noteKey(key, base)
    if (meta !== undefined) bases.noteMeta(meta)
  })
  return true
}

function changedKeys(state: SyncState, snapshot: TakenIn, lost: boolean): [string, Base<BaseEntry>][] {
  const { pending, index, observers } = state
  const wasGrouped = typeof pending.numGroups === 'number'
  const grouped = wasGrouped && snapshot.metadata.numGroups !== undefined
  const found: [string, Base<BaseEntry>][] = []
  for (const keys of [pending.written, pending.deletes]) {
    for (const key of keys) {
      if (pending.bases.keys.has(key)) continue
      const entry = index.get(key)
      const now = snapshot.index.get(key)
      // Python takes what it deletes out of the index file at once; also what it sets again then.
      const taken = !entry && (keys === pending.deletes || (state.indexIsShort && state.revision === 0 && now !== undefined))
      const base = lost || taken ? 'unknown' : baseOf(entry, wasGrouped)
      if (!isBase(base, now, grouped) && !isOwn(observers.sent, key, snapshot) && !isAsSent(state, key, now, grouped)) found.push([key, base])
    }
  }
  return found
}

/** Whether the remote has of a key what this session sent, in a commit whose acknowledgement was lost. What is pending was made on top of that. */
function isOwn(sent: OwnCommit | undefined, key: string, snapshot: TakenIn): boolean {
  if (!sent?.keys.has(key)) return false
  const grouped = snapshot.metadata.numGroups !== undefined
  return isBase(baseOf(sent.after.index.get(key), grouped), snapshot.index.get(key), grouped)
}

/** The same after a crash: what was being sent then is still pending, so the remote has the write that is pending. */
function isAsSent({ pending, local }: SyncState, key: string, now: IndexEntry | undefined, grouped: boolean): boolean {
  if (!now || !pending.sent || !pending.written.has(key)) return false
  return local.getTimestamp(key) === now.timestamp && (!grouped || local.lengthOf(key) === now.length)
}

function metaBase({ remote, observers, pending, local }: SyncState, snapshot: TakenIn, lost: boolean): Base<Uint8Array> | undefined {
  const now = snapshot.state.metaSection
  const section = pending.sent && now ? decodeMetaSection(now) : undefined
  if (section && section.timestamp === local.metadataTimestamp && sameJson(section.data, local.metadata ?? null)) return undefined
  if (observers.sent?.metadata && sameMeta(observers.sent.after.metaSection, now)) return undefined
  if (lost) return 'unknown'
  return sameMeta(remote.metaSection, now) ? undefined : (remote.metaSection ?? 'absent')
}

/**
 * Another program that opened the local file has dropped what was noted of bases, and may have read the remote since. What was
 * kept of overwritten values tells what is left to be told: a key of which the remote has another one now was changed there.
 */
export function recoverBases({ pending, index, baseValues }: SyncState): void {
  const lost: [string, number][] = []
  for (const [key, timestamp] of baseValues?.timestamps() ?? []) {
    if (pending.has(key) && !pending.bases.keys.has(key) && index.get(key)?.timestamp !== timestamp) lost.push([key, timestamp])
  }
  if (lost.length > 0) pending.noteBases((bases) => lost.forEach(([key, timestamp]) => bases.noteKey(key, { timestamp, length: null })))
}

/** Drops what was kept of values that are no base of a pending change any more. */
export function dropOldBaseValues({ pending, index, baseValues }: SyncState): void {
  baseValues?.retain((key, timestamp) => {
    if (!pending.has(key)) return false
    const base = pending.bases.keys.get(key) ?? index.get(key)
    return typeof base === 'object' && base.timestamp === timestamp
  })
}

/** Whether two metadata sections say the same, whoever wrote them. */
export function sameMeta(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a !== null && b !== null && equalBytes(a, b)) return true
  const [one, other] = [a, b].map((section) => (section ? decodeMetaSection(section) : undefined))
  // Removed, again and again or at once, or never there.
  if ((one?.data ?? null) === null || (other?.data ?? null) === null) return (one?.data ?? null) === (other?.data ?? null)
  return one!.timestamp === other!.timestamp && sameJson(one!.data, other!.data)
}

/** Whether two JSON values are written the same. */
export function sameJson(a: unknown, b: unknown): boolean {
  try {
    return stringifyJson(a) === stringifyJson(b)
  } catch {
    // Deeper than is written: others may publish that.
    return false
  }
}
