import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  Booklet,
  ChangedWhileIteratingError,
  ClosedError,
  encodeFixedBooklet,
  FileLockedError,
  FileNotFoundError,
  InvalidArgumentError,
  openBooklet,
  openFixedBooklet,
  ReadOnlyError,
} from '../../src/booklet/index.js'
import { METADATA_KEY, SLOT_1_KEY } from '../../src/format/internal-keys.js'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'booklet-api-'))
  path = join(folder, 'a.blt')
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('flags', () => {
  test('r and w need a file', () => {
    expect(() => openBooklet(path)).toThrow(FileNotFoundError)
    expect(() => openBooklet(path, { flag: 'w' })).toThrow(/flag 'c'/)
  })

  test('c creates, and keeps what is there', () => {
    const booklet = openBooklet<string, number>(path, { flag: 'c' })
    booklet.set('a', 1).close()
    const again = openBooklet<string, number>(path, { flag: 'c' })
    expect(again.get('a')).toBe(1)
    again.close()
  })

  test('n starts anew', () => {
    openBooklet(path, { flag: 'n' }).set('a', 1).close()
    const uuid = openBooklet(path, { flag: 'n' })
    expect(uuid.size).toBe(0)
    uuid.close()
    expect(openBooklet(path).size).toBe(0)
  })

  test('an unknown flag is refused before anything is touched', () => {
    expect(() => openBooklet(path, { flag: 'x' as 'r' })).toThrow(InvalidArgumentError)
    expect(() => statSync(path)).toThrow()
  })

  test('c over an empty file, or one whose creation was cut off, creates it', () => {
    writeFileSync(path, new Uint8Array(0))
    openBooklet(path, { flag: 'c' }).set('a', 1).close()
    writeFileSync(path, new Uint8Array(5000))
    openBooklet(path, { flag: 'c' }).set('b', 1).close()
    expect([...openBooklet(path).keys()]).toEqual(['b'])
  })

  test('a reader can\'t write', () => {
    openBooklet(path, { flag: 'n' }).set('a', 1).close()
    const reader = openBooklet(path)
    for (const change of [() => reader.set('a', 2), () => reader.delete('a'), () => reader.clear(), () => reader.sync(), () => reader.prune(), () => (reader.metadata = 1), () => reader.reserved.set(1, new Uint8Array(1)), () => reader.setTimestamp('a', 1), () => (reader.fileTimestamp = 1)]) {
      expect(change).toThrow(ReadOnlyError)
    }
    const before = readFileSync(path)
    reader.close()
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a closed one does nothing any more', () => {
    const booklet = openBooklet(null)
    booklet.close()
    booklet.close()
    for (const use of [() => booklet.get('a'), () => booklet.set('a', 1), () => booklet.size, () => booklet.has('a'), () => [...booklet], () => booklet.sync(), () => booklet.metadata]) {
      expect(use).toThrow(ClosedError)
    }
  })
})

