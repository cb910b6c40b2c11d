import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ClosedError, EbookletError } from '../../src/base/error.js'
import {
  BucketNotFoundError,
  PreconditionFailedError,
  ResponseTooLargeError,
  UnsupportedKeyError,
} from '../../src/store/errors.js'
import { compareKeys } from '../../src/store/keys.js'
import type { GetResult, ListedObject, ObjectStore } from '../../src/store/object-store.js'
import { largeObjects } from './conformance-large.js'

/** One bucket for the whole suite; every test works under a prefix of its own. */
export interface ConformanceBucket {
  /** A new handle of the same bucket. */
  open(): ObjectStore
  /** A handle of a bucket that doesn't exist; see `missingBuckets`. */
  missing?(): ObjectStore
  dispose?(): Promise<void>
}

export interface ConformanceFeatures {
  /** The bucket keeps versions and delete markers. Default false. */
  versions?: boolean
  /** The store honours If-None-Match and If-Match of a PUT. Default true. */
  conditionalPut?: boolean
  /** The store takes objects by parts. Default true. */
  parts?: boolean
  /** The store honours the conditions of a PUT when an upload by parts is completed, too. Default as `conditionalPut`. */
  conditionalComplete?: boolean
  /** The store honours the condition of a copy before it writes. Default true. */
  conditionalCopy?: boolean
  /** There can be a bucket that doesn't exist. Default true. */
  missingBuckets?: boolean
  /** Keys that the store refuses (it must refuse them typed, before anything is sent). Default none. */
  refuses?: (key: string) => boolean
  /** How many objects the paging test makes. Default 1203: more than one page of S3. */
  pagingObjects?: number
}

/* Tests of what a store doesn't have are not there, rather than skipped: a skip says that something was left out. */
const describeIf = (has: boolean) => (has ? describe : () => undefined)
const testIf = (has: boolean) => (has ? test : () => undefined)

const text = (value: string) => new TextEncoder().encode(value)
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** Keys that careless code joins, normalises, decodes or escapes into another key. */
export const EXOTIC_KEYS = [
  '.', '..', './x', '../x', 'x/../y', 'x/./y', 'x/..', 'x/.', 'a//b', 'a/b', '/lead', '//lead', 'trail/', 'trail//', 'trail',
  '%41', 'A', 'a', '%2F', '%2f', '%', '%%', '%zz', 'q?x#y', 'q', 'a b', 'a+b', 'a%20b', ' lead', 'end ', '+', '&amp;', '<&>"\'', ']]>',
  'é', 'e\u0301', 'ключ', '鍵', '🔑', '\u{10ffff}', '\uffee', 'a\tb', 'a\nb', 'a\rb', 'a\r\nb', '\u0001', '\u001f', '\u007f', '\u0085', '\u2028',
  'a:b', 'a|b', 'a*b', 'a\\b', 'con', 'NUL', 'aux.txt', 'com1', '~', '$x', "it's", '(x)', 'x!', '@x', ',', ';', '=', 'x=1&y=2', '[x]', '{x}', '^', '`',
  'UPPER', 'upper', 'x.o', 'x.d', 'x.d/y', 'x', 'x/y', 'x.c', '__proto__', 'constructor', 'uploads', '?versions', '?delete', '?list-type=2',
] as const

/** The behaviour that every object store and every wrapper of one has. */
export function objectStoreConformance(name: string, factory: () => Promise<ConformanceBucket>, features: ConformanceFeatures = {}): void {
  describe(`object store conformance: ${name}`, () => {
    const context = new Context(features)
    beforeAll(() => context.start(factory))
    afterAll(() => context.stop())
    reading(context)
    writing(context)
    metadata(context)
    keys(context)
    conditions(context)
    listing(context)
    deleting(context)
    versions(context)
    copying(context)
    largeObjects(context)
    failing(context)
    closing(context)
  })
}

class Context {
  store!: ObjectStore
  bucket!: ConformanceBucket
  #prefixes = 0
  readonly #run = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`
  constructor(readonly features: ConformanceFeatures) {}

  async start(factory: () => Promise<ConformanceBucket>) {
    this.bucket = await factory()
    this.store = this.bucket.open()
  }

  async stop() {
    await this.store?.close()
    await this.bucket?.dispose?.()
  }

  /** A prefix that no other test uses. */
  prefix(): string {
    return `${this.#run}-${this.#prefixes++}/`
  }

