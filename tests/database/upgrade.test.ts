/** Upgrades from format 1: stopped anywhere, with rivals, with damage; on every kind of remote. */
import { describe, expect, it } from 'vitest'
import { StoreConnection, upgradeRemote } from '../../src/index.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { encodeGroup } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { acquireLock } from '../../src/lock/index.js'
import { StoreUnreachableError, UnsupportedOperationError } from '../../src/store/errors.js'
import { format1Golden, putFormat1, putFormat1Index, type Format1Entry } from './format-1.js'
import { Bench, directoryKind, embeddedKind, memoryKind, versionedKind } from './remotes.js'
import { expectWhole, upgradeOn, upgradeSuite } from './upgrade-suite.js'

for (const kind of [memoryKind, directoryKind, embeddedKind, versionedKind]) upgradeSuite(kind)

const dbKey = 'db.blt'
const utf8 = (text: string) => new TextEncoder().encode(text)
const entries: Format1Entry[] = ['a', 'b', 'c', 'g', 'i', 'j'].map((key, at) => ({ key, timestamp: 1000 + at, value: utf8(JSON.stringify(key)) }))
const made = { dbKey, numGroups: 2, entries, groups: true, metadata: { timestamp: 900, data: '{"m":1}' } }
const all = Object.fromEntries(entries.map(({ key }) => [key, key]))

describe('an upgrade that is stopped', () => {
  // The patience of those who give back a lock is not what is tried here.
  const system = systemEnvironment()
  const hasty = { ...system, sleep: (ms: number, signal?: AbortSignal) => system.sleep(Math.min(ms, 2), signal) }
  const stopped = new StoreUnreachableError('stopped', { store: 'memory' })

  it.each(['grouped_2_second_push', 'perkey_2_update_delete', 'gbytes_push'])('at whichever request, before or after it: the old database or the new one is whole, and another run finishes: %s', { timeout: 60_000 }, async (name) => {
    const golden = format1Golden(name)
    for (const moment of ['before', 'after'] as const) {
      for (let failing = 0; ; failing++) {
        await using bench = await Bench.on(memoryKind)
        await putFormat1(bench.store, golden)
        const warm = bench.freshPath()
        await using open = await bench.open(warm, {}, golden.db_key)
        let calls = 0
        // From that request on nothing gets through: the process has died.
        bench.store.hooks = {
          [moment]: (op: string, key: string) => {
            if (!key.includes('_writable_probe_') && calls++ >= failing) throw stopped
          },
        }
        const outcome: unknown = await upgradeOn(bench, golden.db_key, { environment: hasty }).catch((error: unknown) => error)
        bench.store.hooks = {}
        await expectWhole(bench, golden)
        const [first] = golden.expected.content
        expect(await open.getBytes(first!.key)).toBeInstanceOf(Uint8Array)
        const again = await upgradeOn(bench, golden.db_key, { breakLocks: 'all' })
        expect(again.leftovers).toEqual([])
        await expectWhole(bench, golden)
        const values = new Set(golden.objects.map(({ key }) => key)).size - (golden.expected.metadata === null ? 1 : 2)
        expect((await bench.objects(`${golden.db_key}/`)).filter((key) => !key.includes('_writable_probe_')).length, `request ${failing} ${moment}`).toBe(values)
        expect(await bench.objects(`${golden.db_key}.lock.`)).toEqual([])
        if (calls <= failing) {
          expect(outcome).toMatchObject({ upgraded: true })
          break
        }
      }
    }
  })

  it('by a single failure at whichever request leaves no ticket, and no copy before the commit', { timeout: 60_000 }, async () => {
    for (const moment of ['before', 'after'] as const) {
      for (let failing = 0; ; failing++) {
        await using bench = await Bench.on(memoryKind)
        await putFormat1Index(bench.store, made)
        const before = await bench.objects()
        let calls = 0
        bench.store.hooks = {
          [moment]: (op: string, key: string) => {
            if (!key.includes('_writable_probe_') && calls++ === failing) throw stopped
          },
        }
        const outcome = await upgradeOn(bench, dbKey, { environment: hasty }).catch((error: unknown) => error as Error)
        bench.store.hooks = {}
        expect(await bench.objects(`${dbKey}.lock.`), `request ${failing} ${moment}`).toEqual([])
        expect(await bench.contents()).toEqual(all)
        const now = await bench.objects()
        const head = await bench.store.head(dbKey)
        const upgraded = head.status === 'ok' && head.info.metadata['format_version'] === '2'
        if (outcome instanceof Error && !upgraded && (outcome as { code?: string }).code !== 'UPGRADE_FAILED') expect(now, `request ${failing} ${moment}`).toEqual(before)
        await upgradeOn(bench, dbKey)
        expect(await bench.contents()).toEqual(all)
        expect((await bench.objects()).length).toBe(3)
        if (calls <= failing) break
      }
    }
  })

  it('by its signal gives the reason, and leaves everything as it was', async () => {
    for (let after = 0; after < 30; after++) {
      await using bench = await Bench.on(memoryKind)
      await putFormat1Index(bench.store, made)
      const before = await bench.objects()
      const controller = new AbortController()
      let calls = 0
      bench.store.hooks.before = () => {
        if (calls++ === after) controller.abort(new Error('enough'))
      }
      const outcome: unknown = await upgradeOn(bench, dbKey, { signal: controller.signal, environment: hasty }).catch((error: unknown) => error)
      bench.store.hooks = {}
      expect(await bench.contents()).toEqual(all)
      if (outcome instanceof Error) {
        expect(outcome.message).toContain('enough')
        expect(await bench.objects()).toEqual(before)
      } else expect(outcome).toMatchObject({ upgraded: true })
    }
  })
})