describe('as a Map', () => {
  test('has its whole interface', () => {
    const booklet: Map<string, number> = openBooklet<string, number>(null)
    expect(booklet.set('a', 1).set('b', 2).set('a', 3)).toBe(booklet)
    expect(booklet.size).toBe(2)
    expect(booklet.has('a')).toBe(true)
    expect(booklet.get('c')).toBeUndefined()
    expect([...booklet.keys()].sort()).toEqual(['a', 'b'])
    expect([...booklet.values()].sort()).toEqual([2, 3])
    expect(new Map(booklet)).toEqual(new Map([['a', 3], ['b', 2]]))
    const seen: unknown[] = []
    booklet.forEach(function (this: unknown, value, key, map) {
      seen.push([value, key, map === booklet, this])
    }, 'me')
    expect(seen).toEqual([[2, 'b', true, 'me'], [3, 'a', true, 'me']])
    expect(booklet.delete('a')).toBe(true)
    expect(booklet.delete('a')).toBe(false)
    expect(Object.prototype.toString.call(booklet)).toBe('[object Booklet]')
    booklet.clear()
    expect(booklet.size).toBe(0)
  })

  test('values belong to the caller', () => {
    const booklet = openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes' })
    const value = Uint8Array.of(1, 2, 3)
    booklet.set('a', value)
    value[0] = 9
    const got = booklet.get('a')!
    expect(got).toEqual(Uint8Array.of(1, 2, 3))
    got[1] = 9
    booklet.sync()
    booklet.set('b', Uint8Array.of(7))
    expect(booklet.get('a')).toEqual(Uint8Array.of(1, 2, 3))
  })

  test.each(['entries', 'values', 'rawEntries'] as const)('so do those of %s, each where a view of longer numbers may begin', (how) => {
    const booklet = openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes' })
    // Heads at every offset, values across the ends of what is read at once, and some too long to lie beside others.
    const expected = Array.from({ length: 3000 }, (_, i): [string, Uint8Array] => [`${i}${'k'.repeat(i % 19)}`, new Uint8Array(i % 700 === 0 ? 5000 : i % 37).fill(i)])
    for (const [key, value] of expected) booklet.set(key, value)
    for (const sync of [false, true]) {
      if (sync) booklet.sync()
      const walk = {
        entries: () => booklet.entries(),
        values: () => [...booklet.values()].map((value, i): [string, Uint8Array] => [expected[i]![0], value]),
        rawEntries: () => [...booklet.rawEntries()].map(({ key, value }): [string, Uint8Array] => [key, value]),
      }
      const got: [string, Uint8Array][] = []
      let last: Uint8Array | undefined
      for (const [key, value] of walk[how]()) {
        expect(value.byteOffset % 8).toBe(0)
        got.push([key, value.slice()])
        // To write to one of them harms neither the next ones nor the file.
        last?.fill(0xee)
        last = value
      }
      expect(got).toEqual(expected)
    }
    expect([...booklet]).toEqual(expected)
  })

  test('reading while iterating is fine, changing is not, timestamps are', () => {
    const booklet = openBooklet<string, number>(null)
    for (let i = 0; i < 10; i++) booklet.set(`k${i}`, i)
    for (const sync of [false, true]) {
      if (sync) booklet.sync()
      let count = 0
      for (const [key, value] of booklet) {
        expect(booklet.get(key)).toBe(value)
        booklet.setTimestamp(key, 5)
        count++
      }
      expect(count).toBe(10)
      expect([...booklet.timestamps()].every(([, timestamp]) => timestamp === 5)).toBe(true)
      for (const change of [() => booklet.set('k1', 1), () => booklet.set('new', 1), () => booklet.delete('new'), () => booklet.prune(), () => (booklet.metadata = sync)]) {
        expect(() => {
          for (const _ of booklet.keys()) change()
        }).toThrow(ChangedWhileIteratingError)
      }
    }
  })

  test('a sync while iterating does no harm, even when the file grows', () => {
    const booklet = openBooklet<string, number>(null, { buckets: 2 })
    for (let i = 0; i < 30; i++) booklet.set(`k${i}`, i)
    const seen: number[] = []
    for (const value of booklet.values()) {
      seen.push(value)
      if (value === 7) booklet.sync()
    }
    expect(booklet.nBuckets).toBe(12007)
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i))
  })
})

