import { InvalidArgumentError } from '../base/error.js'
import { DEFAULT_MAX_FINDINGS } from '../base/findings.js'
import { lockKey } from '../format/names.js'
import type { HeldLock } from '../lock/index.js'
import { fsck, type FsckReport } from '../sync/fsck/fsck.js'
import type { SweepRules } from '../sync/fsck/sweep.js'
import type { RemoteLocation } from '../sync/remote.js'
import { toConnection, type RemoteConnection } from './connection/index.js'
import { checkWholeRemoteOptions, environmentOf, withConnection, withLock, type WholeRemoteOptions } from './whole-remote.js'

/** ms. */
const day = 24 * 60 * 60 * 1000

/** What has to do with the lock is for a sweep: a check alone takes none. */
export interface FsckOptions extends WholeRemoteOptions {
  /** Read every group object and compare it with the index (in per-key mode: ask each value for its timestamp). Default false. */
  deep?: boolean | undefined
  /** Delete what nothing refers to, under the lock. Default false: nothing is changed, and no lock is taken. */
  sweep?: boolean | undefined
  /** ms: what is younger, or has no date, is never swept: it may belong to a push that is under way. Default 24 h. */
  minAge?: number | undefined
  /** The most findings to keep; the others are counted. Default 1000. */
  maxFindings?: number | undefined
  /** The most bytes of the db object. Default 2 GiB. */
  maxIndexBytes?: number | undefined
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
  const { deep = false, minAge = day, maxFindings = DEFAULT_MAX_FINDINGS, maxIndexBytes, signal, onProgress } = options
  const environment = environmentOf(options)
  const localTime = () => environment.now() / 1000
  const look = ({ store, dbKey }: RemoteLocation, rules: SweepRules, ownTicket: string | undefined) =>
    fsck({ remote: { store, dbKey, limits: { maxIndexBytes } }, environment, deep, maxFindings, signal, onProgress, rules, ownTicket })
  if (options.sweep) {
    return withConnection(connection, 'write', (opened) =>
      withLock(opened, options, async (lock) => look(opened, { lock, minAge, now: await storeTime(opened, lock, localTime) }, lock.id)),
    )
  }
  // Public ways can't list: the one for writing shows more.
  const opened = connection.open('write')
  try {
    return await look(opened, { lock: undefined, minAge, now: localTime }, undefined)
  } finally {
    await opened.close()
  }
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
function checkFsckOptions(options: FsckOptions): void {
  checkWholeRemoteOptions(options)
  const { minAge, maxFindings, maxIndexBytes } = options
  if (minAge !== undefined && !(minAge >= 0)) throw new InvalidArgumentError('minAge has to be a number of milliseconds, 0 or more')
  for (const [name, value] of Object.entries({ maxFindings, maxIndexBytes })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) throw new InvalidArgumentError(`${name} has to be a whole number, 0 or more`)
  }
  if (options.breakLocks !== undefined && !options.sweep) throw new InvalidArgumentError('breakLocks goes with sweep: a check alone takes no lock')
}
