/** What Python's methods do and ours do otherwise: the right-hand column of docs/coming-from-python.md, run. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { utf8Encode } from '../../src/base/bytes.js'
import { openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { S3Connection } from '../../src/index.js'
import { temporaryPath } from '../support/folder.js'
import { embeddedPlace, Members, openGroup } from './group-suite.js'
import { Bench, memoryKind } from './remotes.js'

const content = { a: 1, b: [2], c: { d: null } }

async function published(bench: Bench) {
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 })
  db.update(Object.entries(content))
  await db.push()
  return db
}

describe("a database, by the methods of Python's", () => {
  it('get with a default, in, len, keys, items, values, iteration', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench)
    await using reader = await bench.open(':memory:')
    for (const one of [db, reader]) {
      expect(await one.get('a')).toBe(1)
      expect((await one.get('nothing')) ?? 'default').toBe('default')
      expect([one.has('a'), one.has('nothing'), one.size]).toEqual([true, false, 3])
      expect([...one.keys()].sort()).toEqual(['a', 'b', 'c'])
      const items: [string, unknown][] = []
      for await (const item of one) items.push(item)
      expect(Object.fromEntries(items)).toEqual(content)
      const values: unknown[] = []
      for await (const value of one.values()) values.push(value)
      expect(values).toEqual(expect.arrayContaining(items.map(([, value]) => value)))
    }
  })

  it('pop, popitem, setdefault', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench)
    const popped = await db.get('b')
    expect(db.delete('b')).toBe(true)
    expect(popped).toEqual([2])
    const [key] = db.keys()
    const item = [key, await db.get(key!)]
    expect(db.delete(key!)).toBe(true)
    expect(content).toHaveProperty(key!, item[1])
    if (!db.has('new')) db.set('new', 'default')
    expect(await db.get('new')).toBe('default')
    expect(db.size).toBe(2)
  })

  it('get_items, load_items', async () => {
    await using bench = await Bench.on(memoryKind)
    await using _db = await published(bench)
    await using reader = await bench.open(':memory:')
    expect(await reader.getMany(['c', 'nothing', 'a'])).toEqual([{ d: null }, undefined, 1])
    await reader.load(['b'])
    await reader.load()
    bench.store.take()
    expect(await reader.get('b')).toEqual([2])
    expect(bench.store.take()).toEqual([])
  })

  it('values that are serialized already, timestamps of one and of all, with values', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench)
    const iso = Date.parse('2024-05-06T07:08:09Z') * 1000
    db.setBytes('raw', utf8Encode('{"as":"it is"}'), { timestamp: iso })
    expect(await db.get('raw')).toEqual({ as: 'it is' })
    expect(db.getTimestamp('raw')).toBe(iso)
    expect(new TextDecoder().decode(await db.getBytes('raw'))).toBe('{"as":"it is"}')
    expect(() => db.setBytes('raw', 'text' as unknown as Uint8Array)).toThrow()
    db.set('dated', 1, { timestamp: iso + 1 })
    expect(await db.setTimestamp('dated', iso + 2)).toBe(true)
    const stamps = new Map(db.timestamps())
    expect(stamps.get('dated')).toBe(iso + 2)
    for (const [key, timestamp] of stamps) expect([timestamp, await db.get(key)]).toEqual([db.getTimestamp(key), await db.get(key)])
    expect(db.getTimestamp('nothing')).toBeUndefined()
    await db.push()
    await using reader = await bench.open(':memory:')
    expect(await reader.get('raw')).toEqual({ as: 'it is' })
    expect(reader.getTimestamp('raw')).toBe(iso)
  })

  it('metadata with its timestamp', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench)
    expect(db.metadataTimestamp).toBeUndefined()
    db.setMetadata({ title: 'x' }, { timestamp: 1_700_000_000_000_000 })
    await db.push()
    await using reader = await bench.open(':memory:')
    expect([reader.metadata, reader.metadataTimestamp]).toEqual([{ title: 'x' }, 1_700_000_000_000_000])
  })

  it('changes, pending_deletes, and what a push tells', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench)
    db.set('new', 1).set('a', 2)
    db.delete('b')
    expect(Object.fromEntries([...db.changes()].map(({ key, type }) => [key, type]))).toEqual({ new: 'added', a: 'changed', b: 'deleted' })
    expect(db.changes().pendingDeletes).toEqual(['b'])
    const result = await db.changes().push()
    expect([result.updated, result.ok, result.failures]).toEqual([true, true, []])
    expect(await db.changes().pull()).toMatchObject({ changed: false })
  })

  it('a connection as a dict, without its secrets', () => {
    const connection = new S3Connection({ accessKeyId: 'id', secretAccessKey: 'secret', bucket: 'b', dbKey: 'k', endpoint: 'https://host', dbUrl: 'https://public/k', concurrency: 4, idleTimeout: 1000 })
    expect(JSON.parse(JSON.stringify(connection))).toEqual({ bucket: 'b', dbKey: 'k', endpoint: 'https://host', dbUrl: 'https://public/k' })
  })
})

describe("a connection group, by the methods of Python's", () => {
  it('set is add; a map over its entries', async () => {
    const members = new Members(await embeddedPlace())
    try {
      await using bench = await Bench.on(memoryKind)
      await using group = await openGroup(bench, ':memory:', { flag: 'c' })
      const { remote } = await members.publish({ n: 1 })
      expect(await group.add(remote, { key: 'k' })).toBe('k')
      const seen: unknown[] = []
      for await (const result of group.map((key, entry) => [key, (entry as { type: string }).type], { workers: 1 })) seen.push(result)
      expect(seen).toEqual([['k', 'EVariableLengthValue']])
    } finally {
      await members.place.close()
    }
  })
})

describe("a local file, by the methods of Python's", () => {
  it('in memory instead of BytesIO; reopen; get_items; encode_value; compaction', () => {
    const path = temporaryPath()
    let file = openBooklet<string, unknown>(path, { flag: 'n', valueSerializer: 'json' })
    for (const [key, value] of Object.entries(content)) file.set(key, value)
    file.setBytes('raw', utf8Encode('[1]'), { timestamp: 5 })
    expect(file.getTimestamp('raw')).toBe(5)
    expect(['a', 'nothing', 'raw'].map((key) => file.get(key))).toEqual([1, undefined, [1]])
    file.close()
    file = openBooklet(path, { flag: 'r' })
    expect(file.readonly).toBe(true)
    file.close()
    const copy = openBooklet<string, unknown>(readFileSync(path), { flag: 'w' })
    expect(openBooklet(copy.toBytes()).size).toBe(4)
    expect(copy.get('c')).toEqual({ d: null })
    copy.delete('raw')
    const before = [...copy.locations()]
    expect(copy.prune()).toBe(1)
    expect([...copy.locations()]).not.toEqual(before)
    copy.setMetadata({ m: 1 }, { timestamp: 7 })
    expect([copy.metadata, copy.metadataTimestamp]).toEqual([{ m: 1 }, 7])
    copy.reserved.set(1, Uint8Array.of(1), 8)
    expect(copy.reserved.get(1)).toEqual({ bytes: Uint8Array.of(1), timestamp: 8 })
  })

  it('values of fixed length', () => {
    const file = openFixedBooklet(null, { valueLength: 2 })
    file.set('k', Uint8Array.of(1, 2))
    expect(file.get('k')).toEqual(Uint8Array.of(1, 2))
    expect(() => file.set('k', Uint8Array.of(1))).toThrow()
    expect([...file.keys()]).toEqual(['k'])
    expect(file.delete('k')).toBe(true)
    expect(file.prune()).toBe(1)
  })
})