describe('keys and values that are refused', () => {
  test('too long a key: nothing is changed', () => {
    const booklet = openBooklet<Uint8Array, Uint8Array>(null, { keySerializer: 'bytes', valueSerializer: 'bytes' })
    booklet.set(new Uint8Array(65_535), Uint8Array.of(1))
    expect(() => booklet.set(new Uint8Array(65_536), Uint8Array.of(1))).toThrow(/65536 bytes/)
    expect(booklet.size).toBe(1)
    expect(openBooklet<Uint8Array>(booklet.toBytes()).getBytes(new Uint8Array(65_535))).toEqual(Uint8Array.of(1))
  })

  test('too long a value: nothing is changed', () => {
    const booklet = openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes' }).set('a', Uint8Array.of(1))
    // 4 GiB of zeros that are never touched cost no memory.
    expect(() => booklet.setBytes('a', new Uint8Array(2 ** 32))).toThrow(/4294967296 bytes/)
    expect(booklet.get('a')).toEqual(Uint8Array.of(1))
  })

  test('the keys that the file keeps for itself', () => {
    const booklet = openBooklet<Uint8Array>(null, { keySerializer: 'bytes' })
    booklet.metadata = { a: 1 }
    for (const key of [METADATA_KEY, SLOT_1_KEY]) {
      expect(() => booklet.set(key, 1)).toThrow(InvalidArgumentError)
      expect(() => booklet.delete(key)).toThrow(InvalidArgumentError)
      expect(booklet.has(key)).toBe(false)
      expect(booklet.get(key)).toBeUndefined()
      expect(booklet.getTimestamp(key)).toBeUndefined()
      expect(booklet.setTimestamp(key, 1)).toBe(false)
    }
    expect(booklet.metadata).toEqual({ a: 1 })
    // A fixed file knows none.
    const fixed = openFixedBooklet<Uint8Array>(null, { valueLength: 1, keySerializer: 'bytes' })
    fixed.set(METADATA_KEY, Uint8Array.of(1))
    expect([...fixed.keys()]).toEqual([METADATA_KEY])
    expect(fixed.size).toBe(1)
  })

  test('timestamps that are none', () => {
    const booklet = openBooklet(null)
    for (const timestamp of [-1, 1.5, NaN, Infinity, 2 ** 56]) {
      expect(() => booklet.set('a', 1, { timestamp })).toThrow(InvalidArgumentError)
      expect(() => booklet.setTimestamp('a', timestamp)).toThrow(InvalidArgumentError)
    }
    expect(booklet.size).toBe(0)
    for (const timestamp of [2 ** 53 - 1, 2 ** 53 + 2, 2 ** 56 - 8]) {
      booklet.set('a', 1, { timestamp })
      expect(booklet.getTimestamp('a')).toBe(timestamp)
    }
    const without = openBooklet(null, { timestamps: false })
    expect(() => without.set('a', 1, { timestamp: 1 })).toThrow(/no timestamps/)
    expect(without.set('a', 1).getTimestamp('a')).toBeUndefined()
  })

  test('options that contradict the file', () => {
    const bytes = openBooklet(null, { valueSerializer: 'str' }).toBytes()
    expect(() => openBooklet(bytes, { valueSerializer: 'json' })).toThrow(/made with str/)
    expect(() => openBooklet(bytes, { keySerializer: 'int4' as 'str' })).toThrow(/keySerializer is int4/)
    expect(openBooklet(bytes).valueSerializer).toBe('str')
    const fixed = openFixedBooklet(null, { valueLength: 3 }).toBytes()
    expect(() => openFixedBooklet(fixed, { valueLength: 4 })).toThrow(/have 3 bytes/)
    expect(() => openFixedBooklet(null)).toThrow(/needs valueLength/)
    const open = openFixedBooklet(fixed, { flag: 'w' })
    expect(() => open.set('a', new Uint8Array(4))).toThrow(/4 bytes/)
  })
})

test('a serializer of one\'s own isn\'t recorded', () => {
  const upper = { encode: (value: string) => new TextEncoder().encode(value.toUpperCase()), decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes) }
  const bytes = openBooklet<string, string>(null, { valueSerializer: upper }).set('a', 'x').toBytes()
  expect(openBooklet<string, string>(bytes, { valueSerializer: upper }).get('a')).toBe('X')
  const without = openBooklet(bytes)
  expect(() => without.get('a')).toThrow(/serializer/)
  expect(without.getBytes('a')).toEqual(Uint8Array.of(0x58))
  expect([...without.keys()]).toEqual(['a'])
})

test('metadata and slots: set, read, timestamped, kept by prune, gone after clear', () => {
  const booklet = openBooklet(path, { flag: 'n' })
  expect(booklet.metadata).toBeUndefined()
  booklet.setMetadata({ a: [1, 'ü'] }, { timestamp: 5 })
  booklet.reserved.set(1, Uint8Array.of(1, 2), 7)
  booklet.reserved.set(2, Uint8Array.of(3))
  booklet.set('k', 1)
  expect(booklet.size).toBe(1)
  expect(booklet.reserved.delete(2)).toBe(true)
  expect(booklet.reserved.delete(2)).toBe(false)
  booklet.prune({ before: 2 ** 53 - 1 })
  booklet.close()
  const again = openBooklet(path, { flag: 'w' })
  expect(again.size).toBe(0)
  expect(again.metadata).toEqual({ a: [1, 'ü'] })
  expect(again.metadataTimestamp).toBe(5)
  expect(again.reserved.get(1)).toEqual({ bytes: Uint8Array.of(1, 2), timestamp: 7 })
  expect(again.reserved.get(2)).toBeUndefined()
  expect(() => again.reserved.get(3 as 1)).toThrow(InvalidArgumentError)
  again.clear()
  expect(again.metadata).toBeUndefined()
  expect(again.reserved.get(1)).toBeUndefined()
  again.metadata = null
  expect(again.metadata).toBeNull()
  again.metadata = undefined
  expect(again.metadata).toBeUndefined()
  again.close()
})

