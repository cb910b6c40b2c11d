import { hostname, userInfo } from 'node:os'
import { systemEnvironment, type Environment } from '../base/environment.js'
import { ClosedError, InvalidArgumentError } from '../base/error.js'
import { checkDbKey, lockKey, lockPrefix, newId } from '../format/names.js'
import { AccessDeniedError, BucketNotFoundError, CredentialsError, UnsupportedKeyError, UnsupportedOperationError } from '../store/errors.js'
import type { DeleteTarget, ObjectStore } from '../store/object-store.js'
import { evaluateElection, ticketDate, type Ticket } from './election.js'
import { LockLostError, LockTimeoutError, LockUnavailableError, type LockHolder } from './errors.js'
import { deleteTickets, describeTicket, modeBody, TicketReader, ticketSince } from './tickets.js'

export interface AcquireLockOptions {
  /** Default true. Shared holders exclude only exclusive ones. */
  exclusive?: boolean | undefined
  /** ms to wait for those who stand in the way. Default: as long as it takes. 0: not at all. */
  timeout?: number | undefined
  /** ms between winning the election and winning it once more; it gives slow rivals time to show up. Default 1000. */
  settle?: number | undefined
  /** ms between looks while waiting. Default 1000. */
  poll?: number | undefined
  /** ms after which a ticket that the store doesn't list is given up. Default 30,000. */
  visibility?: number | undefined
  /** Who one is, for those who wait. Default: user and host. */
  owner?: string | undefined
  /** Told of a ticket that could not be removed after a failure. Default: `process.emitWarning`. */
  onWarning?: ((message: string) => void) | undefined
  /** Handed a ticket that may be left after a failure, because nothing could be reached: releasing it later takes it back. */
  onLeftBehind?: ((ticket: LeftTicket) => void) | undefined
  environment?: Environment | undefined
  signal?: AbortSignal | undefined
}

/** A ticket that may be on the store although nobody wants it any more. */
export interface LeftTicket {
  /** False when it may never have arrived. */
  readonly certain: boolean
  /** @throws LockReleaseError when it could not be deleted */
  release(): Promise<void>
}

/** A lock that is held until it is released, or broken by someone. */
export interface HeldLock extends AsyncDisposable {
  /** The id of the ticket: 13 hex characters. */
  readonly id: string
  readonly dbKey: string
  readonly exclusive: boolean
  /**
   * Asks the store whether the ticket is still complete.
   * @throws LockLostError when it was broken: nothing must be written any more
   * @throws ClosedError after a release
   */
  verify(signal?: AbortSignal): Promise<void>
  /**
   * Deletes the ticket. May be called again; after a failure that tries again.
   * @throws LockReleaseError when it could not be deleted
   */
  release(): Promise<void>
}

/**
 * Takes the lock of the database at `dbKey`. A failure, an abort, a timeout leave no ticket behind.
 * @throws LockTimeoutError with those who stand in the way
 * @throws LockLostError when someone broke the ticket while it waited
 * @throws LockUnavailableError when the store doesn't list what was written to it
 * @throws ForeignTicketError, StoreError, InvalidArgumentError
 */
export async function acquireLock(store: ObjectStore, dbKey: string, options: AcquireLockOptions = {}): Promise<HeldLock> {
  checkDbKey(dbKey)
  for (const name of ['timeout', 'settle', 'poll', 'visibility'] as const) {
    const value = options[name]
    if (value !== undefined && !(value >= 0)) throw new InvalidArgumentError(`${name} must be a number of ms from 0 on, not ${value}`)
  }
  options.signal?.throwIfAborted()
  const contender = new Contender(store, dbKey, options)
  try {
    await contender.enter()
    await contender.win()
  } catch (error) {
    await contender.withdraw(error)
    throw error
  }
  return contender
}

