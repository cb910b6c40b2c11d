/** What ebooklet 0.8.3 pushed, in remote format 1: refused by us with an error that says so, and left as it is. */
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Format1Error } from '../../src/format/errors.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { setMany } from './history.js'
import { meetingForSuite } from './meeting.js'

describeWithPeers(['python 0.8'], 'a remote of format 1', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2, 'python 0.8')

  it.concurrent.each([{ numGroups: 3 }, { numGroups: undefined }])('is refused by us, and stays readable by its writer, $numGroups groups', async ({ numGroups }) => {
    await using db = meeting.database()
    await withPython(async (python) => {
      const options = { path: db.freshPath(), flag: 'n' as const, valueSerializer: 'str', ...(numGroups === undefined ? {} : { numGroups }) }
      await db.inPython(python, options, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: setMany(5) })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      const before = db.objects()
      for (const [remote, flag] of [[db.ours, 'r'], [db.url, 'r'], [db.ours, 'w'], [db.ours, 'c'], [db.ours, 'n']] as const) {
        const path = db.freshPath()
        const opening = db.open(path, { flag, numGroups: 3 }, remote)
        await expect(opening, flag).rejects.toThrow(Format1Error)
        await expect(opening, flag).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', found: 1 })
        expect(existsSync(path)).toBe(false)
        expect(db.objects()).toEqual(before)
      }
      await db.inPython(python, { path: db.freshPath() }, async (handle) => {
        const { items } = await python.call('ebooklet.dump', { handle })
        expect(items.map(({ key }) => key)).toEqual(['key0', 'key1', 'key2', 'key3', 'key4'])
      })
    })
  })
})