  async body(key: string, store = this.store): Promise<string | undefined> {
    const result = await store.get(key)
    return result.status === 'ok' ? new TextDecoder().decode(result.bytes) : undefined
  }

  async list(prefix: string, options?: { startAfter?: string }): Promise<ListedObject[]> {
    const out: ListedObject[] = []
    for await (const object of this.store.list(prefix, options)) out.push(object)
    return out
  }

  keyTest(key: string): boolean {
    return !(this.features.refuses?.(key) ?? false)
  }
}

function ok(result: GetResult) {
  if (result.status !== 'ok') throw new Error(`expected the object, got ${result.status}`)
  return result
}

function reading(c: Context) {
  describe('get and head', () => {
    const body = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)

    test('gives back the bytes and the facts', async () => {
      const key = `${c.prefix()}k`
      const before = Date.now()
      const put = await c.store.put(key, body)
      const got = ok(await c.store.get(key))
      expect(got.bytes).toEqual(body)
      expect(got.offset).toBe(0)
      expect(got.info.size).toBe(1000)
      expect(got.info.etag).toBe(put.etag)
      expect(got.info.etag).not.toMatch(/["]|^W\//)
      expect(Math.abs((got.info.lastModified ?? 0) - before)).toBeLessThan(60_000)
      const head = await c.store.head(key)
      expect(head).toEqual({ status: 'ok', info: got.info })
    })

    test('an object that is missing', async () => {
      const key = `${c.prefix()}missing`
      expect(await c.store.get(key)).toEqual({ status: 'missing' })
      expect(await c.store.get(key, { range: { offset: 0, length: 1 } })).toEqual({ status: 'missing' })
      expect(await c.store.head(key)).toEqual({ status: 'missing' })
    })

    test('an empty object is an object', async () => {
      const key = `${c.prefix()}empty`
      await c.store.put(key, new Uint8Array())
      const got = ok(await c.store.get(key))
      expect(got.bytes.length).toBe(0)
      expect(got.info.size).toBe(0)
      expect(await c.store.head(key)).toMatchObject({ status: 'ok', info: { size: 0 } })
      expect(await c.store.get(key, { range: { offset: 0, length: 1 } })).toEqual({ status: 'range-not-satisfiable' })
    })

    test.each([
      ['first byte', 0, 1, 0, 1],
      ['middle', 100, 250, 100, 350],
      ['whole', 0, 1000, 0, 1000],
      ['last byte', 999, 1, 999, 1000],
      ['past the end', 990, 100, 990, 1000],
      ['from 0 past the end', 0, 5000, 0, 1000],
      ['far past the end', 999, 2 ** 40, 999, 1000],
    ])('range: %s', async (_, offset, length, start, end) => {
      const key = `${c.prefix()}range`
      await c.store.put(key, body)
      const got = ok(await c.store.get(key, { range: { offset, length } }))
      // A store may answer with the whole object; then it says so.
      if (got.offset === 0 && got.bytes.length === 1000) expect(got.bytes).toEqual(body)
      else {
        expect(got.offset).toBe(start)
        expect(got.bytes).toEqual(body.subarray(start, end))
      }
      expect(got.info.size).toBe(1000)
    })

    test.each([1000, 1001, 2 ** 40])('a range from %i on is not satisfiable', async (offset) => {
      const key = `${c.prefix()}range`
      await c.store.put(key, body)
      expect(await c.store.get(key, { range: { offset, length: 10 } })).toEqual({ status: 'range-not-satisfiable' })
      expect(await c.body(key)).toBeDefined()
    })

    test.each([
      { offset: -1, length: 1 },
      { offset: 0, length: 0 },
      { offset: 0.5, length: 1 },
      { offset: NaN, length: 1 },
      { offset: 0, length: Infinity },
    ])('a range that makes no sense is refused: %j', async (range) => {
      await expect(c.store.get(`${c.prefix()}x`, { range })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test('not modified', async () => {
      const key = `${c.prefix()}k`
      const first = await c.store.put(key, text('one'))
      expect(await c.store.get(key, { ifNoneMatch: first.etag })).toEqual({ status: 'not-modified' })
      expect(await c.store.head(key, { ifNoneMatch: first.etag })).toEqual({ status: 'not-modified' })
      await c.store.put(key, text('two!'))
      expect(ok(await c.store.get(key, { ifNoneMatch: first.etag })).bytes).toEqual(text('two!'))
      expect((await c.store.head(key, { ifNoneMatch: first.etag })).status).toBe('ok')
    })

    test('maxBytes', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, body)
      expect(ok(await c.store.get(key, { maxBytes: 1000 })).bytes.length).toBe(1000)
      await expect(c.store.get(key, { maxBytes: 999 })).rejects.toBeInstanceOf(ResponseTooLargeError)
      expect(ok(await c.store.get(key, { range: { offset: 10, length: 20 }, maxBytes: 20 })).bytes).toEqual(body.subarray(10, 30))
    })

    test('what was read can be changed without changing the object', async () => {
      const key = `${c.prefix()}k`
      const own = text('abc')
      await c.store.put(key, own)
      own[0] = 0
      ok(await c.store.get(key)).bytes.fill(0)
      expect(await c.body(key)).toBe('abc')
    })
  })
}

function writing(c: Context) {
  describe('put', () => {
    test('overwrites', async () => {
      const key = `${c.prefix()}k`
      const one = await c.store.put(key, text('a longer first one'), { metadata: { a: '1', b: '2' } })
      const two = await c.store.put(key, text('two'), { metadata: { a: '3' } })
      expect(two.etag).not.toBe(one.etag)
      const got = ok(await c.store.get(key))
      expect(got.bytes).toEqual(text('two'))
      expect(got.info.metadata).toEqual({ a: '3' })
    })

    test('bytes of every value, and a larger body', async () => {
      const key = `${c.prefix()}k`
      const body = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 7 + (i >> 8)) & 255)
      await c.store.put(key, body)
      const got = ok(await c.store.get(key))
      expect(md5(got.bytes)).toBe(md5(body))
      const part = ok(await c.store.get(key, { range: { offset: 1_234_567, length: 1_000_000 } }))
      expect(md5(part.bytes)).toBe(md5(body.subarray(1_234_567, 2_234_567)))
    })

    test('a view of a larger buffer is written alone', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('xxabcxx').subarray(2, 5))
      expect(await c.body(key)).toBe('abc')
    })

    test('readers never see a torn object', async () => {
      const key = `${c.prefix()}k`
      const size = 200_000
      const write = (fill: number) => c.store.put(key, new Uint8Array(size + fill).fill(fill), { metadata: { fill: String(fill) } })
      await write(1)
      let done = false
      const check = async () => {
        while (!done) {
          const got = ok(await c.store.get(key))
          const fill = got.bytes[0] ?? -1
          expect(got.bytes.length).toBe(size + fill)
          expect(got.bytes.every((byte) => byte === fill)).toBe(true)
          expect(got.info.metadata.fill).toBe(String(fill))
          expect(got.info.size).toBe(size + fill)
        }
      }
      const readers = [check(), check(), check()]
      try {
        for (let fill = 2; fill < 22; fill++) await write(fill)
      } finally {
        done = true
      }
      await Promise.all(readers)
    })
  })
}

