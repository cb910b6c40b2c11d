/** Values that a schema types and checks: zod, valibot and arktype, on files and databases. */
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { openBooklet, type Booklet } from '../../src/booklet/index.js'
import { MemoryStore, openEbooklet, StoreConnection, type Ebooklet } from '../../src/index.js'
import { Bench, directoryKind, embeddedKind, memoryKind } from '../database/remotes.js'
import { all } from '../map/workers.js'

/** The same schema three times: a string, and a number of which there is a default. */
const schemas = {
  zod: z.object({ name: z.string(), age: z.number().default(18) }),
  valibot: v.object({ name: v.string(), age: v.optional(v.number(), 18) }),
  arktype: type({ name: 'string', age: 'number = 18' }),
}
interface Person {
  name: string
  age: number
}
interface PersonInput {
  name: string
  age?: number | undefined
}

function failureOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

describe.each(Object.entries(schemas))('a file with a schema of %s', (_, schema) => {
  it('stores what the schema makes of a value', () => {
    using file = openBooklet(null, { schema })
    file.set('a', { name: 'Ada', age: 36 }).set('b', { name: 'Bob' })
    expect(file.get('b')).toEqual({ name: 'Bob', age: 18 })
    expect([...file.values()]).toContainEqual({ name: 'Ada', age: 36 })
    using untyped = openBooklet(file.toBytes())
    expect(untyped.get('b')).toEqual({ name: 'Bob', age: 18 })
  })

  it('refuses what does not fit, with key and issues, and changes nothing', () => {
    using file = openBooklet(null, { schema })
    file.set('a', { name: 'Ada' })
    const error = failureOf(() => file.set('a', { name: 5, age: 'x' } as never))
    expect(error).toMatchObject({ code: 'SCHEMA', key: 'a', operation: 'write' })
    const { issues, message } = error as { issues: { path?: unknown[]; message: string }[]; message: string }
    expect(issues.length).toBe(2)
    expect(issues[0]?.message).toEqual(expect.any(String))
    expect(message).toContain('"a"')
    expect(message).toContain('name')
    expect(() => file.set('new', undefined as never)).toThrow(expect.objectContaining({ code: 'SCHEMA' }))
    expect([...file.entries()]).toEqual([['a', { name: 'Ada', age: 18 }]])
  })

  it('checks what is read when asked: get, values, entries, forEach, map', async () => {
    using written = openBooklet<string, unknown>(null)
    written.set('good', { name: 'Gus', age: 1 }).set('old', { name: 'Oda' }).set('bad', { name: 7, age: 2 })
    const bytes = written.toBytes()
    using trusting = openBooklet(bytes, { flag: 'w', schema })
    expect(trusting.get('bad')).toEqual({ name: 7, age: 2 })
    using file = openBooklet(bytes, { flag: 'w', schema, validateReads: true })
    expect(file.get('good')).toEqual({ name: 'Gus', age: 1 })
    expect(file.get('old')).toEqual({ name: 'Oda', age: 18 })
    const bad = expect.objectContaining({ code: 'SCHEMA', key: 'bad', operation: 'read' }) as Error
    expect(() => file.get('bad')).toThrow(bad)
    expect(() => [...file.values()]).toThrow(bad)
    expect(() => [...file.entries()]).toThrow(bad)
    expect(() => file.forEach(() => undefined)).toThrow(bad)
    expect(file.getBytes('bad')?.length).toBeGreaterThan(0)
    expect(await all(file.map((key, { age }) => [key, age], { keys: ['old'], workers: 1 }))).toEqual([['old', 18]])
    await expect(all(file.map((key) => [key, 1], { workers: 1 }))).rejects.toMatchObject({ code: 'MAP', key: 'bad', cause: { code: 'SCHEMA', key: 'bad' } })
    expect(await all(trusting.map((key, value) => [key, typeof value.name], { keys: ['bad'], workers: 1 }))).toEqual([['bad', 'number']])
  })
})

describe.each([memoryKind, directoryKind, embeddedKind])('a database with a schema on $name', (kind) => {
  const schema = schemas.zod
  it('validates what is set, and what is read from others when asked', async () => {
    await using bench = await Bench.on(kind)
    {
      await using db = await bench.open<Person>(bench.freshPath(), { flag: 'c', numGroups: 3, schema })
      db.set('a', { name: 'Ada' } as Person)
      expect(() => db.set('a', { name: 1 } as never)).toThrow(expect.objectContaining({ code: 'SCHEMA', key: 'a' }))
      const good: [string, Person] = ['c', { name: 'Cid', age: 3 }]
      expect(() => db.update([good, ['d', { name: 4 } as never]])).toThrow(expect.objectContaining({ code: 'SCHEMA', key: 'd' }))
      expect([...db.keys()]).toEqual(['a'])
      expect(db.changes().size).toBe(1)
      await db.push()
      expect(await bench.contents()).toEqual({ a: { name: 'Ada', age: 18 } })
    }
    {
      await using other = await bench.open(bench.freshPath(), { flag: 'w' })
      other.set('bad', 'no person')
      await other.push()
    }
    await using db = await bench.open<Person>(bench.freshPath(), { schema, validateReads: true })
    expect(await db.get('a')).toEqual({ name: 'Ada', age: 18 })
    const bad = { code: 'SCHEMA', key: 'bad', operation: 'read' }
    await expect(db.get('bad')).rejects.toMatchObject(bad)
    await expect(db.getMany(['a', 'bad'])).rejects.toMatchObject(bad)
    await expect(all(db.entries())).rejects.toMatchObject(bad)
    await expect(all(db.values())).rejects.toMatchObject(bad)
    await expect(all(db.map((key) => [key, 1], { workers: 1 }))).rejects.toMatchObject({ code: 'MAP', key: 'bad', cause: bad })
    expect((await db.getBytes('bad'))?.length).toBeGreaterThan(0)
    await using trusting = await bench.open<Person>(bench.freshPath(), { schema })
    expect(await trusting.get('bad')).toBe('no person')
  })
})

