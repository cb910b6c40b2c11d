/** `map` on a database: what is local, what is pending, and what has to be fetched. */
import { describe, expect, it, vi } from 'vitest'
import { Bench, directoryKind, embeddedKind, memoryKind } from '../database/remotes.js'
import { all, Workers } from './workers.js'

const functions = new URL('./functions.ts', import.meta.url)
const content = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, i]))

describe.each([memoryKind, directoryKind, embeddedKind])('a map on $name', (kind) => {
  it.each([5, null])('fetches what is not local, keeps it, and gives all (groups: %s)', async (numGroups) => {
    await using bench = await Bench.on(kind)
    await using db = await bench.open<number>(bench.freshPath(), { flag: 'c', numGroups })
    db.update(Object.entries(content))
    await db.push()
    db.set('k1', -1).set('fresh', 7)
    db.delete('k2')
    const { k2: _gone, ...rest } = content
    const expected = Object.fromEntries(Object.entries({ ...rest, k1: -1, fresh: 7 }).map(([key, value]) => [`${key}!`, value * 2]))
    expect(Object.fromEntries(await all(db.map<string, number>({ module: functions, name: 'double' }, { workers: 1 })))).toEqual(expected)
    db.discard()

    await using reader = await bench.open<number>(bench.freshPath())
    bench.store.take()
    const found = new Map(await all(reader.map<string, number>({ module: functions, name: 'double' }, { workers: 2 })))
    expect(found.size).toBe(60)
    expect(found.get('k59!')).toBe(118)
    // One request for each group, or for each value; none twice.
    expect(bench.store.take().length).toBe(numGroups ?? 60)
    expect(await all(reader.map((key, value) => (value === 3 ? [value, key] : null), { workers: 1 }))).toEqual([[3, 'k3']])
    expect(bench.store.take()).toEqual([])
  })

  it('asks only for the values of the keys that are given', async () => {
    await using bench = await Bench.on(kind)
    await using db = await bench.open<number>(bench.freshPath(), { flag: 'c', numGroups: null })
    db.update(Object.entries(content))
    await db.push()
    await using reader = await bench.open<number>(':memory:')
    bench.store.take()
    const found = await all(reader.map({ module: functions }, { keys: ['k7', 'nothing', 'k7', 'k9'], workers: 1 }))
    expect(found.sort()).toEqual([['k7', 7], ['k9', 9]])
    expect(bench.store.take().length).toBe(2)
  })
})

describe('a map on a database', () => {
  async function published(bench: Bench, count: number) {
    const db = await bench.open<number>(bench.freshPath(), { flag: 'c', numGroups: 7 })
    for (let i = 0; i < count; i++) db.set(`k${i}`, i)
    await db.push()
    return db
  }

  it('fills another one, which is written while it runs; so may be the one that it reads', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await published(bench, 500)
    await using other = await bench.open<number>(bench.freshPath(), { flag: 'c', numGroups: 3 }, 'other.blt')
    for await (const [key, value] of db.map<string, number>({ module: functions, name: 'double' }, { workers: 1 })) {
      other.set(key, value)
      db.set(`new ${key}`, value)
      if (value === 20) db.delete('k499')
    }
    expect(other.size).toBeGreaterThanOrEqual(499)
    expect((await other.push()).ok).toBe(true)
    expect(await bench.contents('other.blt')).toMatchObject({ 'k7!': 14, 'k250!': 500 })
    expect(db.has('new k7!')).toBe(true)
  })

  it('tells what is wrong with the remote, and ends its workers', async () => {
    await using bench = await Bench.on(memoryKind)
    await published(bench, 50)
    for (const object of await bench.objects('db.blt/')) await bench.store.delete([{ key: object }])
    await using reader = await bench.open<number>(':memory:')
    using workers = new Workers()
    await expect(all(reader.map({ module: functions }, { workers: 1 }))).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect(workers.alive).toBe(0)
  })

  it('is ended by closing the database', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await published(bench, 50)
    using workers = new Workers()
    const run = async () => {
      for await (const _ of db.map((key, value) => {
        while (value > 0);
        return [key, value]
      }, { keys: ['k0', 'k1', 'k2'], workers: 2 })) void db.close()
    }
    await expect(run()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(workers.alive).toBe(0)
    expect(() => db.map({ module: functions })).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  it('offline names the keys that it lacks, and maps those that are there', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await published(bench, 10)).close()
    const path = bench.freshPath()
    {
      await using reader = await bench.open<number>(path)
      await reader.get('k1')
    }
    await using db = await bench.open<number>(path, { offline: true })
    using workers = new Workers()
    await expect(all(db.map({ module: functions }, { keys: ['k1', 'k2'] }))).rejects.toMatchObject({ code: 'OFFLINE', keys: ['k2'] })
    expect(await all(db.map({ module: functions }, { keys: ['k1'], workers: 1 }))).toEqual([['k1', 1]])
    expect(workers.alive).toBe(0)
  })

  it('ends its requests when the loop is left', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await published(bench, 50)
    await db.close()
    await using reader = await bench.open<number>(bench.freshPath())
    await reader.get('k1')
    let begun = 0
    let ended = 0
    bench.store.hooks.afterGet = (_key, { signal }) => {
      begun++
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          ended++
          reject(signal.reason as Error)
        })
      })
    }
    for await (const [key] of reader.map({ module: functions }, { workers: 1 })) {
      expect(key).toBe('k1')
      await vi.waitFor(() => expect(begun).toBeGreaterThan(0))
      break
    }
    expect(ended).toBe(begun)
    bench.store.hooks = {}
  })
})
