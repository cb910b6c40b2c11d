import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { ClosedError, deleteRemote, InvalidArgumentError, OfflineError, openEbooklet, openRcg, RemoteNotFoundError, S3Connection, StoreConnection, type Ebooklet } from '../../src/index.js'
import { AccessDeniedError, StoreRequestError, StoreUnreachableError } from '../../src/store/errors.js'
import { HandClock } from '../support/hand-clock.js'
import { Bench, directoryKind, embeddedKind, memoryKind, versionedKind } from './remotes.js'
import { interval, Listener, published, watchSuite } from './watch-suite.js'

watchSuite(memoryKind)
watchSuite(directoryKind)
watchSuite(embeddedKind)
watchSuite(versionedKind)

/** A database of a, b, c with its writer, and a reader whose watch has looked once. */
async function watched(bench: Bench, numGroups: number | null = 3) {
  const writer = await published(bench, numGroups, { a: 1, b: 2, c: 3 })
  const environment = new HandClock(interval)
  const reader = await bench.open(bench.freshPath(), { environment })
  const listener = new Listener(reader.watch({ interval }))
  await environment.untilAsleep()
  return { writer, reader, environment, listener }
}

async function pushed(db: Ebooklet, content: Record<string, unknown>): Promise<void> {
  db.update(Object.entries(content))
  expect(await db.push()).toMatchObject({ updated: true, ok: true })
}

describe('what is told', () => {
  it('what a pull of the user takes in, at once and without a look', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader, listener, environment } = await watched(bench)
    await pushed(writer, { b: 'new' })
    bench.store.take()
    await reader.pull()
    expect(await listener.take(1)).toEqual(['changed b'])
    expect(bench.store.take()).toHaveLength(1)
    await environment.tick()
    await environment.untilAsleep()
    expect(listener.told).toEqual([])
  })

  it('what a read takes in whose object is gone', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader, listener } = await watched(bench, 1)
    await pushed(writer, { b: 'new' })
    expect(await reader.get('a')).toBe(1)
    expect(await listener.take(1)).toEqual(['changed b'])
  })

  it('to several at once, and each looks for itself', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader, listener, environment } = await watched(bench)
    const second = new Listener(reader.watch({ interval }))
    await environment.untilAsleep(2)
    await pushed(writer, { d: 4 })
    bench.store.take()
    await environment.tick(2)
    expect(await listener.take(1)).toEqual(['added d'])
    expect(await second.take(1)).toEqual(['added d'])
    await environment.untilAsleep(2)
    // Both looked at once: the answer that came second was dropped and asked for again.
    expect(bench.store.take().map(({ status }) => status)).toEqual(['ok', 'ok', 'not-modified'])
    await second.watch.return?.()
    await pushed(writer, { e: 5 })
    await environment.tick()
    expect(await listener.take(1)).toEqual(['added e'])
    expect(second.told).toEqual([])
  })

  it('from the call on, though nobody has asked for a change yet', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader } = await watched(bench)
    const watch = reader.watch({ interval })
    await pushed(writer, { a: 'new' })
    await reader.pull()
    expect((await watch.next()).value).toMatchObject({ type: 'changed', key: 'a' })
    await watch.return?.()
  })

  it('to the slow, the difference to the last state alone', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader } = await watched(bench)
    const first = reader.getTimestamp('a')
    const watch = reader.watch({ interval })
    for (const round of [1, 2, 3]) {
      await pushed(writer, { a: round, [`new${round}`]: round })
      await reader.pull()
    }
    writer.delete('new2')
    await writer.push()
    await reader.pull()
    const told = [await watch.next(), await watch.next(), await watch.next()].map(({ value }) => value)
    expect(told).toHaveLength(3)
    expect(new Set(told)).toEqual(new Set([
      { type: 'changed', key: 'a', timestamp: writer.getTimestamp('a'), previous: first },
      { type: 'added', key: 'new1', timestamp: writer.getTimestamp('new1') },
      { type: 'added', key: 'new3', timestamp: writer.getTimestamp('new3') },
    ]))
    await watch.return?.()
  })

  it('nothing of a replacement and a regrouping that leave every value as it was', async () => {
    await using bench = await Bench.on(memoryKind)
    const { writer, reader, listener, environment } = await watched(bench)
    writer.setMetadata({ title: 'same' }, { timestamp: 1_600_000_000_000_000 })
    await writer.push()
    await environment.tick()
    expect(await listener.take(1)).toEqual(['metadata'])
    const values = new Map<string, [Uint8Array, number]>()
    for (const key of writer.keys()) values.set(key, [(await writer.getBytes(key))!, writer.getTimestamp(key)!])
    await writer.close()
    {
      await using other = await bench.open(writer.path!, { flag: 'n', numGroups: 11 })
      for (const [key, [bytes, timestamp]] of values) other.setBytes(key, bytes, { timestamp })
      other.setMetadata({ title: 'same' }, { timestamp: 1_600_000_000_000_000 })
      await other.push()
    }
    await environment.tick()
    await environment.untilAsleep()
    expect(reader.numGroups).toBe(11)
    expect(listener.told).toEqual([])
  })

  it('in a group, the keys of its entries', async () => {
    await using bench = await Bench.on(memoryKind)
    const connection = new StoreConnection(bench.store, 'group')
    const lockTiming = { settle: 5, poll: 5 }
    await using writer = await openRcg(connection, bench.freshPath(), { flag: 'c', lockTiming })
    await writer.push()
    const environment = new HandClock(interval)
    await using reader = await openRcg(connection, bench.freshPath(), { environment })
    const listener = new Listener(reader.watch({ interval }))
    await environment.untilAsleep()
    writer.metadata = { title: 'catalogue' }
    await writer.push()
    await environment.tick()
    expect(await listener.take(1)).toEqual(['metadata'])
  })
})

