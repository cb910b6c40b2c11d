/** What happens beside a push, a pull or a read: found by the simulation (docs/simulation.md), each as small as it can be. */
import { describe, expect, it } from 'vitest'
import { CommitConflictError, openEbooklet, StoreConnection, type Ebooklet } from '../../src/index.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { groupId } from '../../src/format/group-id.js'
import type { ListOptions, ObjectStore } from '../../src/store/object-store.js'
import { Bench, memoryKind } from './remotes.js'

async function published(bench: Bench, content: Record<string, string>, numGroups: number | null = 2): Promise<Ebooklet<string>> {
  const db = await bench.open<string>(bench.freshPath(), { flag: 'c', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return db
}

/** A writer that has nothing local yet. */
async function coldWriter(bench: Bench, content: Record<string, string>): Promise<Ebooklet<string>> {
  await (await published(bench, content)).close()
  return bench.open<string>(bench.freshPath(), { flag: 'w' })
}

/** Runs `action` once, before the next such call. */
function once(bench: Bench, op: string, key: RegExp, action: () => void | Promise<void>): void {
  let done = false
  bench.store.hooks.before = async (called, name) => {
    if (done || called !== op || !key.test(name)) return
    done = true
    await action()
  }
}

/* Four keys of one group of two. */
const [a, b, c, d] = Array.from({ length: 40 }, (_, i) => `key${i}`).filter((key) => groupId(key, 2) === 0) as [string, string, string, string]

const group = /^db\.blt\/\d+\.[0-9a-f]{13}$/

/** The same store for somebody who sees no lock and whose lock nobody sees, as a foreign tool. */
function lawless(store: ObjectStore): ObjectStore {
  const there = (key: string) => key.replace(/^db\.blt\.lock\./, 'hidden.lock.')
  const back = (key: string) => key.replace(/^hidden\.lock\./, 'db.blt.lock.')
  return {
    name: 'elsewhere',
    writable: true,
    get: (key, options) => store.get(there(key), options),
    head: (key, options) => store.head(there(key), options),
    put: (key, body, options) => store.put(there(key), body, options),
    delete: (targets, options) => store.delete(targets.map((target) => ({ ...target, key: there(target.key) })), options),
    async *list(prefix: string, options?: ListOptions) {
      for await (const object of store.list(there(prefix), options)) yield { ...object, key: back(object.key) }
    },
    async *listVersions(prefix: string, options?: ListOptions) {
      for await (const object of store.listVersions(there(prefix), options)) yield { ...object, key: back(object.key) }
    },
    copy: (source, target, options) => store.copy(source, target, options),
    close: () => Promise.resolve(),
  }
}

describe('beside a push', () => {
  it('a member that is set while the others of its group are fetched does not go under its old timestamp', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await coldWriter(bench, { [a]: 'a1', [b]: 'b1', [c]: 'c1' })
    const warm = bench.freshPath()
    {
      await using reader = await bench.open(warm)
      await reader.load()
    }
    db.set(a, 'a2')
    once(bench, 'get', group, () => void db.set(b, 'b2'))
    await db.push()
    expect([...db.changes()].map(({ key }) => key)).toEqual([b])
    await using reader = await bench.open(warm)
    expect(await reader.get(b)).toBe((await bench.contents())[b])
    await db.push()
    expect(await bench.contents()).toEqual({ [a]: 'a2', [b]: 'b2', [c]: 'c1' })
  })

  it('a member that is deleted meanwhile does not stop its group', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await coldWriter(bench, { [a]: 'a1', [b]: 'b1', [c]: 'c1' })
    db.set(a, 'a2')
    once(bench, 'get', group, () => void db.delete(b))
    expect(await db.push()).toMatchObject({ ok: true, written: [a], deleted: [b] })
    expect(await bench.contents()).toEqual({ [a]: 'a2', [c]: 'c1' })
    expect(db.changes().size).toBe(0)
  })

  it('a write that is taken back meanwhile is not told to be written', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await coldWriter(bench, { [a]: 'a1' })
    db.set(b, 'n1').set(d, 'o1')
    once(bench, 'get', group, () => void db.delete(b))
    expect(await db.push()).toMatchObject({ ok: true, written: [d] })
    expect(await bench.contents()).toEqual({ [a]: 'a1', [d]: 'o1' })
  })

  it('a rival commit that a read takes in does not slip under the commit', async () => {
    await using bench = await Bench.on(memoryKind)
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
    const mine = keys[0]!
    const theirs = keys.find((key) => groupId(key, 3) !== groupId(mine, 3))!
    const also = keys.find((key) => key !== mine && groupId(key, 3) === groupId(mine, 3))!
    await (await published(bench, Object.fromEntries(keys.map((key) => [key, 'first'])), 3)).close()
    await using db = await bench.open<string>(bench.freshPath(), { flag: 'w' })
    expect(db.guarantee).toBe('conditional')
    const lockTiming = { settle: 1, poll: 1 }
    await using rival = await openEbooklet<string>(new StoreConnection(lawless(bench.store), 'db.blt'), ':memory:', { flag: 'w', lockTiming })
    await rival.load()
    db.set(mine, 'mine')
    rival.set(theirs, 'theirs').set(also, 'theirs')
    once(bench, 'put', group, async () => {
      await rival.push()
      expect(await db.get(theirs)).toBe('theirs')
    })
    await expect(db.push()).rejects.toThrow(CommitConflictError)
    expect(db.changes().size).toBe(1)
    await db.push()
    expect(await bench.contents()).toMatchObject({ [mine]: 'mine', [theirs]: 'theirs', [also]: 'theirs' })
  })
})

