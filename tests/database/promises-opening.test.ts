/** What docs/promises.md promises of opening, as far as no other test shows it. */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { openBooklet } from '../../src/booklet/index.js'
import { indexFileBeside } from '../../src/database/index-file.js'
import { decodeRemoteState, encodeRemoteState } from '../../src/format/remote-state.js'
import { openEbooklet, S3Connection, StoreConnection, type OpenEbookletOptions, type OpenFlag } from '../../src/index.js'
import { StoreUnreachableError } from '../../src/store/index.js'
import { takeIn } from '../../src/sync/pull.js'
import { readRemote } from '../../src/sync/remote.js'
import { SyncState, type IndexFile } from '../../src/sync/state.js'
import { Bench, memoryKind } from './remotes.js'

async function published(bench: Bench, content: Record<string, unknown> = { a: 1, b: 2 }): Promise<string> {
  const path = bench.freshPath()
  const db = await bench.open(path, { flag: 'c', numGroups: 3 })
  db.update(Object.entries(content))
  await db.push()
  await db.close()
  return path
}

/** Paths that this process has open, where the system tells. */
function openFiles(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}

function isFree(path: string): boolean {
  openBooklet(path, { flag: 'w', lockTimeout: 0 }).close()
  return true
}

describe('an open that fails half-way', () => {
  const flags: [OpenFlag, boolean][] = [['r', true], ['r', false], ['w', true], ['c', true], ['c', false], ['n', true], ['n', false]]

  it.each(flags)('leaves no lock and no open file, at whichever request: flag %s, local file there: %s', async (flag, existing) => {
    await using bench = await Bench.on(memoryKind)
    const warm = await published(bench)
    for (const moment of ['before', 'after'] as const) {
      for (let failing = 0; ; failing++) {
        const path = existing ? warm : bench.freshPath()
        const before = openFiles()
        let calls = 0
        bench.store.hooks = {
          [moment]: () => {
            if (calls++ === failing) throw new StoreUnreachableError('cut', { store: 'memory' })
          },
        }
        const outcome: unknown = await bench.open(path, { flag, lockTimeout: 2000 }).then((db) => db.close(), (error: unknown) => error)
        bench.store.hooks = {}
        expect(openFiles(), `request ${failing}`).toBe(before)
        expect(await bench.objects('db.blt.lock.'), `request ${failing}`).toEqual([])
        expect(await bench.objects('db.blt/_')).toEqual([])
        if (existing) expect(isFree(path)).toBe(true)
        if (calls <= failing) break
        if (outcome !== undefined) expect(outcome).toBeInstanceOf(StoreUnreachableError)
      }
    }
    // And nothing of the database was lost on the way; a replacement was begun, but not pushed.
    expect(await bench.contents()).toEqual({ a: 1, b: 2 })
  })

  it('closes what the connection had opened', async () => {
    await using bench = await Bench.on(memoryKind)
    let open = 0
    const inner = new StoreConnection(bench.store, 'db.blt')
    const counted = {
      dbKey: inner.dbKey,
      name: inner.name,
      sharedStore: true,
      open: () => {
        open++
        return { store: bench.store, dbKey: inner.dbKey, close: async () => void open-- }
      },
    }
    const lockTiming = { settle: 1, poll: 1 }
    for (const flag of ['r', 'w'] as const) {
      await expect(openEbooklet(counted, bench.freshPath(), { flag, lockTiming })).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
      expect(open).toBe(0)
    }
    const db = await openEbooklet(counted, bench.freshPath(), { flag: 'c', lockTiming })
    expect(open).toBe(1)
    await db.close()
    expect(open).toBe(0)
  })

  it('by a signal leaves nothing either, and gives its reason', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench)
    for (let after = 0; after < 8; after++) {
      const controller = new AbortController()
      let calls = 0
      bench.store.hooks.before = () => {
        if (calls++ === after) controller.abort(new Error('enough'))
      }
      const outcome: unknown = await bench.open(path, { flag: 'w', signal: controller.signal }).then((db) => db.close(), (error: unknown) => error)
      bench.store.hooks = {}
      if (outcome !== undefined) expect((outcome as Error).message).toContain('enough')
      expect(await bench.objects('db.blt.lock.'), `request ${after}`).toEqual([])
      expect(isFree(path)).toBe(true)
    }
  })
})

