/** Local edits: what set, delete, clear and discard mean for the local file and the journal. */
import { DiscardRefusedError } from './errors.js'
import type { SyncState } from './state.js'

export function writeValue(state: SyncState, key: string, value: Uint8Array, timestamp: number): void {
  state.local.setBytes(key, value, { timestamp })
  state.pending.addWrite(key)
}

/** Returns false when there was no such key. */
export function deleteKey(state: SyncState, key: string): boolean {
  if (!state.has(key)) return false
  state.local.delete(key)
  // What a push that runs is sending may be on the remote when it has ended.
  if (state.visibleIndex.has(key) || state.pending.pushRuns) state.pending.addDelete(key)
  else state.pending.forget(key)
  return true
}

/** Drops pending changes of some keys: values come back from the remote, deleted keys reappear. */
export function discardKeys(state: SyncState, keys: Iterable<string>): void {
  for (const key of keys) {
    if (state.pending.written.has(key)) state.local.delete(key)
    if (state.pending.written.has(key) || state.pending.deletes.has(key)) state.pending.forget(key)
  }
}

/** Drops every pending change: values, deletes, metadata, a replacement. */
export function discardAll(state: SyncState): void {
  const { pending, local } = state
  if (pending.replacePending && state.remote.replaces !== undefined) throw new DiscardRefusedError(local.path ?? 'the local copy')
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
