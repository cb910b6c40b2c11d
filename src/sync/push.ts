/**
 * A push: upload, verify the lock, one commit PUT, clear the journal, delete what was replaced. Until the
 * commit every reader is on the old state and every change is pending; after it, at most unreferenced
 * objects are left. docs/architecture.md states the invariants.
 */
import type { Environment } from '../base/environment.js'
import { encodeDbMetadata } from '../format/db-metadata.js'
import { encodeDbPayload, encodeMetaSection } from '../format/db-object.js'
import type { IndexEntry } from '../format/index-entry.js'
import { deleteReplaced, replacedObjects } from './cleanup.js'
import { CommitFailedError } from './errors.js'
import type { ValueFetcher } from './fetch.js'
import { planPush } from './plan-push.js'
import { ProgressMeter, type ProgressListener } from './progress.js'
import { ebookletType } from './pull.js'
import { nothingPushed, type AdjustedTimestamp, type PushResult } from './push-result.js'
import type { RemoteLocation } from './remote.js'
import { encodeRemoteIndex, RemoteIndex } from './remote-index.js'
import type { SyncState } from './state.js'
import { uploadGroups, uploadValues, type UploadContext, type Uploaded } from './upload.js'

export interface PushOptions {
  /** Cancels the push before its commit; everything stays pending. */
  signal?: AbortSignal | undefined
  onProgress?: ProgressListener | undefined
}

/** What a push needs to know of the lock. */
export interface WriteLock {
  /** Throws when the lock isn't held any more. */
  verify(signal?: AbortSignal): Promise<void>
}

export interface PushContext {
  remote: RemoteLocation
  state: SyncState
  fetcher: ValueFetcher
  lock: WriteLock
  environment: Environment
}

export async function push(context: PushContext, options: PushOptions = {}): Promise<PushResult> {
  const { state, lock, environment } = context
  const { pending } = state
  options.signal?.throwIfAborted()
  if (pending.isEmpty && state.remote.timestamp !== null) return nothingPushed
  await lock.verify(options.signal)
  pending.beginPush()
  try {
    const adjusted = adjustTimestamps(state)
    state.save()
    const meter = new ProgressMeter(environment, options.onProgress)
    const uploaded = await upload({ ...context, meter, signal: options.signal })
    const failed = { ...nothingPushed, ok: false, failures: uploaded.failures, adjusted }
    if (!isWorthACommit(state, uploaded)) return failed
    meter.begin('commit', { bytes: 0, groups: 0 })
    const before = { index: state.index, manifest: state.remote.manifest }
    const committed = await commit(context, uploaded, options.signal)
    meter.begin('cleanup', { bytes: 0, groups: 0 })
    const replaced = replacedObjects(context.remote.dbKey, before, committed.after, uploaded)
    const leftovers = await deleteReplaced(context.remote.store, context.remote.dbKey, replaced, committed.versioned)
    return {
      updated: true,
      ok: uploaded.failures.length === 0,
      written: uploaded.written,
      deleted: uploaded.deleted,
      objectsUploaded: uploaded.objects,
      bytesUploaded: uploaded.bytes,
      failures: uploaded.failures,
      adjusted,
      timestamp: committed.timestamp,
      leftovers,
    }
  } finally {
    pending.endPush()
  }
}

/** Writes whose clock is behind the remote's entry would be invisible: they get a timestamp just after it. */
function adjustTimestamps(state: SyncState): AdjustedTimestamp[] {
  const adjusted: AdjustedTimestamp[] = []
  if (state.pending.replacePending) return adjusted
  for (const key of state.pending.written) {
    const entry = state.index.get(key)
    const from = state.local.getTimestamp(key)
    if (!entry || from === undefined || from > entry.timestamp) continue
    const to = entry.timestamp + 1
    state.local.setTimestamp(key, to)
    adjusted.push({ key, from, to })
  }
  return adjusted
}

