/** One local file that we and Python open in turns: what one left pending the other sees, takes back, or pushes. */
import { expect, it } from 'vitest'
import type { Change, Ebooklet } from '../../src/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { deleteKeys, set, setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { applyOurs, expectPythonHas, expectWeHave, SharedState } from './shared-state.js'

const modes = [
  { mode: 'grouped', numGroups: 3, bucket: 'plain' },
  { mode: 'per key', numGroups: null, bucket: 'versioned' },
] as const

type Mode = (typeof modes)[number]

const edits = (): PythonOperation[] => [set('key1', 'edited'), set('fresh', 'new'), ...deleteKeys('key2', 'key3'), set('key3', 'again'), { op: 'setMetadata', value: { pending: true } }]

/** Ten keys on the remote, and a local file that Python or we have made; with the state that it stands for. */
async function begin(python: PythonPeer, db: SharedDatabase, { numGroups }: Mode, maker: 'we' | 'Python') {
  const path = db.freshPath()
  const operations = [...setMany(10), { op: 'setMetadata' as const, value: 'first' }]
  const state = new SharedState().apply(operations)
  if (maker === 'we') {
    await using ours = await db.open(path, { flag: 'n', valueSerializer: 'str', numGroups })
    await applyOurs(ours, operations)
    await ours.push()
  } else {
    await db.inPython(python, { path, flag: 'n', valueSerializer: 'str', ...(numGroups === null ? {} : { numGroups }) }, async (handle) => {
      await python.call('ebooklet.apply', { handle, operations })
      await python.call('ebooklet.push', { handle })
    })
  }
  return { path, state }
}

function changesOf(db: Ebooklet): string[] {
  return [...db.changes()].map(({ key, type }: Change) => `${type} ${key}`).sort()
}

const expectedChanges = ['added fresh', 'changed key1', 'changed key3', 'deleted key2']

async function expectAllSee(python: PythonPeer, db: SharedDatabase, state: SharedState, orphans: readonly string[] = []): Promise<void> {
  await using reader = await db.open(':memory:')
  await expectWeHave(reader, state)
  await db.inPython(python, { path: db.freshPath() }, (handle) => expectPythonHas(python, handle, state))
  expect(await python.call('ebooklet.fsck', { remote: db.theirs })).toMatchObject({ torn: false, orphans, missing: [], unmanifested: [] })
}

