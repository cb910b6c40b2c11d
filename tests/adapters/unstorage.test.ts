/** `ebooklet/unstorage`. Its package ships no suite for drivers: these are the contract of its documentation. */
import { createStorage, prefixStorage, type Driver, type Storage } from 'unstorage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import ebookletDriver, { type EbookletDriver } from '../../src/adapters/unstorage.js'
import type { OpenDatabase } from '../../src/adapters/source.js'
import { StoreConnection, type Ebooklet } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { temporaryPath } from '../support/folder.js'
import { adaptedKinds, bytesKind, lockTiming } from './databases.js'

it('is a driver by its own types', () => {
  const driver: EbookletDriver = ebookletDriver({ path: temporaryPath() })
  const theirs: Driver = driver
  expect(theirs.name).toBe('ebooklet')
})

for (const kind of [...adaptedKinds, bytesKind]) {
  describe(`a driver over ${kind.name}`, () => {
    let database: OpenDatabase
    let storage: Storage
    beforeEach(async () => {
      database = await kind.open()
      storage = createStorage({ driver: ebookletDriver(database) })
    })
    afterEach(async () => {
      await storage.dispose()
      await database.close()
    })

    it('has what was set, and not what was removed', async () => {
      expect(await storage.hasItem('s1:a')).toBe(false)
      expect(await storage.getItem('s1:a')).toBeNull()
      await storage.setItem('s1:a', 'test_data')
      await storage.setItem('s2:a', 'test_data')
      await storage.setItem('s3:a?q=1', 'test_data')
      expect(await storage.hasItem('s1:a')).toBe(true)
      expect(await storage.getItem('s1:a')).toBe('test_data')
      // unstorage leaves out what follows a question mark.
      expect(await storage.getItem('s3:a')).toBe('test_data')
      await storage.removeItem('s1:a')
      expect(await storage.hasItem('s1:a')).toBe(false)
      expect(await storage.getItem('s1:a')).toBeNull()
      await storage.removeItem('s1:a')
    })

    it('gives back what can be text: objects, numbers, booleans, null', async () => {
      for (const value of [{ json: [1, null], 'ü': '😀' }, [], 12.5, true, false, '', 'text', '"quoted"']) {
        await storage.setItem('value', value)
        expect(await storage.getItem('value')).toEqual(value === '"quoted"' ? 'quoted' : value)
      }
      await storage.setItem('value', null)
      expect(await storage.getItem('value')).toBeNull()
      await storage.setItem('date', new Date(0).toJSON())
      expect(await storage.getItem('date')).toBe('1970-01-01T00:00:00.000Z')
      await expect(storage.setItem('value', (() => 1) as unknown as string)).rejects.toThrow()
    })

    it('gives keys of a base, and clears those of one', async () => {
      for (const key of ['s1:a', 's1:b', 's1:deep:c', 's10:a', 's2']) await storage.setItem(key, key)
      expect((await storage.getKeys()).sort()).toEqual(['s10:a', 's1:a', 's1:b', 's1:deep:c', 's2'])
      expect((await storage.getKeys('s1')).sort()).toEqual(['s1:a', 's1:b', 's1:deep:c'])
      expect((await storage.getKeys('s1', { maxDepth: 1 })).sort()).toEqual(['s1:a', 's1:b'])
      expect((await storage.getItems(['s1:a', 's2', 'nothing'])).map(({ value }) => value)).toEqual(['s1:a', 's2', null])
      const prefixed = prefixStorage(storage, 's1')
      expect(await prefixed.getItem('b')).toBe('s1:b')
      // unstorage itself clears whole mounts only.
      await ebookletDriver(database).clear('s1:')
      expect((await storage.getKeys()).sort()).toEqual(['s10:a', 's2'])
      await storage.clear()
      expect(await storage.getKeys()).toEqual([])
    })

    it('keeps bytes as they are', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      await storage.setItemRaw('raw', bytes)
      expect(Buffer.compare(Buffer.from((await storage.getItemRaw<Uint8Array>('raw'))!), bytes)).toBe(0)
      await storage.setItemRaw('raw', bytes.buffer)
      expect(Buffer.compare(Buffer.from((await storage.getItemRaw<Uint8Array>('raw'))!), bytes)).toBe(0)
      await storage.setItemRaw('raw', new Uint8Array(0))
      expect((await storage.getItemRaw<Uint8Array>('raw'))!.length).toBe(0)
      expect(await storage.getItemRaw('nothing')).toBeNull()
    })

    it('tells when a value was written, and who watches', async () => {
      const before = Date.now()
      const seen: string[] = []
      const unwatch = await storage.watch((event, key) => seen.push(`${event} ${key}`))
      await storage.setItem('a', 'x')
      await storage.removeItem('a')
      await unwatch()
      await storage.setItem('a', 'y', {})
      expect(seen).toEqual(['update a', 'remove a'])
      const { mtime } = await storage.getMeta('a')
      expect(mtime!.getTime()).toBeGreaterThanOrEqual(before)
      await storage.setMeta('a', { ttl: 5 })
      expect(await storage.getMeta('a')).toMatchObject({ ttl: 5 })
    })
  })
}

describe('a driver that opens its database', () => {
  it('keeps a local file, closes it, and says when it was closed', async () => {
    const path = temporaryPath()
    const driver = ebookletDriver({ path, valueSerializer: 'bytes' })
    const first = createStorage({ driver })
    await first.setItem('a', { b: 1 })
    await first.dispose()
    await expect(driver.getItem('a')).rejects.toMatchObject({ code: 'CLOSED' })
    await driver.dispose()
    const second = createStorage({ driver: ebookletDriver({ path }) })
    expect(await second.getItem('a')).toEqual({ b: 1 })
    await second.dispose()
  })

  it('reads a remote, and does not write where it may not', async () => {
    const remote = new StoreConnection(new MemoryStore(), 'db.blt')
    const writer = ebookletDriver({ remote, path: ':memory:', flag: 'c', numGroups: 3, lockTiming })
    const storage = createStorage({ driver: writer })
    await storage.setItem('a', 'one')
    const db = await writer.getInstance()
    expect('push' in db).toBe(true)
    await (db as unknown as Ebooklet).push()
    await storage.dispose()
    const reader = createStorage({ driver: ebookletDriver({ remote, path: ':memory:' }) })
    expect(await reader.getItem('a')).toBe('one')
    await expect(reader.setItem('a', 'two')).rejects.toMatchObject({ code: 'READ_ONLY' })
    await reader.dispose()
  })
})
