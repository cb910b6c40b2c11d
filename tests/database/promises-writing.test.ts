/** What docs/promises.md promises of writing, changes and the lock, as far as no other test shows it. */
import { readFile, writeFile } from 'node:fs/promises'
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { decodeJournal, encodeJournal } from '../../src/format/journal.js'
import { LockTimeoutError, type Ebooklet } from '../../src/index.js'
import { testSeed } from '../support/seed.js'
import { Bench, memoryKind } from './remotes.js'

const internalKeys = ['adb01ebc1ba3433eb043527', '7c40d2ea915b4f3a8e6d201', 'f19a5c3d7e2b48069ab34c5']

async function publish(bench: Bench, content: Record<string, unknown> = { a: 1, b: 2, c: 3 }, numGroups: number | null = 3): Promise<{ db: Ebooklet; path: string }> {
  const path = bench.freshPath()
  const db = await bench.open(path, { flag: 'c', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return { db, path }
}

function journalOf(path: string) {
  const booklet = openBooklet(path, { flag: 'w' })
  try {
    return decodeJournal(booklet.reserved.get(1)!.bytes)
  } finally {
    booklet.close()
  }
}

describe('edits', () => {
  it('ask nothing of the network until a push', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    bench.store.take()
    db.set('a', 'x').update([['b', 'y'], ['new', 'z']])
    db.delete('c')
    db.metadata = { edited: true }
    await db.setTimestamp('a', 5)
    db.sync()
    db.discard(['b'])
    db.clear()
    expect([db.size, db.has('a'), [...db.keys()], db.changes().size]).toEqual([0, false, [], 3])
    expect(bench.store.take()).toEqual([])
    expect(await bench.contents()).toEqual({ a: 1, b: 2, c: 3 })
  })

  it('the keys that the file keeps for itself are refused everywhere, and nothing is changed', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db, path } = await publish(bench)
    for (const key of internalKeys) {
      expect(() => db.set(key, 1)).toThrow()
      expect(() => db.update([['a', 'changed'], [key, 1]])).toThrow()
      expect(() => db.delete(key)).toThrow()
      expect(db.has(key)).toBe(false)
      expect(await db.get(key)).toBeUndefined()
      expect(await db.getMany([key])).toEqual([undefined])
      expect(await db.setTimestamp(key, 5)).toBe(false)
      expect(db.getTimestamp(key)).toBeUndefined()
    }
    db.discard(internalKeys)
    expect(db.changes().size).toBe(0)
    await db.close()
    await using again = await bench.open(path)
    expect(again.size).toBe(3)
    expect(await again.get('a')).toBe(1)
  })

  it('deleting what is not there says so, also when it was only just deleted or never pushed', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    expect([db.delete('a'), db.delete('a'), db.delete('nothing')]).toEqual([true, false, false])
    db.set('fresh', 1)
    expect([db.delete('fresh'), db.delete('fresh')]).toEqual([true, false])
    expect([...db.changes()].map(({ key, type }) => `${type} ${key}`)).toEqual(['deleted a'])
  })

  it('written and deleted keys stay disjoint, whatever the order of edits', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db, path } = await publish(bench)
    await db.close()
    const edit = fc.record({ key: fc.constantFrom('a', 'b', 'new', 'newer'), does: fc.constantFrom('set', 'delete', 'discard', 'clear', 'stamp') })
    const model = new Map<string, unknown>()
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 25 }), async (edits) => {
        {
          await using session = await bench.open(path, { flag: 'w' })
          session.discard()
          model.clear()
          for (const [key, value] of [['a', 1], ['b', 2], ['c', 3]] as const) model.set(key, value)
          const remote = new Map(model)
          for (const [i, { key, does }] of edits.entries()) {
            if (does === 'set') void (session.set(key, i), model.set(key, i))
            else if (does === 'delete') expect(session.delete(key)).toBe(model.delete(key))
            else if (does === 'stamp') await session.setTimestamp(key, Date.now() * 1000)
            else if (does === 'clear') void (session.clear(), model.clear())
            else {
              session.discard([key])
              model.delete(key)
              if (remote.has(key)) model.set(key, remote.get(key))
            }
          }
          expect([...session.keys()].sort()).toEqual([...model.keys()].sort())
          for (const [key, value] of model) expect(await session.get(key)).toBe(value)
        }
        const { written, deletes } = journalOf(path)
        expect([...written].filter((key) => new Set(deletes).has(key))).toEqual([])
        for (const key of written) expect(model.has(key)).toBe(true)
        for (const key of deletes) expect(model.has(key)).toBe(false)
      }),
      { numRuns: 25, seed: testSeed },
    )
  })
})

