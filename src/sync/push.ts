/**
 * A push: merge with what others did, upload, verify the lock, one commit PUT, clear the journal, delete what was replaced.
 * Until the commit every reader is on the old state and every change is pending; after it, at most unreferenced objects are
 * left. docs/architecture.md states the invariants.
 */
import { timestampAfter } from '../format/timestamp.js'
import type { Environment } from '../base/environment.js'
import { replacedObjects } from './cleanup.js'
import { commit, isConditional } from './commit.js'
import { checkOnConflict, type OnConflict } from './conflict.js'
import type { Merged } from './decisions.js'
import { mergeRemote, nothingMerged } from './merge.js'
import { dropOldBaseValues } from './note-bases.js'
import { ProgressMeter, type ProgressListener } from './progress.js'
import { pull } from './pull.js'
import { deletedValues, groupPlans, isNothingToPush, isWorthACommit } from './push-decisions.js'
import { nothingPushed, type AdjustedTimestamp, type PushResult } from './push-result.js'
import { recordName, type PushContext, type Pusher } from './push-context.js'
import { cleanUp, cleanUpStrays, hasStrays, triesInDoubt } from './resume/clean-up.js'
import { UploadRecord } from './resume/upload-record.js'
import type { SyncState } from './state.js'
import { transferOf } from './transfer.js'
import { placesOf, uploadGroups, uploadValues, type UploadContext, type Uploaded } from './upload.js'

export interface PushOptions<V = unknown, I = V> {
  /** Cancels the push before its commit; everything stays pending. */
  signal?: AbortSignal | undefined
  onProgress?: ProgressListener | undefined
  /** What becomes of keys that were changed here and on the remote. Default: as the session was opened. */
  onConflict?: OnConflict<V, I> | undefined
}

export async function push(pusher: Pusher, options: PushOptions = {}): Promise<PushResult> {
  const { state } = pusher
  options.signal?.throwIfAborted()
  checkOnConflict(options.onConflict)
  const record = UploadRecord.open(state.uploadRecord, recordName(pusher.remote))
  if (isNothingToPush(state) && !hasStrays(record)) {
    await pusher.writer.tidy()
    return nothingPushed
  }
  const permit = await pusher.writer.forPush(options.signal)
  try {
    const context: PushContext = { ...pusher, lock: permit.lock, conditions: permit.conditions }
    if (!permit.fresh) await permit.lock.verify(options.signal)
    // Others may have committed; so may an earlier push of ours that seemed to fail. Know what there is before building on it.
    if (permit.fresh || state.remoteInDoubt) {
      await pull(state, pusher.remote, options.signal)
      forgetVainDeletes(state)
    }
    const merged = await mergeFor(pusher, options)
    if (isNothingToPush(state)) {
      state.save()
      return { ...nothingPushed, leftovers: await cleanUpStrays(pusher.remote, record, state), ...merged }
    }
    return { ...(await pushMerged(context, record, options)), ...merged }
  } finally {
    state.pending.endPush()
    if (!state.remoteInDoubt) {
      forgetVainDeletes(state)
      state.pending.setSent(false)
    }
    dropOldBaseValues(state)
    await permit.end()
  }
}

function mergeFor({ state, fetcher, values, environment, onConflict }: Pusher, options: PushOptions): Promise<Merged> | Merged {
  const rule = options.onConflict ?? onConflict
  return rule === undefined ? nothingMerged : mergeRemote({ state, fetcher, values, now: () => environment.now() }, rule, options.signal)
}

async function pushMerged(context: PushContext, record: UploadRecord, options: PushOptions): Promise<PushResult> {
  const { state, environment, remote } = context
  state.pending.beginPush()
  const { revision } = state
  const adjusted = adjustTimestamps(state, environment)
  // Whoever finds this after a crash has to reckon with a commit that arrived.
  state.pending.setSent(true)
  state.save()
  const meter = new ProgressMeter(environment, options.onProgress)
  const uploaded = await upload({ ...context, transfer: transferOf(remote), record, meter, signal: options.signal })
  if (!isWorthACommit(state, uploaded)) return { ...nothingPushed, ok: false, failures: uploaded.failures, adjusted }
  meter.begin('commit', { bytes: 0, groups: 0 })
  const before = { index: state.index, manifest: state.remote.manifest }
  const inDoubt = isConditional(context) ? undefined : triesInDoubt(record)
  const committed = await commit(context, uploaded, revision, options.signal, () => record.committing())
  meter.begin('cleanup', { bytes: 0, groups: 0 })
  const replaced = replacedObjects(remote.dbKey, before, committed.after, uploaded)
  const leftovers = await cleanUp(remote, record, replaced, { ...committed, inDoubt, failures: uploaded.failures })
  return {
    ...nothingPushed,
    updated: true,
    ok: uploaded.failures.length === 0,
    written: uploaded.written,
    deleted: uploaded.deleted,
    objectsUploaded: uploaded.objects,
    bytesUploaded: uploaded.bytes,
    bytesResumed: uploaded.resumed,
    failures: uploaded.failures,
    adjusted,
    timestamp: committed.timestamp,
    leftovers,
  }
}

/** Deletes, made while a push ran, of what did not come to the remote by it. */
function forgetVainDeletes({ pending, visibleIndex }: SyncState): void {
  for (const key of [...pending.deletes]) if (!visibleIndex.has(key)) pending.forget(key)
}

/** Writes whose clock is behind the remote's entry would be invisible: they get a timestamp just after it. */
function adjustTimestamps(state: SyncState, environment: Environment): AdjustedTimestamp[] {
  const adjusted: AdjustedTimestamp[] = []
  if (state.pending.replacePending) return adjusted
  for (const key of state.pending.written) {
    const entry = state.index.get(key)
    const from = entry && state.local.getTimestamp(key)
    if (!entry || from === undefined || from > entry.timestamp) continue
    // Scattered: two who adjust to the same entry must not come to one timestamp, which stands for one value.
    const scatter = entry.timestamp < 2 ** 52 ? (environment.randomBytes(1)[0] ?? 0) : 0
    const to = timestampAfter(entry.timestamp + scatter)
    state.local.setTimestamp(key, to)
    adjusted.push({ key, from, to })
  }
  return adjusted
}

/* What is sent is read from the local file while it is sent: nothing may move there. */
async function upload(context: UploadContext): Promise<Uploaded> {
  const letGo = placesOf(context.state).hold()
  try {
    return await uploadPlanned(context)
  } finally {
    letGo()
    context.transfer.buffers.clear()
  }
}

function uploadPlanned(context: UploadContext): Promise<Uploaded> {
  const { state, meter } = context
  const { pending } = state
  if (typeof pending.numGroups !== 'number') {
    meter.begin('upload', { bytes: 0, groups: pending.written.size })
    return uploadValues(context, [...pending.written], deletedValues(state))
  }
  const plans = groupPlans(state)
  meter.begin('upload', { bytes: 0, groups: plans.length })
  return uploadGroups(context, plans)
}
