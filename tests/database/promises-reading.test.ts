/** What docs/promises.md promises of reading, as far as no other test shows it. */
import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { openBooklet } from '../../src/booklet/index.js'
import { groupId } from '../../src/format/group-id.js'
import { openEbooklet, S3Connection, type Ebooklet } from '../../src/index.js'
import { Bench, memoryKind } from './remotes.js'

const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i}`, `value ${i} ${'.'.repeat(i)}`]))

async function publish(bench: Bench, numGroups: number | null = 7): Promise<Ebooklet> {
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups })
  db.update(Object.entries(many))
  await db.push()
  return db
}

describe('the order of truth', () => {
  it('a local value that is newer than the remote is the truth, an older one is not', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    const path = bench.freshPath()
    const reader = await bench.open(path)
    await reader.load()
    const stamp = reader.getTimestamp('key3')!
    await reader.close()
    const booklet = openBooklet<string, string>(path, { flag: 'w' })
    booklet.set('key3', 'newer', { timestamp: stamp + 1 })
    booklet.set('key4', 'older', { timestamp: stamp - 1_000_000 })
    booklet.close()
    await using again = await bench.open(path)
    bench.store.take()
    expect(await again.get('key3')).toBe('newer')
    expect(again.getTimestamp('key3')).toBe(stamp + 1)
    expect(bench.store.take()).toEqual([])
    expect(await again.get('key4')).toBe(many['key4'])
    expect(bench.store.take().length).toBe(1)
  })

  it.each([7, null])('a pull, a load and an open evict and overwrite nothing that is pending (%s groups)', async (numGroups) => {
    await using bench = await Bench.on(memoryKind)
    const db = await publish(bench, numGroups)
    await db.close()
    const path = bench.freshPath()
    const first = await bench.open(path, { flag: 'w' })
    await first.load()
    // Also with a clock that is far behind.
    first.set('key1', 'mine').set('key2', 'mine', { timestamp: 5 }).set('new', 'mine', { timestamp: 6 })
    first.delete('key3')
    first.metadata = { mine: true }
    // A rival that wrote without our lock: what one has to live with when a lock was broken.
    const { lockTimeout } = { lockTimeout: 10_000 }
    const rival = await bench.open(bench.freshPath(), { flag: 'w', breakLocks: 'all', lockTimeout })
    rival.set('key1', 'theirs').set('key3', 'theirs')
    rival.delete('key2')
    rival.delete('key5')
    rival.metadata = { theirs: true }
    await rival.push()
    await rival.close()
    const check = async (session: Ebooklet) => {
      expect(await session.getMany(['key1', 'key2', 'key3', 'key5', 'new', 'key6'])).toEqual(['mine', 'mine', undefined, undefined, 'mine', many['key6']])
      expect(session.metadata).toEqual({ mine: true })
      expect([...session.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added key2', 'added new', 'changed key1', 'deleted key3'])
    }
    expect(await first.pull()).toMatchObject({ changed: true, evicted: 1 })
    await first.load()
    await check(first)
    await first.close()
    const again = await bench.open(path, { flag: 'w' })
    await check(again)
    await again.push()
    expect(await bench.contents()).toMatchObject({ key1: 'mine', key2: 'mine', new: 'mine', key6: many['key6'] })
  })

  it('values that are newer than the last pulled state stay, though no journal tells of them', async () => {
    for (const way of ['open', 'pull'] as const) {
      await using bench = await Bench.on(memoryKind)
      const db = await publish(bench)
      const path = bench.freshPath()
      await (await bench.open(path)).close()
      await db.close()
      const booklet = openBooklet<string, string>(path, { flag: 'w' })
      booklet.set('unheard of', 'mine')
      booklet.close()
      const session = way === 'pull' ? await bench.open(path) : undefined
      const writer = await bench.open(bench.freshPath(), { flag: 'w' })
      writer.delete('key1')
      await writer.push()
      await writer.close()
      if (session) {
        expect(await session.pull()).toMatchObject({ changed: true })
        expect(await session.get('unheard of')).toBe('mine')
        await session.close()
      }
      await using again = await bench.open(path, { flag: 'w' })
      expect(await again.get('unheard of')).toBe('mine')
      expect(again.has('key1')).toBe(false)
      await again.push()
      expect(await bench.contents()).toMatchObject({ 'unheard of': 'mine' })
    }
  })

  it('a cached value whose clock was ahead is no local write: it goes when its key goes', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await publish(bench)
    db.set('ahead', 'of time', { timestamp: Date.now() * 1000 + 3_600_000_000 })
    await db.push()
    const path = bench.freshPath()
    await using reader = await bench.open(path)
    expect(await reader.get('ahead')).toBe('of time')
    db.delete('ahead')
    await db.push()
    expect(await reader.pull()).toMatchObject({ changed: true, evicted: 1 })
    expect(reader.has('ahead')).toBe(false)
    expect(reader.changes().size).toBe(0)
    await reader.close()
    const booklet = openBooklet(path)
    expect(booklet.has('ahead')).toBe(false)
    booklet.close()
  })
})

it.each([7, null])('an empty value is a value: local, pushed, fetched, repacked (%s groups)', async (numGroups) => {
  await using bench = await Bench.on(memoryKind)
  const empty = new Uint8Array(0)
  const db = await bench.open<Uint8Array>(bench.freshPath(), { flag: 'c', numGroups, valueSerializer: 'bytes' })
  db.set('empty', empty).set('full', new Uint8Array([1]))
  expect(await db.get('empty')).toEqual(empty)
  await db.push()
  await db.close()
  const path = bench.freshPath()
  const reader = await bench.open<Uint8Array>(path, { flag: 'w' })
  expect(reader.has('empty')).toBe(true)
  expect(await reader.get('empty')).toEqual(empty)
  expect(await reader.getMany(['empty', 'full'])).toEqual([empty, new Uint8Array([1])])
  bench.store.take()
  expect(await reader.get('empty')).toEqual(empty)
  expect(bench.store.take()).toEqual([])
  reader.prune({ before: Number.MAX_SAFE_INTEGER })
  // Every key of the group goes along, empty ones too.
  for (let i = 0; i < 20; i++) reader.set(`key${i}`, new Uint8Array([i]))
  await reader.push()
  const found: [string, Uint8Array][] = []
  await using fresh = await bench.open<Uint8Array>(':memory:')
  for await (const entry of fresh) found.push(entry)
  expect(found.length).toBe(22)
  expect(Object.fromEntries(found)['empty']).toEqual(empty)
})

describe('over HTTP', () => {
  interface Front {
    url: string
    ranged: number
    most: number
    close(): Promise<void>
  }

  /** A server in front of the embedded one: counts what is under way, and may forget that a range was asked for. */
  async function startFront(target: string, options: { forgetRanges?: boolean; delay?: number }): Promise<Front> {
    let underWay = 0
    const front = { url: '', ranged: 0, most: 0, close: () => Promise.resolve() }
    const server = createServer((incoming, outgoing) => {
      const headers: IncomingHttpHeaders = { ...incoming.headers, host: new URL(target).host }
      if (headers.range !== undefined) front.ranged++
      if (options.forgetRanges) delete headers.range
      front.most = Math.max(front.most, ++underWay)
      setTimeout(() => {
        const passed = request(target + incoming.url!, { headers, method: incoming.method }, (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.headers)
          answer.pipe(outgoing)
          answer.on('end', () => underWay--)
        })
        passed.end()
      }, options.delay ?? 0)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    front.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    front.close = async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
    return front
  }

  async function withFront(options: { forgetRanges?: boolean; delay?: number }, use: (front: Front, remote: S3Connection) => Promise<void>): Promise<void> {
    const server = await startS3Server({ buckets: [{ name: 'bucket', publicRead: true }] })
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const front = await startFront(server.endpoint, options)
    try {
      const { endpoint, accessKeyId, secretAccessKey } = server
      const remote = new S3Connection({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket', dbKey: 'db.blt', dbUrl: `${front.url}/bucket/db.blt`, concurrency: 3 })
      await using db = await openEbooklet(remote, ':memory:', { flag: 'c', numGroups: 23, lockTiming: { settle: 20, poll: 20 } })
      db.update(Object.entries(many))
      await db.push()
      await use(front, remote)
    } finally {
      await front.close()
      await server.close()
      vi.restoreAllMocks()
    }
  }

  it('a server that answers ranges with 200 and the whole is understood', async () => {
    await withFront({ forgetRanges: true }, async (front) => {
      await using reader = await openEbooklet(`${front.url}/bucket/db.blt`, ':memory:')
      for (const key of ['key7', 'key33', 'key59']) expect(await reader.get(key)).toBe(many[key])
      expect(await reader.getMany(Object.keys(many))).toEqual(Object.values(many))
      expect(front.ranged).toBeGreaterThan(3)
    })
  })

  it('groups are fetched side by side, as many as the connection allows and no more', async () => {
    await withFront({ delay: 15 }, async (front, remote) => {
      await using reader = await openEbooklet(remote, ':memory:')
      front.most = 0
      await reader.load()
      expect(front.most).toBe(3)
      expect(await reader.getMany(Object.keys(many))).toEqual(Object.values(many))
    })
  })
})

it('an object that holds another key or a wrong length at the place never gives its value to the one asked for', async () => {
  await using bench = await Bench.on(memoryKind)
  await publish(bench)
  const [one, two] = Object.keys(many).filter((key) => groupId(key, 7) === groupId('key1', 7)) as [string, string]
  await using reader = await bench.open(':memory:')
  bench.store.hooks.afterGet = async (key, options, result) => {
    // The bytes of a neighbour: well-formed, but not what was asked for.
    if (!options.range || result.status !== 'ok') return result
    bench.store.hooks.afterGet = undefined as never
    const whole = await bench.store.get(key)
    if (whole.status !== 'ok') throw new Error('gone')
    return { ...result, bytes: whole.bytes.slice(0, result.bytes.length) }
  }
  for (const key of [two, one]) expect(await reader.get(key)).toBe(many[key])
})

it('reads of one key share a request whoever asks: get, getBytes, getMany, load, iteration', async () => {
  await using bench = await Bench.on(memoryKind)
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 1 })
  db.set('only', 'value')
  await db.push()
  await using reader = await bench.open(':memory:')
  bench.store.take()
  const iterate = async () => {
    for await (const [, value] of reader) return value
    return undefined
  }
  const [a, b, c, , e] = await Promise.all([reader.get('only'), reader.getBytes('only'), reader.getMany(['only', 'only']), reader.load(), iterate()])
  expect([a, c, e]).toEqual(['value', ['value', 'value'], 'value'])
  expect(new TextDecoder().decode(b)).toBe('"value"')
  expect(bench.store.take().length).toBe(1)
})

it('a push, a load and an iteration wait for what another call is fetching', async () => {
  await using bench = await Bench.on(memoryKind)
  await (await publish(bench)).close()
  for (const way of ['load', 'iterate', 'push'] as const) {
    await using db = await bench.open(bench.freshPath(), { flag: 'w' })
    const keys = [...db.keys()]
    const fetching = db.getMany(keys)
    if (way === 'load') {
      await db.load()
      bench.store.take()
      expect(await db.getMany(keys)).toEqual(keys.map((key) => many[key]))
      expect(bench.store.take()).toEqual([])
    } else if (way === 'iterate') {
      const found: string[] = []
      for await (const [key] of db) found.push(key)
      expect(found.sort()).toEqual([...keys].sort())
    } else {
      db.set('added', 'value')
      expect(await db.push()).toMatchObject({ ok: true, updated: true })
      expect(await bench.contents()).toEqual({ ...many, added: 'value' })
    }
    await fetching
    await db.close()
  }
})

it('a value that another call brought meanwhile is not asked for again', async () => {
  await using bench = await Bench.on(memoryKind)
  await publish(bench)
  await using reader = await bench.open(':memory:')
  const far = Object.keys(many).find((key) => groupId(key, 7) !== groupId('key1', 7))!
  bench.store.take()
  let release = () => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  const first = reader.get('key1')
  bench.store.hooks.before = () => gate
  const both = reader.getMany(['key1', far])
  expect(await first).toBe(many['key1'])
  release()
  expect(await both).toEqual([many['key1'], many[far]])
  expect(bench.store.take().length).toBe(2)
})
