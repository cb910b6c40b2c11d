/** What a watch tells, against a model: any order of commits by others, own ones, lost acknowledgements, and a consumer as slow as it likes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeMetaSection } from '../../src/format/db-object.js'
import { diffIndexes } from '../../src/sync/diff-index.js'
import { RemoteObservers, type OwnCommit, type SeenRemote } from '../../src/sync/observe.js'
import { encodeRemoteIndex, RemoteIndex } from '../../src/sync/remote-index.js'
import { UntoldChanges, type RemoteChange } from '../../src/sync/untold-changes.js'
import { testSeed } from '../support/seed.js'

/** Under this name the metadata is treated like a key. */
const metaName = '(metadata)'
type Content = ReadonlyMap<string, number>

function indexOf(content: Iterable<readonly [string, number]>): RemoteIndex {
  const entries = [...content].filter(([key]) => key !== metaName).map(([key, timestamp]): [string, { timestamp: number; offset: number; length: number }] => [key, { timestamp, offset: 0, length: 0 }])
  return RemoteIndex.decode(encodeRemoteIndex(entries, { minBuckets: 11, timestamp: 1 }))
}

function seen(content: Content, timestamp: number): SeenRemote {
  const metadata = content.get(metaName)
  return { index: indexOf(content), metaSection: metadata === undefined ? null : encodeMetaSection({ timestamp: metadata, data: 'any' }), timestamp }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', metaName)
/** Keys with whether they are written or deleted. */
const edits = fc.uniqueArray(fc.tuple(key, fc.boolean()), { selector: ([name]) => name, minLength: 1, maxLength: 4 })

type Event =
  | { kind: 'rival' }
  | { kind: 'take' }
  | { kind: 'own'; replaces: boolean; /** How it ends: acknowledged; taken in before that; never acknowledged, but done; not done. */ how: 'acknowledged' | 'overtaken' | 'lost' | 'undone' }
const event: fc.Arbitrary<Event & { edits: [string, boolean][] }> = fc.record({ edits, event: fc.oneof(
  fc.constantFrom<Event>({ kind: 'rival' }, { kind: 'take' }),
  fc.record({ kind: fc.constant('own' as const), replaces: fc.boolean(), how: fc.constantFrom('acknowledged' as const, 'overtaken' as const, 'lost' as const, 'undone' as const) }),
) }).map(({ edits, event }) => ({ ...event, edits }))

describe('what a watch has not told yet', () => {
  it('is the difference that others made, of any history', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        let clock = 100
        let current: Content = new Map([['a', 1], ['b', 2], [metaName, 3]])
        let state = seen(current, clock)
        /** Without an acknowledgement. */
        let sent: { deletes: readonly string[] } | undefined
        const observers = new RemoteObservers()
        const untold = new UntoldChanges(() => undefined)
        observers.add(untold)
        /** What the consumer believes of the remote, with the session's own changes. */
        const told = new Map(current)
        const edited = (base: Content, list: [string, boolean][]) => {
          const next = new Map(base)
          for (const [name, written] of list) {
            if (written) next.set(name, ++clock)
            else next.delete(name)
          }
          return next
        }
        const takenIn = () => {
          const before = state
          state = seen(current, ++clock)
          observers.takenIn(before, state)
        }
        const own = (list: [string, boolean][], replaces: boolean): { commit: OwnCommit; next: Content } => {
          const next = edited(replaces ? new Map() : current, list)
          const touched = [...list.map(([name]) => name), ...(replaces ? current.keys() : [])]
          const keys = new Set(touched.filter((name) => name !== metaName))
          return { next, commit: { after: seen(next, ++clock), keys, replaces, metadata: touched.includes(metaName) } }
        }
        const drain = () => {
          for (const change of untold.take(state)) apply(told, change)
        }
        for (const step of [...events, { kind: 'take' as const, edits: [] }]) {
          if (step.kind === 'take') {
            drain()
            expect(told).toEqual(current)
          } else if (step.kind === 'rival') {
            current = edited(current, step.edits)
            // A delete tells not whose it is: who sent one that never arrived takes the rival's for it.
            for (const name of sent?.deletes ?? []) if (!current.has(name)) told.delete(name)
            takenIn()
          } else {
            const { commit, next } = own(step.edits, step.replaces)
            observers.sending(commit)
            const unsure = step.how === 'undone' || step.how === 'lost'
            const touched = [...commit.keys, ...(commit.metadata ? [metaName] : [])]
            sent = unsure ? { deletes: touched.filter((name) => !next.has(name)) } : undefined
            if (step.how === 'undone') continue
            current = next
            // The consumer knows at once what the session did.
            for (const name of step.replaces && !unsure ? [...told.keys(), ...next.keys()] : touched) {
              const timestamp = next.get(name)
              if (timestamp === undefined) told.delete(name)
              else told.set(name, timestamp)
            }
            if (step.how !== 'acknowledged') takenIn()
            if (step.how === 'lost') continue
            observers.committed(commit)
            state = seen(current, clock)
          }
        }
      }),
      { seed: testSeed, numRuns: 500 },
    )
  })
})

/** A change has to fit what was known: added what was not there, changed or deleted what was, from its timestamp. */
function apply(told: Map<string, number>, change: RemoteChange): void {
  if (change.type === 'metadata') {
    expect(change.timestamp).not.toBe(told.get(metaName))
    if (change.timestamp === undefined) told.delete(metaName)
    else told.set(metaName, change.timestamp)
    return
  }
  expect({ ...change, previous: told.get(change.key) }).toEqual({ previous: undefined, ...change })
  expect(change.type === 'added').toBe(!told.has(change.key))
  if (change.type === 'deleted') told.delete(change.key)
  else told.set(change.key, change.timestamp)
}

describe('two indexes', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 40 })
  it('are compared whatever the order of their entries', () => {
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.nat(5)), fc.boolean(), (all, draws, shuffled) => {
        const draw = () => draws.next().value as number
        const before = new Map(all.filter(() => draw() > 0).map((name) => [name, 1]))
        const after = new Map(all.filter(() => draw() > 0).map((name) => [name, draw() === 0 ? 2 : 1]))
        const order = shuffled ? [...after].sort(([a], [b]) => (a < b ? 1 : -1)) : [...after]
        const found = [...diffIndexes(indexOf(before), indexOf(order))]
        const expected = all.flatMap((name) => (before.get(name) === after.get(name) ? [] : [{ key: name, before: before.get(name), after: after.get(name) }]))
        const byKey = (list: { key: string }[]) => list.sort((a, b) => (a.key < b.key ? -1 : 1))
        expect(byKey(found)).toEqual(byKey(expected))
      }),
      { seed: testSeed, numRuns: 300 },
    )
  })

  it('of which little changed are compared without looking up the rest', () => {
    const content = Array.from({ length: 500 }, (_, i): [string, number] => [`key${i}`, 1])
    const next: [string, number][] = [...content.filter((_, i) => i % 50 !== 0), ['key0', 2], ['new', 3]]
    let lookups = 0
    const counted = (index: RemoteIndex) => ({
      entries: () => index.entries(),
      keys: () => index.keys(),
      has: (name: string) => (lookups++, index.has(name)),
      get: (name: string) => (lookups++, index.get(name)),
    })
    expect([...diffIndexes(counted(indexOf(content)), counted(indexOf(next)))]).toHaveLength(11)
    expect(lookups).toBeLessThan(40)
  })
})
