import { systemEnvironment, type Environment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { checkDbKey } from '../format/names.js'
import type { CallOptions, ObjectStore } from '../store/object-store.js'
import type { LockHolder } from './errors.js'
import { deleteTickets, describeTicket, knownMode, TicketReader, type TicketObjects } from './tickets.js'

/** ms after which a ticket counts as left behind by a crash: 2 h. */
export const STALE_AFTER = 2 * 60 * 60 * 1000

export interface ListLocksOptions extends CallOptions {
  environment?: Environment | undefined
}

export interface BreakLocksOptions extends ListLocksOptions {
  /** `stale` (default): those older than `olderThan`. `all`: every one, of whatever age. */
  which?: 'stale' | 'all' | undefined
  /** ms. Default 2 h. Measured from the store's date to this machine's clock. */
  olderThan?: number | undefined
  /** Ids of tickets to spare: one's own. */
  except?: readonly string[] | undefined
}

/** The tickets of a database: who holds its lock or waits for it, the oldest first. */
export async function listLocks(store: ObjectStore, dbKey: string, options: ListLocksOptions = {}): Promise<LockHolder[]> {
  checkDbKey(dbKey)
  const now = (options.environment ?? systemEnvironment()).now() / 1000
  const found = (await new TicketReader(store, dbKey).objects(options)).filter(isPresent)
  const holders: LockHolder[] = []
  for (const ticket of found) holders.push(await describe(store, dbKey, ticket, now))
  return holders.sort(byAge)
}

/**
 * Deletes tickets that a crashed contender left behind. Whoever holds one of them and still lives sees at its next
 * check that it was broken.
 * @returns those that were broken
 * @throws LockReleaseError when some could not be deleted
 */
export async function breakLocks(store: ObjectStore, dbKey: string, options: BreakLocksOptions = {}): Promise<LockHolder[]> {
  checkDbKey(dbKey)
  const { which = 'stale', olderThan = STALE_AFTER, except = [] } = options
  if (!(olderThan >= 0)) throw new InvalidArgumentError(`olderThan must be a number of ms from 0 on, not ${olderThan}`)
  const environment = options.environment ?? systemEnvironment()
  const now = environment.now() / 1000
  const doomed = (await new TicketReader(store, dbKey).objects(options)).filter((ticket) => {
    if (except.includes(ticket.id)) return false
    // Traces without a present object (old versions, delete markers) block no one, and go with the others.
    if (which === 'all') return true
    const since = sinceOf(ticket)
    return isPresent(ticket) && since !== undefined && now - since >= olderThan
  })
  const broken: LockHolder[] = []
  for (const ticket of doomed.filter(isPresent)) broken.push(await describe(store, dbKey, ticket, now))
  options.signal?.throwIfAborted()
  await deleteTickets(store, dbKey, doomed.flatMap((ticket) => ticket.all), (attempt) => environment.sleep(200 * 2 ** attempt))
  return broken.sort(byAge)
}

function isPresent(ticket: TicketObjects): boolean {
  return ticket.parts[0] !== undefined || ticket.parts[1] !== undefined
}

function sinceOf(ticket: TicketObjects): number | undefined {
  return (ticket.parts[1] ?? ticket.parts[0])?.lastModified
}

function describe(store: ObjectStore, dbKey: string, ticket: TicketObjects, now: number): Promise<LockHolder> {
  const exclusive = knownMode(ticket.parts[1]) ?? knownMode(ticket.parts[0])
  return describeTicket(store, dbKey, { id: ticket.id, exclusive, since: sinceOf(ticket) }, now)
}

function byAge(a: LockHolder, b: LockHolder): number {
  return (a.since ?? -Infinity) - (b.since ?? -Infinity) || (a.id < b.id ? -1 : 1)
}
