/** What a commit makes of the state before it: the sections of the next db object. */
import { encodeMetaSection } from '../format/db-object.js'
import { RemoteIndex } from './remote-index.js'
import type { SyncState } from './state.js'
import type { Uploaded } from './upload.js'

export function nextManifest(state: SyncState, uploaded: Pick<Uploaded, 'generations'>): Map<number, string> {
  const manifest = new Map(state.pending.replacePending ? [] : state.remote.manifest)
  for (const [gid, generation] of uploaded.generations) {
    if (generation === null) manifest.delete(gid)
    else manifest.set(gid, generation)
  }
  return manifest
}

export function nextMetaSection(state: SyncState, timestamp: number): Uint8Array | null {
  if (state.pending.metaPending) {
    return encodeMetaSection({ timestamp: state.local.metadataTimestamp ?? 0, data: state.local.metadata ?? null })
  }
  const { metaSection } = state.remote
  // A copy that Python has keeps the old metadata unless it reads that it is gone.
  return state.pending.replacePending && metaSection !== null ? encodeMetaSection({ timestamp, data: null }) : metaSection
}

/** @param timestamp of the commit, µs */
export function nextIndex(state: SyncState, uploaded: Pick<Uploaded, 'entries' | 'moved' | 'withdrawn' | 'deleted'>, timestamp: number): RemoteIndex {
  const before = state.pending.replacePending ? RemoteIndex.empty() : state.index
  return before.after({ set: uploaded.entries, moved: uploaded.moved, gone: [...uploaded.deleted, ...uploaded.withdrawn] }, { minBuckets: state.local.nBuckets, timestamp })
}