describe('what is not the database', () => {
  it('a file of another kind, a newer journal: typed, nothing locked, nothing changed', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench)
    const foreign = bench.freshPath()
    writeFileSync(foreign, 'this is a text and no booklet, as anybody can see who reads it. '.repeat(10))
    const newer = bench.freshPath()
    writeFileSync(newer, await readFile(path))
    const booklet = openBooklet(newer, { flag: 'w' })
    booklet.reserved.set(1, new TextEncoder().encode('{"v":2,"written":["a"],"deletes":[]}'))
    booklet.close()
    for (const [file, code] of [[foreign, /FORMAT|WRONG/], [newer, /VERSION/]] as const) {
      const content = await readFile(file)
      for (const flag of ['r', 'w', 'c'] as const) {
        await expect(bench.open(file, { flag })).rejects.toMatchObject({ code: expect.stringMatching(code) as string })
        expect(await bench.objects('db.blt.lock.')).toEqual([])
      }
      expect(await readFile(file)).toEqual(content)
    }
  })

  it('a remote of another kind or of a newer version: typed, nothing locked', async () => {
    await using bench = await Bench.on(memoryKind)
    await published(bench)
    const got = await bench.store.get('db.blt')
    if (got.status !== 'ok') throw new Error('there is no db object')
    for (const [change, expected] of [
      [{ type: 'RemoteConnGroup' }, { code: 'REMOTE_TYPE', found: 'RemoteConnGroup' }],
      [{ format_version: '3' }, { code: 'UNSUPPORTED_VERSION', found: 3 }],
    ] as const) {
      await bench.store.put('db.blt', got.bytes, { metadata: { ...got.info.metadata, ...change } })
      for (const flag of ['r', 'w', 'c'] as const) {
        const path = bench.freshPath()
        await expect(bench.open(path, { flag })).rejects.toMatchObject(expected)
        expect(await bench.objects('db.blt.lock.')).toEqual([])
      }
    }
  })
})

it('a public URL over plain http gives a warning', async () => {
  const server = await startS3Server({ buckets: [{ name: 'bucket', publicRead: true }] })
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  try {
    const { endpoint, accessKeyId, secretAccessKey } = server
    const remote = new S3Connection({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket', dbKey: 'db.blt' })
    await using db = await openEbooklet(remote, ':memory:', { flag: 'c', numGroups: 3, lockTiming: { settle: 20, poll: 20 } })
    db.set('a', 1)
    await db.push()
    expect(warn).not.toHaveBeenCalled()
    await using reader = await openEbooklet(`${endpoint}/bucket/db.blt`, ':memory:')
    expect(await reader.get('a')).toBe(1)
    expect(warn.mock.calls.map(([text]) => String(text)).join()).toMatch(/http:/)
  } finally {
    vi.restoreAllMocks()
    await server.close()
  }
})

describe('the number of groups', () => {
  const asks: [string, OpenEbookletOptions<unknown>, number | null][] = [
    ['nothing asked', {}, 7],
    ['the same asked', { numGroups: 7 }, 7],
    ['what is rounded up to it', { numGroups: 6 }, 7],
  ]
  it.each(asks)('is that of the remote: %s', async (_name, options, expected) => {
    await using bench = await Bench.on(memoryKind)
    const first = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 7 })
    await first.push()
    await first.close()
    for (const flag of ['r', 'w', 'c'] as const) {
      await using db = await bench.open(bench.freshPath(), { flag, ...options })
      expect(db.numGroups).toBe(expected)
      await db.close()
    }
  })

  it.each([[7, 11], [7, null], [null, 7]])('of %s contradicts %s, which is refused for remote and local choices alike', async (had, asked) => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    const first = await bench.open(path, { flag: 'c', numGroups: had })
    await first.close()
    await expect(bench.open(path, { flag: 'c', numGroups: asked })).rejects.toMatchObject({ code: 'CONFLICTING_OPTION', option: 'numGroups' })
    await using again = await bench.open(path, { flag: 'c' })
    expect(again.numGroups).toBe(had)
    await again.push()
    await again.close()
    for (const flag of ['r', 'w', 'c'] as const) {
      await expect(bench.open(bench.freshPath(), { flag, numGroups: asked })).rejects.toMatchObject({ code: 'CONFLICTING_OPTION', option: 'numGroups' })
    }
    expect(await bench.objects('db.blt.lock.')).toEqual([])
    // Only a replacement may choose anew.
    await using anew = await bench.open(bench.freshPath(), { flag: 'n', numGroups: asked })
    anew.set('a', 1)
    await anew.push()
    await using reader = await bench.open(':memory:')
    expect(reader.numGroups).toBe(asked)
    expect(await reader.get('a')).toBe(1)
  })
})

