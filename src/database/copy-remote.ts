import { InvalidArgumentError } from '../base/error.js'
import { childPrefix } from '../format/names.js'
import { lockOnly, type ConditionalWrites } from '../sync/conditions.js'
import { copyDatabase, readSource, refuseExisting, type CopyRemoteResult } from '../sync/copy-remote.js'
import { ProgressMeter } from '../sync/progress.js'
import type { RemoteLimits } from '../sync/remote.js'
import { transferWithin } from '../sync/transfer.js'
import { toConnection, type OpenedConnection, type RemoteConnection } from './connection/index.js'
import { checkMemory } from './options.js'
import { conditionalWrites } from './seen-conditions.js'
import { checkWholeRemoteOptions, environmentOf, withConnection, withLock, type WholeRemoteOptions } from './whole-remote.js'

export interface CopyRemoteOptions extends WholeRemoteOptions, Pick<RemoteLimits, 'maxIndexBytes'> {
  /** Bytes of values that are held in memory at most when they pass through here. Default 64 MiB. */
  maxMemory?: number | undefined
}

/**
 * Copies a database to a place where none is: S3 to a directory is a backup, a directory to S3 a restore, and any store
 * that can be read is a source. Only what the source's state refers to is copied; where both ends are buckets of one
 * service seen with the same credentials, the service does it, else the bytes pass through here, a few pieces at a time,
 * whatever the size. The db object comes last: until then there is nothing to read at the target.
 *
 * The source may be pushed to meanwhile; the copy is then of the newer state. A copy that failed or was stopped goes on
 * when it is called again. The copy has the uuid of the source, so local files of the one can go on with the other.
 *
 * @param source a connection, or a URL as for `openEbooklet`; only read
 * @param target a connection, or a URL; locked while the copy runs
 * @throws RemoteNotFoundError when there is no source, TargetExistsError when there is something at the target
 * @throws Format1Error for a source of format 1, IntegrityError for one that lacks objects
 * @throws CopyCommitError, LockTimeoutError, LockLostError, ReadOnlyError, InvalidArgumentError, StoreError
 */
export async function copyRemote(source: RemoteConnection | string | URL, target: RemoteConnection | string | URL, options: CopyRemoteOptions = {}): Promise<CopyRemoteResult> {
  checkWholeRemoteOptions(options)
  const { maxMemory, maxIndexBytes, signal, onProgress } = options
  checkMemory(maxMemory)
  const [from, to] = [toConnection(source), toConnection(target)]
  const environment = environmentOf(options)
  return withConnection(from, 'read', (opened) =>
    withConnection(to, 'write', async (goal) => {
      const origin = { store: opened.store, dbKey: opened.dbKey, limits: { maxIndexBytes } }
      const first = await readSource(origin, undefined, signal)
      refuseOverlap(opened, goal, first.snapshot.metadata.numGroups === undefined)
      await refuseExisting(goal, signal)
      const watching = watchConditions(to, goal, options)
      try {
        return await withLock(goal, options, async (lock) => {
          await refuseExisting(goal, signal)
          const meter = new ProgressMeter(environment, onProgress)
          const conditions = await watching.seen
          return copyDatabase({ source: origin, target: goal, lock, conditions, environment, meter, signal, transfer: transferWithin(maxMemory) }, first)
        })
      } finally {
        await watching.end()
      }
    }),
  )
}

/** Sees whether conditional writes work at the target, while its lock is waited for. */
function watchConditions(connection: RemoteConnection, remote: OpenedConnection, options: CopyRemoteOptions): { seen: Promise<ConditionalWrites>; end: () => Promise<void> } {
  const giveUp = new AbortController()
  const seen = conditionalWrites(connection, remote, environmentOf(options), giveUp.signal).catch(() => lockOnly)
  const end = async () => {
    giveUp.abort(new Error('the copy has ended'))
    await seen
  }
  return { seen, end }
}

/** One object can't be of both databases. Groups have names that no other object has; values have any. */
function refuseOverlap(from: OpenedConnection, to: OpenedConnection, perKey: boolean): void {
  const same = from.store === to.store || (from.store.place !== undefined && from.store.place.realm === to.store.place?.realm && from.store.place.bucket === to.store.place.bucket)
  if (!same) return
  if (from.dbKey === to.dbKey) throw new InvalidArgumentError(`${from.store.name}/${from.dbKey} can't be copied to itself`)
  const nested = to.dbKey.startsWith(childPrefix(from.dbKey)) || from.dbKey.startsWith(childPrefix(to.dbKey))
  if (perKey && nested) throw new InvalidArgumentError(`${from.dbKey} has one object per key, so it and its copy ${to.dbKey} must not lie below one another: choose another key`)
}
