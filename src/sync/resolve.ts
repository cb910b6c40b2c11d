/** Doing what was decided about conflicts, in the local file and the journal. Nothing here waits or fails half-way. */
import { discardAll, discardKeys, writeValue } from './edit.js'
import type { ConflictKind, ResolvedConflict } from './conflict.js'
import type { Decisions, KeyDecision, Merged, MetadataDecision } from './decisions.js'
import type { KeyClash } from './plan-merge.js'
import type { SyncState } from './state.js'

/** After this the changes that are left are based on what the remote has now. @param now µs */
export function resolve(state: SyncState, { keys, meta, replace }: Decisions, now: () => number): Merged {
  const conflicts: ResolvedConflict[] = []
  const adopted: string[] = []
  const resolved = (kind: ConflictKind, key: string | undefined, resolution: ResolvedConflict['resolution']) => conflicts.push({ kind, key, resolution })
  if (replace) {
    if (replace.how === 'remote') discardAll(state)
    else state.pending.rebase({ replace: true })
    resolved('replacement', undefined, replace.how)
  }
  if (meta) {
    resolveMetadata(state, meta, now)
    if (meta.how !== 'same') resolved('metadata', undefined, meta.how)
  }
  for (const decision of keys) {
    resolveKey(state, decision, now)
    if (decision.how === 'same') adopted.push(decision.key)
    else resolved(decision.kind, decision.key, decision.how)
  }
  return { conflicts, adopted }
}

function resolveMetadata(state: SyncState, decision: MetadataDecision, now: () => number): void {
  const { local, pending } = state
  if (decision.how === 'value') local.setMetadata(decision.metadata, { timestamp: Math.max(now(), decision.earliest) })
  if (decision.how === 'value' || decision.how === 'local') {
    pending.rebase({ meta: true })
    return
  }
  pending.setMetaPending(false)
  state.restoreMetadata()
}

function resolveKey(state: SyncState, decision: KeyDecision, now: () => number): void {
  const { pending, local } = state
  const { key, entry } = decision
  switch (decision.how) {
    case 'local':
      break
    case 'remote':
      discardKeys(state, [key])
      break
    case 'same':
      local.setTimestamp(key, entry!.timestamp)
      pending.forget(key)
      break
    case 'value':
      if (decision.bytes) writeValue(state, key, decision.bytes, now())
      else deleteOnBoth(state, decision)
  }
  pending.rebase({ keys: [key] })
}

function deleteOnBoth({ local, pending }: SyncState, { key, entry }: KeyClash): void {
  local.delete(key)
  if (entry) pending.addDelete(key)
  else pending.forget(key)
}
