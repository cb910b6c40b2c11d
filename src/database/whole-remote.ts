/** What calls on whole remotes have in common: a connection, the lock, and letting go of both. */
import { setMaxListeners } from 'node:events'
import { InvalidArgumentError, ReadOnlyError } from '../base/error.js'
import { systemEnvironment, type Environment } from '../base/environment.js'
import type { HeldLock } from '../lock/index.js'
import type { ProgressListener } from '../sync/progress.js'
import type { OpenedConnection, RemoteConnection } from './connection/connection.js'
import { takeLock } from './take-lock.js'

/** Options of calls that change a whole remote under its lock. */
export interface WholeRemoteOptions {
  signal?: AbortSignal | undefined
  onProgress?: ProgressListener | undefined
  /** ms to wait for the lock. Default 300 000. */
  lockTimeout?: number | undefined
  /** Before locking, break the tickets of other writers: `stale` those older than 2 h, `all` every one. Only when you know that they are dead. */
  breakLocks?: 'stale' | 'all' | undefined
  /** Who you are, for those who have to wait for your lock. Default: the user and host of this process. */
  owner?: string | undefined
  /** Told what the user should know but what is no error. Default: `process.emitWarning`. */
  onWarning?: ((message: string) => void) | undefined
  /** Clock, randomness and timers; for tests. */
  environment?: Environment | undefined
  /** ms that the lock waits for rivals to become visible, and between looks. Default 1000 each; the original relies on it. */
  lockTiming?: { settle?: number | undefined; poll?: number | undefined } | undefined
}

/** @throws InvalidArgumentError */
export function checkWholeRemoteOptions({ lockTimeout, breakLocks: which }: WholeRemoteOptions): void {
  if (lockTimeout !== undefined && !(lockTimeout >= 0)) throw new InvalidArgumentError('lockTimeout has to be a number of milliseconds, 0 or more')
  if (which !== undefined && which !== 'stale' && which !== 'all') throw new InvalidArgumentError("breakLocks has to be 'stale' or 'all'")
}

export function environmentOf(options: WholeRemoteOptions): Environment {
  return options.environment ?? systemEnvironment()
}

/** Opens a connection, runs `action`, and closes it whatever happens. */
export async function withConnection<T>(connection: RemoteConnection, purpose: 'read' | 'write', action: (remote: OpenedConnection) => Promise<T>): Promise<T> {
  const remote = connection.open(purpose)
  try {
    if (purpose === 'write' && !remote.store.writable) {
      throw new ReadOnlyError(`${connection.name} can only be read: give an S3Connection with credentials, or another connection that writes`)
    }
    return await action(remote)
  } finally {
    await remote.close()
  }
}

/** Runs `action` under the lock of a remote. */
export async function withLock<T>(remote: OpenedConnection, options: WholeRemoteOptions, action: (lock: HeldLock) => Promise<T>): Promise<T> {
  // Many requests listen to it.
  if (options.signal) setMaxListeners(0, options.signal)
  const lock = await takeLock(remote, options, environmentOf(options))
  let result: T
  try {
    result = await action(lock)
  } catch (error) {
    // Its error is the more telling one; a ticket that stays is told by whom it keeps waiting.
    await lock.release().catch(() => undefined)
    throw error
  }
  await lock.release()
  return result
}
