/** Taking in another state of the remote. */
import type { DatabaseType } from '../format/db-metadata.js'
import { adoptForeignDeletes } from './foreign-deletes.js'
import { ConflictingOptionError, RemoteNotFoundError, RemoteTypeError, UuidMismatchError } from './errors.js'
import { noteBases } from './note-bases.js'
import { readRemote, type RemoteLocation, type RemoteSnapshot, type TakenIn } from './remote.js'
import type { SyncState } from './state.js'

export interface PullResult {
  /** False when the remote was still the one that was seen last. */
  changed: boolean
  /** Local values dropped because the remote no longer has them. */
  evicted: number
}

/** @throws RemoteTypeError */
export function checkType(name: string, found: DatabaseType, expected: DatabaseType): void {
  if (found !== expected) throw new RemoteTypeError(name, found, expected)
}

/** Refuses a remote that the local file isn't a copy of. Changes nothing. */
export function checkSameDatabase(state: SyncState, remote: RemoteLocation, snapshot: RemoteSnapshot): void {
  const name = `${remote.store.name} ${remote.dbKey}`
  const { metadata } = snapshot
  checkType(name, metadata.type, state.type)
  // A replacement may have an identity of its own; it remembers whom it replaces.
  const expected = state.pending.replacePending ? (state.remote.replaces ?? state.local.uuid) : state.local.uuid
  if (metadata.uuid !== expected) {
    throw new UuidMismatchError(state.local.path ?? 'the local copy', state.local.uuid, name, metadata.uuid)
  }
  const recorded = state.local.valueSerializerCode
  const found = snapshot.header.valueSerializer
  if (recorded !== found && !state.pending.replacePending) {
    throw new ConflictingOptionError('the local file with value serializer code', String(recorded), `code ${found} at the remote`)
  }
}

/**
 * Makes the snapshot what the session knows of the remote: keys that are gone from it vanish from the
 * local copy; pending changes stay, and so do values that the remote as last seen can't have brought.
 */
export function takeIn(state: SyncState, snapshot: TakenIn): PullResult {
  const { pending, local } = state
  if (adoptForeignDeletes(state, snapshot) > 0) state.save()
  for (const key of [...pending.deletes]) if (!snapshot.index.has(key)) pending.forget(key)
  const stale = pending.replacePending ? [] : staleValues(state, snapshot)
  const noted = noteBases(state, snapshot)
  if (!pending.replacePending) pending.setNumGroups(snapshot.metadata.numGroups ?? null)
  for (const key of stale) local.delete(key)
  // Durable before the old index goes, which alone tells that values came from the remote, and what changes were based on.
  if (noted || stale.length > 0) state.save()
  const before = state.seen
  state.saveRemote(snapshot.state, snapshot.index)
  state.observers.takenIn(before, state.seen)
  if (!pending.metaPending && !pending.replacePending) state.restoreMetadata()
  state.save()
  return { changed: true, evicted: stale.length }
}

/**
 * Local values that came from the remote and are no more: their keys are gone, or have an older value now, as after a
 * replacement or a delete by somebody whose clock is behind. Others that are newer than the remote's become writes.
 */
function staleValues(state: SyncState, { index }: TakenIn): string[] {
  const { pending, local } = state
  const stale: string[] = []
  for (const [key, timestamp] of local.timestamps()) {
    if (pending.written.has(key)) continue
    const entry = index.get(key)
    if (entry && timestamp <= entry.timestamp) continue
    if (state.isNewerThanSeen(key, timestamp) && !pending.deletes.has(key)) pending.addWrite(key)
    else stale.push(key)
  }
  return stale
}

/**
 * Looks whether the remote has changed since, and takes in its state if so: one request, without a body
 * when nothing changed.
 * @throws RemoteNotFoundError when the remote is gone, UuidMismatchError when it is another database now
 */
export async function pull(state: SyncState, remote: RemoteLocation, signal?: AbortSignal): Promise<PullResult> {
  const { revision } = state
  const result = await readRemote(remote, state.remote, signal)
  signal?.throwIfAborted()
  // Another pull or a commit was faster: this answer may be older than what is known now.
  if (state.revision !== revision) return pull(state, remote, signal)
  if (result.status === 'unchanged') {
    state.stillTheSame(result.etag)
    return { changed: false, evicted: 0 }
  }
  if (result.status === 'missing') {
    if (state.remote.timestamp === null) return { changed: false, evicted: 0 }
    throw new RemoteNotFoundError(`${remote.store.name}/${remote.dbKey}`)
  }
  checkSameDatabase(state, remote, result.snapshot)
  return takeIn(state, result.snapshot)
}