class Contender implements HeldLock {
  readonly id: string
  readonly dbKey: string
  readonly exclusive: boolean
  readonly #store: ObjectStore
  readonly #reader: TicketReader
  readonly #options: AcquireLockOptions
  readonly #environment: Environment
  readonly #settle: number
  readonly #poll: number
  #versioned = false
  /** How many of the two objects are certainly written. */
  #written = 0
  #enteredAt = 0
  #state: 'waiting' | 'held' | 'releasing' | 'released' = 'waiting'
  #releasing: Promise<void> | undefined

  constructor(store: ObjectStore, dbKey: string, options: AcquireLockOptions) {
    this.#store = store
    this.dbKey = dbKey
    this.exclusive = options.exclusive ?? true
    this.#options = options
    this.#environment = options.environment ?? systemEnvironment()
    this.#settle = options.settle ?? 1000
    this.#poll = options.poll ?? 1000
    this.#reader = new TicketReader(store, dbKey)
    this.id = newId(this.#environment)
  }

  /** Writes the ticket. Not cut short by the signal: a PUT that is given up may arrive after all, and would then block everybody. */
  async enter(): Promise<void> {
    const body = modeBody(this.exclusive)
    const metadata = this.#facts()
    for (const part of [0, 1] as const) {
      const { versionId } = await this.#store.put(lockKey(this.dbKey, this.id, part), body, { metadata })
      this.#versioned ||= versionId !== undefined
      this.#written++
      if (part === 0) this.#options.signal?.throwIfAborted()
    }
    this.#enteredAt = this.#now()
  }

  /** Waits until it has won two elections, `settle` apart. */
  async win(): Promise<void> {
    const { timeout = Infinity, signal } = this.#options
    const deadline = this.#enteredAt + timeout
    let tickets = await this.#firstListing()
    let won = 0
    while (won < 2) {
      const result = evaluateElection(this.id, tickets)
      if (result.outcome === 'ticket_lost') throw this.#lost()
      won = result.outcome === 'acquired' ? won + 1 : 0
      if (won === 2) break
      if (result.outcome === 'wait') {
        const left = deadline - this.#now()
        if (left <= 0) throw await this.#timedOut(result.blockers, tickets)
        await this.#environment.sleep(Math.min(this.#poll, left), signal)
      } else await this.#environment.sleep(this.#settle, signal)
      tickets = await this.#reader.tickets({ signal })
    }
    this.#state = 'held'
  }

  async verify(signal?: AbortSignal): Promise<void> {
    if (this.#state !== 'held') throw new ClosedError(`the lock of ${this.dbKey} was released`)
    const own = (await this.#reader.objects({ signal })).find((ticket) => ticket.id === this.id)
    if (own?.parts[0] === undefined || own.parts[1] === undefined) throw this.#lost()
  }

  release(): Promise<void> {
    if (this.#state === 'released') return Promise.resolve()
    this.#state = 'releasing'
    this.#releasing ??= this.#remove()
      .then(() => {
        this.#state = 'released'
      })
      .finally(() => {
        this.#releasing = undefined
      })
    return this.#releasing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  /** Takes the ticket back after a failure, whose error is more telling than one of this. */
  async withdraw(error: unknown): Promise<void> {
    // Refused before anything was written: there is nothing to take back.
    if (this.#written === 0 && isRefusal(error)) return
    this.#state = 'releasing'
    try {
      await this.#remove(this.#written === 0 ? 1 : undefined)
      if (this.#written < 2) {
        // A PUT that failed may still be on its way.
        await this.#environment.sleep(this.#settle)
        await this.#remove()
      }
      this.#state = 'released'
    } catch (cause) {
      const certain = this.#written > 0
      this.#options.onLeftBehind?.({ certain, release: () => (certain ? this.release() : this.#remove(1)) })
      if (!certain) return
      const warn = this.#options.onWarning ?? ((text: string) => process.emitWarning(text, 'EbookletWarning'))
      warn(`After a failure to lock ${this.dbKey}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }

  async #firstListing(): Promise<Ticket[]> {
    const { visibility = 30_000, signal } = this.#options
    for (;;) {
      const tickets = await this.#reader.tickets({ signal })
      const own = tickets.find((ticket) => ticket.id === this.id)
      if (own?.dates[0] !== undefined && own.dates[1] !== undefined) {
        if (ticketDate(own) === -Infinity) throw new LockUnavailableError(`${this.#store.name} lists no dates, without which no lock is safe`, { dbKey: this.dbKey })
        return tickets
      }
      if (this.#now() - this.#enteredAt >= visibility) {
        throw new LockUnavailableError(
          `${this.#store.name} does not list the lock ticket that was written ${Math.round(visibility / 1000)} s ago; without that no lock is safe`,
          { dbKey: this.dbKey },
        )
      }
      await this.#environment.sleep(this.#poll, signal)
    }
  }

  async #remove(attempts?: number): Promise<void> {
    const keys: DeleteTarget[] = ([0, 1] as const).map((part) => ({ key: lockKey(this.dbKey, this.id, part) }))
    // A PUT that was tried twice has left two versions, of which one only is known: the listing knows them all.
    const targets = this.#versioned ? await this.#versions() : keys
    await deleteTickets(this.#store, this.dbKey, targets, (attempt) => this.#environment.sleep(200 * 2 ** attempt), attempts)
  }

  async #versions(): Promise<DeleteTarget[]> {
    const targets: DeleteTarget[] = []
    for await (const { key, versionId } of this.#store.listVersions(`${lockPrefix(this.dbKey)}${this.id}-`)) targets.push({ key, versionId })
    return targets
  }

  async #timedOut(blockers: readonly Ticket[], tickets: readonly Ticket[]): Promise<LockTimeoutError> {
    // The age by the store's clock alone: one's own ticket tells what that showed when it was written.
    const own = tickets.find((ticket) => ticket.id === this.id)
    const now = (own === undefined ? this.#enteredAt : ticketDate(own)) + (this.#now() - this.#enteredAt)
    const holders: LockHolder[] = []
    for (const blocker of blockers.slice(0, 5)) {
      holders.push(await describeTicket(this.#store, this.dbKey, { id: blocker.id, exclusive: blocker.exclusive, since: ticketSince(blocker) }, now))
    }
    const more = blockers.length > holders.length ? `, and ${blockers.length - holders.length} more` : ''
    return new LockTimeoutError(
      `${this.dbKey} is locked by ${holders.map(describeHolder).join('; ')}${more}. Wait for it, or break the lock if you know that its holder is dead`,
      { dbKey: this.dbKey, holders },
    )
  }

  #lost(): LockLostError {
    return new LockLostError(`the lock of ${this.dbKey} was broken by someone: its ticket ${this.id} is gone`, { dbKey: this.dbKey })
  }

  #facts(): Record<string, string> {
    const facts = { owner: this.#options.owner ?? userName(), host: hostname(), pid: String(process.pid), started: String(this.#environment.now()) }
    return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, headerText(value)]))
  }

  /** ms of this machine's clock. */
  #now(): number {
    return this.#environment.now() / 1000
  }
}

/* Answers that say that nothing was written, and nothing will be. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof AccessDeniedError ||
    error instanceof BucketNotFoundError ||
    error instanceof ClosedError ||
    error instanceof CredentialsError ||
    error instanceof UnsupportedKeyError ||
    error instanceof UnsupportedOperationError
  )
}

/** A holder for people: `alice on build-7 (pid 12), 3 min ago`. */
export function describeHolder(holder: LockHolder): string {
  const { owner, host, pid } = holder.facts
  const who = [owner ?? `an unnamed ${holder.exclusive === false ? 'reader' : 'writer'} (ticket ${holder.id})`, host === undefined ? '' : ` on ${host}`, pid === undefined ? '' : ` (pid ${pid})`].join('')
  return `${who}, since ${holder.age === undefined ? 'an unknown time' : duration(holder.age)}`
}

function duration(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 3_600_000)} h`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // No entry for this user id, as in some containers.
    return 'unknown'
  }
}

/* Metadata holds printable ASCII only, and little of it. */
function headerText(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '?').slice(0, 200).trim()
}
