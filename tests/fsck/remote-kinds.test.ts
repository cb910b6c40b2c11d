/** Each kind of finding of fsckRemote, on remotes that are wrong in just that way. */
import { describe, expect, it } from 'vitest'
import { fsckRemote, MemoryStore, StoreConnection, type FsckOptions, type RemoteFinding } from '../../src/index.js'
import { utf8Encode } from '../../src/base/bytes.js'
import { decodeDbPayload } from '../../src/format/db-object.js'
import { decodeGroup, encodeGroup } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { groupKey, lockKey, valueKey } from '../../src/format/names.js'
import { RemoteIndex } from '../../src/sync/remote-index.js'
import { MemoryBucket } from '../../src/store/memory-store.js'
import { database, dbKey, indexOf, payload, storeOf, withDb, withInitBytes, type StoredObject } from '../hostile/remotes.js'

const entries = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 'v'.repeat(i)]))
const numGroups = 3

async function found(store: MemoryStore, options: FsckOptions = {}, key = dbKey): Promise<Record<string, unknown>[]> {
  const { findings } = await fsckRemote(new StoreConnection(store, key), { lockTiming: { settle: 1, poll: 1 }, ...options })
  return findings.map((finding: RemoteFinding) => {
    const { severity: _severity, advice, ...rest } = finding
    expect(advice.length).toBeGreaterThan(20)
    return rest
  })
}

interface Whole {
  objects: StoredObject[]
  manifest: Map<number, string>
  index: Map<string, { timestamp: number; offset: number; length: number }>
}

async function whole(): Promise<Whole> {
  const objects = await database({ numGroups }, entries, { note: 1 })
  const { manifest, index } = decodeDbPayload(objects.find(({ key }) => key === dbKey)!.bytes)
  return { objects, manifest: new Map(manifest), index: new Map(RemoteIndex.decode(index).entries()) }
}

/* The same database with another manifest, index or metadata section. */
function rewritten({ objects, manifest, index }: Whole, meta = '{"timestamp":1,"data":null}'): StoredObject[] {
  return withDb(objects, () => ({ bytes: payload({ manifest: JSON.stringify(Object.fromEntries(manifest)), meta, index: indexOf(index) }) }))
}

function withGroup(objects: readonly StoredObject[], key: string, change: (bytes: Uint8Array) => Uint8Array): StoredObject[] {
  return objects.map((object) => (object.key === key ? { ...object, bytes: change(object.bytes.slice()) } : object))
}

const group = groupId('k3', numGroups)
const mates = Object.keys(entries).filter((key) => groupId(key, numGroups) === group)

describe('the db object', () => {
  it('metadata-damaged, uuid-mismatch', async () => {
    const remote = await whole()
    expect(await found(storeOf(rewritten(remote, 'nonsense')))).toEqual([expect.objectContaining({ kind: 'metadata-damaged', object: dbKey })])
    const store = storeOf(withInitBytes(remote.objects, (bytes) => bytes.fill(7, 49, 65)))
    expect(await found(store)).toEqual([expect.objectContaining({ kind: 'uuid-mismatch', headerUuid: '07'.repeat(16) })])
  })

  it('db-object-unreadable when it is larger than is accepted', async () => {
    expect(await found(storeOf((await whole()).objects), { maxIndexBytes: 100 })).toEqual([expect.objectContaining({ kind: 'db-object-unreadable', code: 'REMOTE_TOO_LARGE' })])
  })
})

describe('manifest and index', () => {
  it('group-not-in-manifest: its keys are named, and its object is an orphan', async () => {
    const remote = await whole()
    const generation = remote.manifest.get(group)!
    remote.manifest.delete(group)
    const findings = await found(storeOf(rewritten(remote)))
    const lacking = findings.find(({ kind }) => kind === 'group-not-in-manifest')!
    expect({ ...lacking, keys: [...(lacking['keys'] as string[])].sort() }).toEqual({ kind: 'group-not-in-manifest', group, keys: mates, keyCount: mates.length })
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'orphan', object: groupKey(dbKey, group, generation) }))
    expect(findings.length).toBe(2)
  })

  it('unneeded-generation, which is never swept', async () => {
    const remote = await whole()
    for (const key of mates) remote.index.delete(key)
    const store = storeOf(rewritten(remote))
    const object = groupKey(dbKey, group, remote.manifest.get(group)!)
    expect(await found(store, { sweep: true, minAge: 0 })).toEqual([{ kind: 'unneeded-generation', object, group, exists: true }])
    expect((await store.head(object)).status).toBe('ok')
  })

  it('entry-outside-object, before and behind', async () => {
    const remote = await whole()
    const object = groupKey(dbKey, group, remote.manifest.get(group)!)
    const objectBytes = remote.objects.find(({ key }) => key === object)!.bytes.length
    for (const place of [{ offset: objectBytes, length: 1 }, { offset: 3, length: 1 }]) {
      const index = new Map(remote.index).set('k3', { timestamp: remote.index.get('k3')!.timestamp, ...place })
      expect(await found(storeOf(rewritten({ ...remote, index })))).toEqual([{ kind: 'entry-outside-object', key: 'k3', object, ...place, objectBytes }])
    }
  })
})

