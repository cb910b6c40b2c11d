/** The two ways in which a session that writes comes by the lock: for as long as it is open, or for each push. */
import type { Environment } from '../base/environment.js'
import { LockReleaseError, type HeldLock, type LeftTicket } from '../lock/index.js'
import { guaranteeOf, lockOnly, type ConditionalWrites, type Guarantee } from '../sync/conditions.js'
import { isUnreachable } from '../sync/offline.js'
import type { PushPermit, WriterLock } from '../sync/push-context.js'
import type { SyncState } from '../sync/state.js'
import type { OpenedConnection, RemoteConnection } from './connection/connection.js'
import { watchConditions } from './seen-conditions.js'
import { takeLock, type LockingOptions } from './take-lock.js'

/** `lock: 'session'`: held from open to close. */
export class SessionLock implements WriterLock {
  readonly guarantee: Guarantee
  readonly perPush = false
  readonly #lock: HeldLock
  readonly #conditions: ConditionalWrites

  constructor(lock: HeldLock, conditions: ConditionalWrites) {
    this.#lock = lock
    this.#conditions = conditions
    this.guarantee = guaranteeOf(conditions)
  }

  forPush(): Promise<PushPermit> {
    return Promise.resolve({ lock: this.#lock, conditions: this.#conditions, fresh: false, end: () => Promise.resolve() })
  }

  tidy(): Promise<void> {
    return Promise.resolve()
  }

  release(): Promise<void> {
    return this.#lock.release()
  }
}

export interface PushLockParts {
  connection: RemoteConnection
  remote: OpenedConnection
  state: SyncState
  options: LockingOptions
  environment: Environment
  warn: (message: string) => void
}

/** `lock: 'push'`: taken when a push begins, given back when it ends. */
export class PushLock implements WriterLock {
  readonly perPush = true
  readonly #parts: PushLockParts
  #breakLocks: LockingOptions['breakLocks']
  /** A ticket that could not be taken back: others wait for it, and so would the next push. */
  #stuck: LeftTicket | undefined

  constructor(parts: PushLockParts) {
    this.#parts = parts
    this.#breakLocks = parts.options.breakLocks
  }

  get guarantee(): Guarantee | undefined {
    const seen = this.#seen
    return seen && guaranteeOf(seen)
  }

  get #seen(): ConditionalWrites | undefined {
    return this.#parts.state.conditionsOn(this.#parts.remote.store.name)
  }

  async forPush(signal: AbortSignal | undefined): Promise<PushPermit> {
    const { connection, remote, state, options, environment, warn } = this.#parts
    await this.tidy()
    const watch = watchConditions(connection, remote, this.#seen, environment, warn)
    let lock: HeldLock
    try {
      lock = await takeLock(remote, { ...options, breakLocks: this.#breakLocks, signal, onWarning: warn, onLeftBehind: (ticket) => (this.#stuck = ticket) }, environment)
    } catch (error) {
      await watch.giveUp()
      throw error
    }
    // Once: who shows up later is alive.
    this.#breakLocks = undefined
    const conditions = await watch.seen
    if (conditions && !this.#seen) state.rememberConditions(remote.store.name, conditions)
    return { lock, conditions: conditions ?? lockOnly, fresh: true, end: () => this.#end(lock) }
  }

  async #end(lock: HeldLock): Promise<void> {
    try {
      await lock.release()
    } catch (error) {
      this.#stuck = { certain: true, release: () => lock.release() }
      this.#parts.warn(`the push has ended, but its lock could not be released; the next push or close() tries again: ${String(error)}`)
    }
  }

  async tidy(): Promise<void> {
    try {
      await this.#stuck?.release()
    } catch (error) {
      // That nobody is there says more than that a ticket may be left.
      throw error instanceof LockReleaseError && isUnreachable(error.cause) ? error.cause : error
    }
    this.#stuck = undefined
  }

  async release(): Promise<void> {
    try {
      await this.#stuck?.release()
    } catch (error) {
      if (this.#stuck?.certain) throw error
    }
    this.#stuck = undefined
  }
}