function upload(context: UploadContext): Promise<Uploaded> {
  const { state, meter } = context
  const { pending } = state
  if (typeof pending.numGroups !== 'number') {
    const deleted = pending.replacePending ? [] : [...pending.deletes]
    meter.begin('upload', { bytes: 0, groups: pending.written.size })
    return uploadValues(context, [...pending.written], deleted)
  }
  const plans = planPush({
    indexKeys: state.index.keys(),
    written: pending.written,
    deletes: pending.deletes,
    groupOf: (key) => state.groupOf(key),
    replace: pending.replacePending,
  })
  meter.begin('upload', { bytes: 0, groups: plans.length })
  return uploadGroups(context, plans)
}

/** A replacement is all or nothing; otherwise whatever succeeded, or metadata, or a first push, is committed. */
function isWorthACommit(state: SyncState, uploaded: Uploaded): boolean {
  if (uploaded.failures.length === 0) return true
  if (state.pending.replacePending) return false
  return uploaded.written.length > 0 || uploaded.deleted.length > 0 || state.pending.metaPending
}

interface Committed {
  timestamp: number
  versioned: boolean
  after: { index: RemoteIndex; manifest: ReadonlyMap<number, string> }
}

async function commit(context: PushContext, uploaded: Uploaded, signal: AbortSignal | undefined): Promise<Committed> {
  const { state, remote, lock, environment } = context
  const timestamp = Math.max(environment.now(), (state.remote.timestamp ?? -1) + 1)
  const manifest = nextManifest(state, uploaded)
  const metaSection = nextMetaSection(state)
  const indexBytes = encodeRemoteIndex(nextEntries(state, uploaded), { minBuckets: state.local.nBuckets, timestamp })
  const body = encodeDbPayload({ manifest, metaSection: metaSection ?? undefined, index: indexBytes })
  const metadata = encodeDbMetadata({
    timestamp,
    uuid: state.local.uuid,
    type: ebookletType,
    initBytes: state.local.headerBytes(),
    numGroups: state.pending.numGroups ?? undefined,
  })
  const index = RemoteIndex.decode(indexBytes)
  await lock.verify(signal)
  signal?.throwIfAborted()
  let put
  try {
    // From here on the signal is not heard: an aborted commit would leave us not knowing.
    put = await remote.store.put(remote.dbKey, body, { metadata })
  } catch (error) {
    throw new CommitFailedError(`${remote.store.name} ${remote.dbKey}`, error)
  }
  settle(state, uploaded)
  const etag = put.etag === '' ? undefined : put.etag
  state.saveRemote({ timestamp, manifest, metaSection, etag }, index)
  state.save()
  return { timestamp, versioned: put.versionId !== undefined, after: { index, manifest } }
}

/** Takes what the commit made true out of the journal; changes made meanwhile stay in it. */
function settle(state: SyncState, uploaded: Uploaded): void {
  const { pending } = state
  pending.settle([...uploaded.written, ...uploaded.deleted])
}

function nextManifest(state: SyncState, uploaded: Uploaded): Map<number, string> {
  const manifest = new Map(state.pending.replacePending ? [] : state.remote.manifest)
  for (const [gid, generation] of uploaded.generations) {
    if (generation === null) manifest.delete(gid)
    else manifest.set(gid, generation)
  }
  return manifest
}

function nextMetaSection(state: SyncState): Uint8Array | null {
  if (state.pending.metaPending) {
    return encodeMetaSection({ timestamp: state.local.metadataTimestamp ?? 0, data: state.local.metadata ?? null })
  }
  return state.pending.replacePending ? null : state.remote.metaSection
}

function* nextEntries(state: SyncState, uploaded: Uploaded): Generator<[string, IndexEntry]> {
  const deleted = new Set(uploaded.deleted)
  const withdrawn = new Set(uploaded.written.filter((key) => !uploaded.entries.has(key)))
  if (!state.pending.replacePending) {
    for (const [key, entry] of state.index.entries()) {
      if (!deleted.has(key) && !withdrawn.has(key) && !uploaded.entries.has(key)) yield [key, entry]
    }
  }
  yield* uploaded.entries
}
