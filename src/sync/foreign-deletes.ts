import type { TakenIn } from './remote.js'
import type { SyncState } from './state.js'

/**
 * The original takes a key that it is to delete out of its index file at once, and forgets to note the delete when the
 * key was set again before: what is missing there tells. Only where the index read again is of the very commit that the
 * local file knows, and the local file needed no repair: then nothing else can have taken keys out.
 *
 * @returns how many pending deletes were found
 */
export function adoptForeignDeletes(state: SyncState, { index, state: { timestamp } }: TakenIn): number {
  const { pending, local } = state
  if (!state.indexIsShort || timestamp !== state.lastSeenTimestamp || local.repair !== undefined || pending.replacePending) return 0
  const missing: string[] = []
  for (const [key, entry] of index.entries()) {
    const known = state.index.get(key)
    // An index of another commit says nothing.
    if (known && (known.timestamp !== entry.timestamp || known.offset !== entry.offset)) return 0
    if (!known && !pending.written.has(key) && !pending.deletes.has(key)) missing.push(key)
  }
  for (const key of missing) pending.addDelete(key)
  return missing.length
}
