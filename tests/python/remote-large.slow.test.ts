/** A remote that is larger than the original can make one: there the index of its own index breaks. */
import { expect, it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { deleteKeys } from './history.js'
import { expectPythonLoads, numbers, options, pushPython } from './large-remote.js'
import { meetingForSuite } from './meeting.js'
import { applyOurs, expectWeHave, SharedState } from './shared-state.js'

describeWithPeers(['python'], 'a remote', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(1)

  it('of more than 144,013 keys is pushed by us, read by Python, edited by it and by us again', { timeout: 900_000 }, async () => {
    await using db = meeting.database()
    await withPython(async (python) => {
      const count = 144_100
      const path = db.freshPath()
      const first = numbers(count)
      const state = new SharedState().apply(first)
      {
        await using ours = await db.open(path, { flag: 'n', ...options })
        await applyOurs(ours, first)
        expect(await ours.push()).toMatchObject({ ok: true, updated: true })
      }
      const theirs = db.freshPath()
      await expectPythonLoads(python, db, theirs, state)
      const byPython = [...numbers(5, 3), ...numbers(5, count), ...deleteKeys('k77')]
      await pushPython(python, db, theirs, byPython)
      state.apply(byPython)
      await using ours = await db.open(path, { flag: 'w' })
      await ours.load()
      await expectWeHave(ours, state)
      const again = [...numbers(3), ...deleteKeys('k99')]
      await applyOurs(ours, again)
      expect(await ours.push()).toMatchObject({ ok: true, updated: true, leftovers: [] })
      state.apply(again)
      await expectPythonLoads(python, db, theirs, state)
      expect(state.entries.size).toBe(count + 5 - 2)
    })
  })
})