describe('headers', () => {
  test('a file made from another\'s header inherits it, but not what that file notes for itself', () => {
    const first = openBooklet(null, { buckets: 77, valueSerializer: 'int4', timestamps: false })
    first.fileTimestamp = 12345
    first.set('a', 1).sync()
    const initBytes = first.headerBytes()
    expect(initBytes.length).toBe(200)
    expect([...initBytes.subarray(33, 37), ...initBytes.subarray(77)].every((byte) => byte === 0)).toBe(true)
    initBytes.fill(0xee, 77)
    const second = openBooklet(null, { initBytes })
    expect([second.uuid, second.fileTimestamp, second.nBuckets, second.valueSerializer, second.hasTimestamps, second.size]).toEqual([first.uuid, 12345, 77, 'int4', false, 0])
    expect(second.set('b', 5).toBytes().subarray(77, 200).every((byte) => byte === 0)).toBe(true)
    expect(() => openBooklet(null, { initBytes: initBytes.subarray(1) })).toThrow(InvalidArgumentError)
    expect(() => openFixedBooklet(null, { initBytes })).toThrow(InvalidArgumentError)
  })

  test('uuid: 32 hex digits, new for each file', () => {
    const [a, b] = [openBooklet(null).uuid, openBooklet(null).uuid]
    expect(a).toMatch(/^[0-9a-f]{32}$/)
    expect(a).not.toBe(b)
  })

  test('locations tell where values lie in the file', () => {
    const booklet = openBooklet<string, string>(path, { flag: 'n', valueSerializer: 'str' })
    booklet.set('a', 'first', { timestamp: 1 }).set('b', '', { timestamp: 2 }).sync()
    booklet.set('c', 'third', { timestamp: 3 })
    const places = [...booklet.locations()]
    booklet.close()
    const file = readFileSync(path)
    expect(places.map(({ key, timestamp, offset, length }) => [key, timestamp, file.toString('utf8', offset, offset + length)])).toEqual([['a', 1, 'first'], ['b', 2, ''], ['c', 3, 'third']])
  })
})

describe('locks', () => {
  test('one writer or many readers; the error names the file', () => {
    const writer = openBooklet(path, { flag: 'n' })
    for (const flag of ['r', 'w', 'c', 'n'] as const) {
      const start = performance.now()
      expect(() => openBooklet(path, { flag, lockTimeout: 30 })).toThrow(FileLockedError)
      expect(performance.now() - start).toBeGreaterThanOrEqual(25)
    }
    expect(() => openBooklet(path, { lockTimeout: 0 })).toThrow(path)
    writer.set('a', 1).close()
    const readers = [openBooklet(path, { lockTimeout: 0 }), openBooklet(path, { lockTimeout: 0 })]
    expect(() => openBooklet(path, { flag: 'w', lockTimeout: 0 })).toThrow(FileLockedError)
    for (const reader of readers) reader.close()
    openBooklet(path, { flag: 'w', lockTimeout: 0 }).close()
  })

  test('an n that doesn\'t get the lock leaves the file alone', () => {
    openBooklet(path, { flag: 'n' }).set('a', 1).close()
    const before = readFileSync(path)
    const reader = openBooklet(path)
    expect(() => openBooklet(path, { flag: 'n', lockTimeout: 0 })).toThrow(FileLockedError)
    expect(readFileSync(path).equals(before)).toBe(true)
    reader.close()
  })

  test('an open that fails leaves no lock', () => {
    openBooklet(path, { flag: 'n', valueSerializer: 'str' }).close()
    expect(() => openBooklet(path, { flag: 'w', valueSerializer: 'json' })).toThrow(InvalidArgumentError)
    expect(() => openFixedBooklet(path, { flag: 'w' })).toThrow(/openBooklet/)
    openBooklet(path, { flag: 'w', lockTimeout: 0 }).close()
  })

  test('a using block closes', () => {
    {
      using booklet = openBooklet(path, { flag: 'n' })
      booklet.set('a', 1)
    }
    using again = openBooklet(path, { flag: 'w', lockTimeout: 0 })
    expect(again.get('a')).toBe(1)
  })
})

