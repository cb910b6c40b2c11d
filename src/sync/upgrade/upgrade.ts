/**
 * Turning a database of format 1 into one of format 2: check the groups and copy them to names of their own, verify the
 * lock, one PUT of the db object, delete what format 1 had. Until that PUT the old database is whole; after it the new one.
 */
import type { Environment } from '../../base/environment.js'
import { decodeHeader, patchHeader } from '../../format/booklet-header.js'
import { encodeDbMetadata } from '../../format/db-metadata.js'
import { encodeDbPayload } from '../../format/db-object.js'
import { MAX_GROUP_BYTES } from '../../format/group.js'
import { groupId } from '../../format/group-id.js'
import type { IndexEntry } from '../../format/index-entry.js'
import { format1GroupKey, groupKey, newId } from '../../format/names.js'
import { timestampAfter } from '../../format/timestamp.js'
import { PreconditionFailedError, UnsupportedOperationError } from '../../store/errors.js'
import type { PutOptions, PutResult } from '../../store/object-store.js'
import { deleteReplaced } from '../cleanup.js'
import { forEachConcurrent } from '../concurrency.js'
import type { ConditionalWrites } from '../conditions.js'
import { CommitConflictError, CommitFailedError, IntegrityError, UpgradeFailedError } from '../errors.js'
import { byGroup, type WantedValue } from '../plan-reads.js'
import type { ProgressMeter } from '../progress.js'
import type { WriteLock } from '../push-context.js'
import { putDbObject } from '../put-db-object.js'
import type { RemoteSnapshot } from '../remote.js'
import { encodeRemoteIndex } from '../remote-index.js'
import type { RemoteLocation } from '../remote-location.js'
import { checkGroup, type CheckedGroup } from './check-group.js'
import { listBelow, oldObjects, type Below } from './old-objects.js'

/** What `upgradeRemote` did. */
export interface UpgradeResult {
  /** False when the database was of format 2 already. */
  upgraded: boolean
  /** How many keys the database has. */
  keys: number
  /** Group objects that were copied; 0 in per-key mode, where the values stay where they are. */
  groups: number
  /** Bytes of those. */
  bytes: number
  /** µs of the commit; undefined when there was none. */
  timestamp: number | undefined
  /** Keys whose values could not be found, with `acceptMissing`. They stay in the index; reading one gives an IntegrityError. */
  missing: readonly string[]
  /** Objects of format 1, and of upgrades that were stopped, that were deleted. */
  deleted: number
  /** Those that could not be deleted. Harmless; another run takes them. */
  leftovers: readonly string[]
}

export interface UpgradeContext {
  remote: RemoteLocation
  snapshot: RemoteSnapshot
  /** As far as they are believed. */
  initBytes: Uint8Array
  lock: WriteLock
  conditions: ConditionalWrites
  environment: Environment
  meter: ProgressMeter
  acceptMissing: boolean
  versioned: boolean
  signal: AbortSignal | undefined
}

const groupsAtOnce = 8

interface Prepared {
  entries: Map<string, IndexEntry>
  manifest: Map<number, string>
  groups: Set<number>
  bytes: number
  missing: { keys: string[]; object: string }[]
  /** True once the commit was sent, unless it was refused: then the copies may be what the database refers to. */
  mayHaveArrived: boolean
}

export async function upgrade(context: UpgradeContext): Promise<UpgradeResult> {
  const { remote, snapshot, lock, meter, signal } = context
  await lock.verify(signal)
  const below = await listBelow(remote, snapshot, signal)
  if (snapshot.metadata.format === 2) return cleanUp(context, below, undefined)
  const prepared: Prepared = { entries: new Map(), manifest: new Map(), groups: new Set(), bytes: 0, missing: [], mayHaveArrived: false }
  let put: { timestamp: number; result: PutResult }
  try {
    await prepare(context, below, prepared)
    refuseMissing(context, prepared)
    meter.begin('commit', { bytes: 0, groups: 0 })
    put = await commitUpgrade(context, prepared)
  } catch (error) {
    if (!prepared.mayHaveArrived) await deleteReplaced(remote.store, remote.dbKey, copiesOf(context, prepared), context.versioned)
    throw error
  }
  return cleanUp({ ...context, versioned: put.result.versionId !== undefined }, below, { ...prepared, timestamp: put.timestamp })
}

