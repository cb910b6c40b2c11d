/** The index of a remote at the sizes at which the original moves it to make it larger. */
import { expect, it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { deleteKeys } from './history.js'
import { expectPythonLoads, numbers, options, pushPython } from './large-remote.js'
import { meetingForSuite } from './meeting.js'
import { applyOurs, expectWeHave, SharedState } from './shared-state.js'

describeWithPeers(['python'], 'a large remote', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2)

  it('grows by turns beyond the buckets of its index', { timeout: 120_000 }, async () => {
    await using db = meeting.database()
    await withPython(async (python) => {
      const state = new SharedState()
      const ours = db.freshPath()
      const theirs = db.freshPath()
      // The buckets of a new file are 12,007: Python moves its index when there are more keys, we make a larger one.
      const turns: ['we' | 'Python', PythonOperation[]][] = [
        ['we', numbers(12_000)],
        ['Python', [...numbers(20, 12_000), ...deleteKeys('k3', 'k4')]],
        ['we', [...numbers(20, 12_020), ...deleteKeys('k5', 'k12001')]],
        ['Python', [...numbers(20, 5), ...deleteKeys('k100')]],
        ['we', deleteKeys(...Array.from({ length: 200 }, (_, at) => `k${String(200 + at)}`))],
        ['Python', numbers(500, 20_000)],
      ]
      for (const [side, operations] of turns) {
        if (side === 'Python') {
          await pushPython(python, db, theirs, operations)
        } else {
          await using session = await db.open(ours, { flag: 'c', ...options })
          await applyOurs(session, operations)
          expect(await session.push()).toMatchObject({ ok: true, updated: true, leftovers: [] })
        }
        state.apply(operations)
        await using reader = await db.open(ours)
        await expectWeHave(reader, state)
        await expectPythonLoads(python, db, theirs, state)
      }
      await expectPythonLoads(python, db, db.freshPath(), state)
      expect(state.entries.size).toBe(12_336)
    })
  })
})
