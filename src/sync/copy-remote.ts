/**
 * Copying a whole database to where none is. Objects first, the db object last: until then there is nothing to read at
 * the target, and a copy that is begun again goes on with what is there.
 */
import { forEachConcurrent } from '../base/concurrency.js'
import type { Environment } from '../base/environment.js'
import { childPrefix, newId } from '../format/names.js'
import { AccessDeniedError, PreconditionFailedError, UnsupportedOperationError } from '../store/errors.js'
import type { ListedObject, ObjectStore } from '../store/object-store.js'
import { deleteReplaced } from './cleanup.js'
import { stampName } from './put-db-object.js'
import type { ConditionalWrites } from './conditions.js'
import { ObjectCopier, type CopiedObject } from './copy-object.js'
import { IntegrityError, RemoteNotFoundError } from './errors.js'
import { keysIn, planCopy, type CopyItem } from './plan-copy.js'
import type { ProgressMeter } from './progress.js'
import type { WriteLock } from './push-context.js'
import { decodeSnapshot, getDbObject, type RemoteLocation, type RemoteSnapshot } from './remote.js'
import type { Transfer } from './transfer.js'
import { CopyCommitError, TargetExistsError } from './whole-remote-errors.js'

export interface CopyRemoteResult {
  /** µs of the state that was copied. */
  timestamp: number
  uuid: string
  /** Objects that were copied, without the db object, and their bytes as far as they are known. */
  copied: { objects: number; bytes: number }
  /** How many of them the store copied by itself, without their bytes passing through here. */
  copiedByStore: number
  /** Objects that an earlier copy had brought already. */
  present: { objects: number; bytes: number }
  /** How often the source was read again, because a writer had changed it meanwhile. */
  refreshed: number
}

export interface CopyRemoteContext {
  source: RemoteLocation
  target: RemoteLocation
  lock: WriteLock
  /** What was seen to work at the target. */
  conditions: ConditionalWrites
  environment: Environment
  meter: ProgressMeter
  signal: AbortSignal | undefined
  /** Bounds what is held in memory, besides the db object. */
  transfer: Transfer
}

interface Source {
  snapshot: RemoteSnapshot
  body: Uint8Array
  metadata: Readonly<Record<string, string>>
}

/** Objects that are copied side by side. */
const objectsAtOnce = 16
/** How often a source that keeps changing is read again, after which a copy of values keeps what it has. */
const rounds = 8

/** Under the lock of the target, where nothing was when this was called. */
export async function copyDatabase(context: CopyRemoteContext, first: Source): Promise<CopyRemoteResult> {
  const run = new CopyRun(context)
  let current = first
  for (let round = 1; ; round++) {
    const missing = await run.copyAll(current.snapshot)
    // Groups never change: when all are there, the state that was read is whole. Values are overwritten in place.
    if (missing.size === 0 && (current.snapshot.metadata.numGroups !== undefined || round >= rounds)) break
    const next = await readSource(context.source, current, context.signal)
    if (next === current) {
      if (missing.size === 0) break
      throw integrityError(context.source, current.snapshot, missing)
    }
    if (round >= rounds * 4) throw integrityError(context.source, next.snapshot, missing)
    run.refreshed++
    current = next
  }
  const { versioned } = await commitCopy(context, current)
  await run.cleanUp(current.snapshot, versioned)
  return { timestamp: current.snapshot.metadata.timestamp, uuid: current.snapshot.metadata.uuid, copied: run.copied, copiedByStore: run.copiedByStore, present: run.present, refreshed: run.refreshed }
}

/** Reads the db object of the source; the same one again when it hasn't changed. @throws RemoteNotFoundError, Format1Error, FormatError */
export async function readSource(source: RemoteLocation, known: Source | undefined, signal: AbortSignal | undefined): Promise<Source> {
  const result = await getDbObject(source, { ifNoneMatch: known?.snapshot.state.etag, signal })
  if (result.status === 'not-modified' && known !== undefined) return known
  if (result.status !== 'ok') throw new RemoteNotFoundError(`${source.store.name}/${source.dbKey}`)
  const snapshot = decodeSnapshot(result.info.metadata, result.bytes, result.info.etag)
  if (known !== undefined && snapshot.state.etag === undefined && snapshot.metadata.timestamp === known.snapshot.metadata.timestamp) return known
  return { snapshot, body: result.bytes, metadata: result.info.metadata }
}

/** @throws TargetExistsError */
export async function refuseExisting({ store, dbKey }: RemoteLocation, signal: AbortSignal | undefined): Promise<void> {
  const head = await store.head(dbKey, { signal })
  if (head.status === 'ok') throw new TargetExistsError(`${store.name}/${dbKey}`)
}

class CopyRun {
  readonly copied = { objects: 0, bytes: 0 }
  readonly present = { objects: 0, bytes: 0 }
  copiedByStore = 0
  refreshed = 0
  readonly #context: CopyRemoteContext
  readonly #copier: ObjectCopier
  /** What is at the target, by key: what was found there, and what was brought. */
  #there: Map<string, ListedObject> | undefined
  readonly #done = new Map<string, number | undefined>()

  constructor(context: CopyRemoteContext) {
    const { source, target, transfer } = context
    this.#context = context
    this.#copier = new ObjectCopier({ from: source.store, to: target.store, ...transfer })
  }

