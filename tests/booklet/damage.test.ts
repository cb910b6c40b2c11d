import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import { EbookletError, FormatError, openBooklet, openFixedBooklet, UnsupportedVersionError, WrongFileTypeError } from '../../src/booklet/index.js'
import { digestKey, newDigest } from '../../src/format/blake2s.js'
import { Buckets } from '../../src/format/bucket.js'
import { goldenBooklet, goldenBooklets } from './golden-booklets.js'

/*
 * Damaged files: each ends in a typed error or in right values, soon. A bit that flips inside the bytes of a value,
 * of a timestamp, or in serializer codes can't be noticed: the format has no checksums.
 */

const bytesSerializer = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }

type Entries = Map<string, string>

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function open(bytes: Uint8Array, flag: 'r' | 'w', fixed: boolean) {
  const options = { flag, keySerializer: bytesSerializer }
  return fixed ? openFixedBooklet<Uint8Array>(bytes, options) : openBooklet<Uint8Array>(bytes, options)
}

/** What is seen of a file; undefined when it is refused. Anything but a typed error fails the test. */
function look(bytes: Uint8Array, flag: 'r' | 'w', fixed: boolean): Entries | undefined {
  try {
    const booklet = open(bytes, flag, fixed)
    const out: Entries = new Map()
    for (const { key, value } of booklet.rawEntries()) {
      expect(out.has(text(key))).toBe(false)
      out.set(text(key), text(value))
    }
    expect(booklet.size).toBe(out.size)
    for (const [key, value] of out) expect(text(booklet.getBytes(Buffer.from(key, 'latin1'))!)).toBe(value)
    if (flag === 'w') {
      booklet.setBytes(Uint8Array.of(9, 9), new Uint8Array(fixed ? open(bytes, 'r', true).size && valueLength(bytes) : 3))
      const again = open(booklet.toBytes(), 'r', fixed)
      expect([...again.keys()].length).toBe(out.size + 1)
    }
    return out
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw error
  }
}

function valueLength(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(37, true)
}

/** One lookup per key: never a value that wasn't set, unless the damage lies in value bytes. */
function lookups(bytes: Uint8Array, whole: Entries, fixed: boolean, exact: boolean): void {
  let booklet: ReturnType<typeof open>
  try {
    booklet = open(bytes, 'r', fixed)
  } catch (error) {
    if (error instanceof EbookletError) return
    throw error
  }
  for (const [key, value] of whole) {
    try {
      const got = booklet.getBytes(Buffer.from(key, 'latin1'))
      if (got !== undefined && exact) expect(text(got)).toBe(value)
    } catch (error) {
      if (!(error instanceof EbookletError)) throw error
    }
  }
}

/* What is seen must be a part of what was there, but for keys whose own bytes were hit. */
function isPart(seen: Entries | undefined, whole: Entries, tolerated: number): boolean {
  if (seen === undefined) return true
  let wrong = 0
  for (const [key, value] of seen) if (whole.get(key) !== value) wrong++
  return wrong <= tolerated
}

const names = ['sem_one_chain', 'sem_delete_chain', 'prune_append', 'prune_meta_slots', 'sem_no_timestamps', 'fixed_basic', 'fixed_prune_append', 'sem_small_buffer']

describe.each(names)('%s', (name) => {
  const golden = goldenBooklet(name)
  const fixed = golden.expected.header.kind === 'fixed'
  const { bytes } = golden
  const whole = look(bytes, 'r', fixed)!

  test('cut short at every length', () => {
    expect(whole.size).toBeGreaterThan(2)
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.slice(0, length)
      expect(isPart(look(cut, 'r', fixed), whole, 0), `reader at ${length}`).toBe(true)
      expect(isPart(look(cut, 'w', fixed), whole, 0), `writer at ${length}`).toBe(true)
      lookups(cut, whole, fixed, true)
    }
  })

  test('with each bit flipped', () => {
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit += fixed ? 4 : 3) {
        const flipped = bytes.slice()
        flipped[at]! ^= 1 << bit
        // The serializer codes and the flag for timestamps say how to read the rest: nothing can contradict them.
        const blind = at >= 20 && at < 49
        const seen = look(flipped, 'r', fixed)
        const mended = look(flipped, 'w', fixed)
        if (!blind) {
          expect(isPart(seen, whole, 1), `reader, byte ${at} bit ${bit}`).toBe(true)
          expect(isPart(mended, whole, 1), `writer, byte ${at} bit ${bit}`).toBe(true)
          // One bit costs at most the one entry that it lies in; else the file is refused, and left as it is.
          expect(mended === undefined || mended.size >= whole.size - 1, `writer, byte ${at} bit ${bit}: ${mended?.size} of ${whole.size}`).toBe(true)
        }
        lookups(flipped, whole, fixed, false)
      }
    }
  })
})

test('random bytes over a file: a typed error or some values, and an end', () => {
  const goldens = goldenBooklets().filter(({ bytes }) => bytes.length < 5000)
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 30 }), (which, hits) => {
      const golden = goldens[which % goldens.length]!
      const bytes = golden.bytes.slice()
      for (const [at, byte] of hits) bytes[at % bytes.length] = byte
      const fixed = golden.expected.header.kind === 'fixed'
      look(bytes, 'r', fixed)
      look(bytes, 'w', fixed)
    }),
    { numRuns: 300 },
  )
})

