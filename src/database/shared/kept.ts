/** What readers keep of the remote, and how that gets into the local file that they share. Pure bookkeeping. */
import { decodeRemoteState, type RemoteState } from '../../format/remote-state.js'
import type { Booklet } from '../../booklet/index.js'
import { takeIn } from '../../sync/pull.js'
import { RemoteIndex } from '../../sync/remote-index.js'
import type { SyncState } from '../../sync/state.js'

export interface KeptValue {
  key: string
  /** µs, as the remote's index has it. */
  timestamp: number
  value: Uint8Array
}

/** A state of the remote that a reader took in. */
export interface KeptRemote {
  /** µs of its commit. */
  timestamp: number
  state: RemoteState
  index: RemoteIndex
}

/**
 * @param slot what slot 2 holds
 * @param index the index section
 * @throws FormatError, UnsupportedVersionError
 */
export function decodeKeptRemote(slot: Uint8Array | undefined, index: Uint8Array | undefined): KeptRemote | undefined {
  const state = slot && decodeRemoteState(slot)
  return state && state.timestamp !== null && index ? { timestamp: state.timestamp, state, index: RemoteIndex.decode(index) } : undefined
}

export interface Kept {
  /** Undefined when the reader saw nothing newer than the shared file knows. */
  remote: KeptRemote | undefined
  values(): Iterable<KeptValue>
  /** The file that the values are in, where this process wrote it. */
  file?: Booklet<string, unknown> | undefined
}

/** The newest state of the remote that any of them has, if it is newer than what the local file knows. */
export function newestRemote(state: SyncState, kept: readonly Kept[]): KeptRemote | undefined {
  let newest: KeptRemote | undefined
  let timestamp = state.remote.timestamp ?? -1
  for (const { remote } of kept) {
    if (!remote || remote.timestamp <= timestamp) continue
    newest = remote
    timestamp = remote.timestamp
  }
  return newest
}

/**
 * Takes a newer state of the remote in as a pull would: pending changes stay, what the remote no longer has goes.
 * A file that nobody knows the last writer of is searched for writes that its journal lost, as at every open.
 *
 * @returns false where that search has to wait for somebody who knows the remote's index
 */
export function takeInNewest(state: SyncState, newest: KeptRemote | undefined): boolean {
  const searchable = !state.indexLost || newest !== undefined
  if (!state.local.openedClean && searchable) state.recoverLostWrites(state.indexLost ? newest?.index : undefined)
  if (newest) takeIn(state, { ...newest, metadata: { numGroups: newest.state.numGroups ?? undefined, timestamp: newest.timestamp } })
  return state.local.openedClean || searchable
}

/** Keeps those values that would have to be fetched: of a state that the remote has left behind, none. */
export function keepValues(state: SyncState, file: Booklet<string, unknown>, kept: Kept): void {
  const { pending, visibleIndex } = state
  // Then all that the index has would have to be fetched. No key comes twice, so that stays so while they are kept.
  const lacksAll = file.holdsNothing && pending.written.size === 0 && pending.deletes.size === 0
  if (lacksAll && kept.file) {
    file.takeOver(kept.file, (digest, timestamp) => visibleIndex.timestampOf(digest) === timestamp)
    return
  }
  const entryToFetch = (key: string) => {
    if (lacksAll) return visibleIndex.get(key)
    const found = state.locate(key)
    return found.where === 'remote' ? found.entry : undefined
  }
  for (const { key, timestamp, value } of kept.values()) {
    if (entryToFetch(key)?.timestamp === timestamp) file.setBytes(key, value, { timestamp })
  }
}
