import { deleteDatabase, type DeleteRemoteResult } from '../sync/delete-remote.js'
import { ProgressMeter } from '../sync/progress.js'
import { toConnection, type RemoteConnection } from './connection/index.js'
import { checkWholeRemoteOptions, environmentOf, withConnection, withLock, type WholeRemoteOptions } from './whole-remote.js'

export type DeleteRemoteOptions = WholeRemoteOptions

/**
 * Deletes a database from its store for good, in a versioned bucket with every version: under the lock, the db object
 * first, then what lay below it. Nothing else goes: no other database, not even one whose key begins with this one's
 * and a slash, and no lock tickets, for others may be waiting. Local files stay as they are.
 *
 * After a crash or a failure, call it again: it finds what is left. It throws when there is nothing at all.
 *
 * @param remote a connection, or a URL as for `openEbooklet`
 * @throws RemoteNotFoundError when there is nothing to delete
 * @throws DeleteIncompleteError when some objects could not be deleted
 * @throws LockTimeoutError, LockLostError, ReadOnlyError, FormatError (what is there is no database), StoreError
 */
export async function deleteRemote(remote: RemoteConnection | string | URL, options: DeleteRemoteOptions = {}): Promise<DeleteRemoteResult> {
  checkWholeRemoteOptions(options)
  const connection = toConnection(remote)
  const environment = environmentOf(options)
  const { signal } = options
  return withConnection(connection, 'write', (opened) =>
    withLock(opened, options, (lock) => {
      const meter = new ProgressMeter(environment, options.onProgress)
      return deleteDatabase({ remote: opened, lock, environment, meter, signal })
    }),
  )
}
