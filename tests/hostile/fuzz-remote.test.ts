import { beforeAll, expect, test } from 'vitest'
import { EbookletError } from '../../src/base/error.js'
import { utf8Encode } from '../../src/base/bytes.js'
import { SeededRandom } from '../support/seed.js'
import { checkPrototypes, mutate, rounds, told } from './mutate.js'
import { database, dbKey, objectsOf, open, storeOf, visit, type StoredObject } from './remotes.js'

/*
 * Whole remotes with mutated objects: opened, read to the end, written to, pushed, read again.
 */

const SOON = 5000
const remotes: StoredObject[][] = []

beforeAll(async () => {
  const entries = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`key ${i}`, { n: i, text: 'x'.repeat(i * 7) }]))
  remotes.push(await database({ numGroups: 3, valueSerializer: 'orjson_zstd' }, entries, { about: 'grouped' }))
  remotes.push(await database({ numGroups: 1, valueSerializer: 'json' }, entries))
  remotes.push(await database({ numGroups: null, valueSerializer: 'msgpack' }, entries, ['per key']))
})

/** Mutates one object or several: bytes, metadata, or which object stands where. */
function mutated(random: SeededRandom): StoredObject[] {
  const objects = random.pick(remotes).map((object) => ({ ...object }))
  for (let left = 1 + random.below(2); left > 0; left--) {
    const object = random.next() < 0.5 ? objects.find(({ key }) => key === dbKey)! : random.pick(objects)
    const dice = random.next()
    if (dice < 0.65) object.bytes = mutate(random, object.bytes, objects.map(({ bytes }) => bytes))
    else if (dice < 0.85) object.metadata = mutatedMetadata(random, object.metadata)
    else object.bytes = random.pick(objects).bytes
  }
  return objects
}

function mutatedMetadata(random: SeededRandom, metadata: Readonly<Record<string, string>>): Record<string, string> {
  const out: Record<string, string> = { ...metadata }
  const name = random.pick(Object.keys(metadata).concat('timestamp'))
  if (random.next() < 0.2) delete out[name]
  else if (random.next() < 0.5) out[name] = random.pick(['', '0', '-1', '72057594037927928', '72057594037927935', '4294967291', '1e3', 'NaN', '../x', '__proto__'])
  else out[name] = Buffer.from(mutate(random, utf8Encode(metadata[name] ?? 'x'))).toString('latin1')
  return out
}

async function typed<T>(objects: readonly StoredObject[], run: () => Promise<T>): Promise<T | undefined> {
  const subject = JSON.stringify(objects.map(({ key, bytes, metadata }) => ({ key, metadata, bytes: Buffer.from(bytes).toString('base64') })))
  const started = performance.now()
  try {
    return await run()
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw new Error(told('a fuzzed remote', subject, String((error as Error)?.stack ?? error)), { cause: error })
  } finally {
    if (performance.now() - started > SOON) throw new Error(told('a fuzzed remote', subject, 'took too long'))
    checkPrototypes(() => told('a fuzzed remote', subject, 'changed a prototype'))
  }
}

test('read to the end', { timeout: 60_000 * rounds(1) }, async () => {
  const random = new SeededRandom()
  let whole = 0
  for (let i = 0; i < rounds(1200); i++) {
    const objects = mutated(random)
    if (await typed(objects, () => visit(storeOf(objects), { maxValueBytes: 1 << 20 }))) whole++
    await typed(objects, async () => {
      await using db = await open(storeOf(objects), { maxValueBytes: 1 << 20 })
      await db.load()
      for await (const _ of db.entries());
    })
  }
  expect(whole).toBeGreaterThan(0)
})

test('written to and pushed', { timeout: 60_000 * rounds(1) }, async () => {
  const random = new SeededRandom()
  let pushed = 0
  for (let i = 0; i < rounds(400); i++) {
    const objects = mutated(random)
    const store = storeOf(objects)
    await typed(objects, async () => {
      await using db = await open(store, { flag: 'w', maxValueBytes: 1 << 20 })
      db.set('key 3', 'changed')
      db.delete('key 4')
      db.set('new', 1)
      const { failures } = await db.push()
      for (const { error } of failures) if (!(error instanceof EbookletError)) throw error
      if (failures.length > 0) return
      pushed++
      const seen = await open(storeOf(await objectsOf(store)))
      expect(await seen.get('new')).toEqual(1)
      expect(seen.has('key 4')).toBe(false)
      await seen.close()
    })
  }
  expect(pushed).toBeGreaterThan(0)
})
