import { InvalidArgumentError } from '../base/error.js'
import type { HeldLock } from '../lock/index.js'
import { lockOnly } from '../sync/conditions.js'
import { RemoteNotFoundError } from '../sync/errors.js'
import { ProgressMeter } from '../sync/progress.js'
import { readRemote } from '../sync/remote.js'
import { upgrade, type UpgradeResult } from '../sync/upgrade/upgrade.js'
import { toConnection, type OpenedConnection, type RemoteConnection } from './connection/index.js'
import { initBytesOf } from './init-bytes.js'
import { conditionalWrites } from './seen-conditions.js'
import { checkWholeRemoteOptions, environmentOf, withConnection, withLock, type WholeRemoteOptions } from './whole-remote.js'

export interface UpgradeOptions extends WholeRemoteOptions {
  /**
   * Go on although values that the index lists are not in the store. Their keys stay, and reading one gives an
   * IntegrityError. Default false: the upgrade is refused with one.
   */
  acceptMissing?: boolean | undefined
  /** The most bytes of the db object. Default 2 GiB. */
  maxIndexBytes?: number | undefined
}

/**
 * Turns a database of format 1, as ebooklet up to 0.9 writes it, into one of format 2, which ebooklet from 0.10 on and this
 * package read and write. Groups are copied by the store itself where it can; in per-key mode the values stay where they
 * are. The old database stays readable until one commit puts the new one in its place; afterwards the objects that only
 * format 1 had are deleted. Takes the lock. Stopped at any point it leaves the one or the other, whole; run it again to finish.
 *
 * Local copies go on. ebooklet up to 0.9 can't open the database any more: upgrade those who use it first.
 *
 * @param remote as for `openEbooklet`, or the connection of a group of connections
 * @returns `upgraded: false` when the database is of format 2 already; what an upgrade left that was stopped is deleted then
 * @throws InvalidArgumentError, ReadOnlyError, RemoteNotFoundError, LockTimeoutError, LockLostError, IntegrityError (values are
 *   missing), UpgradeFailedError, FormatError, StoreError. The database is as it was then, unless `inDoubt`.
 */
export async function upgradeRemote(remote: RemoteConnection | string | URL, options: UpgradeOptions = {}): Promise<UpgradeResult> {
  checkUpgradeOptions(options)
  const connection = toConnection(remote)
  return withConnection(connection, 'write', async (opened) => {
    // A wrong key gets no ticket beside it.
    const found = await opened.store.head(opened.dbKey, { signal: options.signal })
    if (found.status !== 'ok') throw new RemoteNotFoundError(connection.name)
    return withLock(opened, options, (lock) => underLock(connection, opened, options, lock, found.info.versionId !== undefined))
  })
}

async function underLock(connection: RemoteConnection, opened: OpenedConnection, options: UpgradeOptions, lock: HeldLock, versioned: boolean): Promise<UpgradeResult> {
  const { signal, onProgress, acceptMissing = false, maxIndexBytes } = options
  const environment = environmentOf(options)
  const remote = { store: opened.store, dbKey: opened.dbKey, limits: { maxIndexBytes }, acceptFormat1: true }
  const result = await readRemote(remote, undefined, signal)
  if (result.status !== 'ok') throw new RemoteNotFoundError(connection.name)
  const { snapshot } = result
  const conditions = snapshot.metadata.format === 2 ? lockOnly : await conditionalWrites(connection, opened, environment, signal ?? new AbortController().signal).catch(() => lockOnly)
  const meter = new ProgressMeter(environment, onProgress)
  return upgrade({ remote, snapshot, lock, conditions, environment, acceptMissing, signal, initBytes: initBytesOf(snapshot), meter, versioned })
}

/** @throws InvalidArgumentError for the first option that is wrong */
function checkUpgradeOptions(options: UpgradeOptions): void {
  checkWholeRemoteOptions(options)
  const { maxIndexBytes, acceptMissing } = options
  if (maxIndexBytes !== undefined && !(Number.isSafeInteger(maxIndexBytes) && maxIndexBytes >= 0)) throw new InvalidArgumentError('maxIndexBytes has to be a whole number of bytes, 0 or more')
  if (acceptMissing !== undefined && typeof acceptMissing !== 'boolean') throw new InvalidArgumentError('acceptMissing has to be true or false')
}
