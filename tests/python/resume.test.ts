/** A push of ours that was given up before its commit, and goes on after Python has committed. */
import { expect, it } from 'vitest'
import { groupId } from '../../src/format/group-id.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { set } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { applyOurs, expectPythonHas, expectWeHave, SharedState } from './shared-state.js'

const numGroups = 5
const keys = Array.from({ length: 40 }, (_, at) => `key${String(at)}`)
const groupOf = (key: string) => groupId(key, numGroups)
/** Without the tickets of the lock. */
const groupObjects = (db: SharedDatabase) => db.objects().filter((key) => key.startsWith(`${db.dbKey}/`)).length
const filled = (mark: string): PythonOperation[] => keys.map((key) => set(key, `${mark} ${key} `.repeat(500)))

describeWithPeers(['python'], 'a push that goes on after a commit of Python', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(1)

  it('sends again only the groups that Python has changed, and leaves nothing behind', async () => {
    await using db = meeting.database('plain')
    await withPython(async (python) => {
      const path = db.freshPath()
      const first = [...filled('first'), { op: 'setMetadata' as const, value: 'first' }]
      const state = new SharedState().apply(first)
      {
        await using ours = await db.open(path, { flag: 'n', valueSerializer: 'str', numGroups })
        await applyOurs(ours, first)
        await ours.push()
        // One key of each group, so that the others are members which Python may change.
        const edited = Array.from({ length: numGroups }, (_, gid) => keys.find((key) => groupOf(key) === gid) ?? '').map((key) => set(key, `ours ${key} `.repeat(500)))
        await applyOurs(ours, edited)
        state.apply(edited)
        const given = new AbortController()
        const givenUp = ours.push({ signal: given.signal, onProgress: ({ phase }) => phase === 'commit' && given.abort() })
        await expect(givenUp).rejects.toMatchObject({ name: 'AbortError' })
        expect(groupObjects(db)).toBe(2 * numGroups)
      }
      const theirKey = keys.findLast((key) => groupOf(key) === 0) ?? ''
      const theirs = [set(theirKey, 'of Python')]
      await db.inPython(python, { path: db.freshPath(), flag: 'w' }, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: theirs })
        await python.call('ebooklet.push', { handle })
      })
      state.apply(theirs)
      await using ours = await db.open(path, { flag: 'w' })
      const result = await ours.push()
      expect(result).toMatchObject({ ok: true, objectsUploaded: 1, leftovers: [] })
      expect(result.bytesResumed).toBeGreaterThan(3 * result.bytesUploaded)
      await expectWeHave(ours, state)
      await db.inPython(python, { path: db.freshPath() }, (handle) => expectPythonHas(python, handle, state))
      expect(await python.call('ebooklet.fsck', { remote: db.theirs })).toMatchObject({ torn: false, orphans: [], missing: [], unmanifested: [] })
      expect(groupObjects(db)).toBe(numGroups)
    })
  })
})
