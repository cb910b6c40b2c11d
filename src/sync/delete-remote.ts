/** Deleting a whole database: the db object first, so that nobody reads half of it, then what lay below. */
import { forEachConcurrent } from '../base/concurrency.js'
import type { Environment } from '../base/environment.js'
import { openFixedBooklet } from '../booklet/index.js'
import { FormatError, UnsupportedVersionError } from '../base/error.js'
import { decodeDbMetadata } from '../format/db-metadata.js'
import { childPrefix, isLockTicket, isProbeKey, parseGroupKey } from '../format/names.js'
import { Format1Error } from '../format/errors.js'
import type { DeleteTarget, GetResult, ListedVersion } from '../store/object-store.js'
import { RemoteNotFoundError } from './errors.js'
import { everyVersion } from './every-version.js'
import { isOf, planDelete, type Layout } from './plan-delete.js'
import type { ProgressMeter } from './progress.js'
import type { WriteLock } from './push-context.js'
import { decodeSnapshot, getDbObject, type RemoteLocation } from './remote.js'
import { DeleteIncompleteError } from './whole-remote-errors.js'

export interface DeleteRemoteResult {
  /** False when only the rest of a teardown was there that had been torn. */
  hadDatabase: boolean
  /** Objects that were deleted, the db object included; of each all versions. */
  deletedObjects: number
  /** Keys below the database's that would be its own by their names, but are or may be another database's. */
  spared: readonly string[]
}

export interface DeleteRemoteContext {
  remote: RemoteLocation
  lock: WriteLock
  environment: Environment
  meter: ProgressMeter
  signal: AbortSignal | undefined
}

/** ms after which a probe of conditional writes is nobody's any more. */
const probeAge = 60 * 60 * 1000
const perRequest = 1000
const asksAtOnce = 16

/**
 * Under the lock. What is deleted is listed before the db object goes: whatever somebody begins afterwards has other names.
 * @throws RemoteNotFoundError, DeleteIncompleteError, LockLostError, StoreError
 */
export async function deleteDatabase(context: DeleteRemoteContext): Promise<DeleteRemoteResult> {
  const { remote, lock, meter, signal } = context
  const { dbKey } = remote
  const found = await getDbObject(remote, { signal })
  const below = await listBelow(context)
  const keys = [...below.keys()]
  const plan = planDelete(dbKey, keys, layoutOf(found))
  const asked = await askWhose(context, [...plan.ask, ...plan.suspects])
  const nested = [...plan.locked, ...[...asked].filter(([, whose]) => whose === 'database').map(([key]) => key)]
  const isSpared = (key: string) => (asked.get(key) ?? 'own') !== 'own' || isOf(nested, key)
  const own = [...plan.own, ...plan.ask].filter((key) => !isSpared(key))
  const top = await versionsOf(context, dbKey)
  if (found.status !== 'ok' && own.length === 0 && top.length === 0) throw new RemoteNotFoundError(`${remote.store.name}/${dbKey}`)
  meter.begin('delete', { bytes: 0, groups: own.length })
  await lock.verify(signal)
  if (found.status === 'ok') await deleteAll(context, [{ key: dbKey }])
  await deleteVersions(context, found.status === 'ok' ? await versionsOf(context, dbKey) : top)
  for (let at = 0; at < own.length; at += perRequest) {
    const batch = own.slice(at, at + perRequest)
    await lock.verify(signal)
    await deleteAll(context, batch.flatMap((key) => below.get(key) ?? []))
    meter.done({ groups: batch.length })
  }
  const deletedObjects = own.length + (found.status === 'ok' || top.length > 0 ? 1 : 0)
  return { hadDatabase: found.status === 'ok', deletedObjects, spared: [...plan.own, ...plan.ask].filter(isSpared).sort() }
}

/** How the database keeps its values. What can't be told from the db object is told by what lies there. */
function layoutOf(found: GetResult): Layout {
  if (found.status !== 'ok') return { kind: 'unknown' }
  const format1 = isFormat1(found.info.metadata)
  const groups = found.info.metadata['num_groups']
  const numGroups = groups !== undefined && /^[1-9]\d{0,9}$/.test(groups) ? Number(groups) : undefined
  if (!format1 && numGroups !== undefined) return { kind: 'groups' }
  try {
    const index = format1 ? openFixedBooklet(found.bytes, { flag: 'r', keySerializer: 'str' }) : decodeSnapshot(found.info.metadata, found.bytes, found.info.etag).index
    const has = (key: string) => index.has(key)
    return format1 ? { kind: 'format-1', numGroups, has } : { kind: 'values', has }
  } catch (error) {
    // A damaged index is no reason to keep the rest: what lies there is asked, as after a torn teardown.
    if (error instanceof FormatError) return { kind: 'unknown' }
    throw error
  }
}