describe('an upgrade and others', () => {
  it('whose acknowledgement of the commit is lost finds that it was made', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    bench.store.hooks.after = (op, key) => {
      if (op === 'put' && key === dbKey) throw new StoreUnreachableError('lost', { store: 'memory' })
    }
    expect(await upgradeOn(bench, dbKey)).toMatchObject({ upgraded: true, leftovers: [] })
    bench.store.hooks = {}
    expect(await bench.contents()).toEqual(all)
  })

  it('is refused when somebody commits though the lock is held; nothing of theirs is lost', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    const theirs = entries.map((entry) => ({ ...entry, timestamp: 5000, value: utf8('"theirs"') }))
    for (const place of ['head', 'put'] as const) {
      let once = true
      bench.store.hooks.before = async (op, key) => {
        // The second look at the db object is the one right before the commit.
        if (op !== place || key !== dbKey || !once || !bench.store.calls.some((call) => call.op === 'copy')) return
        once = false
        bench.store.hooks = {}
        await putFormat1Index(bench.store, { ...made, entries: theirs, timestamp: 20_000 + bench.store.calls.length })
      }
      await expect(upgradeOn(bench, dbKey)).rejects.toMatchObject({ code: 'UPGRADE_FAILED', inDoubt: false })
      expect(await bench.contents()).toEqual(Object.fromEntries(entries.map(({ key }) => [key, 'theirs'])))
      expect(await bench.objects(`${dbKey}/`)).toEqual([`${dbKey}/0`, `${dbKey}/1`, `${dbKey}/_metadata`])
    }
  })

  it('is refused when a group is changed between check and copy', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    bench.store.hooks.before = async (op) => {
      if (op !== 'copy') return
      bench.store.hooks = {}
      for (const gid of [0, 1]) await bench.store.put(`${dbKey}/${gid}`, encodeGroup(entries.filter(({ key }) => groupId(key, 2) === gid).map((entry) => ({ ...entry, timestamp: 7000 }))).bytes)
    }
    await expect(upgradeOn(bench, dbKey)).rejects.toMatchObject({ code: 'UPGRADE_FAILED' })
    expect(await bench.contents()).toEqual(all)
    expect(await upgradeOn(bench, dbKey)).toMatchObject({ upgraded: true })
    expect(await bench.contents()).toEqual(all)
  })

  it('waits for the lock, and times out', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    const lock = await acquireLock(bench.store, dbKey, { settle: 5, poll: 5 })
    await expect(upgradeOn(bench, dbKey, { lockTimeout: 50 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    expect(await bench.contents()).toEqual(all)
    await lock.release()
    expect(await upgradeOn(bench, dbKey)).toMatchObject({ upgraded: true })
  })

  it('touches no sibling and no database whose key looks like a group', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, { ...made, entries: entries.filter(({ key }) => groupId(key, 2) === 0) })
    await putFormat1Index(bench.store, { ...made, dbKey: `${dbKey}2` })
    {
      await using nested = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 }, `${dbKey}/1`)
      nested.set('nested', 1)
      await nested.push()
    }
    await upgradeOn(bench, dbKey)
    expect(await bench.contents(`${dbKey}2`)).toEqual(all)
    expect(await bench.contents(`${dbKey}/1`)).toEqual({ nested: 1 })
  })
})

