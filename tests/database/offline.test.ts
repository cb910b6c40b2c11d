/** Sessions that ask nobody: by word, or because nobody can be reached. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { openEbooklet, S3Connection, StoreConnection, type Ebooklet, type OpenEbookletOptions, type RemoteConnection } from '../../src/index.js'
import { openBooklet } from '../../src/booklet/index.js'
import { AccessDeniedError, BucketNotFoundError, CredentialsError, IncompleteResponseError, StoreRequestError, StoreUnreachableError } from '../../src/store/errors.js'
import { Bench, memoryKind } from './remotes.js'

/** A connection that fails the test when it is used. */
const forbidden: RemoteConnection = {
  dbKey: 'db.blt',
  name: 'a remote that must not be asked',
  open: () => {
    throw new Error('the connection was opened')
  },
}

/** A copy of a database of six keys, two of them local, with nothing pending. */
async function copyOfTwo(bench: Bench, numGroups: number | null = 3): Promise<string> {
  const writer = await bench.open(bench.freshPath(), { flag: 'c', numGroups })
  writer.update([['a', 1], ['b', 2], ['c', 3], ['d', 4], ['e', 5], ['f', 6]])
  writer.metadata = { title: 'six' }
  await writer.push()
  await writer.close()
  const path = bench.freshPath()
  await using reader = await bench.open(path)
  await reader.load(['a', 'b'])
  return path
}

async function withOffline(bench: Bench, path: string, use: (db: Ebooklet) => Promise<void>, options: OpenEbookletOptions<unknown> = {}): Promise<void> {
  bench.store.take()
  {
    await using db = await openEbooklet(forbidden, path, { offline: true, onWarning: (message) => bench.warnings.push(message), ...options })
    expect(db.offline).toBe(true)
    expect(db.readonly).toBe(true)
    await use(db)
  }
  expect(bench.store.take()).toEqual([])
}

