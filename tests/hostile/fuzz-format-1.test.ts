import { expect, test } from 'vitest'
import { EbookletError } from '../../src/base/error.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { equalBytes } from '../../src/base/bytes.js'
import { openEbooklet, StoreConnection, upgradeRemote } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { format1Databases, format1Golden } from '../database/format-1.js'
import { readGoldenFile } from '../support/golden.js'
import { SeededRandom } from '../support/seed.js'
import { checkPrototypes, mutate, rounds, told } from './mutate.js'

/*
 * Remotes of format 1 with mutated objects: read, upgraded, read again. What could be read before an upgrade reads the same
 * after it, or the upgrade was refused.
 */

const SOON = 5000
const system = systemEnvironment()
const environment = { ...system, sleep: (ms: number, signal?: AbortSignal) => system.sleep(Math.min(ms, 1), signal) }
const lockTiming = { settle: 1, poll: 1 }

interface Stored {
  key: string
  bytes: Uint8Array
  metadata: Record<string, string>
}

const remotes = format1Databases.map((name) => {
  const { db_key, objects } = format1Golden(name)
  return { dbKey: db_key, objects: objects.map(({ key, blob, user_metadata }): Stored => ({ key, bytes: readGoldenFile(blob), metadata: user_metadata })) }
})

function mutated(random: SeededRandom): { dbKey: string; objects: Stored[] } {
  const { dbKey, objects: original } = random.pick(remotes)
  const objects = original.map((object) => ({ ...object }))
  for (let left = 1 + random.below(3); left > 0; left--) {
    const object = random.pick(objects)
    if (random.next() < 0.8) object.bytes = mutate(random, object.bytes, objects.map(({ bytes }) => bytes))
    else if (random.next() < 0.5) object.bytes = random.pick(objects).bytes
    else {
      const name = random.pick(['timestamp', 'uuid', 'type', 'num_groups', 'init_bytes', 'format_version'])
      object.metadata = { ...object.metadata, [name]: random.pick(['', '0', '1', '2', '72057594037927935', '4294967291', 'NaN', '../x']) }
    }
  }
  return { dbKey, objects }
}

/** The bytes of each key that can be read; undefined when the database can't be opened. */
async function readable(connection: StoreConnection): Promise<Map<string, Uint8Array> | undefined> {
  const found = new Map<string, Uint8Array>()
  const db = await orError(() => openEbooklet(connection, ':memory:', { environment, maxValueBytes: 1 << 20 }))
  if (!db) return undefined
  try {
    const keys = await orError(() => Promise.resolve().then(() => [...db.keys()]))
    for (const key of keys?.slice(0, 40) ?? []) {
      const bytes = await orError(() => db.getBytes(key))
      if (bytes) found.set(key, bytes)
    }
  } finally {
    await db.close()
  }
  return found
}

async function orError<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw error
  }
}

test('read, upgraded and read again', { timeout: 120_000 * rounds(1) }, async () => {
  const random = new SeededRandom()
  let upgraded = 0
  for (let i = 0; i < rounds(250); i++) {
    const { dbKey, objects } = mutated(random)
    const subject = JSON.stringify(objects.map(({ key, bytes, metadata }) => ({ key, metadata, bytes: Buffer.from(bytes).toString('base64') })))
    const store = new MemoryStore()
    for (const { key, bytes, metadata } of objects) await store.put(key, bytes, { metadata })
    const connection = new StoreConnection(store, dbKey)
    const started = performance.now()
    try {
      const before = await readable(connection)
      const result = await orError(() => upgradeRemote(connection, { environment, lockTiming, acceptMissing: random.next() < 0.5 }))
      const after = await readable(connection)
      if (result?.upgraded) upgraded++
      for (const [key, bytes] of before ?? []) {
        const now = after?.get(key)
        expect(now !== undefined && equalBytes(now, bytes), key).toBe(true)
      }
    } catch (error) {
      throw new Error(told('a fuzzed remote of format 1', subject, String((error as Error)?.stack ?? error)), { cause: error })
    }
    if (performance.now() - started > SOON) throw new Error(told('a fuzzed remote of format 1', subject, 'took too long'))
    checkPrototypes(() => told('a fuzzed remote of format 1', subject, 'changed a prototype'))
  }
  expect(upgraded).toBeGreaterThan(0)
})