describe('clean or not', () => {
  test('a file that somebody else touched is looked through', () => {
    openBooklet(path, { flag: 'n' }).set('a', 1).close()
    const same = readFileSync(path)
    writeFileSync(path, same)
    const booklet = openBooklet(path, { flag: 'w' })
    expect(booklet.openedClean).toBe(false)
    expect(booklet.repair).toBeUndefined()
    booklet.close()
    renameSync(path, `${path}.moved`)
    const moved = openBooklet(`${path}.moved`, { flag: 'w' })
    expect(moved.openedClean).toBe(true)
    moved.close()
  })

  test('closing without changes leaves the file as it is', () => {
    openBooklet(path, { flag: 'n' }).set('a', 1).close()
    const before = [readFileSync(path), statSync(path).mtimeMs]
    openBooklet(path, { flag: 'w' }).close()
    expect([readFileSync(path), statSync(path).mtimeMs]).toEqual(before)
  })
})

describe('fixed-length values', () => {
  test('a relocated file grows again and again, and is read all the same', () => {
    const booklet = openFixedBooklet(path, { flag: 'n', valueLength: 15, buckets: 40 })
    const value = (i: number) => new Uint8Array(15).fill(i)
    for (let i = 0; i < 30; i++) booklet.set(`k${i}`, value(i))
    booklet.prune()
    for (let i = 30; i < 12_100; i++) booklet.set(`k${i}`, value(i))
    booklet.sync()
    expect(booklet.nBuckets).toBe(144_013)
    booklet.delete('k7')
    booklet.close()
    const again = openFixedBooklet(path, { flag: 'w' })
    expect(again.repair).toBeUndefined()
    expect([...again.keys()].length).toBe(12_099)
    for (let i = 0; i < 12_100; i += 97) expect(again.get(`k${i}`)).toEqual(i === 7 ? undefined : value(i))
    again.close()
  })

  test('a compact file is made at once', () => {
    const entries = Array.from({ length: 500 }, (_, i) => [`ключ${i}`, new Uint8Array(15).fill(i)] as const)
    const bytes = encodeFixedBooklet({ entries, valueLength: 15, buckets: 12_007, keySerializer: 'str', timestamp: 77 })
    const booklet = openFixedBooklet(bytes)
    expect([...booklet]).toEqual(entries)
    expect(booklet.fileTimestamp).toBe(77)
    expect(openFixedBooklet(bytes, { flag: 'w' }).repair).toBeUndefined()
    expect(bytes.length).toBe(200 + 6 * 12_007 + entries.reduce((sum, [key]) => sum + 21 + 15 + Buffer.byteLength(key), 0))
    expect(() => encodeFixedBooklet({ entries: [['a', new Uint8Array(1)], ['a', new Uint8Array(1)]], valueLength: 1, buckets: 3, timestamp: 0 })).toThrow(/twice/)
    expect(() => encodeFixedBooklet({ entries: [['a', new Uint8Array(2)]], valueLength: 1, buckets: 3, timestamp: 0 })).toThrow(InvalidArgumentError)
  })
})

test('large values go to the file and back', () => {
  const booklet = openBooklet<string, Uint8Array>(path, { flag: 'n', valueSerializer: 'bytes', bufferSize: 1000 })
  const large = new Uint8Array(5_000_000).map((_, i) => i * 7)
  booklet.set('small', Uint8Array.of(1)).set('large', large).set('after', Uint8Array.of(2))
  expect(Buffer.compare(booklet.get('large')!, large)).toBe(0)
  booklet.sync()
  expect(Buffer.compare(booklet.get('large')!, large)).toBe(0)
  booklet.delete('small')
  expect(booklet.prune()).toBe(1)
  expect(Buffer.compare(booklet.get('large')!, large)).toBe(0)
  expect([...booklet.keys()]).toEqual(['large', 'after'])
  expect(booklet).toBeInstanceOf(Booklet)
  booklet.close()
})