function copiesOf({ remote }: UpgradeContext, { manifest }: { manifest: ReadonlyMap<number, string> }): string[] {
  return [...manifest].map(([gid, generation]) => groupKey(remote.dbKey, gid, generation))
}

async function prepare(context: UpgradeContext, below: Below, prepared: Prepared): Promise<void> {
  const { remote, snapshot, meter, signal } = context
  const { index, metadata } = snapshot
  const { numGroups } = metadata
  const wanted: WantedValue[] = Array.from(index.entries(), ([key, entry]) => ({ key, entry }))
  if (numGroups === undefined) {
    for (const { key, entry } of wanted) {
      prepared.entries.set(key, entry)
      if (!below.values.has(key)) prepared.missing.push({ keys: [key], object: `${remote.dbKey}/${key}` })
    }
    return
  }
  const groups = byGroup(wanted, (key) => groupId(key, numGroups))
  meter.begin('upload', { bytes: 0, groups: groups.size })
  await forEachConcurrent(groups, groupsAtOnce, async ([gid, values]) => {
    signal?.throwIfAborted()
    const checked = await checkGroup(remote.store, remote.dbKey, gid, values, signal)
    const missing = checked ? checked.missing : values.map(({ key }) => key)
    for (const { key, entry } of values) prepared.entries.set(key, checked?.entries.get(key) ?? entry)
    if (missing.length > 0) prepared.missing.push({ keys: missing, object: format1GroupKey(remote.dbKey, gid) })
    // Nothing is copied that is not going to be used.
    if (checked && (missing.length === 0 || context.acceptMissing)) await copyGroup(context, checked, prepared)
    meter.done({ groups: 1 })
  })
}

async function copyGroup(context: UpgradeContext, { gid, etag, size }: CheckedGroup, prepared: Prepared): Promise<void> {
  const { remote, environment, meter, signal } = context
  const { store, dbKey } = remote
  const generation = newId(environment)
  const [source, target] = [format1GroupKey(dbKey, gid), groupKey(dbKey, gid, generation)]
  // Noted before it is there: what fails half-way is cleaned up too.
  prepared.manifest.set(gid, generation)
  meter.grow({ bytes: size })
  try {
    const result = await store.copy(source, target, { signal, ...(etag === '' ? {} : { ifSourceMatch: etag }) })
    if (result.status === 'missing') throw changed(context, source)
  } catch (error) {
    if (error instanceof PreconditionFailedError) throw changed(context, source, error)
    if (!(error instanceof UnsupportedOperationError)) throw error
    await sendCopy(context, source, target, etag)
  }
  const head = await store.head(target, { signal })
  if (head.status !== 'ok' || head.info.size !== size) throw new UpgradeFailedError(objectName(context), `the copy of ${source} is not what was copied`)
  prepared.groups.add(gid)
  prepared.bytes += size
  meter.done({ bytes: size })
}

/** Where the store copies nothing by itself. */
async function sendCopy(context: UpgradeContext, source: string, target: string, etag: string): Promise<void> {
  const { store } = context.remote
  const got = await store.get(source, { maxBytes: MAX_GROUP_BYTES, signal: context.signal })
  if (got.status !== 'ok' || got.info.etag !== etag) throw changed(context, source)
  await store.put(target, got.bytes, { signal: context.signal })
}

function changed(context: UpgradeContext, source: string, cause?: unknown): UpgradeFailedError {
  return new UpgradeFailedError(objectName(context), `somebody changed ${source} meanwhile, though the lock was held`, { cause })
}

