import { EbookletError } from '../base/error.js'

/** Who holds a lock or waits for it, as far as its ticket tells. */
export interface LockHolder {
  /** The id of the ticket. */
  id: string
  /** Undefined where the objects of the ticket hold something that is no mode. */
  exclusive: boolean | undefined
  /** When the ticket took its place, ms since the Unix epoch by the store's clock; undefined where the store gives no date. */
  since: number | undefined
  /** ms from then to now. */
  age: number | undefined
  /** What the holder wrote about itself, where it did: names as `owner`, `host`, `pid`, `started`. */
  facts: Readonly<Record<string, string>>
}

/** The parent of what the lock throws. `dbKey` is the key of the database that the lock is of. */
export abstract class LockError extends EbookletError {
  readonly dbKey: string
  constructor(message: string, facts: { dbKey: string; cause?: unknown }) {
    super(message, { cause: facts.cause })
    this.dbKey = facts.dbKey
  }
}

/** The lock could not be had in the time given. One's own ticket is gone again. */
export class LockTimeoutError extends LockError {
  readonly code = 'LOCK_TIMEOUT'
  /** Those who stand in the way, the oldest first. */
  readonly holders: readonly LockHolder[]
  constructor(message: string, facts: { dbKey: string; holders: readonly LockHolder[]; cause?: unknown }) {
    super(message, facts)
    this.holders = facts.holders
  }
}

/** Someone broke this lock: its ticket is no longer there. Nothing must be written any more. */
export class LockLostError extends LockError {
  readonly code = 'LOCK_LOST'
}

/** The store doesn't show tickets as it must, so no lock is safe on it. */
export class LockUnavailableError extends LockError {
  readonly code = 'LOCK_UNAVAILABLE'
}

/** Objects under the names of lock tickets that hold something else. */
export class ForeignTicketError extends LockError {
  readonly code = 'FOREIGN_TICKET'
  /** The object that is no ticket. */
  readonly key: string
  constructor(message: string, facts: { dbKey: string; key: string; cause?: unknown }) {
    super(message, facts)
    this.key = facts.key
  }
}

/** The lock's ticket could not be deleted: others wait until it is broken. */
export class LockReleaseError extends LockError {
  readonly code = 'LOCK_RELEASE'
}
