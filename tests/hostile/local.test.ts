import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeserializationError, EbookletError, FormatError, InvalidArgumentError, MemoryStore, UnsupportedVersionError } from '../../src/index.js'
import { utf8Encode } from '../../src/base/bytes.js'
import { openBooklet, WrongFileTypeError } from '../../src/booklet/index.js'
import { acquireLock, breakLocks, ForeignTicketError, listLocks } from '../../src/lock/index.js'
import { withRetry } from '../../src/store/index.js'
import { FakeEnvironment } from '../lock/fake-environment.js'
import { SeededRandom } from '../support/seed.js'
import { mutate, rounds, told } from './mutate.js'
import { database, open, storeOf, type StoredObject } from './remotes.js'

let folder: string
let path: string
let remote: StoredObject[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ebooklet-hostile-'))
  path = join(folder, 'local.blt')
  remote = await database({ numGroups: 1, valueSerializer: 'json' }, { a: 1 })
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A local copy whose slot holds these bytes. */
async function withSlot(slot: 1 | 2, bytes: Uint8Array): Promise<void> {
  rmSync(path, { force: true })
  await (await open(storeOf(remote), { flag: 'w' }, path)).close()
  const file = openBooklet(path, { flag: 'w' })
  file.reserved.set(slot, bytes)
  file.close()
}

describe('slots of a local file', () => {
  const deep = `{"v":1,"written":${'['.repeat(1e6)}${']'.repeat(1e6)}}`
  test.each([
    ['no JSON', '\u0000\u0001'],
    ['1,000,000 levels', deep],
    ['no version', '{}'],
    ['a version that is no number', '{"v":"1"}'],
    ['a version as a prototype', '{"__proto__":{"v":1}}'],
    ['an array', '[1]'],
    ['a number of a million digits', `{"v":${'9'.repeat(1e6)}}`],
  ])('%s', async (_name, text) => {
    for (const slot of [1, 2] as const) {
      await withSlot(slot, utf8Encode(text))
      for (const flag of ['r', 'w'] as const) await expect(open(storeOf(remote), { flag }, path), `slot ${slot}`).rejects.toBeInstanceOf(FormatError)
      // Nothing stayed locked.
      openBooklet(path, { flag: 'w', lockTimeout: 0 }).close()
    }
  })

  test('a newer version', async () => {
    for (const slot of [1, 2] as const) {
      await withSlot(slot, utf8Encode('{"v":2}'))
      await expect(open(storeOf(remote), {}, path)).rejects.toBeInstanceOf(UnsupportedVersionError)
    }
  })

  test('a journal of keys that do not exist, or are kept for the file itself', async () => {
    await withSlot(1, utf8Encode('{"v":1,"written":["__proto__","nowhere","7c40d2ea915b4f3a8e6d201"],"deletes":["constructor"],"num_groups":1,"num_groups_set":true}'))
    const store = storeOf(remote)
    const db = await open(store, { flag: 'w' }, path)
    expect(await db.get('a')).toBe(1)
    for (const key of ['__proto__', 'nowhere']) await db.get(key).catch((error: unknown) => expect(error).toBeInstanceOf(EbookletError))
    await db.push().catch((error: unknown) => expect(error).toBeInstanceOf(EbookletError))
    await db.close()
    const seen = await open(store)
    expect(await seen.get('a')).toBe(1)
  })

  test('mutated slots and index files', { timeout: 60_000 * rounds(1) }, async () => {
    const random = new SeededRandom()
    const full = utf8Encode('{"v":1,"written":["a","b"],"deletes":["c"],"num_groups":1,"num_groups_set":true,"replace_pending":false,"meta_pending":true}')
    await withSlot(1, full)
    const slot2 = (() => {
      const file = openBooklet(path, { flag: 'r' })
      const bytes = file.reserved.get(2)!.bytes
      file.close()
      return bytes
    })()
    const index = Uint8Array.from(readFileSync(`${path}.remote_index`))
    const whole = readFileSync(path)
    for (let i = 0; i < rounds(150); i++) {
      writeFileSync(path, whole)
      writeFileSync(`${path}.remote_index`, random.next() < 0.6 ? mutate(random, index) : index)
      const slot = random.pick([1, 2] as const)
      const bytes = mutate(random, slot === 1 ? full : slot2)
      const file = openBooklet(path, { flag: 'w' })
      file.reserved.set(slot, bytes)
      file.close()
      try {
        await using db = await open(storeOf(remote), { flag: random.pick(['r', 'w'] as const) }, path)
        for (const key of [...db.keys()]) await db.get(key)
        if (!db.readonly) await db.push()
      } catch (error) {
        if (!(error instanceof EbookletError)) throw new Error(told(`slot ${slot}`, bytes, String((error as Error).stack)), { cause: error })
      }
    }
  })
})

describe('files of others', () => {
  test('one that starts with zeros is not taken for a booklet that was never finished', () => {
    // As images of disks do.
    for (const content of [Buffer.concat([Buffer.alloc(32_768), Buffer.from('CD001')]), Buffer.concat([Buffer.alloc(200), Buffer.from('text')]), Buffer.concat([Buffer.alloc(10), Buffer.from('x')])]) {
      writeFileSync(path, content)
      for (const flag of ['r', 'w', 'c'] as const) expect(() => openBooklet(path, { flag })).toThrow(WrongFileTypeError)
      expect(readFileSync(path).equals(content)).toBe(true)
    }
  })
})

describe('maxValueBytes of a booklet', () => {
  test.each(['bytes', 'json', 'zstd', 'orjson_zstd', 'numpy_int2_zstd'] as const)('%s', (valueSerializer) => {
    const value = valueSerializer === 'numpy_int2_zstd' ? new Int16Array(50) : valueSerializer.endsWith('json') || valueSerializer === 'orjson_zstd' ? 'x'.repeat(98) : new Uint8Array(100)
    const written = openBooklet<string, unknown>(null, { valueSerializer })
    written.set('k', value).sync()
    const bytes = written.toBytes()
    expect(openBooklet(bytes, { maxValueBytes: 100 }).get('k')).toEqual(value)
    const small = openBooklet(bytes, { maxValueBytes: 99 })
    expect(() => small.get('k')).toThrow(DeserializationError)
    expect(() => [...small.values()]).toThrow(/maxValueBytes/)
    expect(small.valueSerializer).toBe(valueSerializer)
    expect(small.getBytes('k')).toEqual(written.getBytes('k'))
    // Writing is the caller's own business.
    const writer = openBooklet<string, unknown>(bytes, { flag: 'w', maxValueBytes: 99 })
    expect(writer.set('other', value).size).toBe(2)
  })

  test.each([-1, 1.5, NaN, Infinity])('%d is no limit', (maxValueBytes) => {
    expect(() => openBooklet(null, { maxValueBytes })).toThrow(InvalidArgumentError)
  })
})

describe('lock tickets', () => {
  const now = () => new FakeEnvironment()

  async function storeWith(objects: Record<string, string>): Promise<MemoryStore> {
    const store = new MemoryStore()
    for (const [key, body] of Object.entries(objects)) await store.put(key, utf8Encode(body))
    return store
  }

  test('strange names beside them are none, and are never deleted', async () => {
    const strange = ['db.lock.', 'db.lock.0123456789abc', 'db.lock.0123456789abc-2', 'db.lock.0123456789ABC-0', 'db.lock.0123456789abc-0/x', 'db.lock./../0123456789abc-0', 'db.lock.__proto__-0', 'db.lock.0123456789abcd-0', 'db.lock.0123456789abc-00', 'dbxlock.0123456789abc-0', 'db.lock.0123456789abc-0\n']
    const store = await storeWith(Object.fromEntries(strange.map((key) => [key, '1'])))
    expect(await listLocks(store, 'db')).toEqual([])
    const lock = await acquireLock(store, 'db', { environment: now(), timeout: 0 })
    await lock.release()
    await breakLocks(store, 'db', { which: 'all', environment: now() })
    for (const key of strange) expect((await store.head(key)).status, key).toBe('ok')
  })

  test.each(['2', '', '01', 'x'.repeat(1 << 20), '1\n', '\u0000'])('a body that is no mode is an error, and can be broken (%#)', async (body) => {
    const store = await storeWith({ 'db.lock.0123456789abc-0': body, 'db.lock.0123456789abc-1': body })
    await expect(acquireLock(store, 'db', { environment: now(), timeout: 0 })).rejects.toBeInstanceOf(ForeignTicketError)
    expect(await listLocks(store, 'db')).toHaveLength(1)
    await breakLocks(store, 'db', { which: 'all', environment: now() })
    await (await acquireLock(store, 'db', { environment: now(), timeout: 0 })).release()
  })

  test('facts of a holder that are huge or name prototypes only make a message', async () => {
    const store = new MemoryStore()
    for (const part of [0, 1]) store.bucket.write(`db.lock.0123456789abc-${part}`, utf8Encode('1'), Object.assign(Object.create(null) as Record<string, string>, { owner: 'o'.repeat(1e5), host: '\u001b[2J', __proto__: 'x' }))
    await expect(acquireLock(withRetry(store), 'db', { environment: now(), timeout: 0 })).rejects.toBeInstanceOf(EbookletError)
  })
})