describe('files that stand beside the local one', () => {
  /** A copy with everything local, and a pending write and delete. */
  async function warm(bench: Bench, options: { clockAhead?: boolean } = {}): Promise<string> {
    const path = await published(bench, { a: 1, b: 2, c: 3, d: 4 })
    await using db = await bench.open(path, { flag: 'w' })
    if (options.clockAhead) {
      db.set('d', 4, { timestamp: Date.now() * 1000 + 3_600_000_000 })
      await db.push()
    }
    await db.load()
    db.set('a', 'mine').set('new', 'mine')
    db.delete('b')
    return path
  }

  async function checkPending(bench: Bench, path: string): Promise<void> {
    await using db = await bench.open(path, { flag: 'w' })
    const changes = [...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()
    expect(changes).toEqual(['added new', 'changed a', 'deleted b'])
    expect(await db.push()).toMatchObject({ ok: true, objectsUploaded: expect.any(Number) as number })
    expect(await bench.contents()).toEqual({ a: 'mine', c: 3, d: 4, new: 'mine' })
  }

  it.each(['missing', 'cut short', 'of another kind', 'empty'])('an index file that is %s is read again, and turns no cached value into a change', async (what) => {
    await using bench = await Bench.on(memoryKind)
    const path = await warm(bench)
    const file = `${path}.remote_index`
    const content = await readFile(file)
    if (what === 'missing') await rm(file)
    else writeFileSync(file, what === 'cut short' ? content.subarray(0, 300) : what === 'empty' ? '' : 'no index '.repeat(100))
    await checkPending(bench, path)
  })

  it('the same after a crash, when every value is compared', async () => {
    for (const lose of [true, false]) {
      await using bench = await Bench.on(memoryKind)
      const path = await warm(bench, { clockAhead: true })
      if (lose) await rm(`${path}.remote_index`)
      await forgetCleanClose(path)
      await checkPending(bench, path)
    }
  })

  it('a crash between the index file and the slot that names its state is found', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warm(bench)
    const local = await readFile(path)
    // Somebody else pushes; this copy takes it in, but the file as it was before comes back, with the newer index.
    await using other = await bench.open(bench.freshPath(), { flag: 'w' })
    other.set('c', 'theirs')
    other.delete('d')
    await other.push()
    await other.close()
    await (await bench.open(path, { flag: 'w' })).close()
    writeFileSync(path, local)
    await using db = await bench.open(path, { flag: 'w' })
    expect([...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added new', 'changed a', 'deleted b'])
    expect(await db.get('c')).toBe('theirs')
    expect(db.has('d')).toBe(false)
    await db.push()
    expect(await bench.contents()).toEqual({ a: 'mine', c: 'theirs', new: 'mine' })
  })

  it('a crash before the slot is written brings nothing back, though its timestamp is ahead of all commits', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    const ahead = (Date.now() + 86_400_000) * 1000
    await using writer = await bench.open(path, { flag: 'c', numGroups: 3 })
    writer.set('gone', 'value', { timestamp: ahead }).set('stays', 1)
    await writer.push()
    await writer.close()
    await using other = await bench.open(bench.freshPath(), { flag: 'w' })
    other.delete('gone')
    await other.push()
    await other.close()

    const crashed = bench.freshPath()
    const beside = indexFileBeside(path)
    const crash: IndexFile = {
      ...beside,
      write(bytes) {
        indexFileBeside(crashed).write(bytes)
        copyFileSync(path, crashed)
        throw new Error('the machine stops here')
      },
    }
    const file = openBooklet<string, unknown>(path, { flag: 'w' })
    const state = SyncState.load(file, crash, 'EVariableLengthValue')
    const result = await readRemote({ store: bench.store, dbKey: 'db.blt' }, state.remote)
    if (result.status !== 'ok') throw new Error(result.status)
    expect(() => takeIn(state, result.snapshot)).toThrow('the machine stops here')
    file.close()

    await using db = await bench.open(crashed, { flag: 'w' })
    expect([...db.changes()]).toEqual([])
    expect([...db.keys()]).toEqual(['stays'])
  })

  it('a copy whose slot has no ETag, as Python writes it, asks by HEAD and transfers no index', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench)
    const booklet = openBooklet(path, { flag: 'w' })
    const state = decodeRemoteState(booklet.reserved.get(2)!.bytes)
    booklet.reserved.set(2, encodeRemoteState({ timestamp: state.timestamp, manifest: state.manifest, metaSection: state.metaSection, etag: undefined }))
    booklet.close()
    bench.store.take()
    await using reader = await bench.open(path)
    expect(bench.store.take()).toMatchObject([{ op: 'head', bytesDown: 0 }])
    expect(await reader.pull()).toEqual({ changed: false, evicted: 0 })
    expect(bench.store.take()).toMatchObject([{ op: 'get', status: 'not-modified', bytesDown: 0 }])
    expect(await reader.get('a')).toBe(1)
  })
})