describe('a journal that lost the last writes', () => {
  it.each([
    ['the remote unchanged', false],
    ['the remote changed since', true],
  ])('is made good by timestamps, %s', async (_name, changed) => {
    await using bench = await Bench.on(memoryKind)
    const { db, path } = await publish(bench)
    await db.close()
    const copy = bench.freshPath()
    {
      await using cold = await bench.open(copy, { flag: 'w' })
      await cold.load()
      cold.set('a', 'edited').set('new', 'edited')
    }
    // As after a crash of a program that writes the journal last and syncs nothing: values are there, no word of them.
    const booklet = openBooklet(copy, { flag: 'w' })
    const journal = decodeJournal(booklet.reserved.get(1)!.bytes)
    expect([...journal.written].sort()).toEqual(['a', 'new'])
    booklet.reserved.set(1, encodeJournal({ ...journal, written: new Set() }))
    booklet.close()
    await writeFile(copy, (await readFile(copy)).fill(0, 77, 200))
    if (changed) {
      await using other = await bench.open(path, { flag: 'w' })
      // Later than the lost edit, which is none the less for that.
      other.set('a', 'theirs').set('b', 'theirs')
      other.delete('c')
      await other.push()
    }
    await using again = await bench.open(copy, { flag: 'w' })
    expect([...again.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added new', 'changed a'])
    expect(await again.push()).toMatchObject({ ok: true, updated: true })
    expect(await bench.contents()).toEqual(changed ? { a: 'edited', b: 'theirs', new: 'edited' } : { a: 'edited', b: 2, c: 3, new: 'edited' })
  })
})

describe('changes', () => {
  it('of some keys are taken back alone: deletes reappear, the metadata edit stays', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    const before = db.getTimestamp('a')
    db.set('a', 'x').set('fresh', 'y')
    db.delete('b')
    db.delete('c')
    db.metadata = { edited: true }
    db.changes().discard(['b', 'fresh', 'nothing'])
    expect(await db.get('b')).toBe(2)
    expect(db.has('fresh')).toBe(false)
    expect(db.changes().pendingDeletes).toEqual(['c'])
    expect(db.changes().metadataChanged).toBe(true)
    db.discard(['a'])
    expect([await db.get('a'), db.getTimestamp('a')]).toEqual([1, before])
    await db.push()
    expect(await bench.contents()).toEqual({ a: 1, b: 2 })
    await using reader = await bench.open(':memory:')
    expect(reader.metadata).toEqual({ edited: true })
  })

  it('tell both timestamps: local and remote', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    const remote = db.getTimestamp('a')!
    db.set('a', 'x', { timestamp: remote + 7 }).set('fresh', 'y', { timestamp: 12 })
    const stamps = { localTimestamp: undefined, remoteTimestamp: db.getTimestamp('b') }
    db.delete('b')
    expect([...db.changes()]).toEqual([
      { key: 'a', type: 'changed', localTimestamp: remote + 7, remoteTimestamp: remote },
      { key: 'fresh', type: 'added', localTimestamp: 12, remoteTimestamp: undefined },
      { key: 'b', type: 'deleted', ...stamps },
    ])
  })
})

describe('the lock of a session', () => {
  it('a time-out names who holds it, and for how long', async () => {
    await using bench = await Bench.on(memoryKind)
    const holder = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3, owner: 'alice of the weather office' })
    holder.set('a', 1)
    await holder.push()
    const error: unknown = await bench.open(bench.freshPath(), { flag: 'w', lockTimeout: 40 }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(LockTimeoutError)
    const { message, holders } = error as LockTimeoutError
    expect(message).toMatch(/alice of the weather office.* \d+ s/)
    expect(holders).toMatchObject([{ exclusive: true, facts: { owner: 'alice of the weather office', pid: String(process.pid) } }])
    expect(holders[0]!.age).toBeGreaterThanOrEqual(0)
    expect((await bench.objects('db.blt.lock.')).length).toBe(2)
    // Readers never wait, and never write.
    bench.store.take()
    await using reader = await bench.open(':memory:', { lockTimeout: 0 })
    expect(await reader.get('a')).toBe(1)
    expect(bench.store.take().map(({ op }) => op)).toEqual(['get', 'get'])
  })

  it('is broken on explicit word only, and the one who had it can not push any more', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    await expect(bench.open(bench.freshPath(), { flag: 'w', lockTimeout: 0, breakLocks: 'stale' })).rejects.toBeInstanceOf(LockTimeoutError)
    await using rival = await bench.open(bench.freshPath(), { flag: 'w', lockTimeout: 5000, breakLocks: 'all' })
    db.set('a', 'mine')
    bench.store.take()
    await expect(db.push()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    // Found at the start: nothing was uploaded in vain.
    expect(bench.store.take().filter(({ op }) => op === 'put')).toEqual([])
    expect([...db.changes()].map(({ key }) => key)).toEqual(['a'])
    rival.set('a', 'theirs')
    await rival.push()
    await db.close()
    expect((await bench.objects('db.blt.lock.')).length).toBe(2)
    expect(await bench.contents()).toEqual({ a: 'theirs', b: 2, c: 3 })
  })
})
