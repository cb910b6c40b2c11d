import { InvalidArgumentError, ReadOnlyError } from '../base/error.js'
import { systemEnvironment, type Environment } from '../base/environment.js'
import { DEFAULT_MAX_FINDINGS } from '../base/findings.js'
import { lockKey } from '../format/names.js'
import { acquireLock, breakLocks, type HeldLock } from '../lock/index.js'
import { fsck, type FsckReport } from '../sync/fsck/fsck.js'
import type { SweepRules } from '../sync/fsck/sweep.js'
import type { ProgressListener } from '../sync/progress.js'
import type { RemoteLocation } from '../sync/remote.js'
import { toConnection, type RemoteConnection } from './connection/index.js'

/** ms. */
const day = 24 * 60 * 60 * 1000
const defaultLockTimeout = 300_000

export interface FsckOptions {
  /** Read every group object and compare it with the index (in per-key mode: ask each value for its timestamp). Default false. */
  deep?: boolean
  /** Delete what nothing refers to, under the lock. Default false: nothing is changed, and no lock is taken. */
  sweep?: boolean
  /** ms: what is younger, or has no date, is never swept: it may belong to a push that is under way. Default 24 h. */
  minAge?: number
  /** The most findings to keep; the others are counted. Default 1000. */
  maxFindings?: number
  /** The most bytes of the db object. Default 2 GiB. */
  maxIndexBytes?: number
  /** ms to wait for the lock, for a sweep. Default 300 000. */
  lockTimeout?: number
  /** Before locking for a sweep, break the tickets of others: `stale` those older than 2 h, `all` every one. Only when you know that they are dead. */
  breakLocks?: 'stale' | 'all'
  /** ms that the lock waits for rivals to become visible, and between looks. Default 1000 each. */
  lockTiming?: { settle?: number; poll?: number }
  /** Who you are, for those who have to wait for your lock. */
  owner?: string
  signal?: AbortSignal
  onProgress?: ProgressListener
  /** Clock, randomness and timers; for tests. */
  environment?: Environment
  /** Told what the user should know but what is no error. Default: `process.emitWarning`. */
  onWarning?: (message: string) => void
}

/**
 * Checks the remote of a database, and tells what it found: what nothing refers to, what is missing, what contradicts
 * itself. docs/fsck.md tells of each kind what to do. Changes nothing unless `sweep` is given.
 *
 * @param remote as for `openEbooklet`
 * @throws InvalidArgumentError, ReadOnlyError (a sweep where nothing can be written), LockTimeoutError, LockLostError,
 *   RemoteChangedError, StoreError. What is damaged is a finding, never an error.
 */
export async function fsckRemote(remote: RemoteConnection | string | URL, options: FsckOptions = {}): Promise<FsckReport> {
  checkFsckOptions(options)
  const connection = toConnection(remote)
  // Public ways can't list: the one for writing shows more.
  const opened = connection.open('write')
  try {
    const { store, dbKey } = opened
    if (options.sweep && !store.writable) throw new ReadOnlyError(`${connection.name} can only be read: sweep it through an S3Connection with credentials`)
    return await check({ store, dbKey, limits: { maxIndexBytes: options.maxIndexBytes } }, options)
  } finally {
    await opened.close()
  }
}

async function check(remote: RemoteLocation, options: FsckOptions): Promise<FsckReport> {
  const { deep = false, minAge = day, maxFindings = DEFAULT_MAX_FINDINGS, signal, onProgress } = options
  const environment = options.environment ?? systemEnvironment()
  const base = { remote, environment, deep, maxFindings, signal, onProgress }
  const localTime = () => environment.now() / 1000
  if (!options.sweep) return fsck({ ...base, ownTicket: undefined, rules: { lock: undefined, minAge, now: localTime } })
  const lock = await takeLock(remote, options, environment)
  try {
    const rules: SweepRules = { lock, minAge, now: await storeTime(remote, lock, localTime) }
    return await fsck({ ...base, ownTicket: lock.id, rules })
  } finally {
    await lock.release()
  }
}

async function takeLock({ store, dbKey }: RemoteLocation, options: FsckOptions, environment: Environment): Promise<HeldLock> {
  const { breakLocks: which, lockTimeout = defaultLockTimeout, lockTiming, owner, signal, onWarning } = options
  if (which) await breakLocks(store, dbKey, { which, environment, signal })
  return acquireLock(store, dbKey, { exclusive: true, timeout: lockTimeout, environment, owner, signal, onWarning, ...lockTiming })
}

/* How old something is, is asked of the store's clock: this machine's may be wrong, and things must not look old by it. One's own ticket shows it. */
async function storeTime({ store, dbKey }: RemoteLocation, lock: HeldLock, localTime: () => number): Promise<() => number> {
  const head = await store.head(lockKey(dbKey, lock.id, 1))
  const written = head.status === 'ok' ? head.info.lastModified : undefined
  const begun = localTime()
  // Without a date nothing is old.
  return () => (written === undefined ? 0 : written + (localTime() - begun))
}

/** @throws InvalidArgumentError for the first option that is wrong */
function checkFsckOptions({ minAge, maxFindings, maxIndexBytes, lockTimeout, sweep, breakLocks: which }: FsckOptions): void {
  for (const [name, value] of Object.entries({ minAge, lockTimeout })) {
    if (value !== undefined && !(value >= 0)) throw new InvalidArgumentError(`${name} has to be a number of milliseconds, 0 or more`)
  }
  for (const [name, value] of Object.entries({ maxFindings, maxIndexBytes })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) throw new InvalidArgumentError(`${name} has to be a whole number, 0 or more`)
  }
  if (which !== undefined && which !== 'stale' && which !== 'all') throw new InvalidArgumentError("breakLocks has to be 'stale' or 'all'")
  if (which !== undefined && !sweep) throw new InvalidArgumentError('breakLocks goes with sweep: a check alone takes no lock')
}
