/** The judge of writers that work together sees what is wrong. */
import { describe, expect, it } from 'vitest'
import { Judge, judgeWaits } from './judge.js'
import type { PushLog } from './log.js'

const start = new Map([['a', { made: '"first"', timestamp: 10 }], ['b', { made: '"first"', timestamp: 11 }]])

function pushLog(changes: Partial<PushLog>): PushLog {
  return {
    writer: 'ada', pending: [], strategy: 'stop', decisions: [],
    outcome: { kind: 'pushed', updated: true, written: ['a'], deleted: [], adopted: [], conflicts: [] },
    after: { commit: 200, keys: { a: 150, b: 11 } },
    time: { from: 1000, to: 2000 }, ticket: { from: 1100, to: 1900 }, looks: [],
    ...changes,
  }
}

/** Ada sets a; Bob, who had not seen that, deletes a and sets b, and Ada's a stays. */
function history(changes: { ada?: Partial<PushLog>; bob?: Partial<PushLog> } = {}): PushLog[] {
  return [
    pushLog({ pending: [{ key: 'a', made: '"ada"', base: 100 }], ...changes.ada }),
    pushLog({
      writer: 'bob', strategy: 'remote',
      pending: [{ key: 'a', made: null, base: 100 }, { key: 'b', made: '"bob"', base: 100 }],
      outcome: { kind: 'pushed', updated: true, written: ['b'], deleted: [], adopted: [], conflicts: [{ kind: 'deleted-changed', key: 'a', resolution: 'remote' }] },
      after: { commit: 300, keys: { a: 150, b: 250 } },
      ...changes.bob,
    }),
  ]
}

function replay(pushes: PushLog[]): Judge {
  const judge = new Judge(100, start)
  judge.replay(pushes)
  return judge
}

describe('the judge', () => {
  it('takes what is right', () => {
    expect(replay(history()).content).toEqual({ a: '"ada"', b: '"bob"' })
  })

  const pushed = { kind: 'pushed' as const, updated: true, written: ['b'], deleted: [], adopted: [] }
  it.each<[string, { ada?: Partial<PushLog>; bob?: Partial<PushLog> }]>([
    ['a commit that forgets the one before it', { bob: { after: { commit: 300, keys: { a: 10, b: 250 } } } }],
    ['a key that is gone', { bob: { after: { commit: 300, keys: { b: 250 } } } }],
    ['a conflict that nobody noticed', { bob: { outcome: { ...pushed, deleted: ['a'], conflicts: [] }, after: { commit: 300, keys: { b: 250 } } } }],
    ['a conflict of what only one changed', { bob: { pending: [{ key: 'b', made: '"bob"', base: 100 }] } }],
    ['another decision than the rule', { bob: { strategy: 'local' } }],
    ['a value that did not become newer', { ada: { after: { commit: 200, keys: { a: 10, b: 11 } } } }],
    ['a rule to stop that did not', { bob: { strategy: 'stop' } }],
    ['a stop for nothing', { ada: { outcome: { kind: 'stopped', conflicts: [] }, after: { commit: 100, keys: {} } } }],
  ])('refuses %s', (_name, changes) => {
    expect(() => replay(history(changes))).toThrow()
  })

  it('knows which values could be read', () => {
    const judge = replay(history())
    const read = (value: string | null, from: number, to: number) => judge.read({ writer: 'cyd', read: { key: 'a', value, from, to } })
    read('"first"', 100, 200)
    read('"ada"', 100, 200)
    expect(() => read('"first"', 200, 300)).toThrow()
    expect(() => read(null, 100, 300)).toThrow()
  })

  it('sees a ticket outside of its push, and one who goes on waiting alone', () => {
    const look = (from: number) => ({ from, to: from + 10 })
    const other = pushLog({ writer: 'bob', time: { from: 500, to: 1500 }, ticket: { from: 600, to: 1400 } })
    const waiting = [1150, 1300, 1500, 1600, 1700].map(look)
    expect(judgeWaits([pushLog({ looks: waiting }), other])).toBe(1)
    expect(() => judgeWaits([pushLog({ looks: [...waiting, look(1800)] }), other])).toThrow('though it was alone')
    expect(() => judgeWaits([pushLog({ ticket: { from: 900, to: 1900 } })])).toThrow()
    expect(() => judgeWaits([pushLog({ ticket: { from: 1100, to: 2100 } })])).toThrow()
  })
})