test('random bytes behind a good start', () => {
  const start = goldenBooklet('sem_one_chain').bytes.slice(0, 200)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (rest) => {
      const bytes = new Uint8Array(start.length + rest.length)
      bytes.set(start)
      bytes.set(rest, start.length)
      look(bytes, 'r', false)
      look(bytes, 'w', false)
    }),
    { numRuns: 300 },
  )
})

function keysOfBucket(bucket: number, buckets: number, count: number): string[] {
  const found: string[] = []
  const digest = newDigest()
  for (let i = 0; found.length < count; i++) {
    digestKey(new TextEncoder().encode(`k${i}`), digest)
    if (new Buckets(buckets).of(digest) === bucket) found.push(`k${i}`)
  }
  return found
}

describe('chains that don\'t end', () => {
  const [a, b, c] = keysOfBucket(0, 4, 3) as [string, string, string]
  const keys = [a, b, c]
  const whole = new Map(keys.map((key) => [key, `value of ${key}`]))

  /* A file with three keys in one bucket, and where their blocks lie. */
  function threeInAChain() {
    const booklet = openBooklet<string, string>(null, { buckets: 4, valueSerializer: 'str' })
    for (const key of keys) booklet.set(key, `value of ${key}`)
    booklet.sync()
    const blocks = [...booklet.locations()].map(({ offset, key }) => offset - key.length - 32)
    return { bytes: booklet.toBytes(), blocks }
  }

  function point(bytes: Uint8Array, block: number, next: number): void {
    new DataView(bytes.buffer).setUint32(block + 13, next, true)
  }

  // A pointer that skips a block can't be told from a write that was cut off: 2 to 0 isn't among these.
  test.each([[0, 0], [0, 1], [0, 2], [1, 2], [1, 1], [2, 2]])('block %i leading to block %i', (from, to) => {
    const { bytes, blocks } = threeInAChain()
    point(bytes, blocks[from]!, blocks[to]!)
    lookups(bytes, whole, false, true)
    expect(isPart(look(bytes, 'r', false), whole, 0)).toBe(true)
    const reader = openBooklet(bytes)
    try {
      expect(reader.has('not there')).toBe(false)
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError)
    }
    const writer = openBooklet<string, string>(bytes, { flag: 'w' })
    expect(new Map(writer)).toEqual(whole)
    expect(openBooklet(writer.toBytes(), { flag: 'w' }).repair).toBeUndefined()
  })

  test('a dead block within a chain: what follows is linked again', () => {
    const { bytes, blocks } = threeInAChain()
    // New blocks stand at the head: c leads to b leads to a.
    point(bytes, blocks[1]!, 0)
    expect(openBooklet<string, string>(bytes).get(c)).toBe(`value of ${c}`)
    expect(openBooklet<string, string>(bytes).get(a)).toBeUndefined()
    const writer = openBooklet<string, string>(bytes, { flag: 'w' })
    expect(writer.repair).toMatchObject({ relinked: 1, brokenChains: 1 })
    expect([...writer.keys()]).toEqual([a, c])
  })

  test('a head outside the data: the chain is made anew', () => {
    const { bytes } = threeInAChain()
    new DataView(bytes.buffer).setUint32(200, 0x7fffffff, true)
    expect(() => openBooklet(bytes).get(a)).toThrow(FormatError)
    const writer = openBooklet<string, string>(bytes, { flag: 'w' })
    expect(writer.repair).toMatchObject({ relinked: 3, danglingPointers: 1 })
    expect(new Map(writer).size).toBe(3)
  })
})

describe('files that are no booklets', () => {
  test('of any kind', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(5), new Uint8Array(500).fill(0x41), new TextEncoder().encode('<?xml version="1.0"?>'.repeat(40))]) {
      for (const flag of ['r', 'w'] as const) {
        expect(() => openBooklet(bytes, { flag })).toThrow(WrongFileTypeError)
        expect(() => openFixedBooklet(bytes, { flag })).toThrow(WrongFileTypeError)
      }
    }
  })

  test('the other kind of file: the error says which function opens it', () => {
    const variable = openBooklet(null).toBytes()
    const fixed = openFixedBooklet(null, { valueLength: 3 }).toBytes()
    expect(() => openBooklet(fixed)).toThrow(/openFixedBooklet/)
    expect(() => openFixedBooklet(variable)).toThrow(/with openBooklet/)
    try {
      openBooklet(fixed)
    } catch (error) {
      expect((error as WrongFileTypeError).found).toBe('fixed')
    }
  })

  test('a newer version', () => {
    const bytes = openBooklet(null).toBytes()
    bytes[16] = 6
    expect(() => openBooklet(bytes)).toThrow(UnsupportedVersionError)
    expect(() => openBooklet(bytes, { flag: 'w' })).toThrow(/version 6/)
  })

  test('a number of buckets that the file can\'t hold', () => {
    const bytes = openBooklet(null, { buckets: 3 }).toBytes()
    new DataView(bytes.buffer).setUint32(21, 0xffffffff, true)
    for (const flag of ['r', 'w'] as const) expect(() => openBooklet(bytes, { flag })).toThrow(FormatError)
    new DataView(bytes.buffer).setUint32(21, 0, true)
    expect(() => openBooklet(bytes)).toThrow(/0 buckets/)
  })
})
