import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ReadOnlyError } from '../base/error.js'
import { systemEnvironment, type Environment } from '../base/environment.js'
import type { DatabaseType } from '../format/db-metadata.js'
import { nextPrime } from '../format/primes.js'
import type { HeldLock } from '../lock/index.js'
import { ConflictingOptionError, OfflineFileError, RemoteNotFoundError } from '../sync/errors.js'
import { isUnreachable } from '../sync/offline.js'
import { lockOnly } from '../sync/conditions.js'
import { dropOldBaseValues, recoverBases } from '../sync/note-bases.js'
import { checkSameDatabase, checkType, takeIn } from '../sync/pull.js'
import { readRemote, type ReadRemoteResult, type RemoteLocation, type RemoteSnapshot } from '../sync/remote.js'
import type { WriterLock } from '../sync/push-context.js'
import type { SyncState } from '../sync/state.js'
import { transferWithin } from '../sync/transfer.js'
import type { WithSchema } from '../values/index.js'
import { toConnection, type RemoteConnection } from './connection/index.js'
import type { OpenedConnection } from './connection/connection.js'
import { baseValuesBeside } from './base-values.js'
import { Ebooklet } from './ebooklet.js'
import { LocalOpener } from './open-local.js'
import { watchConditions } from './seen-conditions.js'
import { checkOptions, type OpenEbookletOptions } from './options.js'
import { Rollback } from './rollback.js'
import { defaultLockTimeout, takeLock } from './take-lock.js'
import { PushLock, SessionLock } from './writer-lock.js'

/**
 * Opens a database: a local file in step with a remote.
 *
 * @param remote an `S3Connection` or another connection, or a URL: `s3://bucket/key`, `https://…` (public,
 * read only), `file:///folder/key`
 * @param path the local file, made if it is missing; or `:memory:`. With flag `r` it is shared with other readers, of this
 * process and of others, and nothing is written to it while there are any; with other flags it is had alone
 * @throws InvalidArgumentError, RemoteNotFoundError, UuidMismatchError, ConflictingOptionError,
 * RemoteTypeError, LockTimeoutError, FileLockedError, FormatError, UnsupportedVersionError, OfflineFileError, StoreError. Nothing stays locked
 * or open then.
 */
export function openEbooklet<S extends StandardSchemaV1>(
  remote: RemoteConnection | string | URL,
  path: string,
  options: WithSchema<OpenEbookletOptions<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>, S>,
): Promise<Ebooklet<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>>
export function openEbooklet<V = unknown>(remote: RemoteConnection | string | URL, path: string, options?: OpenEbookletOptions<V>): Promise<Ebooklet<V>>
export function openEbooklet<V>(remote: RemoteConnection | string | URL, path: string, options: OpenEbookletOptions<V> = {}): Promise<Ebooklet<V>> {
  return openDatabase('EVariableLengthValue', remote, path, options)
}

/** Opens a database of a certain kind. */
export async function openDatabase<V>(
  type: DatabaseType,
  remote: RemoteConnection | string | URL,
  path: string,
  options: OpenEbookletOptions<V>,
): Promise<Ebooklet<V>> {
  checkOptions(path, options)
  const connection = toConnection(remote)
  const rollback = new Rollback()
  try {
    const opening = new Opening(type, connection, path, options, rollback)
    return await (options.flag === undefined || options.flag === 'r' ? opening.forReading() : opening.forWriting())
  } catch (error) {
    await rollback.run()
    throw error
  }
}

/** The steps of one open; each that takes something tells the rollback how to give it back. */
class Opening<V> {
  readonly #type: DatabaseType
  readonly #connection: RemoteConnection
  readonly #path: string
  readonly #options: OpenEbookletOptions<V>
  readonly #rollback: Rollback
  readonly #environment: Environment
  readonly #local: LocalOpener<V>

  constructor(type: DatabaseType, connection: RemoteConnection, path: string, options: OpenEbookletOptions<V>, rollback: Rollback) {
    this.#type = type
    this.#connection = connection
    this.#path = path
    this.#options = options
    this.#rollback = rollback
    this.#environment = options.environment ?? systemEnvironment()
    this.#local = new LocalOpener(type, path, options, this.#environment, options.lockTimeout ?? defaultLockTimeout, rollback)
  }