describe('deep', () => {
  it('entry-contradicts-object, entry-not-in-object, unindexed-entry', async () => {
    const remote = await whole()
    const object = groupKey(dbKey, group, remote.manifest.get(group)!)
    const place = remote.index.get('k3')!
    const index = new Map(remote.index).set('k3', { ...place, timestamp: place.timestamp + 1 })
    const contradicted = storeOf(rewritten({ ...remote, index }))
    expect(await found(contradicted)).toEqual([])
    expect(await found(contradicted, { deep: true })).toEqual([{ kind: 'entry-contradicts-object', key: 'k3', object, index: index.get('k3'), found: place }])
    const replaced = withGroup(remote.objects, object, (bytes) => encodeGroup([...decodeGroup(bytes)].map((entry) => (entry.key === 'k3' ? { ...entry, key: 'kx' } : entry))).bytes)
    const both = await found(storeOf(replaced), { deep: true })
    expect(both).toEqual([{ kind: 'unindexed-entry', key: 'kx', object }, { kind: 'entry-not-in-object', key: 'k3', object }])
  })

  it('group-damaged: cut, or a length that leads nowhere', async () => {
    const remote = await whole()
    const object = groupKey(dbKey, group, remote.manifest.get(group)!)
    for (const change of [(bytes: Uint8Array) => bytes.fill(0xff, 0, 4), (bytes: Uint8Array) => bytes.fill(0xff, 4, 6)]) {
      const findings = await found(storeOf(withGroup(remote.objects, object, change)), { deep: true })
      expect(findings).toContainEqual(expect.objectContaining({ kind: 'group-damaged', object, group }))
    }
  })

  it('a value that is older than the index says, in per-key mode', async () => {
    const objects = await database({ numGroups: null }, entries)
    const older = objects.map((object) => (object.key === valueKey(dbKey, 'k3') ? { ...object, metadata: { timestamp: '5' } } : object))
    expect(await found(storeOf(older), { deep: true })).toEqual([expect.objectContaining({ kind: 'entry-contradicts-object', key: 'k3', found: { timestamp: 5, offset: 0, length: 0 } })])
  })

  it('reads objects that are larger than what is read at once', async () => {
    const objects = await database({ numGroups: 1, valueSerializer: 'bytes' }, { a: new Uint8Array(5_000_000), b: new Uint8Array(4_300_000), c: new Uint8Array(3) })
    const store = storeOf(objects)
    const progress: number[] = []
    expect(await found(store, { deep: true, onProgress: ({ phase, bytesDone }) => void (phase === 'check' && progress.push(bytesDone)) })).toEqual([])
    expect(progress.at(-1)).toBeGreaterThan(9_300_000)
  })
})

describe('what was left', () => {
  it('stale tickets and halves of tickets, by age', async () => {
    let now = 1_700_000_000_000_000
    const environment = { now: () => (now += 1000), randomBytes: (length: number) => new Uint8Array(length), sleep: async () => undefined }
    const bucket = new MemoryBucket({ environment })
    const store = new MemoryStore({ bucket })
    for (const { key, bytes, metadata } of await database({ numGroups }, entries)) bucket.write(key, bytes, metadata)
    bucket.write(lockKey(dbKey, 'aaaaaaaaaaaaa', 0), utf8Encode('1'), {})
    bucket.write(lockKey(dbKey, 'aaaaaaaaaaaaa', 1), utf8Encode('1'), {})
    bucket.write(lockKey(dbKey, 'bbbbbbbbbbbbb', 0), utf8Encode('0'), {})
    expect(await found(store, { environment })).toEqual([])
    now += 120e6
    expect(await found(store, { environment })).toEqual([expect.objectContaining({ kind: 'stale-lock', id: 'bbbbbbbbbbbbb', half: true, exclusive: false })])
    now += 7200e6
    expect((await found(store, { environment })).map(({ id, half }) => [id, half])).toEqual([['aaaaaaaaaaaaa', false], ['bbbbbbbbbbbbb', true]])
  })

  it('hidden-versions: a generation under a delete marker is swept with all its versions, a value is left', async () => {
    const bucket = new MemoryBucket({ versioned: true })
    const store = new MemoryStore({ bucket })
    for (const { key, bytes, metadata } of await database({ numGroups }, entries)) bucket.write(key, bytes, metadata)
    const generation = groupKey(dbKey, 1, 'aaaaaaaaaaaaa')
    for (const key of [generation, `${dbKey}/some key`]) {
      bucket.write(key, utf8Encode('x'), {})
      bucket.remove({ key })
    }
    const findings = await found(store, { sweep: true, minAge: 0 })
    expect(findings.map(({ object, sweepable, outcome }) => [object, sweepable, outcome])).toEqual([[generation, true, 'swept'], [`${dbKey}/some key`, false, 'found']])
    const left: string[] = []
    for await (const { key } of store.listVersions(`${dbKey}/`)) left.push(key)
    expect(left).not.toContain(generation)
    expect(left.filter((key) => key === `${dbKey}/some key`).length).toBe(2)
  })

  it('what a database above refers to is none of ours', async () => {
    const outer = (await database({ numGroups: null }, { 'inner/left': 'of the outer' })).map((object) => object)
    const store = storeOf(outer)
    const inner = `${dbKey}/inner`
    const { swept, findings } = await fsckRemote(new StoreConnection(store, inner), { sweep: true, minAge: 0, lockTiming: { settle: 1, poll: 1 } })
    expect(swept.objects).toBe(0)
    expect(findings).toEqual([])
    expect((await store.head(`${dbKey}/inner/left`)).status).toBe('ok')
  })
})

it('an answer without a byte is no damage: the range is asked for again', async () => {
  const store = storeOf((await whole()).objects)
  const get = store.get.bind(store)
  const asked = new Map<string, number>()
  store.get = async (key, options) => {
    const result = await get(key, options)
    if (result.status !== 'ok' || !options?.range) return result
    const times = (asked.get(key) ?? 0) + 1
    asked.set(key, times)
    return times <= 2 ? { ...result, bytes: new Uint8Array(0) } : result
  }
  expect(await found(store, { deep: true })).toEqual([])
  expect([...asked.values()]).toEqual([3, 3, 3])
})