function refuseMissing({ remote, acceptMissing }: UpgradeContext, { missing }: Prepared): void {
  const [first] = missing
  if (first === undefined || acceptMissing) return
  const perKey = missing.every(({ keys }) => keys.length === 1)
  const keys = perKey ? missing.flatMap((part) => part.keys) : first.keys
  throw new IntegrityError(keys, `${first.object} of ${remote.store.name}`, 'is missing or lacks what the index says (nothing was upgraded; acceptMissing: true upgrades the rest)')
}

async function commitUpgrade(context: UpgradeContext, prepared: Prepared): Promise<{ timestamp: number; result: PutResult }> {
  const { remote, snapshot, lock, conditions, environment, signal } = context
  const { metadata, state } = snapshot
  const timestamp = Math.max(environment.now(), timestampAfter(metadata.timestamp))
  const initBytes = travelling(context.initBytes)
  const index = encodeRemoteIndex(prepared.entries, { minBuckets: decodeHeader(initBytes).nBuckets, timestamp })
  const body = encodeDbPayload({ manifest: prepared.manifest, metaSection: state.metaSection ?? undefined, index })
  const { uuid, type, numGroups } = metadata
  const condition: PutOptions = conditions.match && state.etag !== undefined ? { ifMatch: state.etag, etagForm: conditions.match } : {}
  await lock.verify(signal)
  // Without a condition that works, the least is to look.
  const head = await remote.store.head(remote.dbKey, { signal })
  if (head.status !== 'ok' || head.info.etag !== (state.etag ?? '')) throw new UpgradeFailedError(objectName(context), 'somebody committed meanwhile, though the lock was held')
  signal?.throwIfAborted()
  prepared.mayHaveArrived = true
  try {
    return { timestamp, result: await putDbObject(remote, body, { ...condition, metadata: encodeDbMetadata({ timestamp, uuid, type, initBytes, numGroups }) }, environment) }
  } catch (error) {
    if (error instanceof CommitConflictError) {
      prepared.mayHaveArrived = false
      throw new UpgradeFailedError(objectName(context), 'somebody committed meanwhile', { cause: error.cause })
    }
    if (error instanceof CommitFailedError) throw new UpgradeFailedError(objectName(context), 'the commit failed', { inDoubt: error.inDoubt, cause: error.cause })
    throw error
  }
}

/** A header fit to travel: without count and without notes of its implementation. */
function travelling(initBytes: Uint8Array): Uint8Array {
  const bytes = initBytes.slice().fill(0, 77)
  patchHeader(bytes, { nKeys: 0 })
  return bytes
}

async function cleanUp(context: UpgradeContext, below: Below, done: (Prepared & { timestamp: number }) | undefined): Promise<UpgradeResult> {
  const { remote, snapshot, meter } = context
  meter.begin('cleanup', { bytes: 0, groups: 0 })
  const result = {
    upgraded: done !== undefined,
    keys: snapshot.index.size,
    groups: done?.manifest.size ?? 0,
    bytes: done?.bytes ?? 0,
    timestamp: done?.timestamp,
    missing: done?.missing.flatMap(({ keys }) => keys) ?? [],
  }
  let old: string[] = []
  try {
    old = await oldObjects(remote, below, done?.groups ?? new Set())
  } catch (error) {
    // The commit stands: what is left is for another run. Without a commit it is all that there was to do.
    if (!done) throw error
    return { ...result, deleted: 0, leftovers: [...below.groups].map((gid) => format1GroupKey(remote.dbKey, gid)) }
  }
  const leftovers = await deleteReplaced(remote.store, remote.dbKey, old, context.versioned)
  return { ...result, deleted: old.length - leftovers.length, leftovers }
}

function objectName({ remote }: UpgradeContext): string {
  return `${remote.store.name}/${remote.dbKey}`
}