  async forReading(): Promise<Ebooklet<V>> {
    const { offline = false, signal } = this.#options
    if (offline === true) return this.#offline(await this.#local.openExisting())
    const remote = this.#connect('read')
    const existing = await this.#local.openExisting()
    let result: ReadRemoteResult
    try {
      result = await readRemote(remote, existing?.remote, signal)
    } catch (error) {
      if (offline !== 'auto' || !existing?.knowsKeys || signal?.aborted || !isUnreachable(error)) throw error
      const session = this.#offline(existing)
      await remote.close().catch(() => undefined)
      return session
    }
    if (result.status === 'missing') throw new RemoteNotFoundError(this.#connection.name)
    const state = await this.#joined(remote, existing, result)
    this.#chooseNumGroups(state, result)
    return this.#session(state, remote, undefined)
  }

  async forWriting(): Promise<Ebooklet<V>> {
    const remote = this.#connect('write')
    if (!remote.store.writable) {
      throw new ReadOnlyError(`${this.#connection.name} can only be read: open it with flag 'r', or give an S3Connection with credentials`)
    }
    const anew = this.#options.flag === 'n'
    // The local file is locked first: that costs nothing, and fails at once.
    const existing = anew ? undefined : await this.#local.openExisting()
    if (this.#options.lock === 'push') return this.#unlocked(remote, existing)
    const known = existing?.conditionsOn(remote.store.name)
    const watch = watchConditions(this.#connection, remote, known, this.#environment, (message) => this.#local.warn(message))
    this.#rollback.add(() => watch.giveUp())
    const lock = await this.#lock(remote)
    // Only under the lock: somebody may have pushed while we waited for it.
    const state = this.#withBaseValues(await this.#readForWriting(remote, existing))
    const conditions = await watch.seen
    if (conditions !== undefined && !known) state.rememberConditions(remote.store.name, conditions)
    state.save()
    return this.#session(state, remote, new SessionLock(lock, conditions ?? lockOnly))
  }

  /** `lock: 'push'`: nobody is asked where the local file knows its keys; the remote is what it was when it was last seen. */
  async #unlocked(remote: OpenedConnection & RemoteLocation, existing: SyncState | undefined): Promise<Ebooklet<V>> {
    const state = this.#withBaseValues(existing && canWait(existing) ? await this.#resumed(remote, existing) : await this.#readForWriting(remote, existing))
    state.save()
    const writer = new PushLock({ connection: this.#connection, remote, state, options: this.#options, environment: this.#environment, warn: (message) => this.#local.warn(message) })
    return this.#session(state, remote, writer)
  }

  async #resumed(remote: OpenedConnection, existing: SyncState): Promise<SyncState> {
    if (existing.pending.sent) {
      // A process ended while it pushed: what it has sent may be there. Without a network the next push will see.
      try {
        return await this.#readForWriting(remote, existing)
      } catch (error) {
        if (this.#options.signal?.aborted || !isUnreachable(error)) throw error
        existing.remoteInDoubt = true
      }
    }
    this.#warnOfReplacement(existing)
    if (!existing.local.openedClean) existing.recoverLostWrites()
    this.#chooseNumGroups(existing, undefined)
    return existing
  }

  async #readForWriting(remote: OpenedConnection, existing: SyncState | undefined): Promise<SyncState> {
    const result = await readRemote(remote, existing?.remote, this.#options.signal)
    const state = this.#options.flag === 'n' ? await this.#replaced(result) : await this.#continued(remote, existing, result)
    this.#chooseNumGroups(state, result)
    return state
  }

  /** A session of what is local. */
  #offline(existing: SyncState | undefined): Ebooklet<V> {
    if (!existing) throw new OfflineFileError(this.#path, 'missing')
    if (!existing.knowsKeys) throw new OfflineFileError(this.#path, 'index')
    this.#warnOfReplacement(existing)
    if (!existing.local.openedClean) existing.recoverLostWrites()
    this.#checkNumGroups(existing.pending.numGroups)
    return this.#session(existing, undefined, undefined)
  }

  #connect(purpose: 'read' | 'write'): OpenedConnection & RemoteLocation {
    const opened = this.#connection.open(purpose)
    this.#rollback.add(() => opened.close())
    const { maxIndexBytes, maxValueBytes, maxMemory, partSize } = this.#options
    return { store: opened.store, dbKey: opened.dbKey, close: () => opened.close(), limits: { maxIndexBytes, maxValueBytes }, transfer: transferWithin(maxMemory, partSize), acceptFormat1: purpose === 'read' }
  }

  async #lock(remote: OpenedConnection): Promise<HeldLock> {
    const lock = await takeLock(remote, { ...this.#options, onWarning: (message) => this.#local.warn(message) }, this.#environment)
    this.#rollback.add(() => lock.release())
    return lock
  }

  /** An existing database is opened for writing, or a new one begun (flag `c`). */
  async #continued(remote: OpenedConnection, existing: SyncState | undefined, result: ReadRemoteResult): Promise<SyncState> {
    if (result.status !== 'missing') return this.#joined(remote, existing, result)
    // A local file that was never pushed is a database too; one whose remote has gone is not silently made new.
    if (existing && existing.lastSeenTimestamp === null && !existing.isFormat1Copy) return existing
    if (existing || this.#options.flag === 'w') throw new RemoteNotFoundError(this.#connection.name)
    return this.#local.create(undefined)
  }

  /** The local state brought up to what the remote says; a local file is made where there is none. */
  async #joined(remote: OpenedConnection, existing: SyncState | undefined, result: ReadRemoteResult): Promise<SyncState> {
    if (result.status === 'missing') throw new RemoteNotFoundError(this.#connection.name)
    if (existing) this.#warnOfReplacement(existing)
    if (result.status === 'unchanged') {
      if (!existing!.local.openedClean) existing!.recoverLostWrites()
      existing!.stillTheSame(result.etag)
      return existing!
    }
    const { snapshot } = result
    this.#checkType(snapshot)
    const state = existing ?? (await this.#local.create(snapshot))
    checkSameDatabase(state, remote, snapshot)
    // A reader's new file is up to date already, or more so where another one made it.
    if (!existing && (state.remote.timestamp ?? -1) >= snapshot.metadata.timestamp) return state
    if (existing && !state.local.openedClean) state.recoverLostWrites(state.indexLost ? snapshot.index : undefined)
    takeIn(state, snapshot)
    return state
  }

  #warnOfReplacement({ pending }: SyncState): void {
    if (pending.replacePending) {
      this.#local.warn('the local file holds a replacement of the whole remote that was not pushed: the next push replaces everything there; discard() drops it')
    }
  }

  /** Flag `n`: an empty database, which replaces the remote's at its first push. */
  async #replaced(result: ReadRemoteResult): Promise<SyncState> {
    const snapshot = result.status === 'ok' ? result.snapshot : undefined
    if (snapshot) this.#checkType(snapshot)
    const state = await this.#local.createAnew(snapshot)
    if (!snapshot) return state
    state.pending.setReplacePending(true)
    const { uuid } = snapshot.metadata
    state.saveRemote({ ...snapshot.state, replaces: uuid === state.local.uuid ? undefined : uuid }, snapshot.index)
    return state
  }

  /** Before a local file is made or replaced. */
  #checkType({ metadata }: RemoteSnapshot): void {
    checkType(this.#connection.name, metadata.type, this.#type)
  }

  /** The remote's own number wins, then the recorded choice, then the argument. */
  #chooseNumGroups(state: SyncState, result: ReadRemoteResult | undefined): void {
    const { pending } = state
    const asked = this.#checkNumGroups(pending.numGroups)
    if (pending.numGroups !== undefined) return
    const previous = result?.status === 'ok' ? (result.snapshot.metadata.numGroups ?? null) : null
    pending.setNumGroups(asked !== undefined ? asked : previous)
  }

  /** What was asked for, unless it contradicts what is fixed already. */
  #checkNumGroups(fixed: number | null | undefined): number | null | undefined {
    const asked = this.#askedNumGroups()
    if (fixed !== undefined && asked !== undefined && asked !== fixed) {
      throw new ConflictingOptionError('numGroups', String(asked), fixed === null ? 'one object per key' : `${fixed} groups`)
    }
    return asked
  }

  #askedNumGroups(): number | null | undefined {
    const { numGroups } = this.#options
    return typeof numGroups === 'number' ? nextPrime(numGroups) : numGroups
  }

  /** What was kept of overwritten values: it goes with the changes that it belongs to. */
  #withBaseValues(state: SyncState): SyncState {
    const { lock, onConflict } = this.#options
    const values = baseValuesBeside(this.#path, lock === 'push' || onConflict !== undefined, this.#environment)
    this.#rollback.add(() => values.close())
    state.baseValues = values
    recoverBases(state)
    dropOldBaseValues(state)
    return state
  }

  #session(state: SyncState, remote: (OpenedConnection & RemoteLocation) | undefined, writer: WriterLock | undefined): Ebooklet<V> {
    const { lock, onConflict = lock === 'push' ? 'stop' : undefined } = this.#options
    return new Ebooklet<V>({
      state,
      remote,
      values: this.#local.valuesOf(state),
      environment: this.#environment,
      writer,
      onConflict,
      closeConnection: async () => remote?.close(),
    })
  }
}

/** Whether a local file tells enough to work on it before the remote was read. */
function canWait({ indexLost, isFormat1Copy, knowsKeys, pending, lastSeenTimestamp }: SyncState): boolean {
  return knowsKeys && !indexLost && !isFormat1Copy && (lastSeenTimestamp === null || pending.numGroups !== undefined)
}
