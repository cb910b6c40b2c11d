/** What must hold of an upgrade from format 1 on every kind of remote. */
import { describe, expect, it } from 'vitest'
import { StoreConnection, upgradeRemote, type UpgradeOptions, type UpgradeResult } from '../../src/index.js'
import { isTagged } from '../support/tagged.js'
import { format1Databases, format1Golden, putFormat1, type Format1Golden } from './format-1.js'
import { Bench, type RemoteKind } from './remotes.js'

export function upgradeOn(bench: Bench, dbKey: string, options: UpgradeOptions = {}): Promise<UpgradeResult> {
  return upgradeRemote(new StoreConnection(bench.store, dbKey), { lockTiming: { settle: 5, poll: 5 }, lockTimeout: 5000, onWarning: (text) => bench.warnings.push(text), ...options })
}

/** A reader with nothing local sees exactly what 0.8.3 saw. */
export async function expectWhole(bench: Bench, { db_key, expected }: Format1Golden): Promise<void> {
  await using db = await bench.open(':memory:', {}, db_key)
  expect([...db.keys()].sort()).toEqual(expected.content.map(({ key }) => key).sort())
  const raw = db.valueSerializer.startsWith('pickle')
  for (const { key, timestamp, value } of expected.content) {
    expect(db.getTimestamp(key)).toBe(timestamp)
    const bytes = await db.getBytes(key)
    expect(bytes, key).toBeInstanceOf(Uint8Array)
    if (!raw) expect(isTagged(await db.get(key), value), key).toBe(true)
  }
  if (expected.metadata === null) expect(db.metadata).toBeUndefined()
  else expect(isTagged(db.metadata, expected.metadata)).toBe(true)
  expect(db.numGroups).toBe(expected.num_groups)
}

export function upgradeSuite(kind: RemoteKind): void {
  describe(`an upgrade on ${kind.name}`, () => {
    it.each(format1Databases)('of %s: all of it in format 2, and nothing else', async (name) => {
      await using bench = await Bench.on(kind)
      const golden = format1Golden(name)
      await putFormat1(bench.store, golden)
      const grouped = golden.expected.num_groups !== null
      const dbKey = golden.db_key
      const warm = bench.freshPath()
      await using open = await bench.open(bench.freshPath(), {}, dbKey)
      {
        await using reader = await bench.open(warm, {}, dbKey)
        await reader.load()
      }
      const before = await bench.objects(`${dbKey}/`)
      const groups = before.filter((key) => !key.endsWith('_metadata')).length
      bench.store.take()
      const result = await upgradeOn(bench, dbKey)
      const calls = bench.store.take()
      expect(result).toMatchObject({ upgraded: true, keys: golden.expected.len, groups: grouped ? groups : 0, missing: [], leftovers: [] })
      expect(result.timestamp).toBeGreaterThan(1.6e15)
      // The store copies; nothing but the db object, the tickets and the race for conditions is sent.
      expect(calls.filter(({ op, key }) => op === 'put' && !/\.lock\.|_writable_probe_/.test(key)).map(({ key }) => key)).toEqual([dbKey])
      const metadata = before.filter((key) => key.endsWith('_metadata')).length
      expect(result.deleted).toBe((grouped ? groups : 0) + metadata)
      const after = await bench.objects(dbKey)
      expect(after.length).toBe(1 + groups)
      if (grouped) expect(after.slice(1).every((key) => /\/\d+\.[0-9a-f]{13}$/.test(key))).toBe(true)
      await expectWhole(bench, golden)
      // Who has it open goes on, and so does a warm copy: its values need not be fetched again.
      for (const { key } of golden.expected.content) expect(await open.getBytes(key)).toBeInstanceOf(Uint8Array)
      {
        await using again = await bench.open(warm, { flag: 'w' }, dbKey)
        bench.store.take()
        for (const { key } of golden.expected.content) await again.getBytes(key)
        expect(bench.store.take()).toEqual([])
        expect(again.metadata === undefined).toBe(golden.expected.metadata === null)
        again.delete(golden.expected.content[0]!.key)
        expect(await again.push()).toMatchObject({ ok: true, updated: true })
      }
      await using reader = await bench.open(':memory:', {}, dbKey)
      expect(reader.size).toBe(golden.expected.len - 1)
      await reader.load()
      expect(await upgradeOn(bench, dbKey)).toMatchObject({ upgraded: false, groups: 0, deleted: 0, timestamp: undefined })
      expect(await bench.objects(`${dbKey}.lock.`)).toEqual([])
    })
  })
}
