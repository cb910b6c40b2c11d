import { describe, expect, test } from 'vitest'
import { lockKey } from '../../src/format/names.js'
import { acquireLock, breakLocks, listLocks, type AcquireLockOptions } from '../../src/lock/index.js'
import { AccessDeniedError, UnsupportedOperationError } from '../../src/store/errors.js'
import { MemoryBucket, MemoryStore, type MemoryBucketOptions } from '../../src/store/memory-store.js'
import type { ListedVersion, ObjectStore } from '../../src/store/object-store.js'
import { altered } from '../store/altered.js'
import { FakeEnvironment } from './fake-environment.js'

const db = 'some/db.blt'
const text = (value: string) => new TextEncoder().encode(value)

function setup(options: MemoryBucketOptions = {}) {
  const environment = new FakeEnvironment()
  const bucket = new MemoryBucket({ environment, ...options })
  const store = new MemoryStore({ bucket })
  const acquire = (more: AcquireLockOptions = {}, on: ObjectStore = store) => acquireLock(on, db, { environment, ...more })
  const keys = async () => {
    const out: string[] = []
    for await (const version of store.listVersions('')) out.push(version.key)
    return out
  }
  return { environment, bucket, store, acquire, keys }
}

describe.each([
  ['plain', {}],
  ['versioned', { versioned: true }],
  ['opaque ETags', { etags: 'opaque' as const }],
])('lock on a %s bucket', (_, options) => {
  test('a ticket has two objects of one byte, and is gone after the release', async () => {
    const { acquire, store, keys } = setup(options)
    const lock = await acquire({ owner: 'älice' })
    expect(lock.id).toMatch(/^[0-9a-f]{13}$/)
    expect(await keys()).toEqual([lockKey(db, lock.id, 0), lockKey(db, lock.id, 1)])
    for (const part of [0, 1] as const) {
      const got = await store.get(lockKey(db, lock.id, part))
      expect(got).toMatchObject({ status: 'ok', bytes: text('1'), info: { metadata: { owner: '?lice', pid: String(process.pid) } } })
    }
    await lock.verify()
    await lock.release()
    await lock.release()
    expect(await keys()).toEqual([])
    await expect(lock.verify()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('await using releases', async () => {
    const { acquire, keys } = setup(options)
    {
      await using lock = await acquire()
      await lock.verify()
    }
    expect(await keys()).toEqual([])
  })

  test('an exclusive one excludes all, shared ones go together', async () => {
    const { acquire } = setup(options)
    const writer = await acquire()
    await expect(acquire({ timeout: 5000 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await expect(acquire({ timeout: 5000, exclusive: false })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await writer.release()
    const one = await acquire({ exclusive: false, timeout: 0 })
    const two = await acquire({ exclusive: false, timeout: 0 })
    await expect(acquire({ timeout: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await one.release()
    await two.release()
    await (await acquire({ timeout: 0 })).release()
  })

  test('many contenders: never two at a time, and each gets its turn', async () => {
    const { acquire, environment, keys } = setup(options)
    let holders = 0
    let turns = 0
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        await environment.sleep(i % 3)
        const lock = await acquire()
        holders++
        expect(holders).toBe(1)
        await environment.sleep(700 * (i % 4))
        await lock.verify()
        expect(holders).toBe(1)
        holders--
        turns++
        await lock.release()
      }),
    )
    expect(turns).toBe(8)
    expect(await keys()).toEqual([])
  })

  test('readers and writers mixed', async () => {
    const { acquire, environment } = setup(options)
    let writers = 0
    let readers = 0
    let together = 0
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const exclusive = i % 4 === 0
        await environment.sleep(i * 300)
        const lock = await acquire({ exclusive })
        if (exclusive) writers++
        else readers++
        together = Math.max(together, readers)
        expect(writers === 0 || (writers === 1 && readers === 0)).toBe(true)
        await environment.sleep(2000)
        if (exclusive) writers--
        else readers--
        await lock.release()
      }),
    )
    expect(together).toBeGreaterThan(1)
  })

  test('breaking by age, by word, and sparing oneself', async () => {
    const { acquire, environment, store, keys } = setup(options)
    const crashed = await acquire({ owner: 'crashed' })
    environment.skip(3_600_000)
    expect(await breakLocks(store, db, { environment })).toEqual([])
    environment.skip(3_600_001)
    expect(await breakLocks(store, db, { environment, except: [crashed.id] })).toEqual([])
    expect(await listLocks(store, db, { environment })).toMatchObject([{ id: crashed.id, facts: { owner: 'crashed' } }])
    expect(await breakLocks(store, db, { environment })).toMatchObject([{ id: crashed.id, facts: { owner: 'crashed' } }])
    expect(await keys()).toEqual([])
    await expect(crashed.verify()).rejects.toMatchObject({ code: 'LOCK_LOST', dbKey: db })
    await crashed.release()
    const young = await acquire({ timeout: 0 })
    expect(await breakLocks(store, db, { environment })).toEqual([])
    expect(await breakLocks(store, db, { environment, which: 'all' })).toMatchObject([{ id: young.id }])
    await expect(young.verify()).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })
})

describe('lock', () => {
  test('a timeout names the holder and its age, by the clock of the store', async () => {
    const { acquire, environment, keys, bucket } = setup()
    // The clock of this machine is an hour ahead of the store's: the age must not show that.
    const holder = await acquire({ owner: 'alice' })
    environment.skip(180_000)
    const ahead = { now: () => environment.now() + 3_600_000_000, randomBytes: (n: number) => environment.randomBytes(n), sleep: (ms: number, signal?: AbortSignal) => environment.sleep(ms, signal) }
    const error: unknown = await acquireLock(new MemoryStore({ bucket }), db, { environment: ahead, timeout: 3000 }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', dbKey: db, holders: [{ id: holder.id, exclusive: true, facts: { owner: 'alice', pid: String(process.pid) } }] })
    const [found] = (error as { holders: { age: number }[] }).holders
    expect(Math.abs((found?.age ?? 0) - 185_000)).toBeLessThan(5000)
    expect((error as Error).message).toMatch(/alice on .+ \(pid \d+\), since 3 min/)
    expect(await keys()).toEqual([lockKey(db, holder.id, 0), lockKey(db, holder.id, 1)])
  })

  test('a ticket of the original, without facts, is named by id and age', async () => {
    const { acquire, store } = setup()
    await store.put(lockKey(db, '0123456789ab4', 0), text('1'))
    await store.put(lockKey(db, '0123456789ab4', 1), text('1'))
    await expect(acquire({ timeout: 0 })).rejects.toThrow(/ticket 0123456789ab4.*since \d+ s/)
  })

  test('a contender that is half written is waited for', async () => {
    const { acquire, store } = setup()
    await store.put(lockKey(db, '0123456789ab4', 0), text('1'))
    await expect(acquire({ timeout: 3000 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ id: '0123456789ab4' }] })
  })

  test('an older ticket that shows up during the pause is not run over', async () => {
    const { acquire, environment, store, bucket } = setup()
    const late = '0123456789ab4'
    const older = environment.now() / 1000
    let shown = false
    const slow = altered(store, {
      async *listVersions(prefix: string) {
        yield* store.listVersions(prefix)
        if (!shown) return
        for (const part of [0, 1] as const) {
          yield { key: lockKey(db, late, part), size: 1, etag: 'c4ca4238a0b923820dcc509a6f75849b', lastModified: older, versionId: undefined, isLatest: true, isDeleteMarker: false } satisfies ListedVersion
        }
      },
    })
    expect(bucket.versioned).toBe(false)
    const attempt = acquire({ timeout: 5000 }, slow)
    setTimeout(() => undefined, 0)
    await environment.sleep(500)
    shown = true
    await expect(attempt).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ id: late }] })
  })

  test('a ticket that is broken while it waits fails, and never wins', async () => {
    const { acquire, environment, store, keys } = setup()
    const holder = await acquire()
    const waiting = acquire({ exclusive: true })
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await environment.sleep(2500)
    await breakLocks(store, db, { environment, which: 'all', except: [holder.id] })
    await environment.sleep(100)
    await holder.release()
    await outcome
    expect(await keys()).toEqual([])
  })

  test('a ticket of which half is broken is lost', async () => {
    const { acquire, store } = setup()
    const lock = await acquire()
    await store.delete([{ key: lockKey(db, lock.id, 0) }])
    await expect(lock.verify()).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  test('delete markers and old versions do not count', async () => {
    const { acquire, store } = setup({ versioned: true })
    for (const part of [0, 1] as const) await store.put(lockKey(db, '0000000000000', part), text('1'))
    await store.delete(([0, 1] as const).map((part) => ({ key: lockKey(db, '0000000000000', part) })))
    await (await acquire({ timeout: 0 })).release()
  })

  test('other databases and other objects are not tickets', async () => {
    const { acquire, store } = setup()
    for (const key of [db, `${db}/1.abc`, `${db}2.lock.0000000000000-1`, `${db}.lock.000-1`, `${db}.lock.0000000000000-2`, `${db}.lock.0000000000000-1/x`, `${db}.lock.000000000000G-1`]) {
      await store.put(key, text('1'))
    }
    await (await acquire({ timeout: 0 })).release()
    expect((await store.head(db)).status).toBe('ok')
  })

  test.each(['2', '', 'a long body that is no mode'])('a foreign body stops it, typed: %j', async (body) => {
    const { acquire, store, keys } = setup()
    const key = lockKey(db, '0123456789ab4', 1)
    await store.put(key, text(body))
    await expect(acquire()).rejects.toMatchObject({ code: 'FOREIGN_TICKET', key })
    expect(await keys()).toEqual([key])
    expect(await breakLocks(store, db, { which: 'all' })).toMatchObject([{ id: '0123456789ab4', exclusive: undefined }])
    expect(await keys()).toEqual([])
  })

  test('a store that can not list versions is listed plainly', async () => {
    const { acquire, store, keys } = setup()
    const plain = altered(store, {
      async *listVersions() {
        throw new UnsupportedOperationError('no versions here', { store: 'memory' })
      },
    })
    const lock = await acquire({}, plain)
    await expect(acquire({ timeout: 0 }, plain)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    await lock.verify()
    await lock.release()
    expect(await keys()).toEqual([])
  })

  test('a store that never lists the ticket is given up after 30 s', async () => {
    const { acquire, store, environment, keys } = setup()
    const blind = altered(store, { async *listVersions() {} })
    const before = environment.now()
    await expect(acquire({}, blind)).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' })
    expect((environment.now() - before) / 1000).toBeGreaterThanOrEqual(30_000)
    expect(await keys()).toEqual([])
  })

  test.each([0, 1, 999, 1500, 2500])('an abort after %i ms leaves no ticket behind', async (ms) => {
    const { acquire, environment, keys } = setup()
    const holder = await acquire()
    const controller = new AbortController()
    const reason = new Error('enough')
    const outcome = expect(acquire({ signal: controller.signal })).rejects.toBe(reason)
    await environment.sleep(ms)
    controller.abort(reason)
    await outcome
    await holder.release()
    expect(await keys()).toEqual([])
  })

  test('a write that failed but arrives late is taken back too', async () => {
    const { acquire, environment, store, keys } = setup()
    const lateKeys: string[] = []
    const flaky = altered(store, {
      async put(key, body, options) {
        if (key.endsWith('-0')) return store.put(key, body, options)
        lateKeys.push(key)
        void environment.sleep(300).then(() => store.put(key, body, options))
        throw new Error('the connection broke')
      },
    })
    await expect(acquire({}, flaky)).rejects.toThrow('the connection broke')
    expect(lateKeys.length).toBe(1)
    expect(await keys()).toEqual([])
  })

  test('a refusal writes nothing and deletes nothing', async () => {
    const { acquire, store } = setup()
    let deletes = 0
    const refusing = altered(store, {
      put: () => Promise.reject(new AccessDeniedError('no', { store: 'memory' })),
      delete: () => {
        deletes++
        return Promise.resolve({ failures: [] })
      },
    })
    await expect(acquire({}, refusing)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(deletes).toBe(0)
  })

  test('a release that fails is tried again, told, and can be repeated', async () => {
    const { acquire, store, keys } = setup()
    let broken = 10
    const flaky = altered(store, {
      delete: (targets) => (broken-- > 0 ? Promise.resolve({ failures: targets.map((target) => ({ target, error: new Error('busy') })) }) : store.delete(targets)),
    })
    const lock = await acquire({}, flaky)
    await expect(lock.release()).rejects.toMatchObject({ code: 'LOCK_RELEASE' })
    await expect(lock.verify()).rejects.toMatchObject({ code: 'CLOSED' })
    broken = 2
    await lock.release()
    expect(await keys()).toEqual([])
  })

  test('a ticket that could not be taken back is told of', async () => {
    const { acquire, store } = setup()
    const holder = await acquire()
    const warnings: string[] = []
    const stuck = altered(store, { delete: () => Promise.reject(new Error('gone')) })
    await expect(acquire({ timeout: 0, onWarning: (message) => warnings.push(message) }, stuck)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ id: holder.id }] })
    expect(warnings.length).toBe(1)
    expect(warnings[0]).toContain(db)
  })

  test('options that make no sense are refused before anything is written', async () => {
    const { acquire, keys, store } = setup()
    await expect(acquire({ timeout: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(acquire({ poll: NaN })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(acquireLock(store, '')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(breakLocks(store, db, { olderThan: NaN })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await keys()).toEqual([])
  })
})
