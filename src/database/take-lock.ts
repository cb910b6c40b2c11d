import type { Environment } from '../base/environment.js'
import { acquireLock, breakLocks, type HeldLock, type LeftTicket } from '../lock/index.js'
import type { OpenedConnection } from './connection/connection.js'

/** ms. */
export const defaultLockTimeout = 300_000

/** What calls that need the lock take as options. */
export interface LockingOptions {
  lockTimeout?: number | undefined
  breakLocks?: 'stale' | 'all' | undefined
  lockTiming?: { settle?: number | undefined; poll?: number | undefined } | undefined
  owner?: string | undefined
  signal?: AbortSignal | undefined
  onWarning?: ((message: string) => void) | undefined
  /** Handed a ticket that could not be taken back after a failure. Default: nobody tries again. */
  onLeftBehind?: ((ticket: LeftTicket) => void) | undefined
}

/** Waits for the exclusive lock of a database. */
export async function takeLock({ store, dbKey }: Pick<OpenedConnection, 'store' | 'dbKey'>, options: LockingOptions, environment: Environment): Promise<HeldLock> {
  const { breakLocks: which, lockTimeout = defaultLockTimeout, lockTiming, owner, signal, onWarning, onLeftBehind } = options
  if (which) await breakLocks(store, dbKey, { which, environment, signal })
  return acquireLock(store, dbKey, { exclusive: true, timeout: lockTimeout, environment, owner, signal, onWarning, onLeftBehind, ...lockTiming })
}