describe('what an upgrade finds', () => {
  it('groups that a writer uploaded who died before it told of them: the newer values, at their right places', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    const newer = entries.map((entry) => ({ ...entry, timestamp: 9000, value: utf8(JSON.stringify(`${entry.key} is longer`)) }))
    await bench.store.put(`${dbKey}/0`, encodeGroup(newer.filter(({ key }) => groupId(key, 2) === 0)).bytes)
    await upgradeOn(bench, dbKey)
    await using db = await bench.open(':memory:')
    bench.store.take()
    for (const { key, timestamp } of entries) {
      const changed = groupId(key, 2) === 0
      expect(await db.get(key)).toBe(changed ? `${key} is longer` : key)
      expect(db.getTimestamp(key)).toBe(changed ? 9000 : timestamp)
    }
    // One range each: the index is right, no group had to be read whole.
    expect(bench.store.take().length).toBe(entries.length)
  })

  it('values that are missing: an integrity error that names them, nothing changed; by word the others are upgraded', async () => {
    for (const numGroups of [2, undefined]) {
      await using bench = await Bench.on(memoryKind)
      await putFormat1Index(bench.store, { ...made, numGroups })
      const gid = groupId('c', 2)
      if (numGroups === undefined) await bench.store.delete([{ key: `${dbKey}/c` }])
      else await bench.store.put(`${dbKey}/${gid}`, encodeGroup(entries.filter(({ key }) => key !== 'c' && groupId(key, 2) === gid)).bytes)
      const before = await bench.objects()
      await expect(upgradeOn(bench, dbKey)).rejects.toMatchObject({ code: 'INTEGRITY', keys: ['c'], message: expect.stringContaining('acceptMissing') as string })
      expect(await bench.objects()).toEqual(before)
      expect(await upgradeOn(bench, dbKey, { acceptMissing: true })).toMatchObject({ upgraded: true, missing: ['c'] })
      await using db = await bench.open(':memory:')
      for (const { key } of entries) {
        if (key === 'c') await expect(db.get(key)).rejects.toMatchObject({ code: 'INTEGRITY', keys: ['c'] })
        else expect(await db.get(key)).toBe(key)
      }
    }
  })

  it('a key named as the metadata object, whose value was overwritten by it', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, { ...made, numGroups: undefined, entries: [...entries, { key: '_metadata', timestamp: 10, value: utf8('"v"') }] })
    await expect(upgradeOn(bench, dbKey)).rejects.toMatchObject({ code: 'INTEGRITY', keys: ['_metadata'] })
    await upgradeOn(bench, dbKey, { acceptMissing: true })
    await using db = await bench.open(':memory:')
    expect(db.metadata).toEqual({ m: 1 })
    await expect(db.get('_metadata')).rejects.toMatchObject({ code: 'INTEGRITY' })
    expect(await db.get('a')).toBe('a')
  })

  it('a store that copies nothing: the groups are sent', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    bench.store.hooks.before = (op) => {
      if (op === 'copy') throw new UnsupportedOperationError('no copies', { store: 'memory' })
    }
    expect(await upgradeOn(bench, dbKey)).toMatchObject({ upgraded: true, groups: 2 })
    expect(await bench.contents()).toEqual(all)
  })

  it('no database, a store that can not be written, wrong options: typed, and no ticket', async () => {
    await using bench = await Bench.on(memoryKind)
    await expect(upgradeOn(bench, 'nothing')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
    await expect(upgradeRemote('https://127.0.0.1:1/bucket/db.blt')).rejects.toMatchObject({ code: 'READ_ONLY' })
    for (const options of [{ lockTimeout: -1 }, { breakLocks: 'some' as 'all' }, { maxIndexBytes: 0.5 }, { acceptMissing: 1 as unknown as boolean }]) {
      await expect(upgradeRemote(new StoreConnection(bench.store, dbKey), options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(await bench.objects()).toEqual([])
  })

  it('a group of connections: its entries and its kind stay', async () => {
    await using bench = await Bench.on(memoryKind)
    const golden = format1Golden('rcg_1')
    await putFormat1(bench.store, golden)
    expect(await upgradeOn(bench, golden.db_key)).toMatchObject({ upgraded: true, keys: 2 })
    const head = await bench.store.head(golden.db_key)
    expect(head).toMatchObject({ info: { metadata: { type: 'RemoteConnGroup', format_version: '2' } } })
  })

  it('tells how far it is', async () => {
    await using bench = await Bench.on(memoryKind)
    await putFormat1Index(bench.store, made)
    const phases: string[] = []
    let last = 0
    await upgradeOn(bench, dbKey, {
      onProgress: ({ phase, groupsDone, groupsTotal }) => {
        if (phases.at(-1) !== phase) phases.push(phase)
        if (phase === 'upload') last = groupsDone / groupsTotal
      },
    })
    expect(phases).toEqual(['upload', 'commit', 'cleanup'])
    expect(last).toBe(1)
  })
})