/** @throws FormatError when the object is no database, UnsupportedVersionError when it is of a newer format: neither is deleted */
function isFormat1(metadata: Readonly<Record<string, string>>): boolean {
  try {
    decodeDbMetadata(metadata)
    return false
  } catch (error) {
    if (error instanceof Format1Error) return true
    throw error
  }
}

/** Everything below the key with all its versions, but lock tickets' values and probes that may be in use. */
async function listBelow(context: DeleteRemoteContext): Promise<Map<string, DeleteTarget[]>> {
  const { remote, environment, signal } = context
  const now = environment.now() / 1000
  const found = new Map<string, DeleteTarget[]>()
  for await (const version of everyVersion(remote.store, childPrefix(remote.dbKey), 'throw', signal)) {
    const { key, versionId, lastModified } = version
    if (isProbeKey(remote.dbKey, key) && !(lastModified !== undefined && now - lastModified > probeAge)) continue
    const targets = found.get(key)
    if (targets === undefined) found.set(key, [{ key, versionId }])
    else targets.push({ key, versionId })
  }
  return found
}

/** The versions of one object. The listing is left at the first other key. */
async function versionsOf({ remote, signal }: DeleteRemoteContext, key: string): Promise<ListedVersion[]> {
  const found: ListedVersion[] = []
  for await (const version of everyVersion(remote.store, key, 'throw', signal)) {
    if (version.key !== key) break
    found.push(version)
  }
  return found
}

/** Whose the objects are, by their user metadata: another database, a value or group, or something unknown. */
async function askWhose({ remote: { store, dbKey }, signal }: DeleteRemoteContext, keys: readonly string[]): Promise<Map<string, 'own' | 'database' | 'unknown'>> {
  const whose = new Map<string, 'own' | 'database' | 'unknown'>()
  await forEachConcurrent(keys, asksAtOnce, async (key) => {
    const head = await store.head(key, { signal })
    // Only old versions are left of it: nobody's data any more, but whose it was can't be told.
    if (head.status !== 'ok') whose.set(key, 'unknown')
    else if (isDatabase(head.info.metadata)) whose.set(key, 'database')
    else whose.set(key, looksLikeValue(dbKey, key, head.info.metadata) ? 'own' : 'unknown')
  })
  return whose
}

function isDatabase(metadata: Readonly<Record<string, string>>): boolean {
  try {
    decodeDbMetadata(metadata)
    return true
  } catch (error) {
    return error instanceof UnsupportedVersionError || metadata['uuid'] !== undefined
  }
}

/** A value has its timestamp as metadata; a group has none, and a name that no other object has. */
function looksLikeValue(dbKey: string, key: string, metadata: Readonly<Record<string, string>>): boolean {
  if (/^\d{1,17}$/.test(metadata['timestamp'] ?? '')) return true
  return parseGroupKey(dbKey, key) !== undefined || isProbeKey(dbKey, key) || /^(?:0|[1-9]\d{0,9})$/.test(key.slice(childPrefix(dbKey).length))
}

/* Old versions first, the marker that hides them last: otherwise one of them would be the database for a moment. */
async function deleteVersions(context: DeleteRemoteContext, versions: readonly ListedVersion[]): Promise<void> {
  for (const markers of [false, true]) {
    const targets = versions.filter((version) => version.isDeleteMarker === markers).map(({ key, versionId }) => ({ key, versionId }))
    if (targets.length > 0) await deleteAll(context, targets)
  }
}

async function deleteAll({ remote, signal }: DeleteRemoteContext, targets: readonly DeleteTarget[]): Promise<void> {
  if (targets.some(({ key }) => isLockTicket(key))) throw new Error('a lock ticket is no object of the database')
  const { failures } = await remote.store.delete(targets, { signal })
  const [first] = failures
  if (first === undefined) return
  const left = [...new Set(failures.map(({ target }) => target.key))]
  throw new DeleteIncompleteError(`${remote.store.name}/${remote.dbKey}`, left, { cause: first.error })
}
