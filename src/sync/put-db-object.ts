/** The PUT of a db object, and finding out what became of it. */
import type { Environment } from '../base/environment.js'
import { newId } from '../format/names.js'
import { PreconditionFailedError } from '../store/errors.js'
import type { PutOptions, PutResult } from '../store/object-store.js'
import { CommitConflictError, CommitFailedError } from './errors.js'
import type { RemoteLocation } from './remote-location.js'

/** User metadata by which a commit is known again when its acknowledgement was lost. Python ignores it. */
export const stampName = 'commit_id'

/**
 * Puts the db object, under a stamp of its own.
 * @throws CommitConflictError when its condition doesn't hold: nothing was written
 * @throws CommitFailedError when it failed, or when it can't be told whether it arrived
 */
export async function putDbObject(remote: RemoteLocation, body: Uint8Array, options: PutOptions, environment: Environment): Promise<PutResult> {
  const stamp = newId(environment)
  const name = `${remote.store.name}/${remote.dbKey}`
  try {
    return await remote.store.put(remote.dbKey, body, { ...options, metadata: { ...options.metadata, [stampName]: stamp } })
  } catch (error) {
    const found = await readBack(remote, stamp)
    if (typeof found === 'object') return found
    if (error instanceof PreconditionFailedError) throw new CommitConflictError(name, error)
    // Read back and not there: it failed for good, unless it is still on its way. Whoever goes on looks again.
    throw new CommitFailedError(name, error, found === 'unknown')
  }
}

/** Looks whether the db object is the one of this commit: a lost acknowledgement is no failure. */
async function readBack({ store, dbKey }: RemoteLocation, stamp: string): Promise<PutResult | 'other' | 'unknown'> {
  try {
    const head = await store.head(dbKey)
    if (head.status !== 'ok' || head.info.metadata[stampName] !== stamp) return 'other'
    return { etag: head.info.etag, versionId: head.info.versionId }
  } catch {
    return 'unknown'
  }
}
