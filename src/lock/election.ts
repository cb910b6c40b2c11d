/*
 * The election of the lock on an object store, as a pure function of one listing.
 *
 * Each contender has a ticket of two objects, written one after the other. The age of a ticket is the store's own
 * date of the second (of the first while the second is missing), never a clock of a client. Equal ages go to the
 * lexicographically smaller id. An exclusive contender waits for every older ticket, a shared one for every older
 * exclusive ticket. Every contender that sees the same listing comes to the same order, so two exclusive ones can't
 * both win on it; that listings differ while tickets appear is what the second election after a pause is for.
 */

/** A contender, as a listing shows it. */
export interface Ticket {
  /** 13 hex characters. */
  id: string
  exclusive: boolean
  /** Dates of the two objects, ms since the Unix epoch by the store's clock; undefined where one is not in the listing. */
  dates: readonly [number | undefined, number | undefined]
}

export type ElectionResult =
  | { outcome: 'acquired' }
  /** `blockers`: whom one waits for, oldest first. */
  | { outcome: 'wait'; blockers: readonly Ticket[] }
  /** One's own ticket is not complete: someone broke it. It never wins again. */
  | { outcome: 'ticket_lost' }

/** Decides for the contender `own` on one listing. The order of `tickets` doesn't matter. */
export function evaluateElection(own: string, tickets: readonly Ticket[]): ElectionResult {
  const mine = tickets.find((ticket) => ticket.id === own)
  if (mine === undefined || mine.dates[0] === undefined || mine.dates[1] === undefined) return { outcome: 'ticket_lost' }
  const blockers = tickets
    .filter((ticket) => ticket.id !== own && (mine.exclusive || ticket.exclusive) && compareAge(ticket, mine) < 0)
    .sort(compareAge)
  return blockers.length === 0 ? { outcome: 'acquired' } : { outcome: 'wait', blockers }
}

/** When the ticket took its place in the queue: the date of its second object, or of the first while that is missing. */
export function ticketDate(ticket: Ticket): number {
  const date = ticket.dates[1] ?? ticket.dates[0]
  // A ticket without any date can't be placed; it counts as the oldest, so that no one wins past it.
  return date ?? -Infinity
}

/** Negative when `a` is older than `b`. */
export function compareAge(a: Ticket, b: Ticket): number {
  const [x, y] = [ticketDate(a), ticketDate(b)]
  if (x !== y) return x < y ? -1 : 1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