describe('what the session itself pushed is not told', () => {
  it('to its own watch, also when the acknowledgement is lost', async () => {
    await using bench = await Bench.on(memoryKind)
    const environment = new HandClock(interval)
    await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3, environment })
    const listener = new Listener(db.watch({ interval }))
    await environment.untilAsleep()
    await pushed(db, { a: 1, b: 2 })
    db.metadata = { title: 'mine' }
    db.delete('b')
    await pushed(db, { a: 'new' })
    await environment.tick()
    await environment.untilAsleep()
    expect(listener.told).toEqual([])

    db.delete('a')
    db.set('c', 3)
    db.metadata = null
    const lost = (op: string, key: string) => {
      if (key === 'db.blt' && (op === 'put' || op === 'head')) throw new StoreUnreachableError('lost', { store: 'memory' })
    }
    bench.store.hooks.after = lost
    await expect(db.push()).rejects.toMatchObject({ code: 'COMMIT_FAILED', inDoubt: true })
    bench.store.hooks = {}
    expect(db.changes().size).toBe(2)
    await environment.tick()
    await environment.untilAsleep()
    expect(db.remoteTimestamp).toBe((await bench.open(':memory:')).remoteTimestamp)
    expect(listener.told).toEqual([])
  })

  it('but what a rival did is, to a writer whose lock was broken', async () => {
    await using bench = await Bench.on(memoryKind)
    const environment = new HandClock(interval)
    await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3, environment })
    await pushed(db, { a: 1, b: 2 })
    const listener = new Listener(db.watch({ interval }))
    await environment.untilAsleep()
    db.set('a', 'mine')
    await using rival = await bench.open(bench.freshPath(), { flag: 'w', breakLocks: 'all' })
    rival.delete('b')
    await pushed(rival, { a: 'theirs', c: 3 })
    await environment.tick()
    expect(await listener.take(3)).toEqual(['added c', 'changed a', 'deleted b'])
    expect(await db.get('a')).toBe('mine')
  })

  it('and no look is made while the push runs', async () => {
    await using bench = await Bench.on(memoryKind)
    const environment = new HandClock(interval)
    await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3, environment })
    const listener = new Listener(db.watch({ interval }))
    await environment.untilAsleep()
    db.set('a', 1)
    bench.store.take()
    bench.store.hooks.before = async (op, key) => {
      if (op !== 'put' || key !== 'db.blt') return
      await environment.tick()
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    await db.push()
    const during = bench.store.take()
    expect(during.filter(({ op, key }) => op === 'get' && key === 'db.blt')).toEqual([])
    await environment.untilAsleep()
    expect(bench.store.take()).toMatchObject([{ op: 'get', status: 'not-modified' }])
    expect(listener.told).toEqual([])
  })
})