function metadata(c: Context) {
  describe('user metadata', () => {
    test('round trip; a dash is read as an underscore', async () => {
      const key = `${c.prefix()}k`
      const values = { timestamp: '1700000000000000', init_bytes: 'AA==', 'with-dash': 'x  y', a_b_c: `~!@#$%^&*()_+{}|:"<>?'`, n1: '0' }
      await c.store.put(key, text('x'), { metadata: values, contentType: 'application/octet-stream' })
      const { 'with-dash': dash, ...rest } = values
      const expected = { ...rest, with_dash: dash }
      expect(ok(await c.store.get(key)).info.metadata).toEqual(expected)
      expect(await c.store.head(key)).toMatchObject({ info: { metadata: expected } })
      expect(ok(await c.store.get(key, { range: { offset: 0, length: 1 } })).info.metadata).toEqual(expected)
    })

    test('none', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('x'))
      expect(ok(await c.store.get(key)).info.metadata).toEqual({})
    })

    test('a name of the object prototype is only a name', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('x'))
      expect(ok(await c.store.get(key)).info.metadata.constructor).toBeUndefined()
    })

    test.each([
      ['name in upper case', { Name: 'x' }],
      ['name with a colon', { 'a:b': 'x' }],
      ['value that is not ASCII', { a: 'é' }],
      ['value with a line break', { a: 'x\r\nx-evil: 1' }],
      ['value with a space at its end', { a: 'x ' }],
      ['names that differ by a dash', { a_b: '1', 'a-b': '2' }],
      ['too much', { a: 'x'.repeat(2048) }],
    ])('refused: %s', async (_, bad) => {
      const key = `${c.prefix()}k`
      await expect(c.store.put(key, text('x'), { metadata: bad })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect((await c.store.head(key)).status).toBe('missing')
    })
  })
}

