import { lockKey, lockPrefix, parseLockKey } from '../format/names.js'
import { UnsupportedOperationError } from '../store/errors.js'
import type { CallOptions, DeleteTarget, ListedVersion, ObjectStore } from '../store/object-store.js'
import { ticketDate, type Ticket } from './election.js'
import { ForeignTicketError, LockReleaseError, type LockHolder } from './errors.js'

/** The body of a ticket's objects; its MD5 is the ETag that a listing shows on most stores. */
const MODES = [
  { body: '0', md5: 'cfcd208495d565ef66e7dff9f98764da', exclusive: false },
  { body: '1', md5: 'c4ca4238a0b923820dcc509a6f75849b', exclusive: true },
] as const

export function modeBody(exclusive: boolean): Uint8Array {
  return new TextEncoder().encode(exclusive ? '1' : '0')
}

/** What lies in the store under the names of one ticket. */
export interface TicketObjects {
  id: string
  /** The two objects, as far as they exist now. */
  parts: [ListedVersion | undefined, ListedVersion | undefined]
  /** Everything to delete so that nothing of it stays, old versions and delete markers included. */
  all: DeleteTarget[]
}

/** Reads the tickets of one database. Remembers modes that it had to read, and what the store can't do. */
export class TicketReader {
  readonly #store: ObjectStore
  readonly #dbKey: string
  readonly #modes = new Map<string, boolean>()
  #listsVersions = true

  constructor(store: ObjectStore, dbKey: string) {
    this.#store = store
    this.#dbKey = dbKey
  }

  /** One listing, without looking into the objects. */
  async objects(options: CallOptions = {}): Promise<TicketObjects[]> {
    const tickets = new Map<string, TicketObjects>()
    for await (const object of this.#list(options)) {
      const name = parseLockKey(this.#dbKey, object.key)
      if (name === undefined) continue
      let ticket = tickets.get(name.id)
      if (ticket === undefined) tickets.set(name.id, (ticket = { id: name.id, parts: [undefined, undefined], all: [] }))
      ticket.all.push({ key: object.key, versionId: object.versionId })
      if (object.isLatest && !object.isDeleteMarker) ticket.parts[name.part] = object
    }
    return [...tickets.values()]
  }

  /**
   * One listing as the election wants it.
   * @throws ForeignTicketError for an object under a ticket's name that is none
   */
  async tickets(options: CallOptions = {}): Promise<Ticket[]> {
    const out: Ticket[] = []
    for (const { id, parts } of await this.objects(options)) {
      const modes = [await this.#mode(parts[0], options), await this.#mode(parts[1], options)] as const
      const exclusive = modes[1] ?? modes[0]
      if (exclusive === undefined) continue
      if (modes[0] !== undefined && modes[0] !== exclusive) throw this.#foreign(lockKey(this.#dbKey, id, 0), 'its two objects name different modes')
      const dateOf = (part: 0 | 1) => (modes[part] === undefined ? undefined : (parts[part]?.lastModified ?? -Infinity))
      out.push({ id, exclusive, dates: [dateOf(0), dateOf(1)] })
    }
    return out
  }

  async *#list(options: CallOptions): AsyncIterable<ListedVersion> {
    const prefix = lockPrefix(this.#dbKey)
    if (this.#listsVersions) {
      try {
        yield* this.#store.listVersions(prefix, options)
        return
      } catch (error) {
        if (!(error instanceof UnsupportedOperationError)) throw error
        this.#listsVersions = false
      }
    }
    for await (const object of this.#store.list(prefix, options)) yield { ...object, versionId: undefined, isLatest: true, isDeleteMarker: false }
  }

  /** Undefined when the object is not there (any more). */
  async #mode(object: ListedVersion | undefined, options: CallOptions): Promise<boolean | undefined> {
    if (object === undefined) return undefined
    const known = knownMode(object) ?? this.#modes.get(`${object.key} ${object.etag}`)
    if (known !== undefined) return known
    // The store's ETags aren't MD5 sums (or someone wrote something else): the body tells.
    const got = object.size === 1 ? await this.#store.get(object.key, { ...options, maxBytes: 16 }) : undefined
    if (got?.status === 'missing') return undefined
    const body = got?.status === 'ok' ? new TextDecoder().decode(got.bytes) : undefined
    const mode = MODES.find((candidate) => candidate.body === body)
    if (mode === undefined) throw this.#foreign(object.key, 'it holds something else than a mode')
    if (object.etag !== '') this.#modes.set(`${object.key} ${object.etag}`, mode.exclusive)
    return mode.exclusive
  }

  #foreign(key: string, what: string): ForeignTicketError {
    return new ForeignTicketError(`${key} is named as a lock ticket of ${this.#dbKey}, but ${what}; see who wrote it, and delete it`, { dbKey: this.#dbKey, key })
  }
}

/** The mode that the ETag of a listing tells; undefined where it isn't one of the two known. */
export function knownMode(object: ListedVersion | undefined): boolean | undefined {
  return MODES.find((mode) => mode.md5 === object?.etag)?.exclusive
}

/** How long ticket objects are tried to be deleted before that is an error. */
const DELETE_ATTEMPTS = 4

export interface DeletePause {
  /** Waits before attempt `attempt` (1, 2, …). */
  (attempt: number): Promise<void>
}

/**
 * Deletes objects of tickets, with some patience: what stays blocks everybody.
 * @throws LockReleaseError
 */
export async function deleteTickets(store: ObjectStore, dbKey: string, targets: readonly DeleteTarget[], pause: DeletePause, attempts = DELETE_ATTEMPTS): Promise<void> {
  let left = targets
  let cause: unknown
  for (let attempt = 0; attempt < attempts && left.length > 0; attempt++) {
    if (attempt > 0) await pause(attempt)
    try {
      const { failures } = await store.delete(left)
      left = failures.map((failure) => failure.target)
      cause = failures[0]?.error
    } catch (error) {
      cause = error
    }
  }
  if (left.length === 0) return
  const keys = [...new Set(left.map((target) => target.key))]
  throw new LockReleaseError(
    `the lock ticket of ${dbKey} could not be deleted (${keys.join(', ')}): others wait for it until it is broken or deleted by hand`,
    { dbKey, cause },
  )
}

/** What can be told of a ticket. `now`: ms by the store's clock, as well as it is known. */
export async function describeTicket(store: ObjectStore, dbKey: string, ticket: { id: string; exclusive: boolean | undefined; since: number | undefined }, now: number): Promise<LockHolder> {
  const { id, exclusive, since } = ticket
  let facts: Readonly<Record<string, string>> = {}
  try {
    const head = await store.head(lockKey(dbKey, id, 1))
    if (head.status === 'ok') facts = head.info.metadata
  } catch {
    // Only the facts are missing then; who asks wants to know of the lock, not of this request.
  }
  return { id, exclusive, since, age: since === undefined ? undefined : Math.max(0, now - since), facts }
}

/** The date of a ticket for people: undefined where the store gives none. */
export function ticketSince(ticket: Ticket): number | undefined {
  const date = ticketDate(ticket)
  return Number.isFinite(date) ? date : undefined
}