describe('a schema', () => {
  it('may make another type of what is set, which is what is stored and read', () => {
    const schema = z.string().transform((text) => text.length)
    using file = openBooklet(null, { schema, valueSerializer: 'int4' })
    file.set('a', 'four')
    expect(file.get('a')).toBe(4)
    // Its output is no input of it.
    using strict = openBooklet(file.toBytes(), { schema, validateReads: true })
    expect(() => strict.get('a')).toThrow(expect.objectContaining({ code: 'SCHEMA', operation: 'read' }))
  })

  it('may give a value where there is none, but must give one', () => {
    using file = openBooklet(null, { schema: z.string().default('none') })
    file.set('a', undefined)
    expect(file.get('a')).toBe('none')
    using empty = openBooklet(null, { schema: z.string().optional() })
    expect(() => empty.set('a', undefined)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(empty.size).toBe(0)
  })

  it.each([
    ['zod', z.string().refine(async (text) => Promise.resolve(text !== ''))],
    ['valibot', v.pipeAsync(v.string(), v.checkAsync(async (text) => Promise.resolve(text !== '')))],
    ['a failing one', { '~standard': { version: 1 as const, vendor: 'test', validate: () => Promise.reject(new Error('unheard')) } }],
  ])('that is asynchronous is refused when a value is set: %s', (_, schema) => {
    using file = openBooklet<string, string>(null, { schema: schema })
    expect(() => file.set('a', 'x')).toThrow(expect.objectContaining({ code: 'ASYNC_SCHEMA', key: 'a' }))
    expect(file.size).toBe(0)
  })

  it('that throws is a SchemaError with what it threw', () => {
    const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: () => { throw new RangeError('bug') } } }
    using file = openBooklet(null, { schema })
    expect(failureOf(() => file.set('a', 1))).toMatchObject({ code: 'SCHEMA', key: 'a', issues: [], cause: { message: 'bug' }, message: expect.stringContaining('bug') })
  })

  it('tells a few of many issues', () => {
    using file = openBooklet(null, { schema: z.array(z.number()) })
    const error = failureOf(() => file.set('k'.repeat(5000), Array.from({ length: 1000 }, () => 'x') as never)) as Error & { issues: unknown[] }
    expect(error.issues.length).toBe(1000)
    expect(error.message).toContain('995 more')
    expect(error.message.length).toBeLessThan(1500)
  })

  it.each([[{}], [null], ['zod'], [{ '~standard': { version: 2, validate: () => ({ value: 1 }) } }], [{ '~standard': { version: 1 } }]])('that is none is refused before anything is opened: %j', async (schema) => {
    expect(() => openBooklet(null, { schema: schema as never })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    const store = new MemoryStore()
    await expect(openEbooklet(new StoreConnection(store, 'db.blt'), ':memory:', { flag: 'c', schema: schema as never })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await all(store.list(''))).toEqual([])
  })

  it('is needed by validateReads', () => {
    expect(() => openBooklet(null, { validateReads: true })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('the types of values', () => {
  it('follow from the schema: its output is read, its input is set', () => {
    const { zod, valibot, arktype } = schemas
    using fromZod = openBooklet(null, { schema: zod })
    expectTypeOf(fromZod).toEqualTypeOf<Booklet<string, Person, { name: string; age?: number | undefined }>>()
    using fromValibot = openBooklet(null, { schema: valibot, validateReads: true })
    expectTypeOf(fromValibot.get('a')).toEqualTypeOf<Person | undefined>()
    using fromArktype = openBooklet(null, { schema: arktype })
    expectTypeOf(fromArktype.get('a')).toEqualTypeOf<Person | undefined>()
    expectTypeOf<typeof fromArktype.set>().parameter(1).toExtend<PersonInput>()
    using lengths = openBooklet(null, { schema: z.string().transform((text) => text.length) })
    expectTypeOf<typeof lengths.set>().parameter(1).toEqualTypeOf<string>()
    expectTypeOf(lengths.get('a')).toEqualTypeOf<number | undefined>()
    // @ts-expect-error a number is no input of that schema
    expect(() => lengths.set('a', 5)).toThrow()
  })

  it('of databases do so too, and of what they map', async () => {
    await using db = await openEbooklet(new StoreConnection(new MemoryStore(), 'db.blt'), ':memory:', { flag: 'c', schema: schemas.zod, lockTiming: { settle: 1, poll: 1 } })
    expectTypeOf(db).toEqualTypeOf<Ebooklet<Person, { name: string; age?: number | undefined }>>()
    db.set('a', { name: 'Ada' })
    db.update([['b', { name: 'Bob', age: 3 }]])
    expect(await db.get('a')).toEqual({ name: 'Ada', age: 18 })
    const ages = db.map((key, person) => {
      expectTypeOf(person).toEqualTypeOf<Person>()
      return [key, person.age]
    })
    expectTypeOf(ages).toEqualTypeOf<AsyncGenerator<[string, number]>>()
    // @ts-expect-error a name is no number
    expect(() => db.set('a', { name: 5 })).toThrow()
  })

  it('stay what they were without one', () => {
    using file = openBooklet<string, number[]>(null)
    expectTypeOf(file).toEqualTypeOf<Booklet<string, number[]>>()
    const map: Map<string, number[]> = file
    expect(map.size).toBe(0)
    using untyped = openBooklet(null, { valueSerializer: 'json' })
    expectTypeOf(untyped.get('a')).toEqualTypeOf<unknown>()
  })
})