describe('beside a pull', () => {
  it('a read whose object is replaced looks where the value is now', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench, { a: 'a1' })
    await using reader = await bench.open(':memory:')
    once(bench, 'get', group, async () => {
      db.set('a', 'a2')
      await db.push()
      await reader.pull()
    })
    expect(await reader.get('a')).toBe('a2')
  })

  it('several commits during one read do not make it fail', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench, { a: 'a0' })
    await using reader = await bench.open(':memory:')
    let round = 0
    bench.store.hooks.before = async (op, key) => {
      if (op !== 'get' || !group.test(key) || round === 3) return
      db.set('a', `a${++round}`)
      await db.push()
    }
    expect(await reader.get('a')).toBe('a3')
  })

  it('an answer that is overtaken by a newer one changes nothing', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await published(bench, { a: 'a1' })
    await using reader = await bench.open(':memory:')
    db.set('a', 'a2')
    await db.push()
    let held = false
    bench.store.hooks.afterGet = async (key, _options, result) => {
      if (held || key !== 'db.blt') return result
      held = true
      db.set('a', 'a3')
      await db.push()
      await reader.pull()
      expect(reader.remoteTimestamp).toBe(db.remoteTimestamp)
      return result
    }
    await reader.pull()
    expect(reader.remoteTimestamp).toBe(db.remoteTimestamp)
    expect(await reader.get('a')).toBe('a3')
  })
})

describe('beside a prune', () => {
  it('an iteration and a read of many leave nothing out', async () => {
    await using bench = await Bench.on(memoryKind)
    const content = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`key${i}`, `v${i}`]))
    await (await published(bench, content)).close()
    await using reader = await bench.open<string>(':memory:')
    const found: Record<string, string> = {}
    for await (const [key, value] of reader) {
      found[key] = value
      if (Object.keys(found).length % 500 === 0) reader.prune({ before: Number.MAX_SAFE_INTEGER })
    }
    expect(found).toEqual(content)
    await reader.get(a)
    once(bench, 'get', group, () => void reader.prune({ before: Number.MAX_SAFE_INTEGER }))
    expect(await reader.getMany([a, 'key1499'])).toEqual([content[a], content['key1499']])
  })
})

describe('beside a fetch', () => {
  it('a value that is set meanwhile is not undone by a new timestamp', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await coldWriter(bench, { [a]: 'a1' })
    once(bench, 'get', group, () => void db.set(a, 'a2'))
    expect(await db.setTimestamp(a, 4_000_000_000_000_000)).toBe(true)
    expect(await db.get(a)).toBe('a2')
    expect(db.getTimestamp(a)).toBe(4_000_000_000_000_000)
  })
})

describe('a replacement', () => {
  it('by a clock that is behind is seen by warm copies', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await published(bench, { a: 'a1', b: 'b1' })).close()
    const warm = bench.freshPath()
    {
      await using reader = await bench.open(warm)
      await reader.load()
    }
    const environment = { ...systemEnvironment(), now: () => Date.now() * 1000 - 3_600_000_000 }
    await using db = await bench.open<string>(bench.freshPath(), { flag: 'n', environment })
    db.set('a', 'a2')
    await db.push()
    await using reader = await bench.open(warm)
    expect(await reader.get('a')).toBe('a2')
    expect(reader.has('b')).toBe(false)
  })

  it('into other groups can be discarded, also after a close', async () => {
    await using bench = await Bench.on(memoryKind)
    const content = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, `v${i}`]))
    await (await published(bench, content, 3)).close()
    const path = bench.freshPath()
    {
      await using replacing = await bench.open<string>(path, { flag: 'n', numGroups: 7 })
      replacing.set('k1', 'other')
    }
    await using db = await bench.open<string>(path, { flag: 'w' })
    expect(db.numGroups).toBe(7)
    db.discard()
    expect(db.numGroups).toBe(3)
    expect(await db.getMany(Object.keys(content))).toEqual(Object.values(content))
    db.set('k2', 'edited')
    await db.push()
    expect(await bench.contents()).toEqual({ ...content, k2: 'edited' })
  })
})
