/** Remotes of format 1, as ebooklet 0.8.3 wrote them: read, and refused to writers. No Python needed. */
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { StoreConnection } from '../../src/index.js'
import { encodeGroup } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { format1GroupKey } from '../../src/format/names.js'
import { openEbooklet } from '../../src/database/open.js'
import { readGoldenFile } from '../support/golden.js'
import { isTagged } from '../support/tagged.js'
import { format1Databases, format1Golden, indexOf, putFormat1, putFormat1Index, type Format1Entry } from './format-1.js'
import { Bench, memoryKind } from './remotes.js'

async function golden(bench: Bench, name: string) {
  const remote = format1Golden(name)
  await putFormat1(bench.store, remote)
  bench.store.take()
  return remote
}

describe.each(format1Databases)('what 0.8.3 pushed: %s', (name) => {
  it('is read: every key, value, timestamp and the metadata', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db_key, expected } = await golden(bench, name)
    await using db = await bench.open(bench.freshPath(), {}, db_key)
    expect(db.size).toBe(expected.len)
    expect(db.numGroups).toBe(expected.num_groups)
    expect([...db.keys()].sort()).toEqual(expected.content.map(({ key }) => key).sort())
    expect([...db.timestamps()].length).toBe(expected.len)
    for (const { key, timestamp, value } of expected.content) {
      expect(db.getTimestamp(key)).toBe(timestamp)
      // Pickled values have no serializer here: their bytes come as they are.
      if (db.valueSerializer.startsWith('pickle')) expect(await db.getBytes(key)).toBeInstanceOf(Uint8Array)
      else expect(isTagged(await db.get(key), value), key).toBe(true)
    }
    if (expected.metadata === null) expect(db.metadata).toBeUndefined()
    else expect(isTagged(db.metadata, expected.metadata)).toBe(true)
    for (const hidden of ['adb01ebc1ba3433eb043527', '_metadata']) {
      expect(db.has(hidden)).toBe(false)
      expect(await db.getBytes(hidden)).toBeUndefined()
      expect(db.getTimestamp(hidden)).toBeUndefined()
    }
    bench.store.take()
    await db.load()
    expect(bench.store.take()).toEqual([])
    expect(await db.pull()).toEqual({ changed: false, evicted: 0 })
    expect(bench.store.take()).toMatchObject([{ op: 'get', status: 'not-modified' }])
  })

  it('is refused to writers before anything is changed', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db_key } = await golden(bench, name)
    const before = await bench.objects()
    for (const flag of ['w', 'c', 'n'] as const) {
      const path = bench.freshPath()
      await expect(bench.open(path, { flag }, db_key)).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', found: 1, message: expect.stringContaining('upgradeRemote') as string })
      expect(existsSync(path)).toBe(false)
    }
    expect(await bench.objects()).toEqual(before)
    // Also with a warm copy, which knows the remote by its ETag.
    const warm = bench.freshPath()
    await (await bench.open(warm, {}, db_key)).close()
    await expect(bench.open(warm, { flag: 'w' }, db_key)).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', found: 1 })
    await using again = await bench.open(warm, {}, db_key)
    expect(again.size).toBe(format1Golden(name).expected.len)
  })
})

describe('a copy of a remote of format 1', () => {
  it('follows what is pushed, and asks for the metadata only when they changed', async () => {
    await using bench = await Bench.on(memoryKind)
    const first = await golden(bench, 'grouped_1_push')
    await using db = await bench.open(bench.freshPath(), {}, first.db_key)
    await db.load()
    const second = await golden(bench, 'grouped_2_second_push')
    expect(await db.pull()).toMatchObject({ changed: true })
    expect(bench.store.take().map(({ key }) => key)).toEqual([first.db_key])
    expect([...db.keys()].sort()).toEqual(second.expected.content.map(({ key }) => key).sort())
    for (const { key, value } of second.expected.content) expect(isTagged(await db.get(key), value), key).toBe(true)
    expect(db.has('key05')).toBe(false)
  })

  it('is opened offline too', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db_key, expected } = await golden(bench, 'grouped_1_push')
    const path = bench.freshPath()
    {
      await using db = await bench.open(path, {}, db_key)
      await db.load(['key00'])
    }
    bench.store.take()
    await using db = await openEbooklet(new StoreConnection(bench.store, db_key), path, { offline: true })
    expect(db.size).toBe(expected.len)
    expect(await db.get('key00')).toEqual({ i: 0, s: '' })
    await expect(db.get('key01')).rejects.toMatchObject({ code: 'OFFLINE', keys: ['key01'] })
    expect(bench.store.take()).toEqual([])
  })
})

