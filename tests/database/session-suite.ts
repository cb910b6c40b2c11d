/** What must hold of a session on every kind of remote. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CommitConflictError, ConflictingOptionError, ReadOnlyError, RemoteNotFoundError, UuidMismatchError, type Change } from '../../src/index.js'
import { groupId } from '../../src/format/group-id.js'
import { parseGroupKey } from '../../src/format/names.js'
import { Bench, type RemoteKind } from './remotes.js'

const modes = [
  { mode: 'grouped', numGroups: 5 },
  { mode: 'per key', numGroups: null },
] as const

const sample: Record<string, unknown> = {
  plain: 'text',
  number: 12.5,
  'кл/юч ü': { nested: [1, null, true] },
  empty: '',
  list: [],
  long: 'x'.repeat(20_000),
}

async function published(bench: Bench, numGroups: number | null, content: Record<string, unknown> = sample) {
  const path = bench.freshPath()
  const db = await bench.open(path, { flag: 'c', numGroups })
  db.update(Object.entries(content))
  const result = await db.push()
  expect(result).toMatchObject({ ok: true, updated: true, failures: [] })
  return { db, path }
}

/** A bench on which fsck has nothing to tell when the test has ended. */
async function wholeBench(kind: RemoteKind): Promise<Bench> {
  const bench = await Bench.on(kind)
  bench.wholeAtTheEnd.push('db.blt')
  return bench
}

