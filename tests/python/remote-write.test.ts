/** We push, Python reads: with fresh and with warm local files, by credentials and by public URL. Python's own check finds nothing wrong. */
import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Ebooklet } from '../../src/index.js'
import { remoteIndexPath } from '../../src/format/names.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { replay } from '../support/seed.js'
import { deleteKeys, nextTimestamp, set, setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { serializerCases, twoPushes } from './remote-cases.js'
import { applyOurs, expectPythonHas, expectWeHave, SharedState } from './shared-state.js'

/** Names that a URL or a path would take for something else. In groups they are harmless. */
const oddKeys = ['', '../x', 'a//b', '.', '..', '%41', 'q?x#y', '/lead', 'trail/', ' ', '\u0000', '\u{1f600}', 'k'.repeat(2000)]

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
  it.concurrent.each(['plain', 'versioned'] as const)('is read by Python when groups empty, keys are odd, all is cleared and written anew, %s bucket', async (bucket) => {
    await using db = meeting.database(bucket)
    const state = new SharedState()
    const warm = db.freshPath()
    const pushes: PythonOperation[][] = [
      setMany(8),
      setMany(40),
      deleteKeys(...Array.from({ length: 37 }, (_, at) => `key${String(at)}`)),
      [...deleteKeys('key37', 'key38'), ...oddKeys.map((key) => set(key, `value of ${key}`))],
      [...deleteKeys('key39'), { op: 'setMetadata', value: [], timestamp: nextTimestamp() }],
      [{ op: 'clear' }],
      setMany(5, 'after'),
    ]
    await withPython(async (python) => {
      await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: 'str', numGroups: 11, buckets: 7 })
      for (const operations of pushes) {
        await pushOurs(ours, operations, state)
        await expectPythonReads(python, db, warm, state)
      }
    })
    expect(state.entries.size).toBe(5)
  })

  it.concurrent('is read by Python when the first push has nothing, and one has only metadata', async () => {
    await using db = meeting.database()
    const state = new SharedState()
    const warm = db.freshPath()
    await withPython(async (python) => {
      await using ours = await db.open(db.freshPath(), { flag: 'c', valueSerializer: 'msgpack' })
      const pushes: PythonOperation[][] = [[], [{ op: 'setMetadata', value: { only: ['metadata', 1e300], $x: null }, timestamp: nextTimestamp() }], setMany(3), [{ op: 'setMetadata', value: null, timestamp: nextTimestamp() }]]
      for (const operations of pushes) {
        await pushOurs(ours, operations, state)
        await expectPythonReads(python, db, warm, state)
      }
    })
    expect(state.entries.size).toBe(3)
  })

  it.concurrent.each([
    { from: 3, to: 3 },
    { from: 3, to: 13 },
    { from: 5, to: null },
    { from: null, to: 5 },
    { from: null, to: null },
  ])('is read by Python after a replacement, from $from to $to groups', async ({ from, to }) => {
    await using db = meeting.database(to === 5 ? 'versioned' : 'plain')
    const warm = db.freshPath()
    await withPython(async (python) => {
      const state = new SharedState()
      {
        await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: 'json', numGroups: from })
        await pushOurs(ours, [...setMany(20), { op: 'setMetadata', value: 'old', timestamp: nextTimestamp() }], state)
        await expectPythonReads(python, db, warm, state)
      }
      await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: 'json', numGroups: to })
      const replaced = new SharedState()
      await applyOurs(ours, setMany(4, 'old and new'))
      await db.inPython(python, { path: warm }, (handle) => expectPythonHas(python, handle, state))
      await pushOurs(ours, [...setMany(6, 'other'), set('key3', 'replaced')], replaced.apply([]))
      for (const key of [0, 1, 2, 3].map((at) => `old and new${String(at)}`)) replaced.entries.set(key, { value: `old and new value ${'x'.repeat(Number(key.at(-1)))}`, timestamp: ours.getTimestamp(key) ?? 0 })
      if (from !== null && to === null) {
        // It would go on in groups, and find none.
        await expect(python.call('ebooklet.open', { remote: db.theirs, path: warm })).rejects.toThrow('UUIDMismatchError')
        rmSync(warm)
        rmSync(remoteIndexPath(warm))
      }
      await expectPythonReads(python, db, warm, replaced)
      await pushOurs(ours, deleteKeys('key3', 'other0'), replaced)
      await expectPythonReads(python, db, warm, replaced)
      await ours.close()
      const byPython = [set('other1', 'by Python'), set('more', 'by Python'), ...deleteKeys('other2')]
      await db.inPython(python, { path: warm, flag: 'w' }, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: byPython })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      replaced.apply(byPython)
      await expectPythonReads(python, db, warm, replaced)
      await using reader = await db.open(':memory:')
      await expectWeHave(reader, replaced)
    })
  })

  it.concurrent('has a timestamp just after the one of the remote where our clock is behind', async () => {
    await using db = meeting.database()
    const warm = db.freshPath()
    await withPython(async (python) => {
      const state = new SharedState()
      await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: 'str', numGroups: 2 })
      await pushOurs(ours, setMany(5), state)
      await expectPythonReads(python, db, warm, state)
      ours.set('key1', 'from the past', { timestamp: 1_000_000 })
      const from = state.entries.get('key1')?.timestamp ?? 0
      const result = await ours.push()
      expect(result).toMatchObject({ updated: true, adjusted: [{ key: 'key1', from: 1_000_000 }] })
      const { to } = result.adjusted[0]!
      expect(to).toBeGreaterThan(from)
      expect(to).toBeLessThan(from + 300)
      state.entries.set('key1', { value: 'from the past', timestamp: to })
      await expectPythonReads(python, db, warm, state)
    })
  })
})