  /** Brings every object of the state; returns the source objects that weren't there any more. */
  async copyAll(snapshot: RemoteSnapshot): Promise<Set<string>> {
    const { source, target, meter, signal } = this.#context
    const items = [...planCopy(snapshot, source.dbKey, target.dbKey).values()].filter((item) => !this.#isDone(item))
    if (items.length === 0) return new Set()
    const sizes = await listed(source.store, childPrefix(source.dbKey), signal)
    this.#there ??= (await listed(target.store, childPrefix(target.dbKey), signal)) ?? new Map<string, ListedObject>()
    meter.begin('copy', { bytes: items.reduce((sum, item) => sum + (sizes?.get(item.source)?.size ?? 0), 0), groups: items.length })
    const missing = new Set<string>()
    await forEachConcurrent(items, objectsAtOnce, async (item) => {
      signal?.throwIfAborted()
      const found = sizes?.get(item.source)
      if (await this.#isThere(item, found)) meter.done({ bytes: found?.size ?? 0 })
      else if ((await this.#bring(item, found?.size)).status === 'missing') {
        missing.add(item.source)
        return
      }
      this.#done.set(item.target, item.timestamp)
      meter.done({ groups: 1 })
    })
    return missing
  }

  /** After the commit: groups that were brought for a state that the source then left. */
  async cleanUp(snapshot: RemoteSnapshot, versioned: boolean): Promise<void> {
    const { source, target } = this.#context
    if (this.refreshed === 0) return
    const wanted = planCopy(snapshot, source.dbKey, target.dbKey)
    const stale = [...this.#done.keys()].filter((key) => !wanted.has(key))
    await deleteReplaced(target.store, target.dbKey, stale, versioned)
  }

  #isDone({ target, timestamp }: CopyItem): boolean {
    return this.#done.has(target) && this.#done.get(target) === timestamp
  }

  /** Whether an earlier copy has brought it: a group by name and size, a value by timestamp and size. */
  async #isThere(item: CopyItem, source: ListedObject | undefined): Promise<boolean> {
    const { source: from, target, signal } = this.#context
    const found = this.#there?.get(item.target)
    if (found === undefined || this.#done.has(item.target)) return false
    const size = source?.size ?? (await sizeOf(from.store, item.source, signal))
    if (found.size !== size) return false
    if (item.timestamp !== undefined) {
      const head = await target.store.head(item.target, { signal })
      if (head.status !== 'ok' || head.info.metadata['timestamp'] !== String(item.timestamp)) return false
    }
    this.present.objects++
    this.present.bytes += found.size
    return true
  }

  async #bring(item: CopyItem, size: number | undefined): Promise<CopiedObject> {
    const { meter, signal } = this.#context
    const result = await this.#copier.copy(item.source, item.target, size, (bytes) => meter.done({ bytes }), signal)
    if (result.status === 'missing') return result
    this.copied.objects++
    this.copied.bytes += result.bytes
    if (result.by === 'store') this.copiedByStore++
    return result
  }
}

/** What lies there, by key; undefined where it can't be listed, as over a public URL. */
async function listed(store: ObjectStore, prefix: string, signal: AbortSignal | undefined): Promise<Map<string, ListedObject> | undefined> {
  const found = new Map<string, ListedObject>()
  try {
    for await (const object of store.list(prefix, { signal })) found.set(object.key, object)
    return found
  } catch (error) {
    if (error instanceof UnsupportedOperationError || error instanceof AccessDeniedError) return undefined
    throw error
  }
}

async function sizeOf(store: ObjectStore, key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  const head = await store.head(key, { signal })
  return head.status === 'ok' ? head.info.size : undefined
}

function integrityError({ store, dbKey }: RemoteLocation, snapshot: RemoteSnapshot, missing: ReadonlySet<string>): IntegrityError {
  const [object = ''] = missing
  return new IntegrityError(keysIn(snapshot, dbKey, missing), `${object} of ${store.name}`, 'is missing')
}

/** The db object as it was read, with a stamp of its own, by which it is known again when its acknowledgement is lost. */
async function commitCopy(context: CopyRemoteContext, { body, metadata }: Source): Promise<{ versioned: boolean }> {
  const { target, lock, conditions, environment, meter, signal } = context
  meter.begin('commit', { bytes: body.length, groups: 0 })
  await lock.verify(signal)
  await refuseExisting(target, signal)
  signal?.throwIfAborted()
  const stamp = newId(environment)
  try {
    // From here on the signal is not heard: an aborted write would leave us not knowing.
    const put = await target.store.put(target.dbKey, body, { metadata: { ...metadata, [stampName]: stamp }, checksum: true, ...(conditions.create ? { ifNoneMatch: '*' } : {}) })
    meter.done({ bytes: body.length })
    return { versioned: put.versionId !== undefined }
  } catch (error) {
    const found = await target.store.head(target.dbKey).catch(() => undefined)
    const name = `${target.store.name}/${target.dbKey}`
    if (found?.status === 'ok' && found.info.metadata[stampName] === stamp) return { versioned: found.info.versionId !== undefined }
    if (found?.status === 'ok' || error instanceof PreconditionFailedError) throw new TargetExistsError(name, { cause: error })
    throw new CopyCommitError(name, found === undefined, { cause: error })
  }
}
