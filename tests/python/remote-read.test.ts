/** Python pushes, we read: by credentials and by public URL, with fresh and with warm local files. */
import { expect, it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { replay } from '../support/seed.js'
import { deleteKeys, nextTimestamp, set, setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { serializerCases, twoPushes } from './remote-cases.js'
import { expectWeHave, SharedState } from './shared-state.js'

async function expectFreshReadersSee(db: SharedDatabase, state: SharedState): Promise<void> {
  for (const remote of [db.ours, db.url]) {
    await using reader = await db.open(':memory:', {}, remote)
    await expectWeHave(reader, state)
  }
}

describeWithPeers(['python'], 'what Python pushed', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(5)

  it.concurrent.each(serializerCases)('is read by us: $serializer, $mode, $bucket bucket', async ({ serializer, numGroups, bucket }) => {
    await using db = meeting.database(bucket)
    const [first, second] = twoPushes(serializer)
    const state = new SharedState()
    await withPython(async (python) => {
      const options = { path: db.freshPath(), flag: 'n' as const, valueSerializer: serializer, ...(numGroups === undefined ? {} : { numGroups }) }
      await db.inPython(python, options, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: first })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
        state.apply(first)
        const warm = db.freshPath()
        await using open = await db.open(db.freshPath())
        await open.load()
        {
          await using reader = await db.open(warm, {}, db.url)
          await expectWeHave(reader, state)
          expect(reader.valueSerializer).toBe(serializer)
        }
        await expectFreshReadersSee(db, state)
        await python.call('ebooklet.apply', { handle, operations: second })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
        await expectWeHave(open, state)
        state.apply(second)
        expect(await open.pull()).toMatchObject({ changed: true })
        expect(await open.pull()).toMatchObject({ changed: false })
        await expectWeHave(open, state)
        await using reader = await db.open(warm)
        await expectWeHave(reader, state)
        await expectFreshReadersSee(db, state)
      })
    })
    expect(state.entries.size, replay).toBe(6)
  })
  it.concurrent.each(['plain', 'versioned'] as const)('is read by us when groups empty, and the index of Python grows and is moved, %s bucket', async (bucket) => {
    await using db = meeting.database(bucket)
    const state = new SharedState()
    const warm = db.freshPath()
    const pushes: PythonOperation[][] = [
      setMany(8),
      setMany(40),
      deleteKeys(...Array.from({ length: 37 }, (_, at) => `key${String(at)}`)),
      [...deleteKeys('key37', 'key38'), set('', 'the empty key'), set('../x', 'up'), set('a//b', ''), set('%41', 'percent'), set('q?x#y', 'query'), set('/lead', 'slash')],
      [{ op: 'clear' }, set('after', 'all')],
    ]
    await withPython((python) =>
      db.inPython(python, { path: db.freshPath(), flag: 'n', valueSerializer: 'str', numGroups: 11, buckets: 7 }, async (handle) => {
        for (const operations of pushes) {
          await python.call('ebooklet.apply', { handle, operations })
          expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
          state.apply(operations)
          await using reader = await db.open(warm)
          await expectWeHave(reader, state)
          await expectFreshReadersSee(db, state)
        }
      }),
    )
    expect(state.entries.size).toBe(1)
  })

  it.concurrent('is read by us after a push of metadata alone, of nothing, and after a replacement', async () => {
    await using db = meeting.database()
    const state = new SharedState()
    const warm = db.freshPath()
    const path = db.freshPath()
    await withPython(async (python) => {
      const push = async (handle: number, operations: PythonOperation[]) => {
        await python.call('ebooklet.apply', { handle, operations })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
        state.apply(operations)
        await using reader = await db.open(warm)
        await expectWeHave(reader, state)
        await expectFreshReadersSee(db, state)
      }
      await db.inPython(python, { path, flag: 'n', valueSerializer: 'json', numGroups: 3 }, async (handle) => {
        await push(handle, [])
        await push(handle, setMany(20))
        await push(handle, [{ op: 'setMetadata', value: { only: ['metadata', 1e300] }, timestamp: nextTimestamp() }])
      })
      state.entries.clear()
      state.metadata = undefined
      await db.inPython(python, { path, flag: 'n', valueSerializer: 'json', numGroups: 3 }, async (handle) => {
        await push(handle, setMany(5, 'other'))
      })
    })
    expect(state.entries.size).toBe(5)
  })
})