describe('how a watch fails and ends', () => {
  it('outlasts a network that is gone and a server that is busy, and tells of it', async () => {
    await using bench = await Bench.on(memoryKind)
    const writer = await published(bench, 3, { a: 1 })
    const environment = new HandClock(interval)
    await using reader = await bench.open(bench.freshPath(), { environment })
    const errors: Error[] = []
    const listener = new Listener(reader.watch({ interval, onError: (error) => errors.push(error) }))
    await environment.untilAsleep()
    await pushed(writer, { b: 2 })
    const failures = [new StoreUnreachableError('no route', { store: 'memory' }), new StoreRequestError('slow down', { store: 'memory', status: 503, reason: 'SlowDown' })]
    for (const failure of failures) {
      bench.store.hooks.before = () => {
        throw failure
      }
      await environment.tick()
      await environment.untilAsleep()
    }
    expect(errors).toEqual(failures)
    bench.store.hooks = {}
    await environment.tick()
    expect(await listener.take(1)).toEqual(['added b'])
  })

  it('ends with the error when the remote refuses, or is gone', async () => {
    await using bench = await Bench.on(memoryKind)
    const { reader, listener, environment, writer } = await watched(bench)
    bench.store.hooks.before = () => {
      throw new AccessDeniedError('no', { store: 'memory' })
    }
    await environment.tick()
    expect(await listener.ended).toBeInstanceOf(AccessDeniedError)
    bench.store.hooks = {}
    const second = new Listener(reader.watch({ interval }))
    await environment.untilAsleep()
    await writer.close()
    await deleteRemote(new StoreConnection(bench.store, 'db.blt'), { lockTiming: { settle: 5, poll: 5 } })
    await environment.tick()
    expect(await second.ended).toBeInstanceOf(RemoteNotFoundError)
  })

  it('ends quietly when the database is closed, whatever it is doing', async () => {
    await using bench = await Bench.on(memoryKind)
    const { reader, listener, environment, writer } = await watched(bench)
    const unread = reader.watch({ interval })
    await pushed(writer, { a: 'new', b: 'new' })
    await reader.pull()
    await listener.take(2)
    expect((await unread.next()).done).toBe(false)
    await reader.close()
    expect(await listener.ended).toBe('ended')
    expect(await unread.next()).toEqual({ done: true, value: undefined })
    expect(await unread.next()).toEqual({ done: true, value: undefined })
    expect(environment.sleeping).toBe(0)
    expect(() => reader.watch()).toThrow(ClosedError)
  })

  it('ends quietly when the database is closed during a look', async () => {
    await using bench = await Bench.on(memoryKind)
    const { reader, listener, environment } = await watched(bench)
    let close: Promise<void> | undefined
    bench.store.hooks.before = () => {
      close ??= reader.close()
    }
    await environment.tick()
    expect(await listener.ended).toBe('ended')
    await close
  })

  it('throws the reason of the signal: waiting, looking, between two changes, before it began', async () => {
    await using bench = await Bench.on(memoryKind)
    const { reader, writer, environment } = await watched(bench)
    const reason = new Error('enough')
    const waiting = new AbortController()
    const listener = new Listener(reader.watch({ interval, signal: waiting.signal }))
    await environment.untilAsleep(2)
    waiting.abort(reason)
    expect(await listener.ended).toBe(reason)

    const looking = new AbortController()
    const second = new Listener(reader.watch({ interval, signal: looking.signal }))
    await environment.untilAsleep(2)
    bench.store.hooks.before = () => looking.abort(reason)
    await environment.tick(2)
    expect(await second.ended).toBe(reason)
    bench.store.hooks = {}

    const between = new AbortController()
    const watch = reader.watch({ interval, signal: between.signal })
    await pushed(writer, { a: 'new', b: 'new' })
    await reader.pull()
    expect((await watch.next()).done).toBe(false)
    between.abort(reason)
    await expect(watch.next()).rejects.toBe(reason)
    expect((await watch.next()).done).toBe(true)

    await expect(reader.watch({ interval, signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason)
  })

  it('leaves nothing behind when it is left: by break, by return while it waits, by disposal', async () => {
    await using bench = await Bench.on(memoryKind)
    const writer = await published(bench, 3, { a: 1 })
    await using reader = await bench.open(bench.freshPath())
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const watch = reader.watch({ interval })
    await pushed(writer, { a: 'new' })
    for await (const { type } of watch) {
      expect(type).toBe('changed')
      break
    }
    expect(timers()).toBe(before)
    {
      await using waiting = reader.watch({ interval })
      const next = waiting.next()
      await expect.poll(timers).toBe(before + 1)
      await waiting.return?.()
      expect(await next).toEqual({ done: true, value: undefined })
    }
    expect(timers()).toBe(before)
    bench.store.take()
    await pushed(writer, { a: 'newer' })
    bench.store.take()
    await new Promise((resolve) => setImmediate(resolve))
    expect(bench.store.take()).toEqual([])
  })

  it('is refused at once where it makes no sense', async () => {
    await using bench = await Bench.on(memoryKind)
    const { reader } = await watched(bench)
    for (const wrong of [0, -1, NaN, Infinity, 2 ** 31]) expect(() => reader.watch({ interval: wrong })).toThrow(InvalidArgumentError)
    const path = reader.path!
    await reader.close()
    await using offline = await bench.open(path, { offline: true })
    expect(() => offline.watch()).toThrow(OfflineError)
  })
})

describe('over a public URL', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server({ buckets: [{ name: 'bucket', publicRead: true }] })
  })
  afterAll(() => server.close())

  it('needs no credentials', async () => {
    await using bench = await Bench.on(memoryKind)
    const { endpoint, accessKeyId, secretAccessKey } = server
    const remote = new S3Connection({ endpoint, bucket: 'bucket', accessKeyId, secretAccessKey, dbKey: 'db.blt' })
    const quiet = { onWarning: () => undefined }
    await using writer = await openEbooklet(remote, bench.freshPath(), { flag: 'c', numGroups: 3, lockTiming: { settle: 20, poll: 20 }, ...quiet })
    await pushed(writer, { a: 1 })
    const environment = new HandClock(interval)
    await using reader = await openEbooklet(`${endpoint}/bucket/db.blt`, ':memory:', { environment, ...quiet })
    const listener = new Listener(reader.watch({ interval }))
    await environment.untilAsleep()
    await pushed(writer, { a: 2, b: 3 })
    await environment.tick()
    expect(await listener.take(2)).toEqual(['added b', 'changed a'])
    expect(await reader.get('a')).toBe(2)
  })
})
