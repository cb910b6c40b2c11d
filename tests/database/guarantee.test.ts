import { describe, expect, it } from 'vitest'
import { CommitConflictError, CommitFailedError, openEbooklet, StoreConnection, type Ebooklet } from '../../src/index.js'
import { encodeDbMetadata } from '../../src/format/db-metadata.js'
import { MemoryStore, StoreUnreachableError, withRetry, type ObjectStore, type PutOptions } from '../../src/store/index.js'
import { Bench, memoryKind, type RemoteKind } from './remotes.js'

/** A memory store whose conditions are broken in one of the ways that real stores have. */
function kindWith(change: (options: PutOptions, store: MemoryStore, key: string) => PutOptions | Promise<PutOptions>): RemoteKind {
  return {
    ...memoryKind,
    async make() {
      const store = new MemoryStore()
      const put = store.put.bind(store)
      store.put = async (key, body, options = {}) => put(key, body, await change(options, store, key))
      return { store, dispose: async () => undefined }
    },
  }
}

const without = ({ ifMatch: _m, ifNoneMatch: _n, ...rest }: PutOptions): PutOptions => rest
const ignoresAll = kindWith(without)
const ignoresMatch = kindWith((options) => (options.ifMatch ? without(options) : options))
/* Checks, waits a little, then writes: several racers win. */
const notAtomic = kindWith(async (options, store, key) => {
  const head = await store.head(key)
  const fits = options.ifNoneMatch ? head.status === 'missing' : !options.ifMatch || (head.status === 'ok' && head.info.etag === options.ifMatch)
  await new Promise((resolve) => setTimeout(resolve, 2))
  return fits ? without(options) : options
})
const bareOnly = kindWith((options) => (options.ifMatch && options.etagForm !== 'bare' ? { ...options, ifMatch: `"no"`.replaceAll('"', 'x') } : options))

async function published(bench: Bench): Promise<Ebooklet> {
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 })
  db.set('a', 1).set('b', 2)
  await db.push()
  return db
}

/** What a tool would do that knows no lock: it writes the db object anew. */
async function rivalCommit(bench: Bench): Promise<void> {
  const got = await bench.store.get('db.blt')
  if (got.status !== 'ok') throw new Error('nothing there')
  const { timestamp, ...rest } = got.info.metadata
  // Other bytes, so another ETag: what follows the index is ignored by every reader.
  await bench.store.put('db.blt', Uint8Array.of(...got.bytes, 0), { metadata: { ...rest, timestamp: String(Number(timestamp) + 1) } })
}

describe('what a store guarantees', () => {
  it.each([
    ['works in full', memoryKind, 'conditional'],
    ['works with bare ETags', bareOnly, 'conditional'],
    ['ignores If-Match', ignoresMatch, 'create-only'],
    ['ignores conditions', ignoresAll, 'lock'],
    ['checks, then writes', notAtomic, 'lock'],
  ] as const)('is seen: %s', async (_name, kind, guarantee) => {
    await using bench = await Bench.on(kind)
    const db = await published(bench)
    expect(db.guarantee).toBe(guarantee)
    expect(await bench.objects('db.blt/_')).toEqual([])
    expect(await bench.contents()).toEqual({ a: 1, b: 2 })
  })

  it('is remembered by the local file', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    await (await bench.open(path, { flag: 'c', numGroups: 3 })).close()
    bench.store.take()
    const again: ObjectStore = bench.store
    await using db = await openEbooklet(new StoreConnection(again, 'db.blt'), path, { flag: 'w', lockTiming: { settle: 1, poll: 1 } })
    expect(db.guarantee).toBe('conditional')
    expect(bench.store.take().filter(({ key }) => key.includes('_probe'))).toEqual([])
  })
})

describe('a commit that a rival was faster than', () => {
  it('is refused though the lock is held, and everything stays pending', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await published(bench)
    db.set('a', 'mine').set('c', 3)
    await rivalCommit(bench)
    await expect(db.push()).rejects.toThrow(CommitConflictError)
    expect(db.changes().size).toBe(2)
    expect(await bench.contents()).toEqual({ a: 1, b: 2 })
    expect(await db.pull()).toMatchObject({ changed: true })
    expect(await db.push()).toMatchObject({ ok: true })
    expect(await bench.contents()).toEqual({ a: 'mine', b: 2, c: 3 })
  })

  it('is refused at a first push too', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 })
    db.set('a', 1)
    await bench.store.put('db.blt', new Uint8Array(3), {
      metadata: encodeDbMetadata({ timestamp: 5, uuid: 'f'.repeat(32), type: 'EVariableLengthValue', initBytes: new Uint8Array(200), numGroups: 3 }),
    })
    await expect(db.push()).rejects.toThrow(CommitConflictError)
    expect(db.changes().size).toBe(1)
  })
})

describe('a lost acknowledgement', () => {
  const lost = () => new StoreUnreachableError('connection reset', { store: 'memory' })

  it.each([['without retries', false], ['with retries', true]])('of a commit is found out by reading back, %s', async (_name, retries) => {
    await using bench = await Bench.on(memoryKind)
    const store = retries ? withRetry(bench.store, { baseDelay: 1 }) : bench.store
    await using db = await openEbooklet(new StoreConnection(store, 'db.blt'), bench.freshPath(), { flag: 'c', numGroups: 3, lockTiming: { settle: 1, poll: 1 } })
    db.set('a', 1)
    for (const value of [1, 2, 3]) {
      db.set('a', value)
      let once = true
      bench.store.hooks.after = (op, key) => {
        if (op === 'put' && key === 'db.blt' && once) {
          once = false
          throw lost()
        }
      }
      expect(await db.push()).toMatchObject({ ok: true, updated: true })
      expect(db.changes().size).toBe(0)
      expect(await bench.contents()).toEqual({ a: value })
    }
    expect((await bench.objects('db.blt/')).length).toBe(1)
  })

  it('that can not be found out is told, and the next push finds out', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await published(bench)
    db.set('a', 'new')
    let cut = false
    bench.store.hooks = {
      before: () => {
        if (cut) throw lost()
      },
      after: (op, key) => {
        if (op === 'put' && key === 'db.blt') {
          cut = true
          throw lost()
        }
      },
    }
    const error: unknown = await db.push().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(CommitFailedError)
    expect((error as CommitFailedError).inDoubt).toBe(true)
    expect(db.changes().size).toBe(1)
    bench.store.hooks = {}
    expect(await bench.contents()).toEqual({ a: 'new', b: 2 })
    expect(await db.push()).toMatchObject({ ok: true })
    expect(db.changes().size).toBe(0)
    expect(await bench.contents()).toEqual({ a: 'new', b: 2 })
  })
})
