/** The lock on S3 between us and Python, with the true timing: both wait for one another, break one another, and see it when they are broken. */
import { expect, it } from 'vitest'
import type { Ebooklet, OpenEbookletOptions } from '../../src/index.js'
import { acquireLock, listLocks, LockLostError, LockTimeoutError } from '../../src/lock/index.js'
import { S3Store } from '../../src/store/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonError, PythonPeer } from '../support/python.js'
import { set } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'

const trueTiming = { settle: 1000, poll: 1000 }

function openWriter(db: SharedDatabase, options: OpenEbookletOptions<unknown> = {}): Promise<Ebooklet> {
  return db.open(db.freshPath(), { flag: 'c', valueSerializer: 'str', lockTiming: trueTiming, ...options })
}

async function publish(db: SharedDatabase): Promise<void> {
  await using ours = await db.open(db.freshPath(), { flag: 'n', valueSerializer: 'str', numGroups: 3 })
  ours.set('key', 'first')
  await ours.push()
}

function storeOf(db: SharedDatabase): S3Store {
  const { endpoint, accessKeyId, secretAccessKey } = db.server
  return new S3Store({ endpoint, bucket: db.bucket, credentials: { accessKeyId, secretAccessKey } })
}

function tickets(db: SharedDatabase): string[] {
  return db.objects().filter((key) => key.startsWith(`${db.dbKey}.lock.`))
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function expectPythonRefused(python: PythonPeer, db: SharedDatabase): Promise<void> {
  const error = await failureOf(python.call('ebooklet.open', { remote: db.theirs, path: db.freshPath(), flag: 'w', lockTimeout: 2 }))
  expect(error).toBeInstanceOf(PythonError)
  expect((error as PythonError).type).toMatch(/Timeout/)
}

describeWithPeers(['python'], 'the lock of a remote', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(5)

  it.concurrent.each(['plain', 'versioned'] as const)("Python's writer keeps us out until it closes, %s bucket", async (bucket) => {
    await using db = meeting.database(bucket)
    await publish(db)
    await withPython(async (python) => {
      const path = db.freshPath()
      const { handle } = await python.call('ebooklet.open', { remote: db.theirs, path, flag: 'w' })
      const held = tickets(db)
      expect(held).toHaveLength(2)
      const started = performance.now()
      const error = (await failureOf(openWriter(db, { lockTimeout: 1500 }))) as LockTimeoutError
      expect(error).toBeInstanceOf(LockTimeoutError)
      expect(performance.now() - started).toBeGreaterThanOrEqual(1500)
      expect(error.holders).toMatchObject([{ exclusive: true, facts: {} }])
      expect(held).toContain(`${db.dbKey}.lock.${error.holders[0]?.id ?? ''}-1`)
      expect(error.holders[0]?.age).toBeGreaterThan(1000)
      expect(error.message).toMatch(/locked by .* since \d+ s/)
      expect(tickets(db)).toEqual(held)
      await using reader = await db.open(db.freshPath())
      expect(await reader.get('key')).toBe('first')
      // Another waits with patience, and sees what was pushed meanwhile.
      const waiting = openWriter(db, { lockTimeout: 30_000 })
      await python.call('ebooklet.apply', { handle, operations: [set('key', 'by Python')] })
      expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      await python.call('close', { handle })
      await using ours = await waiting
      expect(await ours.get('key')).toBe('by Python')
      await ours.close()
      expect(tickets(db)).toEqual([])
    })
  })

  it.concurrent.each(['plain', 'versioned'] as const)('our writer keeps Python out until it closes, %s bucket', async (bucket) => {
    await using db = meeting.database(bucket)
    await publish(db)
    await withPython(async (python) => {
      await using ours = await openWriter(db, { owner: 'a tester' })
      const held = tickets(db)
      expect(held).toHaveLength(2)
      // What we say of ourselves on the ticket is no hindrance to Python.
      const ticket = db.server.storage.bucket(db.bucket).current(held[1] ?? '')
      expect(Object.fromEntries(ticket?.metadata ?? [])).toMatchObject({ owner: 'a tester', pid: String(process.pid) })
      await expectPythonRefused(python, db)
      expect(tickets(db)).toEqual(held)
      await db.inPython(python, { path: db.freshPath() }, async (handle) => {
        expect(await python.call('ebooklet.get', { handle, keys: ['key'] })).toMatchObject([{ value: 'first' }])
      })
      const waiting = python.call('ebooklet.open', { remote: db.theirs, path: db.freshPath(), flag: 'w', lockTimeout: 30 })
      ours.set('key', 'by us')
      expect(await ours.push()).toMatchObject({ ok: true, updated: true })
      await ours.close()
      const { handle } = await waiting
      expect(await python.call('ebooklet.get', { handle, keys: ['key'] })).toMatchObject([{ value: 'by us' }])
      await python.call('close', { handle })
      expect(tickets(db)).toEqual([])
    })
  })

  it.concurrent('is shared by readers of both sides, and kept by them from writers', async () => {
    await using db = meeting.database()
    const store = storeOf(db)
    await withPython(async (python) => {
      const { handle } = await python.call('lock.acquire', { remote: db.theirs, exclusive: false })
      const shared = await acquireLock(store, db.dbKey, { exclusive: false, timeout: 5000 })
      await expect(acquireLock(store, db.dbKey, { timeout: 1200 })).rejects.toThrow(LockTimeoutError)
      expect(await python.call('lock.acquire', { remote: db.theirs, timeout: 2 })).toEqual({ handle: null })
      expect(await python.call('lock.verify', { handle: handle ?? 0 })).toBe(true)
      await python.call('lock.release', { handle: handle ?? 0 })
      // Ours alone still stands in Python's way.
      expect(await python.call('lock.acquire', { remote: db.theirs, timeout: 2 })).toEqual({ handle: null })
      await shared.verify()
      await shared.release()
      const writer = await python.call('lock.acquire', { remote: db.theirs, timeout: 10 })
      expect(await listLocks(store, db.dbKey)).toMatchObject([{ exclusive: true }])
      await python.call('lock.release', { handle: writer.handle ?? 0 })
      expect(tickets(db)).toEqual([])
    })
    await store.close()
  })

  it.concurrent('we break the lock of Python, which then pushes nothing', async () => {
    await using db = meeting.database()
    await publish(db)
    await withPython(async (python) => {
      const path = db.freshPath()
      const { handle } = await python.call('ebooklet.open', { remote: db.theirs, path, flag: 'w' })
      await python.call('ebooklet.apply', { handle, operations: [set('key', 'by Python')] })
      // Not as old as it would have to be.
      await expect(openWriter(db, { breakLocks: 'stale', lockTimeout: 500 })).rejects.toThrow(LockTimeoutError)
      await using ours = await openWriter(db, { breakLocks: 'all', lockTimeout: 500 })
      const error = await failureOf(python.call('ebooklet.push', { handle }))
      expect((error as PythonError).type).toBe('LockLostError')
      await python.call('close', { handle })
      ours.set('key', 'by us')
      expect(await ours.push()).toMatchObject({ ok: true, updated: true })
      await ours.close()
      await using reader = await db.open(':memory:')
      expect(await reader.get('key')).toBe('by us')
      // The change of Python is still pending in its file.
      await using theirs = await db.open(path, { flag: 'w' })
      expect(await theirs.get('key')).toBe('by Python')
      expect(theirs.changes().size).toBe(1)
    })
  })

  it.concurrent('Python breaks our lock, and we then push nothing', async () => {
    await using db = meeting.database()
    await publish(db)
    await withPython(async (python) => {
      await using ours = await openWriter(db)
      ours.set('key', 'by us')
      // Young as it is, by explicit word only.
      await expect(python.call('ebooklet.open', { remote: db.theirs, path: db.freshPath(), flag: 'w', forceLock: true, lockTimeout: 1 })).rejects.toThrow('TimeoutError')
      await python.call('lock.break', { remote: db.theirs, older_than: new Date(Date.now() + 3_600_000).toISOString() })
      const { handle } = await python.call('ebooklet.open', { remote: db.theirs, path: db.freshPath(), flag: 'w', lockTimeout: 10 })
      const held = tickets(db)
      expect(await failureOf(ours.push())).toBeInstanceOf(LockLostError)
      expect(ours.changes().size).toBe(1)
      expect(await ours.get('key')).toBe('by us')
      await python.call('ebooklet.apply', { handle, operations: [set('key', 'by Python')] })
      expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      await ours.close()
      // Our close leaves the lock of Python alone.
      expect(tickets(db)).toEqual(held)
      await python.call('close', { handle })
      await using reader = await db.open(':memory:')
      expect(await reader.get('key')).toBe('by Python')
    })
  })

  it.concurrent("Python breaks only tickets of ours that are old enough", async () => {
    await using db = meeting.database()
    const store = storeOf(db)
    await withPython(async (python) => {
      const lock = await acquireLock(store, db.dbKey)
      await python.call('lock.break', { remote: db.theirs })
      await lock.verify()
      await python.call('lock.break', { remote: db.theirs, older_than: new Date(Date.now() + 3_600_000).toISOString() })
      await expect(lock.verify()).rejects.toThrow(LockLostError)
      expect(tickets(db)).toEqual([])
      await lock.release()
    })
    await store.close()
  })

  it.concurrent('is taken from a killed Python on explicit word', async () => {
    await using db = meeting.database('versioned')
    await publish(db)
    const python = PythonPeer.spawn()
    await python.call('ebooklet.open', { remote: db.theirs, path: db.freshPath(), flag: 'w' })
    await python.kill()
    await expect(openWriter(db, { lockTimeout: 0 })).rejects.toThrow(LockTimeoutError)
    await using ours = await openWriter(db, { lockTimeout: 0, breakLocks: 'all' })
    ours.set('key', 'after the crash')
    expect(await ours.push()).toMatchObject({ ok: true })
  })

  it.concurrent('loses no increment when both sides count at once', { timeout: 120_000 }, async () => {
    await using db = meeting.database()
    await publish(db)
    const each = 2
    const weCount = async () => {
      const path = db.freshPath()
      for (let time = 0; time < each; time++) {
        await using ours = await db.open(path, { flag: 'c', lockTiming: trueTiming, lockTimeout: 100_000 })
        ours.set('count', String(Number((await ours.get('count')) ?? 0) + 1))
        expect(await ours.push()).toMatchObject({ ok: true, updated: true })
      }
    }
    const pythonCounts = (python: PythonPeer) => async () => {
      const path = db.freshPath()
      for (let time = 0; time < each; time++) {
        await db.inPython(python, { path, flag: 'w', lockTimeout: 100 }, async (handle) => {
          const [found] = await python.call('ebooklet.get', { handle, keys: ['count'] })
          await python.call('ebooklet.apply', { handle, operations: [{ op: 'set', key: 'count', value: String(Number(found?.value ?? 0) + 1) }] })
          expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
        })
      }
    }
    const pythons = [PythonPeer.spawn(), PythonPeer.spawn()]
    try {
      await Promise.all([weCount(), weCount(), ...pythons.map((python) => pythonCounts(python)())])
    } finally {
      for (const python of pythons) await python.kill()
    }
    await using reader = await db.open(':memory:')
    expect(await reader.get('count')).toBe(String(4 * each))
    expect(tickets(db)).toEqual([])
  })
})
