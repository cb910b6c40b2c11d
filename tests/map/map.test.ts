/** `map` on a local file: what it gives, what it refuses, and what becomes of workers. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { tableFromArrays } from '@uwdata/flechette'
import { describe, expect, it, vi } from 'vitest'
import { openBooklet, openFixedBooklet, type ArrowTable, type Booklet, type MapFunction, type MapModule } from '../../src/booklet/index.js'
import type { SerializerName } from '../../src/serializers/index.js'
import { all, Workers } from './workers.js'

const functions = new URL('./functions.ts', import.meta.url)

function numbers(count: number): Booklet<string, number> {
  const file = openBooklet<string, number>(null)
  for (let i = 0; i < count; i++) file.set(`k${i}`, i)
  return file
}

/** The error that a map ends with. */
async function failureOf(results: AsyncIterable<unknown>): Promise<unknown> {
  try {
    await all(results)
  } catch (error) {
    return error
  }
  throw new Error('the map did not fail')
}

describe('a map over a file', () => {
  it('gives what the function of a module gives, for every key, on as many workers as asked for', async () => {
    using file = numbers(300)
    using workers = new Workers()
    const found = await all(file.map<string, number>({ module: functions, name: 'double' }, { workers: 2 }))
    expect(found.length).toBe(300)
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}!`, 2 * i])))
    expect(workers.started).toBe(2)
    expect(workers.alive).toBe(0)
  })

  it('runs on two threads at the same time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-map-'))
    try {
      using file = openBooklet<string, { folder: string; other: string }>(null)
      file.set('a', { folder, other: 'b' }).set('b', { folder, other: 'a' })
      const met = await all(file.map<string, boolean>({ module: functions, name: 'meet' }, { workers: 2 }))
      expect(met.sort()).toEqual([['a', true], ['b', true]])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('takes the default export, and a module as text', async () => {
    using file = numbers(3)
    expect((await all(file.map({ module: functions.href }, { workers: 1 }))).sort()).toEqual([...file.entries()].sort())
    const text = 'data:text/javascript,export const f = (k, v) => [v, k]'
    expect((await all(file.map({ module: text, name: 'f' }, { workers: 1 }))).sort()).toEqual([[0, 'k0'], [1, 'k1'], [2, 'k2']])
  })

  it('takes a function as its source, which may wait and import; null skips', async () => {
    using file = numbers(20)
    // As text, because the tool that runs this test rewrites import() within functions.
    const hash = (0, eval)(`async (key, value) => {
      if (value % 2 === 1) return null
      const { createHash } = await import('node:crypto')
      const name = (text) => createHash('sha256').update(text).digest('hex')
      return [key, name(key)]
    }`) as MapFunction<string, number, string, string>
    const found = new Map(await all(file.map(hash, { workers: 1 })))
    expect(found.size).toBe(10)
    expect(found.get('k2')).toBe(createHash('sha256').update('k2').digest('hex'))
  })

  it('maps the keys that are asked for, each once, without those that do not exist', async () => {
    using file = numbers(20)
    const keys = new Set(['k3', 'nothing', 'k5'])
    expect((await all(file.map({ module: functions }, { keys, workers: 1 }))).sort()).toEqual([['k3', 3], ['k5', 5]])
    expect((await all(file.map({ module: functions }, { keys: ['k1', 'k1'], workers: 1 })))).toEqual([['k1', 1]])
    using workers = new Workers()
    expect(await all(file.map({ module: functions }, { keys: [] }))).toEqual([])
    expect(workers.started).toBe(0)
  })

  it('decodes with every serializer as get does', async () => {
    const samples: Partial<Record<SerializerName, unknown>> = {
      str: 'text ü',
      bytes: new Uint8Array([1, 2, 3]),
      json: { a: [1, null, 12345678901234567890n] },
      orjson_zstd: { nested: { deep: ['x'] } },
      msgpack: { bytes: new Uint8Array([9]), list: [1.5, -1] },
      msgpack_zstd: ['a', 1],
      numpy_int4: new Int32Array([1, -2]),
      numpy_int8_zstd: new BigInt64Array([1n, -2n]),
      uint5: 2 ** 40 - 1,
      int8: -(2n ** 60n),
      zstd: new Uint8Array(1000),
      pickle: { list: [1, 'x', null] },
      wkb_zstd: { type: 'Point', coordinates: [1, 2] },
    }
    for (const [valueSerializer, value] of Object.entries(samples)) {
      using file = openBooklet<string, unknown>(null, { valueSerializer: valueSerializer as SerializerName })
      file.set('k', value)
      const [[key, found] = []] = await all(file.map((key, value) => [key, value], { workers: 1 }))
      expect([valueSerializer, key, found]).toEqual([valueSerializer, 'k', file.get('k')])
    }
  })

  it('decodes data frames in the worker', async () => {
    using file = openBooklet<string, ArrowTable>(null, { valueSerializer: 'pd_zstd' })
    file.set('k', tableFromArrays({ a: [1, 2, 3] }))
    expect(await all(file.map((key, table) => [key, table.numRows], { workers: 1 }))).toEqual([['k', 3]])
  })

  it('gives bytes that hold no more memory than their own', async () => {
    using file = openBooklet<number, Uint8Array>(null, { keySerializer: 'uint2', valueSerializer: 'bytes' })
    for (let i = 0; i < 50; i++) file.set(i, new Uint8Array(10).fill(i))
    const found = await all(file.map<number, Uint8Array>((key, value) => [key, value], { workers: 1 }))
    expect(found.length).toBe(50)
    for (const [key, value] of found) {
      expect(value).toEqual(new Uint8Array(10).fill(key))
      expect(value.buffer.byteLength).toBe(10)
    }
  })

  it('maps files of fixed-length values, too', async () => {
    using file = openFixedBooklet(null, { flag: 'n', valueLength: 2 })
    file.set('a', new Uint8Array([1, 2]))
    expect(await all(file.map((key, value) => [key, value[1]], { workers: 1 }))).toEqual([['a', 2]])
  })

  it('decodes here what only this thread can, and sends the value', async () => {
    const valueSerializer = {
      encode: (value: Date | (() => void)) => new TextEncoder().encode(value instanceof Date ? value.toISOString() : 'function'),
      decode: (bytes: Uint8Array) => {
        const text = new TextDecoder().decode(bytes)
        return text === 'function' ? () => undefined : new Date(text)
      },
    }
    using file = openBooklet<string, Date | (() => void)>(null, { valueSerializer })
    file.set('then', new Date(5))
    expect(await all(file.map((key, value) => [key, value instanceof Date && value.getTime()], { workers: 1 }))).toEqual([['then', 5]])
    file.set('bad', () => undefined)
    expect(await failureOf(file.map({ module: functions }, { workers: 1 }))).toMatchObject({ code: 'MAP', key: 'bad', message: expect.stringContaining('can not leave its thread') })
    file.setBytes('bad', new TextEncoder().encode('no date'))
    using picky = openBooklet<string, Date>(file.toBytes(), { valueSerializer: { ...valueSerializer, decode: () => { throw new Error('unreadable') } } })
    expect(await failureOf(picky.map({ module: functions }, { keys: ['bad'], workers: 1 }))).toMatchObject({ code: 'MAP', key: 'bad', cause: { code: 'DESERIALIZATION' } })
  })

  it('lets the file be written meanwhile: what was deleted is left out, what was set is seen', async () => {
    using file = numbers(3000)
    const seen = new Map<string, number>()
    let first: string | undefined
    for await (const [key, value] of file.map<string, number>({ module: functions }, { workers: 1 })) {
      if (first === undefined) {
        first = key
        for (const other of [...file.keys()]) {
          if (Number(other.slice(1)) % 2 === 0) file.delete(other)
          else file.set(other, -1)
        }
        file.set('later', 1)
        file.sync()
        file.prune()
      }
      seen.set(key, value)
    }
    expect(seen.has('later')).toBe(false)
    expect(seen.size).toBeGreaterThanOrEqual(1500)
    // Those few that were on their way already have their old values.
    expect([...seen.values()].filter((value) => value !== -1).length).toBeLessThan(20)
  })
})

describe('what a map refuses before anything runs', () => {
  class Methods {
    method(this: void, key: string): [string, number] {
      return [key, 1]
    }
  }
  const bad: [string, unknown, string][] = [
    ['a native function', Math.max, 'MAP_FUNCTION'],
    ['a bound function', function f() { return null }.bind(1), 'MAP_FUNCTION'],
    ['a class', class Some {}, 'MAP_FUNCTION'],
    ['a generator', function* f() { yield null }, 'MAP_FUNCTION'],
    ['a method', new Methods().method, 'MAP_FUNCTION'],
    ['nothing', undefined, 'INVALID_ARGUMENT'],
    ['text', '(k, v) => [k, v]', 'INVALID_ARGUMENT'],
    ['a path', { module: './functions.ts' }, 'INVALID_ARGUMENT'],
    ['a URL of the web', { module: 'https://example.org/f.js' }, 'INVALID_ARGUMENT'],
    ['a name that is none', { module: functions, name: 1 }, 'INVALID_ARGUMENT'],
  ]
  it.each(bad)('%s', (_, fn, code) => {
    using file = numbers(3)
    using workers = new Workers()
    expect(() => file.map(fn as MapModule)).toThrow(expect.objectContaining({ code }))
    expect(workers.started).toBe(0)
  })

  it.each([{ workers: 0 }, { workers: 1.5 }, { workers: 5000 }, { keys: 'key' }, { keys: 5 }, { maxHeapBytes: 5 }])('the options %j', (options) => {
    using file = numbers(3)
    expect(() => file.map({ module: functions }, options as { workers: number })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('a closed file', () => {
    const file = numbers(3)
    file.close()
    expect(() => file.map({ module: functions })).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  it.each([
    ['a module that does not exist', { module: new URL('./nowhere.js', import.meta.url) }],
    ['an export that does not exist', { module: functions, name: 'triple' }],
    ['an export that is no function', { module: functions, name: 'notAFunction' }],
  ])('%s, which its worker sees', async (_, fn) => {
    using file = numbers(3)
    expect(await failureOf(file.map(fn, { workers: 1 }))).toMatchObject({ code: 'MAP_FUNCTION', cause: expect.any(Error) })
  })
})

describe('an error in a map', () => {
  it('names the key, with the cause and the stack of the worker', async () => {
    using file = numbers(1)
    const error = await failureOf(file.map({ module: functions, name: 'failing' }, { workers: 1 }))
    expect(error).toMatchObject({ code: 'MAP', key: 'k0', cause: { name: 'RangeError', message: 'no 0', code: 'E_MINE', cause: { message: 'the root of it' } } })
    expect((error as { workerStack: string }).workerStack).toContain('functions.ts')
    expect((error as Error).message).toContain('"k0"')
  })

  const outside = 5
  const wrong: [string, MapFunction<string, number, unknown, unknown>, unknown][] = [
    ['that is no Error', (0, eval)("() => { throw 'just text' }") as () => null, { cause: { message: 'just text' } }],
    ['because it looks outside', (key) => [key, outside], { message: expect.stringContaining('give a module'), cause: { name: 'ReferenceError' } }],
    ['because it forgot to return', (() => undefined) as unknown as () => null, { message: expect.stringContaining('it gave undefined') }],
    ['because the result is no pair', ((key: string) => [key]) as never, { message: expect.stringContaining('an array of 1') }],
    ['because the result can not be sent', (key) => [key, { deep: [() => 1] }], { message: expect.stringContaining('can not leave its thread') }],
    ['because the result would lose its class', (key) => [key, new Map([['in', new (class Point {})()]])], { message: expect.stringContaining('the class Point') }],
    ['in a promise', () => Promise.reject(new Error('later')), { cause: { message: 'later' } }],
  ]
  it.each(wrong)('%s', async (_, fn, expected) => {
    using file = numbers(1)
    using workers = new Workers()
    const error = await failureOf(file.map(fn, { workers: 1 }))
    expect(error).toMatchObject({ code: 'MAP', key: 'k0' })
    expect(error).toMatchObject(expected as object)
    expect(workers.alive).toBe(0)
  })

  it('comes after the results before it', async () => {
    using file = numbers(200)
    const found: string[] = []
    const run = async () => {
      const upTo = file.map((key, value) => {
        if (value === 150) throw new Error('here')
        return [key, value]
      }, { workers: 1, keys: Array.from({ length: 200 }, (_, i) => `k${i}`) })
      for await (const [key] of upTo) found.push(key)
    }
    await expect(run()).rejects.toMatchObject({ key: 'k150' })
    expect(found).toEqual(Array.from({ length: 150 }, (_, i) => `k${i}`))
  })

  it('is one of the value: what can not be decoded, or is larger than allowed', async () => {
    using file = numbers(2)
    file.setBytes('k1', new TextEncoder().encode('{broken'))
    expect(await failureOf(file.map({ module: functions }, { workers: 1 }))).toMatchObject({ code: 'MAP', key: 'k1', cause: { name: 'DeserializationError', code: 'DESERIALIZATION' } })
    using packed = openBooklet<string, Uint8Array>(null, { valueSerializer: 'zstd', maxValueBytes: 1000 })
    packed.set('large', new Uint8Array(5000))
    expect(await failureOf(packed.map({ module: functions }, { workers: 1 }))).toMatchObject({ key: 'large', cause: { code: 'DESERIALIZATION', message: expect.stringContaining('maxValueBytes') } })
  })
})

describe('a worker that ends amid its work', () => {
  it.each<[string, MapFunction<string, number, unknown, unknown>, RegExp]>([
    ['by leaving', (key, value) => (value === 7 ? process.exit(3) : [key, value]), /at key "k7" \(worker exited with code: 3\)/],
    ['by an error that escapes', (key, value) => (value === 7 ? new Promise(() => setTimeout(() => { throw new Error('escaped') }, 5)) : [key, value]), /at key "k7" \(escaped\)/],
    ['by running out of memory', (key, value) => {
      const list: unknown[] = []
      while (value === 7) list.push(new Array(1000).fill(key))
      return [key, value]
    }, /at key "k7" .*memory/],
  ])('%s', async (_, fn, message) => {
    using file = numbers(50)
    using workers = new Workers()
    const error = await failureOf(file.map(fn, { workers: 2, maxHeapBytes: 32 * 2 ** 20 }))
    expect(error).toMatchObject({ code: 'MAP_WORKER', key: 'k7', message: expect.stringMatching(message) })
    // The one that failed may take a moment longer.
    await vi.waitFor(() => expect(workers.alive).toBe(0))
  })
})

describe('ending a map', () => {
  const endless: MapFunction<string, number, string, number> = (key, value) => {
    while (value !== 3);
    return [key, value]
  }
  const keys = ['k3', 'k1', 'k2']

  it('by leaving the loop ends the workers, whatever they are at', async () => {
    using file = numbers(10)
    using workers = new Workers()
    for await (const [key] of file.map(endless, { keys, workers: 2 })) {
      expect(key).toBe('k3')
      expect(workers.alive).toBe(2)
      break
    }
    expect(workers.alive).toBe(0)
  })

  it('by its signal, whose reason it throws', async () => {
    using file = numbers(10)
    using workers = new Workers()
    const controller = new AbortController()
    const reason = new Error('enough')
    const found: unknown[] = []
    const run = async () => {
      for await (const [key] of file.map(endless, { keys, workers: 2, signal: controller.signal })) {
        found.push(key)
        setTimeout(() => controller.abort(reason), 50)
      }
    }
    await expect(run()).rejects.toBe(reason)
    expect(found).toEqual(['k3'])
    expect(workers.alive).toBe(0)
    await expect(all(file.map(endless, { signal: controller.signal }))).rejects.toBe(reason)
  })

  it('by closing the file', async () => {
    const file = numbers(2000)
    const run = async () => {
      for await (const _ of file.map({ module: functions }, { workers: 1 })) file.close()
    }
    await expect(run()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('a map with a slow taker', () => {
  it('reads no further ahead than its workers need', async () => {
    using file = numbers(5000)
    const reads = vi.spyOn(file, 'getBytes')
    const results = file.map({ module: functions }, { workers: 2 })
    await results.next()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(reads.mock.calls.length).toBeGreaterThan(0)
    expect(reads.mock.calls.length).toBeLessThanOrEqual(20)
    await results.return(undefined)
  })

  it('keeps memory flat', async () => {
    using file = openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes' })
    const size = 2 ** 20
    for (let i = 0; i < 250; i++) file.set(`k${i}`, new Uint8Array(size).fill(i))
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    let count = 0
    for await (const [, value] of file.map<string, Uint8Array>({ module: functions }, { workers: 2 })) {
      expect(value.length).toBe(size)
      // What is left is what is held, and what a collection under way has not yet given back.
      if (count++ % 5 === 0) collectGarbage()
      else continue
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    expect(count).toBe(250)
    expect(most).toBeLessThan(100 * size)
  })
})