function keys(c: Context) {
  describe('keys are exact', () => {
    test('each exotic key names an object of its own', async () => {
      const prefix = c.prefix()
      const wanted: string[] = []
      for (const exotic of EXOTIC_KEYS) {
        const key = prefix + exotic
        if (!c.keyTest(key)) {
          await expect(c.store.put(key, text('x')), key).rejects.toBeInstanceOf(UnsupportedKeyError)
          await expect(c.store.get(key), key).rejects.toBeInstanceOf(UnsupportedKeyError)
          continue
        }
        expect(await c.store.head(key), `${JSON.stringify(key)} collides`).toEqual({ status: 'missing' })
        await c.store.put(key, text(exotic))
        wanted.push(key)
      }
      for (const key of wanted) expect(await c.body(key), JSON.stringify(key)).toBe(key.slice(prefix.length))
      expect((await c.list(prefix)).map((object) => object.key)).toEqual([...wanted].sort(compareKeys))
      for (const key of wanted) {
        expect((await c.list(key)).map((object) => object.key), JSON.stringify(key)).toEqual(
          wanted.filter((other) => other.startsWith(key)).sort(compareKeys),
        )
      }
      const half = wanted.filter((_, i) => i % 2 === 0)
      expect(await c.store.delete(half.map((key) => ({ key })))).toEqual({ failures: [] })
      for (const key of wanted) expect(await c.body(key), JSON.stringify(key)).toBe(half.includes(key) ? undefined : key.slice(prefix.length))
      const rest = wanted.filter((key) => !half.includes(key))
      expect(await c.store.delete(rest.map((key) => ({ key })))).toEqual({ failures: [] })
      expect(await c.list(prefix)).toEqual([])
    })

    test('a leading slash or dots at the very start of the key', async () => {
      const tail = c.prefix()
      const wanted = [`/${tail}`, `//${tail}`, `../${tail}`, `./${tail}`, tail, `%2F${tail}`].filter((key) => c.keyTest(key))
      for (const key of wanted) await c.store.put(key, text(key))
      for (const key of wanted) expect(await c.body(key)).toBe(key)
      await c.store.delete(wanted.map((key) => ({ key })))
      for (const key of wanted) expect(await c.body(key)).toBeUndefined()
    })

    test.each([
      ['ASCII', 'k'],
      ['upper case', 'K'],
      ['two bytes', 'é'],
      ['four bytes', '🔑'],
      ['segments', 'ab/'],
    ])('keys of 1024 bytes: %s', async (_, unit) => {
      const prefix = c.prefix()
      const room = 1024 - prefix.length
      const size = new TextEncoder().encode(unit).length
      const key = prefix + unit.repeat(Math.floor(room / size)) + 'x'.repeat(room % size)
      expect(new TextEncoder().encode(key).length).toBe(1024)
      if (!c.keyTest(key)) {
        await expect(c.store.put(key, text('x'))).rejects.toBeInstanceOf(UnsupportedKeyError)
        return
      }
      await c.store.put(key, text('long'))
      expect(await c.body(key)).toBe('long')
      expect((await c.list(prefix)).map((object) => object.key)).toEqual([key])
      await c.store.delete([{ key }])
    })

    test.each([
      ['empty', ''],
      ['1025 bytes', 'k'.repeat(1025)],
      ['1025 bytes of UTF-8', `${'é'.repeat(512)}k`],
      ['a lone surrogate', 'a\ud800b'],
    ])('refused: %s', async (_, key) => {
      await expect(c.store.put(key, text('x'))).rejects.toBeInstanceOf(UnsupportedKeyError)
      await expect(c.store.get(key)).rejects.toBeInstanceOf(UnsupportedKeyError)
      await expect(c.store.head(key)).rejects.toBeInstanceOf(UnsupportedKeyError)
      await expect(c.store.delete([{ key }])).rejects.toBeInstanceOf(UnsupportedKeyError)
      await expect(c.store.copy(key, 'x')).rejects.toBeInstanceOf(UnsupportedKeyError)
      await expect(c.store.copy('x', key)).rejects.toBeInstanceOf(UnsupportedKeyError)
    })
  })
}