describeWithPeers(['python'], 'a local file that we and Python open in turns', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(4)

  it.concurrent.each(modes)('we see and push what Python left pending, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'Python')
      const before = new SharedState(state.entries)
      before.metadata = state.metadata
      const operations = edits()
      await db.inPython(python, { path, flag: 'w' }, (handle) => python.call('ebooklet.apply', { handle, operations }))
      state.apply(operations)
      await expectAllSee(python, db, before)
      await using ours = await db.open(path, { flag: 'w' })
      expect(changesOf(ours)).toEqual(expectedChanges)
      expect(ours.changes().metadataChanged).toBe(true)
      await expectWeHave(ours, state)
      expect(await ours.push()).toMatchObject({ ok: true, updated: true, leftovers: [] })
      await expectWeHave(ours, state)
      await expectAllSee(python, db, state)
    })
  })

  it.concurrent.each(modes)('Python sees and pushes what we left pending, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'we')
      const operations = edits()
      {
        await using ours = await db.open(path, { flag: 'w' })
        await applyOurs(ours, operations)
      }
      state.apply(operations)
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await expectPythonHas(python, handle, state)
        const { changes, pendingDeletes } = await python.call('ebooklet.changes', { handle })
        expect(changes.map((change) => (change as { key: string }).key).sort()).toEqual(['fresh', 'key1', 'key3'])
        expect(pendingDeletes).toEqual(['key2'])
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      await expectAllSee(python, db, state)
      // Our copy of the remote's state was rewritten by Python, without the fields that only we have.
      await using ours = await db.open(path, { flag: 'w' })
      expect(changesOf(ours)).toEqual([])
      await expectWeHave(ours, state)
      expect(await ours.push()).toMatchObject({ updated: false, ok: true })
    })
  })

  it.concurrent.each(modes)('Python sees and pushes what we put into the journal one by one, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'we')
      const first = setMany(40, 'more')
      const single = [set('key1', 'edited'), set('],"', 'odd'), set('ключ "🔑"', 'odd, too'), ...setMany(12, 'single')]
      {
        await using ours = await db.open(path, { flag: 'w' })
        await applyOurs(ours, first)
        ours.sync()
        for (const operation of single) {
          await applyOurs(ours, [operation])
          ours.sync()
        }
      }
      state.apply([...first, ...single])
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await expectPythonHas(python, handle, state)
        const { changes, pendingDeletes } = await python.call('ebooklet.changes', { handle })
        expect([changes.length, pendingDeletes]).toEqual([first.length + single.length, []])
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      await expectAllSee(python, db, state)
    })
  })

  it.concurrent.each(modes)('a delete that Python forgot to note, of a key set after a clear, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'Python')
      const operations: PythonOperation[] = [{ op: 'clear' }, { op: 'setMetadata', value: 'cleared' }, set('key1', 'again'), ...deleteKeys('key1'), set('fresh', 'new')]
      await db.inPython(python, { path, flag: 'w' }, (handle) => python.call('ebooklet.apply', { handle, operations }))
      const before = new SharedState(state.entries)
      before.metadata = state.metadata
      state.apply(operations)
      await using ours = await db.open(path, { flag: 'w' })
      await expectWeHave(ours, state)
      ours.discard(['key1'])
      expect(ours.has('key1')).toBe(true)
      ours.delete('key1')
      await expectWeHave(ours, state)
      await expectAllSee(python, db, before)
      expect(await ours.push()).toMatchObject({ ok: true, leftovers: [] })
      await expectWeHave(ours, state)
      await expectAllSee(python, db, state)
    })
  })

  it.concurrent.each(modes)('we take back what Python left pending, its deletes too, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'Python')
      await db.inPython(python, { path, flag: 'w' }, (handle) => python.call('ebooklet.apply', { handle, operations: edits() }))
      await using ours = await db.open(path, { flag: 'w' })
      ours.discard()
      expect(changesOf(ours)).toEqual([])
      await expectWeHave(ours, state)
      expect(await ours.push()).toMatchObject({ updated: false })
      await ours.close()
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await expectPythonHas(python, handle, state)
        expect(await python.call('ebooklet.changes', { handle })).toEqual({ changes: [], pendingDeletes: [] })
      })
    })
  })

  it.concurrent.each(modes)('Python takes back what we left pending, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'we')
      {
        await using ours = await db.open(path, { flag: 'w' })
        await applyOurs(ours, edits())
      }
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await python.call('ebooklet.discard', { handle })
        await expectPythonHas(python, handle, state)
      })
      await using ours = await db.open(path, { flag: 'w' })
      expect(changesOf(ours)).toEqual([])
      await expectWeHave(ours, state)
    })
  })

  it.concurrent.each(modes)('what is pending stays when the other side has pushed meanwhile from elsewhere, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'Python')
      const pending = [set('key1', 'pending'), ...deleteKeys('key2')]
      await db.inPython(python, { path, flag: 'w' }, (handle) => python.call('ebooklet.apply', { handle, operations: pending }))
      const elsewhere = [set('key1', 'elsewhere'), set('key4', 'elsewhere'), ...deleteKeys('key5')]
      {
        await using ours = await db.open(db.freshPath(), { flag: 'w' })
        await applyOurs(ours, elsewhere)
        await ours.push()
      }
      state.apply([...elsewhere, ...pending])
      await using ours = await db.open(path, { flag: 'w' })
      expect(changesOf(ours)).toEqual(['changed key1', 'deleted key2'])
      const { adjusted } = await ours.push()
      expect(adjusted.map(({ key }) => key)).toEqual(['key1'])
      state.entries.set('key1', { value: 'pending', timestamp: adjusted[0]?.to ?? 0 })
      await expectWeHave(ours, state)
      await expectAllSee(python, db, state)
    })
  })

  it.concurrent.each(modes)('we push a replacement that Python left pending, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path, state } = await begin(python, db, mode, 'Python')
      const operations = [set('key1', 'replaced'), set('only', 'new')]
      await db.inPython(python, { path, flag: 'n', valueSerializer: 'str' }, (handle) => python.call('ebooklet.apply', { handle, operations }))
      await expectAllSee(python, db, state)
      const replaced = new SharedState().apply(operations)
      await using ours = await db.open(path, { flag: 'w' })
      expect(ours.changes().replacesRemote).toBe(true)
      expect(db.warnings.join()).toMatch(/replace/)
      expect([...ours.keys()].sort()).toEqual(['key1', 'only'])
      expect(ours.numGroups).toBe(mode.numGroups)
      expect(await ours.push()).toMatchObject({ ok: true, updated: true, leftovers: [] })
      await expectWeHave(ours, replaced)
      await expectAllSee(python, db, replaced)
    })
  })

  it.concurrent.each(modes)('Python pushes a replacement that we left pending, $mode', async (mode) => {
    await using db = meeting.database(mode.bucket)
    await withPython(async (python) => {
      const { path } = await begin(python, db, mode, 'we')
      const operations = [set('key1', 'replaced'), set('only', 'new')]
      {
        await using ours = await db.open(path, { flag: 'n', valueSerializer: 'str', numGroups: mode.numGroups })
        await applyOurs(ours, operations)
      }
      const replaced = new SharedState().apply(operations)
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      // In per-key mode the original leaves the replaced values behind, after replacements of its own too.
      await expectAllSee(python, db, replaced, mode.numGroups === null ? ['key0', ...Array.from({ length: 8 }, (_, at) => `key${String(at + 2)}`)] : [])
      await using ours = await db.open(path, { flag: 'w' })
      expect(ours.changes().replacesRemote).toBe(false)
      await expectWeHave(ours, replaced)
    })
  })

  it.concurrent.each(modes)('a database that one side began and never pushed is gone on with by the other, $mode', async ({ numGroups, bucket }) => {
    await using db = meeting.database(bucket)
    await withPython(async (python) => {
      const state = new SharedState()
      const path = db.freshPath()
      const step = async (operations: PythonOperation[], use: () => Promise<unknown>) => {
        state.apply(operations)
        await use()
      }
      const first = setMany(5)
      await step(first, () =>
        db.inPython(python, { path, flag: 'c', valueSerializer: 'str', ...(numGroups === null ? {} : { numGroups }) }, (handle) => python.call('ebooklet.apply', { handle, operations: first })),
      )
      const second = [...setMany(5, 'ours'), ...deleteKeys('key1')]
      await step(second, async () => {
        await using ours = await db.open(path, { flag: 'c' })
        await applyOurs(ours, second)
        await expectWeHave(ours, state)
      })
      const third = [set('third', 'by Python'), ...deleteKeys('ours2')]
      await step(third, () =>
        db.inPython(python, { path, flag: 'w' }, async (handle) => {
          await python.call('ebooklet.apply', { handle, operations: third })
          await expectPythonHas(python, handle, state)
          expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
        }),
      )
      await expectAllSee(python, db, state)
      await using ours = await db.open(path, { flag: 'w' })
      expect(ours.numGroups).toBe(numGroups)
      await expectWeHave(ours, state)
    })
  })
})
