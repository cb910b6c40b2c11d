/** What a push decides from what the session knows, for a push and for a dry run alike. */
import { planPush, type GroupPlan } from './plan-push.js'
import type { SyncState } from './state.js'
import type { Uploaded } from './upload.js'

export function isNothingToPush({ pending, remote }: SyncState): boolean {
  return pending.isEmpty && remote.timestamp !== null
}

/** The groups to write anew; not for per-key mode. */
export function groupPlans(state: SyncState): GroupPlan[] {
  const { pending, index } = state
  const { numGroups } = pending
  if (typeof numGroups !== 'number') throw new Error('per-key databases have no groups')
  return planPush({
    members: (groups) => index.members(groups, numGroups),
    written: pending.written,
    deletes: pending.deletes,
    groupOf: (key) => state.groupOf(key),
    replace: pending.replacePending,
  })
}

/** In per-key mode; a replacement deletes by leaving out. */
export function deletedValues({ pending }: SyncState): string[] {
  return pending.replacePending ? [] : [...pending.deletes]
}

/** A replacement is all or nothing; otherwise whatever succeeded, or metadata, or a first push, is committed. */
export function isWorthACommit(state: SyncState, uploaded: Uploaded): boolean {
  if (uploaded.failures.length === 0) return true
  if (state.pending.replacePending) return false
  return uploaded.written.length > 0 || uploaded.withdrawn.length > 0 || uploaded.deleted.length > 0 || state.pending.metaPending
}