describe('offline: true', () => {
  it.each([3, null])('serves what is local and knows every key, without a request or an opened connection: %s groups', async (numGroups) => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench, numGroups)
    await withOffline(bench, path, async (db) => {
      expect(db.size).toBe(6)
      expect([...db.keys()].sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
      expect(db.has('f')).toBe(true)
      expect(db.has('g')).toBe(false)
      expect(new Map(db.timestamps()).size).toBe(6)
      expect(db.getTimestamp('f')).toBeGreaterThan(0)
      expect(db.metadata).toEqual({ title: 'six' })
      expect(db.remoteTimestamp).toBeGreaterThan(0)
      expect(db.numGroups).toBe(numGroups)
      expect(await db.get('a')).toBe(1)
      expect(await db.get('nothing')).toBeUndefined()
      expect(await db.getMany(['b', 'nothing', 'a'])).toEqual([2, undefined, 1])
      await db.load(['a', 'b'])
    })
  })

  it('names what is not local, before anything is given', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    const all = { code: 'OFFLINE', keys: ['c', 'd', 'e', 'f'] }
    await withOffline(bench, path, async (db) => {
      await expect(db.get('c')).rejects.toMatchObject({ code: 'OFFLINE', keys: ['c'], message: expect.stringContaining('"c"') as string })
      await expect(db.getBytes('d')).rejects.toMatchObject({ code: 'OFFLINE', keys: ['d'] })
      await expect(db.getMany(['a', 'f', 'nothing', 'c'])).rejects.toMatchObject({ code: 'OFFLINE', keys: ['f', 'c'] })
      await expect(db.load()).rejects.toMatchObject({ code: 'OFFLINE' })
      const sorted = (error: unknown) => ({ code: (error as { code: string }).code, keys: (error as { keys: string[] }).keys.toSorted() })
      expect(await db.load().catch(sorted)).toEqual(all)
      const given: unknown[] = []
      const iterate = async () => {
        for await (const entry of db) given.push(entry)
      }
      expect(await iterate().catch(sorted)).toEqual(all)
      expect(await db.values().next().catch(sorted)).toEqual(all)
      expect(given).toEqual([])
    })
  })

  it('refuses what needs the remote, or changes something', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    await withOffline(bench, path, async (db) => {
      await expect(db.pull()).rejects.toMatchObject({ code: 'OFFLINE', keys: [], message: expect.stringContaining('pull()') as string })
      await expect(db.push()).rejects.toMatchObject({ code: 'OFFLINE', keys: [] })
      await expect(db.changes().pull()).rejects.toMatchObject({ code: 'OFFLINE' })
      expect(() => db.set('a', 2)).toThrow(expect.objectContaining({ code: 'READ_ONLY' }) as Error)
      await expect(db.setTimestamp('a', 5)).rejects.toMatchObject({ code: 'READ_ONLY' })
    })
    await expect(openEbooklet(forbidden, path, { offline: true, numGroups: 7 })).rejects.toMatchObject({ code: 'CONFLICTING_OPTION' })
  })

  it('shows pending changes, also those that only a crash left behind', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    {
      await using db = await bench.open(path, { flag: 'w' })
      db.set('c', 'mine').set('new', 'mine')
      db.delete('f')
    }
    const check = async (db: Ebooklet) => {
      expect([...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added new', 'changed c', 'deleted f'])
      expect(await db.getMany(['a', 'c', 'new', 'f'])).toEqual([1, 'mine', 'mine', undefined])
      expect(db.size).toBe(6)
    }
    await withOffline(bench, path, check)
    // The journal without its writes, in a file that was not closed: a crash of Python.
    const file = openBooklet(path, { flag: 'w' })
    const journal = JSON.parse(new TextDecoder().decode(file.reserved.get(1)!.bytes)) as object
    file.reserved.set(1, new TextEncoder().encode(JSON.stringify({ ...journal, written: [] })))
    file.close()
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0, 77, 200))
    await withOffline(bench, path, check)
    // And all of it is pushed later.
    await using db = await bench.open(path, { flag: 'w' })
    await db.push()
    expect(await bench.contents()).toEqual({ a: 1, b: 2, c: 'mine', d: 4, e: 5, new: 'mine' })
  })

  it('shows a database that was never pushed, and a replacement that is pending', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    {
      await using db = await bench.open(path, { flag: 'c', numGroups: 5 }, 'never.blt')
      db.set('only', 'here')
    }
    await withOffline(bench, path, async (db) => {
      expect(await db.get('only')).toBe('here')
      expect(db.remoteTimestamp).toBeUndefined()
      expect(db.numGroups).toBe(5)
    })
    const replacing = await copyOfTwo(bench)
    {
      await using db = await bench.open(replacing, { flag: 'n' })
      db.set('x', 1)
    }
    await rm(`${replacing}.remote_index`)
    await withOffline(bench, replacing, async (db) => {
      const entries: unknown[] = []
      for await (const entry of db) entries.push(entry)
      expect(entries).toEqual([['x', 1]])
      expect(bench.warnings.join()).toMatch(/replacement/)
    })
  })

  it('takes the URL alone', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    for (const url of ['https://127.0.0.1:1/bucket/db.blt', 's3://bucket/db.blt', 'file:///no/such/folder/db.blt']) {
      await using db = await openEbooklet(url, path, { offline: true })
      expect(await db.get('a')).toBe(1)
    }
  })

  it('without a local file, or without its index: an error that says what to do, and nothing is made', async () => {
    await using bench = await Bench.on(memoryKind)
    const missing = bench.freshPath()
    await expect(openEbooklet(forbidden, missing, { offline: true })).rejects.toMatchObject({ code: 'OFFLINE_FILE', reason: 'missing', path: missing })
    await expect(readFile(missing)).rejects.toMatchObject({ code: 'ENOENT' })
    const path = await copyOfTwo(bench)
    const index = await readFile(`${path}.remote_index`)
    for (const content of [undefined, index.subarray(0, 250), Buffer.from('no index')]) {
      await rm(`${path}.remote_index`)
      if (content) await writeFile(`${path}.remote_index`, content)
      await expect(openEbooklet(forbidden, path, { offline: true })).rejects.toMatchObject({ code: 'OFFLINE_FILE', reason: 'index' })
      await writeFile(`${path}.remote_index`, index)
    }
    await withOffline(bench, path, async (db) => expect(await db.get('b')).toBe(2))
    await rm(`${path}.remote_index`)
    await (await bench.open(path)).close()
    await withOffline(bench, path, async (db) => expect(await db.get('b')).toBe(2))
  })

  it.each([
    [{ flag: 'w', offline: true }, /flag 'r'/],
    [{ flag: 'c', offline: 'auto' }, /flag 'r'/],
    [{ flag: 'n', offline: true }, /flag 'r'/],
    [{ offline: 'yes' as 'auto' }, /'auto'/],
  ] as [OpenEbookletOptions<unknown>, RegExp][])('with %o is refused before anything is touched', async (options, message) => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    await expect(openEbooklet(forbidden, path, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as string })
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(openEbooklet(forbidden, ':memory:', { offline: true })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe("offline: 'auto'", () => {
  const store = 'memory'
  const unreachable = [
    new StoreUnreachableError('no such host', { store }),
    new StoreUnreachableError('connection reset', { store, cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) }),
    new CredentialsError('no credentials could be had', { store, cause: new Error('chain', { cause: Object.assign(new Error('dns'), { code: 'ENOTFOUND' }) }) }),
  ]
  const answered = [
    new AccessDeniedError('403', { store }),
    new BucketNotFoundError('404', { store }),
    new StoreRequestError('500', { store, status: 500 }),
    new IncompleteResponseError('cut', { store }),
    new CredentialsError('none were given', { store }),
    new StoreUnreachableError('no secure connection', { store, cause: Object.assign(new Error('self signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }) }),
  ]

  it('is online as long as the remote answers', async () => {
    await using bench = await Bench.on(memoryKind)
    await using db = await bench.open(await copyOfTwo(bench), { offline: 'auto' })
    expect(db.offline).toBe(false)
    expect(await db.get('f')).toBe(6)
    expect(await db.pull()).toEqual({ changed: false, evicted: 0 })
  })

  it.each(unreachable)('falls back when nothing can be reached: %s', async (error) => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    bench.store.hooks.before = () => {
      throw error
    }
    await using db = await bench.open(path, { offline: 'auto' })
    expect(db.offline).toBe(true)
    expect(await db.get('a')).toBe(1)
    bench.store.take()
    await expect(db.get('f')).rejects.toMatchObject({ code: 'OFFLINE', keys: ['f'] })
    await expect(db.pull()).rejects.toMatchObject({ code: 'OFFLINE' })
    expect(bench.store.take()).toEqual([])
  })

  it.each(answered)('never falls back on an answer: %s', async (error) => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    bench.store.hooks.before = () => {
      throw error
    }
    await expect(bench.open(path, { offline: 'auto' })).rejects.toBe(error)
  })

  it('nor on a missing remote, another database, another format, a damaged one', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    const got = await bench.store.get('db.blt')
    if (got.status !== 'ok') throw new Error('there is no db object')
    const { metadata } = got.info
    for (const [change, code] of [
      [{ uuid: 'f'.repeat(32) }, 'UUID_MISMATCH'],
      [{ format_version: '3' }, 'UNSUPPORTED_VERSION'],
      [{ init_bytes: 'AAAA' }, 'FORMAT'],
    ] as const) {
      // A body of its own, for an ETag of its own: what follows the index is ignored.
      await bench.store.put('db.blt', new Uint8Array([...got.bytes, code.length]), { metadata: { ...metadata, ...change } })
      await expect(bench.open(path, { offline: 'auto' })).rejects.toMatchObject({ code })
    }
    await bench.store.put('db.blt', got.bytes.subarray(0, got.bytes.length - 40), { metadata })
    await expect(bench.open(path, { offline: 'auto' })).rejects.toMatchObject({ code: 'FORMAT' })
    await bench.store.delete([{ key: 'db.blt' }])
    await expect(bench.open(path, { offline: 'auto' })).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
  })

  it('without a local copy, or by a signal, gives the error as it came', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    const error = unreachable[0]!
    bench.store.hooks.before = () => {
      throw error
    }
    await expect(bench.open(':memory:', { offline: 'auto' })).rejects.toBe(error)
    await expect(bench.open(bench.freshPath(), { offline: 'auto' })).rejects.toBe(error)
    const controller = new AbortController()
    bench.store.hooks.before = () => {
      controller.abort(new Error('enough'))
      throw error
    }
    await expect(bench.open(path, { offline: 'auto', signal: controller.signal })).rejects.toBe(error)
    bench.store.hooks.before = () => {
      throw error
    }
    await rm(`${path}.remote_index`)
    await expect(bench.open(path, { offline: 'auto' })).rejects.toBe(error)
  })

  it('over HTTP: a server that is gone, and one that refuses', { timeout: 30_000 }, async () => {
    const server = await startS3Server({ buckets: [{ name: 'bucket' }] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    const connection = (secret: string, at = endpoint) => new S3Connection({ endpoint: at, accessKeyId, secretAccessKey: secret, bucket: 'bucket', dbKey: 'db.blt' })
    {
      await using db = await openEbooklet(connection(secretAccessKey), path, { flag: 'c', lockTiming: { settle: 10, poll: 10 } })
      db.set('a', 1)
      await db.push()
    }
    await expect(openEbooklet(connection('wrong'), path, { offline: 'auto' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await server.close()
    const port = await freePort()
    await using db = await openEbooklet(connection(secretAccessKey, `http://127.0.0.1:${port}`), path, { offline: 'auto' })
    expect(db.offline).toBe(true)
    expect(await db.get('a')).toBe(1)
  })

  it('lets go of the connection when it falls back', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await copyOfTwo(bench)
    let open = 0
    const inner = new StoreConnection(bench.store, 'db.blt')
    const counted: RemoteConnection = {
      dbKey: inner.dbKey,
      name: inner.name,
      open: () => {
        open++
        return { store: bench.store, dbKey: inner.dbKey, close: async () => void open-- }
      },
    }
    bench.store.hooks.before = () => {
      throw unreachable[0]!
    }
    await using db = await openEbooklet(counted, path, { offline: 'auto' })
    expect(db.offline).toBe(true)
    expect(open).toBe(0)
  })
})

/** A port at which nothing listens. */
async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