export function sessionSuite(kind: RemoteKind): void {
  describe(`a session on ${kind.name}`, () => {
    for (const { mode, numGroups } of modes) {
      describe(mode, () => {
        it('keeps what is set, pushes it, and others read it', async () => {
          await using bench = await wholeBench(kind)
          const { db } = await published(bench, numGroups)
          expect(db.size).toBe(Object.keys(sample).length)
          expect(db.numGroups).toBe(numGroups)
          await using reader = await bench.open(bench.freshPath())
          expect(reader.readonly).toBe(true)
          expect(reader.uuid).toBe(db.uuid)
          for (const [key, value] of Object.entries(sample)) {
            expect(reader.has(key)).toBe(true)
            expect(await reader.get(key)).toEqual(value)
            expect(reader.getTimestamp(key)).toBe(db.getTimestamp(key))
          }
          expect(await reader.get('nothing')).toBeUndefined()
          expect([...reader.keys()].sort()).toEqual(Object.keys(sample).sort())
          expect(await reader.getMany(['plain', 'nothing', 'empty', 'plain'])).toEqual(['text', undefined, '', 'text'])
          expect(() => reader.set('plain', 1)).toThrow(ReadOnlyError)
        })

        it('sends only what changed, and leaves no object that nothing refers to', async () => {
          await using bench = await wholeBench(kind)
          const { db } = await published(bench, numGroups)
          const before = await bench.objects('db.blt/')
          db.set('plain', 'new text')
          db.set('extra', 1)
          expect(db.delete('number')).toBe(true)
          expect(db.delete('number')).toBe(false)
          bench.store.take()
          const result = await db.push()
          expect(result.written.toSorted()).toEqual(['extra', 'plain'])
          expect(result.deleted).toEqual(['number'])
          const { number: _gone, ...rest } = sample
          const expected = { ...rest, plain: 'new text', extra: 1 }
          expect(await bench.contents()).toEqual(expected)
          const after = await bench.objects('db.blt/')
          if (numGroups === null) {
            expect(after).toEqual(Object.keys(expected).map((key) => `db.blt/${key}`).sort())
          } else {
            const touched = new Set(['plain', 'extra', 'number'].map((key) => groupId(key, numGroups)))
            const untouched = before.filter((key) => !touched.has(parseGroupKey('db.blt', key)!.gid))
            expect(after).toEqual(expect.arrayContaining(untouched))
            const groups = new Set(Object.keys(expected).map((key) => groupId(key, numGroups)))
            expect(after.map((key) => parseGroupKey('db.blt', key)!.gid).sort()).toEqual([...groups].sort())
          }
          bench.store.take()
          expect(await db.push()).toMatchObject({ updated: false, ok: true })
          expect(bench.store.take()).toEqual([])
        })

        it('keeps pending changes over a close, tells them, and pushes them later', async () => {
          await using bench = await wholeBench(kind)
          const { db, path } = await published(bench, numGroups)
          await db.close()
          {
            await using again = await bench.open(path, { flag: 'w' })
            again.set('plain', 'edited')
            again.set('fresh', 1)
            again.delete('list')
          }
          await using last = await bench.open(path, { flag: 'w' })
          const changes: Change[] = []
          for await (const change of last.changes()) changes.push(change)
          const summary = changes.map(({ key, type }) => `${type} ${key}`).sort()
          expect(summary).toEqual(['added fresh', 'changed plain', 'deleted list'])
          const changed = changes.find(({ key }) => key === 'plain')!
          expect(changed.localTimestamp).toBeGreaterThan(changed.remoteTimestamp!)
          expect(last.changes().pendingDeletes).toEqual(['list'])
          expect(await bench.contents()).toEqual(sample)
          await last.changes().push()
          const { list: _gone, ...rest } = sample
          expect(await bench.contents()).toEqual({ ...rest, plain: 'edited', fresh: 1 })
          expect([...last.changes()]).toEqual([])
        })

        it('takes changes back on discard', async () => {
          await using bench = await wholeBench(kind)
          const { db } = await published(bench, numGroups)
          db.set('plain', 'edited').set('fresh', 1)
          db.delete('number')
          db.metadata = { edited: true }
          db.discard(['plain'])
          expect(await db.get('plain')).toBe('text')
          expect(db.changes().size).toBe(2)
          db.clear()
          expect(db.size).toBe(0)
          expect(await db.get('long')).toBeUndefined()
          db.discard()
          expect(db.metadata).toBeUndefined()
          expect(db.size).toBe(Object.keys(sample).length)
          for (const [key, value] of Object.entries(sample)) expect(await db.get(key)).toEqual(value)
          bench.store.take()
          expect((await db.push()).updated).toBe(false)
          expect(bench.store.take()).toEqual([])
        })

        it('clears everything at the next push', async () => {
          await using bench = await wholeBench(kind)
          const { db } = await published(bench, numGroups)
          db.metadata = { title: 'kept' }
          db.clear()
          db.set('after', 1)
          expect((await db.push()).deleted.length).toBe(Object.keys(sample).length)
          expect(await bench.contents()).toEqual({ after: 1 })
          expect((await bench.objects('db.blt/')).length).toBe(1)
          await using reader = await bench.open(':memory:')
          expect(reader.metadata).toEqual({ title: 'kept' })
        })

        it('replaces everything with flag n in one commit, also after a close', async () => {
          await using bench = await wholeBench(kind)
          const { db } = await published(bench, numGroups)
          db.metadata = { old: true }
          await db.push()
          await db.close()
          const path = bench.freshPath()
          {
            await using fresh = await bench.open(path, { flag: 'n', numGroups })
            expect(fresh.size).toBe(0)
            expect(fresh.uuid).toBe(db.uuid)
            fresh.set('plain', 'replaced').set('only', 2)
          }
          expect(await bench.contents()).toEqual(sample)
          await using again = await bench.open(path, { flag: 'w' })
          expect(bench.warnings.join()).toMatch(/replace/)
          expect(again.changes().replacesRemote).toBe(true)
          expect(again.size).toBe(2)
          expect(await again.get('number')).toBeUndefined()
          expect(await again.push()).toMatchObject({ ok: true, updated: true })
          expect(await bench.contents()).toEqual({ plain: 'replaced', only: 2 })
          await using reader = await bench.open(':memory:')
          expect(reader.metadata).toBeUndefined()
          expect((await bench.objects('db.blt/')).length).toBeLessThanOrEqual(2)
          again.set('third', 3)
          expect(await again.push()).toMatchObject({ written: ['third'] })
          expect(await bench.contents()).toEqual({ plain: 'replaced', only: 2, third: 3 })
        })

        it('lets warm copies follow: values, deletes, metadata; pending writes stay', async () => {
          await using bench = await wholeBench(kind)
          const { db, path } = await published(bench, numGroups)
          const warm = bench.freshPath()
          {
            await using reader = await bench.open(warm)
            await reader.load()
          }
          db.set('plain', 'second')
          db.delete('long')
          db.metadata = { version: 2 }
          await db.push()
          await using reader = await bench.open(warm)
          expect(reader.has('long')).toBe(false)
          expect(await reader.get('long')).toBeUndefined()
          expect(await reader.get('plain')).toBe('second')
          expect(reader.metadata).toEqual({ version: 2 })
          db.set('plain', 'third')
          db.delete('list')
          await db.push()
          expect(await reader.get('plain')).toBe('second')
          expect(await reader.pull()).toMatchObject({ changed: true })
          expect(await reader.get('plain')).toBe('third')
          expect(reader.has('list')).toBe(false)
          bench.store.take()
          expect(await reader.pull()).toEqual({ changed: false, evicted: 0 })
          expect(bench.store.take()).toMatchObject([{ op: 'get', status: 'not-modified', bytesDown: 0 }])
          await db.close()
          expect(path).not.toBe(warm)
        })

        it('commits metadata alone, and a first push of nothing', async () => {
          await using bench = await wholeBench(kind)
          await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups })
          expect(await db.push()).toMatchObject({ updated: true, objectsUploaded: 0 })
          expect(await bench.contents()).toEqual({})
          expect(await bench.objects('db.blt')).toContain('db.blt')
          db.metadata = { title: 'é', big: 12345678901234567890n }
          expect(await db.push()).toMatchObject({ updated: true, objectsUploaded: 0 })
          await using reader = await bench.open(':memory:')
          expect(reader.metadata).toEqual({ title: 'é', big: 12345678901234567890n })
        })

        it('touches no other database', async () => {
          await using bench = await wholeBench(kind)
          const sibling = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 11 }, 'db.blt2')
          for (let i = 0; i < 60; i++) sibling.set(`k${i}`, i)
          await sibling.push()
          const before = await bench.objects('db.blt2')
          const { db } = await published(bench, numGroups)
          db.clear()
          await db.push()
          expect(await bench.objects('db.blt2')).toEqual(before)
        })
      })
    }

    it('sees that conditional writes work, and refuses the commit of one whose lock was broken', async () => {
      await using bench = await wholeBench(kind)
      // The push that is refused leaves what it uploaded, for a sweep.
      bench.wholeAtTheEnd = []
      const { db } = await published(bench, 5)
      expect(db.guarantee).toBe('conditional')
      expect(await bench.objects('db.blt/_')).toEqual([])
      // A rival breaks the lock and commits between this push's last look at its lock and its commit.
      let once = true
      bench.store.hooks.before = async (op, key) => {
        if (op !== 'put' || key !== 'db.blt' || !once) return
        once = false
        await using rival = await bench.open(bench.freshPath(), { flag: 'w', breakLocks: 'all' })
        rival.set('plain', 'of the rival')
        await rival.push()
      }
      db.set('number', 13)
      await expect(db.push()).rejects.toThrow(CommitConflictError)
      bench.store.hooks = {}
      expect(await bench.contents()).toEqual({ ...sample, plain: 'of the rival' })
      expect(db.changes().size).toBe(1)
    })

    it('empties groups exactly: group 1 is not group 10', async () => {
      await using bench = await wholeBench(kind)
      const content = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`k${i}`, i]))
      const { db } = await published(bench, 11, content)
      const first = Object.keys(content).filter((key) => groupId(key, 11) === 1)
      expect(first.length).toBeGreaterThan(0)
      for (const key of first) db.delete(key)
      await db.push()
      const groups = (await bench.objects('db.blt/')).map((key) => parseGroupKey('db.blt', key)!.gid)
      expect(groups.sort((a, b) => a - b)).toEqual([0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      for (const key of first) delete content[key]
      expect(await bench.contents()).toEqual(content)
    })

    it('gives the lock to one writer at a time, who then sees what was pushed meanwhile', async () => {
      await using bench = await wholeBench(kind)
      const first = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 })
      await expect(bench.open(bench.freshPath(), { flag: 'w', lockTimeout: 300 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      const waiting = bench.open(bench.freshPath(), { flag: 'w', lockTimeout: 20_000 })
      first.set('from', 'first')
      await first.push()
      await first.close()
      await using second = await waiting
      expect(await second.get('from')).toBe('first')
      second.set('from', 'second')
      await second.push()
      expect(await bench.contents()).toEqual({ from: 'second' })
      await second.close()
      expect(await bench.objects('db.blt.lock.')).toEqual([])
    })

    it('refuses what does not fit, and leaves neither lock nor file behind', async () => {
      await using bench = await wholeBench(kind)
      await expect(bench.open(bench.freshPath())).rejects.toThrow(RemoteNotFoundError)
      await expect(bench.open(bench.freshPath(), { flag: 'w', numGroups: 3 })).rejects.toThrow(RemoteNotFoundError)
      await expect(bench.open(bench.freshPath(), { flag: 'x' as 'r' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      const other = bench.freshPath()
      {
        await using db = await bench.open(other, { flag: 'c', numGroups: 3 }, 'other.blt')
        db.set('a', 1)
        await db.push()
      }
      await (await published(bench, 5)).db.close()
      await expect(bench.open(other, { flag: 'w' })).rejects.toThrow(UuidMismatchError)
      await expect(bench.open(other)).rejects.toThrow(UuidMismatchError)
      await expect(bench.open(bench.freshPath(), { flag: 'w', numGroups: 7 })).rejects.toThrow(ConflictingOptionError)
      await expect(bench.open(bench.freshPath(), { flag: 'w', valueSerializer: 'msgpack' })).rejects.toThrow(ConflictingOptionError)
      expect(await bench.objects('db.blt.lock.')).toEqual([])
      await using again = await bench.open(other, { flag: 'w' }, 'other.blt')
      expect(await again.get('a')).toBe(1)
      await using fits = await bench.open(bench.freshPath(), { flag: 'w', numGroups: 4, lockTimeout: 5000 })
      expect(fits.numGroups).toBe(5)
    })

    it.each(modes)('serves what is local while offline, and names what is not ($mode)', async ({ numGroups }) => {
      await using bench = await wholeBench(kind)
      await (await published(bench, numGroups, { near: 1, far: 2 })).db.close()
      const path = bench.freshPath()
      {
        await using online = await bench.open(path)
        expect(await online.get('near')).toBe(1)
      }
      bench.store.take()
      await using db = await bench.open(path, { offline: true })
      expect([...db.keys()].sort()).toEqual(['far', 'near'])
      expect(await db.get('near')).toBe(1)
      await expect(db.get('far')).rejects.toMatchObject({ code: 'OFFLINE', keys: ['far'] })
      expect(bench.store.take()).toEqual([])
    })

    it.each(modes)('maps values on worker threads ($mode)', async ({ numGroups }) => {
      await using bench = await wholeBench(kind)
      await (await published(bench, numGroups, { a: 1, b: 2, c: 3 })).db.close()
      await using db = await bench.open<number>(bench.freshPath())
      const found: [string, number][] = []
      for await (const entry of db.map((key, value): [string, number] | null => (key === 'b' ? null : [`${key}!`, value * 2]), { workers: 1 })) found.push(entry)
      expect(found.sort()).toEqual([['a!', 2], ['c!', 6]])
    })

    it('takes only what its schema allows', async () => {
      await using bench = await wholeBench(kind)
      const schema = z.object({ name: z.string(), age: z.number().default(18) })
      await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3, schema })
      db.set('ada', { name: 'Ada' } as never)
      expect(() => db.set('bob', { name: 5 } as never)).toThrow(expect.objectContaining({ code: 'SCHEMA', key: 'bob' }))
      await db.push()
      expect(await bench.contents()).toEqual({ ada: { name: 'Ada', age: 18 } })
    })
  })
}
