import { readFileSync } from 'node:fs'
import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import { evaluateElection, type Ticket } from '../../src/lock/election.js'

interface GoldenCase {
  case: string
  own: string
  exclusive: boolean
  tickets: Record<string, { lock_type: 'exclusive' | 'shared'; 0?: string; 1?: string }>
  result: string
}

const vectors = JSON.parse(readFileSync(new URL('../fixtures/golden/vectors.json', import.meta.url), 'utf8')) as { evaluate_election: GoldenCase[] }
const dateOf = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text))

describe('election', () => {
  test('the original has cases', () => expect(vectors.evaluate_election.length).toBeGreaterThan(10))

  test.each(vectors.evaluate_election)('as the original decides: $case', (golden) => {
    const tickets = Object.entries(golden.tickets).map(
      ([id, ticket]): Ticket => ({ id, exclusive: ticket.lock_type === 'exclusive', dates: [dateOf(ticket[0]), dateOf(ticket[1])] }),
    )
    expect(evaluateElection(golden.own, tickets).outcome).toBe(golden.result)
  })

  const date = fc.integer({ min: 0, max: 4 })
  const ticket = fc.record({
    id: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 1, maxLength: 3 }),
    exclusive: fc.boolean(),
    dates: fc.oneof(fc.tuple(date, date), fc.tuple(date, fc.constant(undefined)), fc.tuple(fc.constant(undefined), date), fc.constant([-Infinity, -Infinity] as const)),
  })
  const listing = fc.uniqueArray(ticket, { selector: (t) => t.id, maxLength: 8 }) as fc.Arbitrary<Ticket[]>
  const winners = (tickets: Ticket[]) => tickets.filter((t) => evaluateElection(t.id, tickets).outcome === 'acquired')

  test('on one listing an exclusive winner is the only winner', () => {
    fc.assert(
      fc.property(listing, (tickets) => {
        const won = winners(tickets)
        if (won.some((t) => t.exclusive)) expect(won.length).toBe(1)
      }),
      { numRuns: 2000 },
    )
  })

  test('the order of the listing does not matter', () => {
    fc.assert(
      fc.property(listing, fc.infiniteStream(fc.nat()), (tickets, order) => {
        const shuffled = tickets.map((t) => ({ t, at: order.next().value as number })).sort((a, b) => a.at - b.at).map(({ t }) => t)
        for (const t of tickets) expect(evaluateElection(t.id, shuffled)).toEqual(evaluateElection(t.id, tickets))
      }),
    )
  })

  test('of complete tickets someone always wins, and it is the oldest', () => {
    fc.assert(
      fc.property(listing, (tickets) => {
        const complete = tickets.filter((t) => t.dates[0] !== undefined && t.dates[1] !== undefined)
        if (complete.length === 0) return
        const oldest = [...complete].sort((a, b) => (a.dates[1] ?? 0) - (b.dates[1] ?? 0) || (a.id < b.id ? -1 : 1))[0]
        expect(winners(complete)).toContain(oldest)
      }),
    )
  })

  test('whoever waits names whom it waits for, the oldest first; who is not complete has lost', () => {
    fc.assert(
      fc.property(listing, (tickets) => {
        for (const t of tickets) {
          const result = evaluateElection(t.id, tickets)
          const complete = t.dates[0] !== undefined && t.dates[1] !== undefined
          expect(result.outcome === 'ticket_lost').toBe(!complete)
          if (result.outcome === 'wait') {
            expect(result.blockers.length).toBeGreaterThan(0)
            expect(result.blockers.every((blocker) => blocker.id !== t.id && (t.exclusive || blocker.exclusive))).toBe(true)
          }
        }
      }),
    )
  })
})