/** Makes the file look as a program that knows nothing of our notes left it: they stand in bytes 77 to 199. */
async function forgetCleanClose(path: string): Promise<void> {
  const bytes = await readFile(path)
  writeFileSync(path, bytes.fill(0, 77, 200))
  expect(openBooklet(new Uint8Array(bytes), { flag: 'w' }).openedClean).toBe(false)
}

describe('a local file whose maker was killed', () => {
  const remains = [
    { what: 'an empty one', bytes: new Uint8Array(0) },
    { what: 'one without its type id', bytes: new Uint8Array(200 + 6 * 12_007) },
  ]

  it.each(remains)('$what counts as none, for each flag and lock', async ({ bytes }) => {
    await using bench = await Bench.on(memoryKind)
    await published(bench)
    for (const options of [{ flag: 'r' }, { flag: 'w' }, { flag: 'c' }, { flag: 'n' }, { flag: 'w', lock: 'push' }, { flag: 'c', lock: 'push' }] as const) {
      const path = bench.freshPath()
      writeFileSync(path, bytes)
      await using db = await bench.open(path, options)
      expect([...db.keys()].sort(), options.flag).toEqual(options.flag === 'n' ? [] : ['a', 'b'])
      await db.close()
      if (options.flag !== 'n') expect(openBooklet(path).uuid).toBe(db.uuid)
    }
  })

  it.each(remains)('$what is where a new database begins', async ({ bytes }) => {
    await using bench = await Bench.on(memoryKind)
    for (const lock of ['session', 'push'] as const) {
      const path = bench.freshPath()
      writeFileSync(path, bytes)
      await using db = await bench.open(path, { flag: 'c', lock, valueSerializer: 'json' }, `new-${lock}.blt`)
      db.set('key', 1)
      expect(await db.push()).toMatchObject({ ok: true })
    }
  })

  it('is left alone when it holds something else', async () => {
    await using bench = await Bench.on(memoryKind)
    await published(bench)
    const path = bench.freshPath()
    const bytes = new Uint8Array(5000)
    bytes[4000] = 7
    writeFileSync(path, bytes)
    for (const flag of ['r', 'w', 'c'] as const) await expect(bench.open(path, { flag }), flag).rejects.toMatchObject({ code: 'WRONG_FILE_TYPE' })
    expect(await readFile(path)).toEqual(Buffer.from(bytes))
  })
})

describe('one local file', () => {
  it('opened twice waits, and times out with its name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-promises-'))
    await using bench = await Bench.on(memoryKind)
    try {
      const path = await published(bench)
      const holder = await bench.open(path, { flag: 'w' })
      for (const flag of ['r', 'w', 'c', 'n'] as const) {
        const start = performance.now()
        await expect(bench.open(path, { flag, lockTimeout: 150 }, flag === 'n' ? 'other.blt' : 'db.blt')).rejects.toMatchObject({ code: 'FILE_LOCKED', path })
        expect(performance.now() - start).toBeGreaterThan(100)
      }
      expect((await bench.objects('db.blt.lock.')).length).toBe(2)
      expect(await bench.objects('other.blt.lock.')).toEqual([])
      const waiting = bench.open(path)
      holder.set('a', 'later')
      await holder.push()
      await holder.close()
      await using second = await waiting
      expect(await second.get('a')).toBe('later')
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
