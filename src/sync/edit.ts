/** Local edits: what set, delete, clear and discard mean for the local file and the journal. */
import { DiscardRefusedError } from './errors.js'
import type { SyncState } from './state.js'

export function writeValue(state: SyncState, key: string, value: Uint8Array, timestamp: number): void {
  keepBaseValue(state, key)
  state.local.setBytes(key, value, { timestamp })
  state.pending.addWrite(key)
}

/** Returns false when there was no such key. */
export function deleteKey(state: SyncState, key: string): boolean {
  if (!state.has(key)) return false
  keepBaseValue(state, key)
  state.local.delete(key)
  // What a push is sending, or has sent, may be on the remote.
  if (state.visibleIndex.has(key) || state.pending.pushRuns || state.pending.sent) state.pending.addDelete(key)
  else state.pending.forget(key)
  return true
}

/** A value of the remote that is about to be changed for the first time: somebody may want to see it. */
function keepBaseValue({ baseValues, pending, visibleIndex, local }: SyncState, key: string): void {
  if (!baseValues || pending.has(key)) return
  const entry = visibleIndex.get(key)
  if (!entry) return
  const held = local.getTimestamp(key) === entry.timestamp ? local.getBytes(key) : undefined
  baseValues.keep(key, held, entry.timestamp)
}

/** Drops pending changes of some keys: values come back from the remote, deleted keys reappear. */
export function discardKeys(state: SyncState, keys: Iterable<string>): void {
  for (const key of keys) {
    if (state.pending.written.has(key)) state.local.delete(key)
    if (state.pending.written.has(key) || state.pending.deletes.has(key)) state.pending.forget(key)
  }
}

/** @throws DiscardRefusedError when the local file can't become a copy of the remote again */
export function checkDiscardable({ pending, remote, local }: SyncState): void {
  if (pending.replacePending && remote.replaces !== undefined) throw new DiscardRefusedError(local.path ?? 'the local copy')
}

/** Drops every pending change: values, deletes, metadata, a replacement. */
export function discardAll(state: SyncState): void {
  const { pending, local } = state
  checkDiscardable(state)
  for (const key of pending.written) local.delete(key)
  pending.forgetAllKeys()
  if (!pending.replacePending && !pending.metaPending) return
  // A replacement may have been given another number of groups than the remote has.
  const { timestamp, numGroups } = state.remote
  if (pending.replacePending && timestamp !== null && numGroups !== undefined) pending.setNumGroups(numGroups)
  pending.setReplacePending(false)
  pending.setMetaPending(false)
  state.restoreMetadata()
}
