/** What the steps of a session cost in requests and bytes, which needs no clock. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEbooklet, type Ebooklet, type OpenEbookletOptions } from '../../src/index.js'
import { groupId } from '../../src/format/group-id.js'
import { countedMemory, countedServer, type CountedRemote, type Traffic } from './traffic.js'

const groups = 101
const keyCount = 100_000
const valueBytes = 100
const keyBytes = 16
/** Of an entry in a group: key length, key, timestamp, value length, value. */
const entryBytes = 2 + keyBytes + 7 + 4 + valueBytes
/** Of an entry in the index: digest, next, key length, key, and 15 bytes that say where the value lies. */
const indexEntryBytes = 13 + 6 + 2 + keyBytes + 15
const indexHeaderBytes = 200

const keyOf = (i: number) => `key${String(i).padStart(keyBytes - 3, '0')}`
const valueOf = (i: number, edition = 0) => new Uint8Array(valueBytes).fill((i + edition) % 256)

/** What verifying the lock takes: at the start of a push and before its commit. */
const lockLooks = 2

describe.each([
  ['counted in the memory store', () => Promise.resolve<CountedRemote>(countedMemory())],
  ['counted by the embedded S3 server', (): Promise<CountedRemote> => countedServer()],
])('%s', (_name, start) => {
  let remote: CountedRemote
  let folder: string
  let files = 0
  let first: Traffic
  /** Of a session that has everything locally. */
  let writer: Ebooklet<Uint8Array>

  const open = (path: string, options: OpenEbookletOptions<Uint8Array> = {}, dbKey = 'db') => openEbooklet<Uint8Array>(remote.connect(dbKey), path, { lockTiming: { settle: 5, poll: 5 }, ...options })
  const freshPath = () => join(folder, `file${files++}.blt`)
  const change = (keys: Iterable<number>) => {
    for (const i of keys) writer.set(keyOf(i), valueOf(i, 1))
  }
  const indexBytes = (buckets: number) => indexHeaderBytes + 6 * buckets + keyCount * indexEntryBytes

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ebooklet-requests-'))
    remote = await start()
    writer = await open(freshPath(), { flag: 'c', numGroups: groups, valueSerializer: 'bytes', buckets: keyCount })
    for (let i = 0; i < keyCount; i++) writer.set(keyOf(i), valueOf(i))
    remote.take()
    await writer.push()
    first = remote.take()
  })
  afterAll(async () => {
    await writer.close()
    await remote.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('a first push: one PUT for each group, one for the commit, and nothing twice', () => {
    expect(first.requests).toEqual({ put: groups + 1, listVersions: lockLooks })
    const dbObject = first.up - (4 * groups + keyCount * entryBytes)
    expect(dbObject - indexBytes(keyCount)).toBeGreaterThan(0)
    // What the db object has besides the index: its head and the manifest.
    expect(dbObject - indexBytes(keyCount)).toBeLessThan(40 + 24 * groups)
  })

  it('opening elsewhere and loading everything: one GET for each group, one for the index', async () => {
    remote.take()
    await using reader = await open(freshPath())
    const opened = remote.take()
    expect(opened.requests).toEqual({ get: 1 })
    expect(opened.down).toBeLessThan(indexBytes(keyCount) + 40 + 24 * groups)
    await reader.load()
    const loaded = remote.take()
    expect(loaded.requests).toEqual({ get: groups })
    expect(loaded.down).toBeLessThanOrEqual(keyCount * entryBytes)
    expect(await reader.get(keyOf(17))).toBeDefined()
    expect(remote.take().total).toBe(0)
  })

  it('opening and reading one key, cold: two requests; any other key one; the same again none', async () => {
    const path = freshPath()
    remote.take()
    await using cold = await open(path)
    await cold.get(keyOf(4321))
    expect(remote.take().requests).toEqual({ get: 2 })
    await cold.get(keyOf(99_999))
    const second = remote.take()
    expect(second.requests).toEqual({ get: 1 })
    expect(second.down).toBe(entryBytes)
    await cold.get(keyOf(4321))
    expect(remote.take().total).toBe(0)
    await cold.close()
    await using warm = await open(path)
    await warm.get(keyOf(4321))
    const again = remote.take()
    expect(again.requests).toEqual({ get: 1 })
    expect(again.down).toBe(0)
  })

  it('a pull when nothing changed: one request without a body', async () => {
    await using reader = await open(freshPath())
    remote.take()
    expect((await reader.pull()).changed).toBe(false)
    const asked = remote.take()
    expect(asked.total).toBe(1)
    expect(asked.down).toBe(0)
  })

  it('changing 100 keys: one PUT for each touched group, and an index as compact as before', async () => {
    const keys = Array.from({ length: 100 }, (_, i) => (i * 7919 + 11) % keyCount)
    const touched = new Set(keys.map((i) => groupId(keyOf(i), groups))).size
    const sizes: number[] = []
    for (const edition of [1, 2, 3]) {
      change(keys)
      remote.take()
      const { objectsUploaded, bytesUploaded } = await writer.push()
      const pushed = remote.take()
      expect(objectsUploaded).toBe(touched)
      // What was replaced goes in one request after the commit.
      expect(pushed.requests, `push ${edition}`).toEqual({ put: touched + 1, listVersions: lockLooks, delete: 1 })
      expect(pushed.total).toBeLessThanOrEqual(2 * touched)
      sizes.push(pushed.up - bytesUploaded)
    }
    expect(sizes).toEqual([sizes[0], sizes[0], sizes[0]])
    expect(sizes[0]).toBeLessThan(indexBytes(keyCount) + 40 + 24 * groups)
  })

  it('changing one key with everything local: nothing is fetched, its group and the commit are sent', async () => {
    change([12_345])
    remote.take()
    const { bytesUploaded } = await writer.push()
    const pushed = remote.take()
    expect(pushed.requests).toEqual({ put: 2, listVersions: lockLooks, delete: 1 })
    expect(pushed.down).toBe(0)
    expect(bytesUploaded).toBeLessThan((keyCount / groups) * entryBytes * 1.2)
    expect(pushed.up - bytesUploaded).toBeLessThan(indexBytes(keyCount) + 40 + 24 * groups)
  })

  it('1,000 random keys: what lies between them is read along where that is cheaper than to ask again', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => keyOf((i * 7919 + 5) % keyCount))
    await using reader = await open(freshPath())
    remote.take()
    expect((await reader.getMany(keys)).filter((value) => value?.length === valueBytes).length).toBe(1000)
    const read = remote.take()
    expect(Object.keys(read.requests)).toEqual(['get'])
    expect(read.total).toBeLessThanOrEqual(1000)
    expect(read.down).toBeGreaterThanOrEqual(1000 * entryBytes)
    expect(read.down).toBeLessThan(keyCount * entryBytes)
  })

  it('per key: one PUT or GET for each value, and one for the commit or the index', async () => {
    await using perKey = await open(freshPath(), { flag: 'c', numGroups: null, valueSerializer: 'bytes' }, 'per-key')
    for (let i = 0; i < 200; i++) perKey.set(keyOf(i), valueOf(i))
    remote.take()
    await perKey.push()
    expect(remote.take().requests).toEqual({ put: 201, listVersions: lockLooks })
    perKey.set(keyOf(7), valueOf(7, 1))
    perKey.delete(keyOf(8))
    await perKey.push()
    expect(remote.take().requests).toEqual({ put: 2, listVersions: lockLooks, delete: 1 })
    await using reader = await open(freshPath(), {}, 'per-key')
    await reader.get(keyOf(3))
    expect(remote.take().requests).toEqual({ get: 2 })
    await reader.load()
    expect(remote.take().requests).toEqual({ get: 198 })
    expect((await reader.pull()).changed).toBe(false)
    expect(remote.take()).toMatchObject({ total: 1, down: 0 })
  })
})