describe('groups that are overwritten in place', () => {
  const dbKey = 'db.blt'
  const utf8 = (text: string) => new TextEncoder().encode(text)
  const entries: Format1Entry[] = ['a', 'b', 'c', 'd', 'e', 'f'].map((key, at) => ({ key, timestamp: 1000 + at, value: utf8(JSON.stringify(`${key}1`)) }))

  async function setUp(bench: Bench): Promise<void> {
    await putFormat1Index(bench.store, { dbKey, numGroups: 2, entries, groups: true })
  }

  async function putGroup(bench: Bench, gid: number, members: readonly Format1Entry[]): Promise<void> {
    await bench.store.put(format1GroupKey(dbKey, gid), encodeGroup(members.filter(({ key }) => groupId(key, 2) === gid)).bytes)
  }

  it('give the newer value while the writer has not told of it yet, and again after it has', async () => {
    await using bench = await Bench.on(memoryKind)
    await setUp(bench)
    await using db = await bench.open(bench.freshPath(), {}, dbKey)
    const changed = entries.map((entry) => ({ ...entry, timestamp: 2000, value: utf8(JSON.stringify(`${entry.key} is longer now`)) }))
    for (const gid of [0, 1]) await putGroup(bench, gid, changed)
    for (const { key } of entries) expect(await db.get(key)).toBe(`${key} is longer now`)
    expect(db.getTimestamp('a')).toBe(1000)
    const again = changed.map((entry) => ({ ...entry, timestamp: 3000, value: utf8('"third"') }))
    await putFormat1Index(bench.store, { dbKey, numGroups: 2, entries: again, groups: true, timestamp: 4000 })
    await db.pull()
    expect(await db.getMany(['a', 'f'])).toEqual(['third', 'third'])
  })

  it('that lost a key: the index is waited for, then the key is cleanly absent', async () => {
    await using bench = await Bench.on(memoryKind)
    await setUp(bench)
    await using db = await bench.open(bench.freshPath(), {}, dbKey)
    const left = entries.filter(({ key }) => key !== 'c')
    for (const gid of [0, 1]) await putGroup(bench, gid, left)
    setTimeout(() => void putFormat1Index(bench.store, { dbKey, numGroups: 2, entries: left, timestamp: 5000 }), 150)
    expect(await db.get('c')).toBeUndefined()
    expect(db.has('c')).toBe(false)
    expect(db.size).toBe(5)
  })

  it('that lost a key for good, are gone, or older than the index: an integrity error that names key and object', async () => {
    await using bench = await Bench.on(memoryKind)
    await setUp(bench)
    const gid = groupId('c', 2)
    const damaged: (() => Promise<unknown>)[] = [
      () => putGroup(bench, gid, entries.filter(({ key }) => key !== 'c')),
      () => putGroup(bench, gid, entries.map((entry) => ({ ...entry, timestamp: entry.timestamp - 1 }))),
      () => bench.store.delete([{ key: format1GroupKey(dbKey, gid) }]),
    ]
    await Promise.all(
      damaged.map(async (damage, at) => {
        await damage()
        await using db = await bench.open(bench.freshPath(), {}, dbKey)
        await expect(db.get('c'), String(at)).rejects.toMatchObject({ code: 'INTEGRITY', keys: ['c'], object: expect.stringContaining(`${dbKey}/${gid} `) as string })
      }),
    )
  })
})

describe('the metadata object', () => {
  it('that is missing, older than the index says, or no JSON: a typed error', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db_key, objects } = await golden(bench, 'grouped_1_push')
    const object = objects.find(({ key }) => key.endsWith('/_metadata'))!
    const put = (bytes: Uint8Array, timestamp: string) => bench.store.put(object.key, bytes, { metadata: { timestamp } })
    const bytes = readGoldenFile(object.blob)
    await bench.store.delete([{ key: object.key }])
    await expect(bench.open(':memory:', {}, db_key)).rejects.toMatchObject({ code: 'INTEGRITY', keys: [], message: expect.stringContaining('the metadata') as string })
    await put(bytes, '5')
    await expect(bench.open(':memory:', {}, db_key)).rejects.toMatchObject({ code: 'INTEGRITY' })
    await put(new TextEncoder().encode('{"a":'), object.user_metadata['timestamp']!)
    await expect(bench.open(':memory:', {}, db_key)).rejects.toMatchObject({ code: 'FORMAT' })
    await put(bytes, '1800000000000000')
    await using db = await bench.open(':memory:', {}, db_key)
    expect(db.metadata).toBeDefined()
  })

  it('and a value of the same name are told apart in per-key mode', async () => {
    const value = new TextEncoder().encode('"value"')
    for (const [last, expected] of [['value', 'value'], ['metadata', undefined]] as const) {
      await using bench = await Bench.on(memoryKind)
      await putFormat1Index(bench.store, { dbKey: 'pk', numGroups: undefined, entries: [{ key: '_metadata', timestamp: 1000, value }], groups: true, metadata: { timestamp: 2000, data: '[1]' } })
      if (last === 'value') {
        // The value lies over the metadata, which is lost: that is told.
        await bench.store.put('pk/_metadata', value, { metadata: { timestamp: '1000' } })
        await expect(bench.open(':memory:', {}, 'pk')).rejects.toMatchObject({ code: 'INTEGRITY' })
        continue
      }
      await using db = await bench.open(':memory:', {}, 'pk')
      expect(db.metadata).toEqual([1])
      await expect(db.get('_metadata')).rejects.toMatchObject({ code: 'INTEGRITY', keys: ['_metadata'] })
      expect(expected).toBeUndefined()
    }
  })
})

it('indexes of format 1 are what these tests make', () => {
  expect(indexOf(format1Golden('grouped_1_push')).size).toBe(27)
})
