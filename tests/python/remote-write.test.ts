/** We push, Python reads: with fresh and with warm local files, by credentials and by public URL. Python's own check finds nothing wrong. */
import { expect, it } from 'vitest'
import { openEbooklet, type Ebooklet } from '../../src/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { replay } from '../support/seed.js'
import { deleteKeys, nextTimestamp, set, setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { serializerCases, twoPushes } from './remote-cases.js'
import { applyOurs, expectPythonHas, SharedState } from './shared-state.js'

async function pushOurs(ours: Ebooklet, operations: readonly PythonOperation[], state: SharedState): Promise<void> {
  await applyOurs(ours, operations)
  expect(await ours.push()).toMatchObject({ updated: true, ok: true, failures: [], adjusted: [], leftovers: [] })
  state.apply(operations)
}

/** Python sees the state in a fresh copy, by URL, and in the warm one; its check finds every object that should be there, and no other. */
async function expectPythonReads(python: PythonPeer, db: SharedDatabase, warm: string, state: SharedState): Promise<void> {
  for (const options of [{ path: db.freshPath() }, { path: db.freshPath(), remote: db.url }, { path: warm }]) {
    await db.inPython(python, options, (handle) => expectPythonHas(python, handle, state))
  }
  const report = await python.call('ebooklet.fsck', { remote: db.theirs })
  expect(report).toMatchObject({ exists: true, formatVersion: 2, torn: false, orphans: [], missing: [], unmanifested: [] })
  const children = db.objects().filter((key) => key.startsWith(`${db.dbKey}/`))
  expect(report.expected).toBe(children.length)
}

describeWithPeers(['python'], 'what we pushed', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(3)

  it.concurrent.each(serializerCases)('is read by Python: $serializer, $mode, $bucket bucket', async ({ serializer, numGroups, bucket }) => {
    await using db = meeting.database(bucket)
    const [first, second] = twoPushes(serializer)
    const state = new SharedState()
    const warm = db.freshPath()
    await withPython(async (python) => {
      await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: serializer, numGroups: numGroups ?? null })
      await pushOurs(ours, first, state)
      await expectPythonReads(python, db, warm, state)
      await pushOurs(ours, second, state)
      await expectPythonReads(python, db, warm, state)
    })
    expect(state.entries.size, replay).toBe(6)
  })
})