function conditions(c: Context) {
  describeIf(c.features.conditionalPut ?? true)('conditional put', () => {
    test('If-None-Match writes only what is missing', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('one'), { ifNoneMatch: '*' })
      await expect(c.store.put(key, text('two'), { ifNoneMatch: '*' })).rejects.toBeInstanceOf(PreconditionFailedError)
      expect(await c.body(key)).toBe('one')
      await c.store.delete([{ key }])
      await c.store.put(key, text('three'), { ifNoneMatch: '*' })
      expect(await c.body(key)).toBe('three')
    })

    test('If-Match writes only over the state that was seen', async () => {
      const key = `${c.prefix()}k`
      const one = await c.store.put(key, text('one'))
      const two = await c.store.put(key, text('two'), { ifMatch: one.etag })
      await expect(c.store.put(key, text('three'), { ifMatch: one.etag })).rejects.toBeInstanceOf(PreconditionFailedError)
      expect(await c.body(key)).toBe('two')
      await c.store.put(key, text('four'), { ifMatch: two.etag })
      expect(await c.body(key)).toBe('four')
    })

    test('If-Match on a missing object', async () => {
      const key = `${c.prefix()}k`
      await expect(c.store.put(key, text('x'), { ifMatch: md5(text('x')) })).rejects.toBeInstanceOf(PreconditionFailedError)
      expect((await c.store.head(key)).status).toBe('missing')
    })

    test('an error names the key', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('x'))
      await expect(c.store.put(key, text('y'), { ifNoneMatch: '*' })).rejects.toMatchObject({ key, store: expect.any(String) as string })
    })

    test('conditions that make no sense are refused', async () => {
      const key = `${c.prefix()}k`
      await expect(c.store.put(key, text('x'), { ifMatch: 'a', ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(c.store.put(key, text('x'), { ifMatch: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(c.store.put(key, text('x'), { ifMatch: 'a"\r\nx: y' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test.each(['If-None-Match', 'If-Match'])('a race of %s has one winner', async (kind) => {
      for (let round = 0; round < 5; round++) {
        const key = `${c.prefix()}k`
        const first = kind === 'If-Match' ? await c.store.put(key, text('start')) : undefined
        const racers = Array.from({ length: 8 }, async (_, i) => {
          const condition = first ? { ifMatch: first.etag } : { ifNoneMatch: '*' as const }
          const put = await c.store.put(key, text(`racer ${i}`), condition)
          return { i, put }
        })
        const results = await Promise.allSettled(racers)
        const winners = results.filter((result) => result.status === 'fulfilled')
        expect(winners.length).toBe(1)
        expect(await c.body(key)).toBe(`racer ${winners[0]?.value.i}`)
        for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(EbookletError)
      }
    })
  })
}

function listing(c: Context) {
  describe('list', () => {
    test('facts', async () => {
      const prefix = c.prefix()
      const put = await c.store.put(`${prefix}k`, text('abc'), { metadata: { a: 'b' } })
      const [object] = await c.list(prefix)
      expect(object).toMatchObject({ key: `${prefix}k`, size: 3, etag: put.etag })
      expect(Math.abs((object?.lastModified ?? 0) - Date.now())).toBeLessThan(60_000)
      expect(await c.list(`${prefix}nothing`)).toEqual([])
    })

    test('a prefix is exact: neither shorter nor longer nor a pattern', async () => {
      const prefix = c.prefix()
      for (const tail of ['db', 'db.lock.x', 'db/1.a', 'db/10.a', 'db/1', 'db2', 'dB', 'db/', 'd']) await c.store.put(prefix + tail, text('x'))
      const under = async (p: string) => (await c.list(prefix + p)).map((object) => object.key.slice(prefix.length))
      expect(await under('db')).toEqual(['db', 'db.lock.x', 'db/', 'db/1', 'db/1.a', 'db/10.a', 'db2'])
      expect(await under('db/')).toEqual(['db/', 'db/1', 'db/1.a', 'db/10.a'])
      expect(await under('db/1')).toEqual(['db/1', 'db/1.a', 'db/10.a'])
      expect(await under('db/1.')).toEqual(['db/1.a'])
      expect(await under('d?')).toEqual([])
      expect(await under('*')).toEqual([])
    })

    test('more than a page, in order, and from the middle', async () => {
      const prefix = c.prefix()
      const count = c.features.pagingObjects ?? 1203
      const wanted = Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(5, '0')}`)
      for (let at = 0; at < count; at += 32) await Promise.all(wanted.slice(at, at + 32).map((key) => c.store.put(key, text('x'))))
      expect((await c.list(prefix)).map((object) => object.key)).toEqual(wanted)
      const middle = Math.floor(count / 2)
      const startAfter = wanted[middle] ?? ''
      expect((await c.list(prefix, { startAfter })).map((object) => object.key)).toEqual(wanted.slice(middle + 1))
      expect((await c.list(prefix, { startAfter: `${startAfter}!` })).map((object) => object.key)).toEqual(wanted.slice(middle + 1))
      const seen: string[] = []
      for await (const version of c.store.listVersions(prefix)) {
        expect(version).toMatchObject({ isLatest: true, isDeleteMarker: false })
        seen.push(version.key)
      }
      expect(seen).toEqual(wanted)
      expect(await c.store.delete(wanted.map((key) => ({ key })))).toEqual({ failures: [] })
      expect(await c.list(prefix)).toEqual([])
    })

    test('can be left early', async () => {
      const prefix = c.prefix()
      for (const tail of ['a', 'b', 'c']) await c.store.put(prefix + tail, text('x'))
      for await (const object of c.store.list(prefix)) {
        expect(object.key).toBe(`${prefix}a`)
        break
      }
      expect((await c.list(prefix)).length).toBe(3)
    })
  })
}

function deleting(c: Context) {
  describe('delete', () => {
    test('one, several, missing ones, none', async () => {
      const prefix = c.prefix()
      for (const tail of ['a', 'b', 'c']) await c.store.put(prefix + tail, text(tail))
      expect(await c.store.delete([])).toEqual({ failures: [] })
      expect(await c.store.delete([{ key: `${prefix}a` }])).toEqual({ failures: [] })
      expect(await c.store.delete([{ key: `${prefix}a` }])).toEqual({ failures: [] })
      expect(await c.store.delete([{ key: `${prefix}a` }, { key: `${prefix}b` }, { key: `${prefix}never` }])).toEqual({ failures: [] })
      expect((await c.list(prefix)).map((object) => object.key)).toEqual([`${prefix}c`])
      expect(await c.store.get(`${prefix}b`)).toEqual({ status: 'missing' })
    })

    test('a deleted object can be written again', async () => {
      const key = `${c.prefix()}a/b/c`
      for (const round of ['1', '2', '3']) {
        await c.store.put(key, text(round))
        expect(await c.body(key)).toBe(round)
        await c.store.delete([{ key }])
        expect(await c.body(key)).toBeUndefined()
      }
    })

    test('writers and deleters of neighbours do not disturb one another', async () => {
      const prefix = c.prefix()
      await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          for (let round = 0; round < 6; round++) {
            await c.store.put(`${prefix}deep/er/${i}`, text(`${i}`))
            expect(await c.body(`${prefix}deep/er/${i}`)).toBe(`${i}`)
            await c.store.delete([{ key: `${prefix}deep/er/${i}` }])
          }
        }),
      )
      expect(await c.list(prefix)).toEqual([])
    })
  })
}

function versions(c: Context) {
  const all = async (prefix: string) => {
    const out = []
    for await (const version of c.store.listVersions(prefix)) out.push(version)
    return out
  }

  describeIf(!(c.features.versions ?? false))('without versions', () => {
    test('each object is its own latest version', async () => {
      const prefix = c.prefix()
      await c.store.put(`${prefix}k`, text('one'))
      const put = await c.store.put(`${prefix}k`, text('two'))
      const seen = await all(prefix)
      expect(seen.length).toBe(1)
      expect(seen[0]).toMatchObject({ key: `${prefix}k`, size: 3, etag: put.etag, isLatest: true, isDeleteMarker: false })
      // Whatever the version is called here, deleting by it works.
      expect(await c.store.delete(seen.map(({ key, versionId }) => ({ key, versionId })))).toEqual({ failures: [] })
      expect(await all(prefix)).toEqual([])
    })
  })

  describeIf(c.features.versions ?? false)('versions', () => {
    test('are listed newest first, with delete markers', async () => {
      const prefix = c.prefix()
      const one = await c.store.put(`${prefix}k`, text('one'))
      const two = await c.store.put(`${prefix}k`, text('two!'))
      expect(one.versionId).toBeDefined()
      expect(two.versionId).not.toBe(one.versionId)
      expect(ok(await c.store.get(`${prefix}k`)).info.versionId).toBe(two.versionId)
      await c.store.delete([{ key: `${prefix}k` }])
      await c.store.put(`${prefix}l`, text('l'))
      const seen = await all(prefix)
      expect(seen.map(({ key, isLatest, isDeleteMarker }) => [key.slice(prefix.length), isLatest, isDeleteMarker])).toEqual([
        ['k', true, true],
        ['k', false, false],
        ['k', false, false],
        ['l', true, false],
      ])
      expect(seen[1]).toMatchObject({ versionId: two.versionId, size: 4, etag: two.etag })
      expect(seen[2]).toMatchObject({ versionId: one.versionId, size: 3, etag: one.etag })
      expect((await c.list(prefix)).map((object) => object.key)).toEqual([`${prefix}l`])
      expect(await c.store.get(`${prefix}k`)).toEqual({ status: 'missing' })
      expect(await c.store.head(`${prefix}k`)).toEqual({ status: 'missing' })
    })

    test('deleting a version for good', async () => {
      const key = `${c.prefix()}k`
      const one = await c.store.put(key, text('one'))
      const two = await c.store.put(key, text('two'))
      await c.store.delete([{ key }])
      const marker = (await all(key)).find((version) => version.isDeleteMarker)
      expect(await c.store.delete([{ key, versionId: marker?.versionId }, { key, versionId: one.versionId }])).toEqual({ failures: [] })
      expect(await c.body(key)).toBe('two')
      expect(await c.store.delete([{ key, versionId: two.versionId }])).toEqual({ failures: [] })
      expect(await all(key)).toEqual([])
    })

    test('a conditional put looks at the latest version only', async () => {
      const key = `${c.prefix()}k`
      await c.store.put(key, text('one'))
      await c.store.delete([{ key }])
      await c.store.put(key, text('two'), { ifNoneMatch: '*' })
      expect(await c.body(key)).toBe('two')
    })

    test('many versions of one key go over pages', async () => {
      const prefix = c.prefix()
      const wanted: (string | undefined)[] = []
      for (let i = 0; i < 40; i++) wanted.push((await c.store.put(`${prefix}k`, text(`${i}`))).versionId)
      await c.store.put(`${prefix}l`, text('l'))
      const seen = await all(prefix)
      expect(seen.filter((version) => version.key.endsWith('k')).map((version) => version.versionId)).toEqual(wanted.reverse())
      const after = []
      for await (const version of c.store.listVersions(prefix, { startAfter: `${prefix}k` })) after.push(version.key)
      expect(after).toEqual([`${prefix}l`])
    })
  })
}

function copying(c: Context) {
  describe('copy', () => {
    test('keeps bytes and metadata', async () => {
      const prefix = c.prefix()
      const put = await c.store.put(`${prefix}from`, text('abc'), { metadata: { init_bytes: 'x', timestamp: '5' } })
      const copied = await c.store.copy(`${prefix}from`, `${prefix}to`)
      expect(copied.status).toBe('ok')
      const got = ok(await c.store.get(`${prefix}to`))
      expect(got.bytes).toEqual(text('abc'))
      expect(got.info.metadata).toEqual({ init_bytes: 'x', timestamp: '5' })
      if (copied.status === 'ok') expect(copied.etag).toBe(got.info.etag)
      expect(await c.store.copy(`${prefix}from`, `${prefix}to`, { ifSourceMatch: put.etag })).toMatchObject({ status: 'ok' })
    })

    test('a missing source, a changed source', async () => {
      const prefix = c.prefix()
      expect(await c.store.copy(`${prefix}from`, `${prefix}to`)).toEqual({ status: 'missing' })
      const old = await c.store.put(`${prefix}from`, text('one'))
      await c.store.put(`${prefix}from`, text('two'))
      await expect(c.store.copy(`${prefix}from`, `${prefix}to`, { ifSourceMatch: old.etag })).rejects.toBeInstanceOf(PreconditionFailedError)
      if (c.features.conditionalCopy ?? true) expect(await c.store.get(`${prefix}to`)).toEqual({ status: 'missing' })
    })

    test('exotic keys on both sides', async () => {
      const prefix = c.prefix()
      for (const exotic of ['../x', 'a//b', '%41', 'q?x#y', 'a+b c', 'ключ🔑', '.', 'x&y=z']) {
        const from = prefix + exotic
        const to = `${prefix}to/${exotic}`
        if (!c.keyTest(from) || !c.keyTest(to)) continue
        await c.store.put(from, text(exotic))
        expect(await c.store.copy(from, to)).toMatchObject({ status: 'ok' })
        expect(await c.body(to)).toBe(exotic)
      }
    })
  })
}

function failing(c: Context) {
  describe('what goes wrong', () => {
    test('a signal that has aborted stops everything, with its reason', async () => {
      const key = `${c.prefix()}k`
      const reason = new Error('stop it')
      const signal = AbortSignal.abort(reason)
      await expect(c.store.get(key, { signal })).rejects.toBe(reason)
      await expect(c.store.head(key, { signal })).rejects.toBe(reason)
      await expect(c.store.put(key, text('x'), { signal })).rejects.toBe(reason)
      await expect(c.store.delete([{ key }], { signal })).rejects.toBe(reason)
      await expect(c.store.copy(key, `${key}2`, { signal })).rejects.toBe(reason)
      await expect(drain(c.store.list(key, { signal }))).rejects.toBe(reason)
      await expect(drain(c.store.listVersions(key, { signal }))).rejects.toBe(reason)
      expect(await c.store.get(key)).toEqual({ status: 'missing' })
    })

    test('a signal stops a call under way, and the store works on', async () => {
      const prefix = c.prefix()
      const body = new Uint8Array(2_000_000)
      await c.store.put(`${prefix}k`, body)
      for (let i = 0; i < 5; i++) {
        const controller = new AbortController()
        const reason = new Error(`stop ${i}`)
        const reads = Array.from({ length: 4 }, () => c.store.get(`${prefix}k`, { signal: controller.signal }))
        const settled = Promise.allSettled(reads)
        await new Promise((resolve) => setTimeout(resolve, i))
        controller.abort(reason)
        for (const result of await settled) {
          if (result.status === 'rejected') expect(result.reason).toBe(reason)
          else expect(ok(result.value).bytes.length).toBe(body.length)
        }
      }
      expect(ok(await c.store.get(`${prefix}k`)).bytes.length).toBe(body.length)
    })

    testIf(c.features.missingBuckets ?? true)('a bucket that is missing', async () => {
      if (c.bucket.missing === undefined) throw new Error('the suite needs a bucket that is missing')
      const missing = c.bucket.missing()
      await expect(missing.get('k')).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(missing.head('k')).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(missing.put('k', text('x'))).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(drain(missing.list(''))).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(missing.delete([{ key: 'k' }])).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(missing.delete([{ key: 'k' }, { key: 'l' }])).rejects.toBeInstanceOf(BucketNotFoundError)
      await expect(missing.copy('k', 'l')).rejects.toBeInstanceOf(BucketNotFoundError)
      await missing.close()
    })
  })
}

function closing(c: Context) {
  describe('close', () => {
    test('twice, and everything afterwards is a ClosedError', async () => {
      const store = c.bucket.open()
      expect(store.writable).toBe(true)
      const key = `${c.prefix()}k`
      await store.put(key, text('x'))
      await store.close()
      await store.close()
      await expect(store.get(key)).rejects.toBeInstanceOf(ClosedError)
      await expect(store.head(key)).rejects.toBeInstanceOf(ClosedError)
      await expect(store.put(key, text('y'))).rejects.toBeInstanceOf(ClosedError)
      await expect(store.delete([{ key }])).rejects.toBeInstanceOf(ClosedError)
      await expect(store.copy(key, `${key}2`)).rejects.toBeInstanceOf(ClosedError)
      await expect(drain(store.list(''))).rejects.toBeInstanceOf(ClosedError)
      await expect(drain(store.listVersions(''))).rejects.toBeInstanceOf(ClosedError)
      expect(await c.body(key)).toBe('x')
    })

    test('ends calls under way', async () => {
      const store = c.bucket.open()
      const key = `${c.prefix()}k`
      await store.put(key, new Uint8Array(1_000_000))
      const reads = Promise.allSettled(Array.from({ length: 20 }, () => store.get(key)))
      await store.close()
      for (const result of await reads) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ClosedError)
        else expect(ok(result.value).bytes.length).toBe(1_000_000)
      }
    })
  })
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items) void _
}
