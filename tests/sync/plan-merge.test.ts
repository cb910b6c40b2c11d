import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { encodeMetaSection } from '../../src/format/db-object.js'
import type { Base, BaseEntry } from '../../src/sync/bases.js'
import { Bases } from '../../src/sync/bases.js'
import { sameMeta } from '../../src/sync/note-bases.js'
import { baseOf, isBase, planMerge, type MergeInput } from '../../src/sync/plan-merge.js'

const entry = (timestamp: number, length = 0, offset = 0) => ({ timestamp, offset, length })

function input(parts: Partial<MergeInput> & { keys?: [string, Base<BaseEntry>][] } = {}): MergeInput {
  return {
    written: new Set(),
    deletes: new Set(),
    bases: new Bases({ keys: new Map(parts.keys), meta: undefined, replace: undefined }),
    metaPending: false,
    replacePending: false,
    entryOf: () => undefined,
    metaSection: null,
    grouped: true,
    sameMeta: (a, b) => a === b,
    ...parts,
  }
}

describe('the plan of a merge', () => {
  it('has nothing to say where no base is noted: the remote is what the changes were based on', () => {
    const plan = planMerge(input({ written: new Set(['a']), deletes: new Set(['b']), metaPending: true, entryOf: () => entry(5) }))
    expect(plan).toEqual({ keys: [], meta: undefined, replace: undefined })
  })

  it('tells the kinds of conflicts apart', () => {
    const base = { timestamp: 1, length: 3 }
    const plan = planMerge(
      input({
        keys: [['a', base], ['b', base], ['c', base], ['d', base], ['e', 'absent'], ['f', 'absent'], ['g', 'unknown'], ['h', 'unknown']],
        written: new Set(['a', 'b', 'e', 'f', 'g', 'h']),
        deletes: new Set(['c', 'd']),
        entryOf: (key) => (['a', 'c', 'e', 'g'].includes(key) ? entry(2) : undefined),
      }),
    )
    expect(plan.keys.map(({ key, kind }) => `${key} ${kind}`)).toEqual(['a both-changed', 'b changed-deleted', 'c deleted-changed', 'e both-changed', 'g both-changed', 'h changed-deleted'])
  })

  it('sees a remote that came back to the base as unchanged', () => {
    const keys: [string, Base<BaseEntry>][] = [['a', { timestamp: 1, length: 3 }], ['b', { timestamp: 1, length: null }]]
    const plan = planMerge(input({ keys, written: new Set(['a', 'b']), entryOf: () => entry(1, 3) }))
    expect(plan.keys).toEqual([])
  })

  it('has one conflict for a replacement, whatever else is pending', () => {
    const bases = new Bases({ keys: new Map([['a', 'absent' as const]]), meta: 'absent', replace: 7 })
    const plan = planMerge(input({ bases, replacePending: true, metaPending: true, written: new Set(['a']), entryOf: () => entry(2) }))
    expect(plan).toEqual({ keys: [], meta: undefined, replace: 7 })
  })

  it('compares metadata with its base, not by clocks', () => {
    const [old, now] = [new Uint8Array([1]), new Uint8Array([2])]
    const bases = (meta: Base<Uint8Array>) => new Bases({ keys: new Map(), meta, replace: undefined })
    expect(planMerge(input({ bases: bases(old), metaPending: true, metaSection: now })).meta).toBe(old)
    expect(planMerge(input({ bases: bases(now), metaPending: true, metaSection: now })).meta).toBeUndefined()
    expect(planMerge(input({ bases: bases('absent'), metaPending: true, metaSection: null })).meta).toBeUndefined()
    expect(planMerge(input({ bases: bases('unknown'), metaPending: true, metaSection: null })).meta).toBe('unknown')
    expect(planMerge(input({ bases: bases(old), metaPending: false, metaSection: now })).meta).toBeUndefined()
  })

  it('an entry is its own base, wherever it lies in its group; another time or length is none', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(), fc.boolean(), (timestamp, length, offset, other, grouped) => {
        const base = baseOf(entry(timestamp, length, offset), grouped)
        expect(isBase(base, entry(timestamp, length, other), grouped)).toBe(true)
        expect(isBase(base, entry(timestamp + 1, length, offset), grouped)).toBe(false)
        expect(isBase(base, entry(timestamp, length + 1, offset), grouped)).toBe(!grouped)
        expect(isBase(base, undefined, grouped)).toBe(false)
        expect(isBase(baseOf(undefined, grouped), undefined, grouped)).toBe(true)
      }),
    )
  })
})

describe('metadata sections', () => {
  const section = (timestamp: number, data: unknown) => encodeMetaSection({ timestamp, data })

  it('are the same when both say that there is none, however often it was removed', () => {
    expect(sameMeta(section(1, null), section(2, null))).toBe(true)
    expect(sameMeta(section(1, null), null)).toBe(true)
    expect(sameMeta(null, null)).toBe(true)
    for (const none of [null, section(1, null)]) expect(sameMeta(none, section(1, { title: 'there' }))).toBe(false)
  })

  it('are the same when what they say and its timestamp are', () => {
    expect(sameMeta(section(1, { a: 1 }), section(1, { a: 1 }))).toBe(true)
    expect(sameMeta(section(1, { a: 1 }), section(2, { a: 1 }))).toBe(false)
    expect(sameMeta(section(1, { a: 1 }), section(1, { a: 2 }))).toBe(false)
  })
})
