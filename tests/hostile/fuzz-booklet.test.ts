import { expect, test } from 'vitest'
import { type Booklet, encodeFixedBooklet, type FixedBooklet, openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { crc32 } from '../../src/booklet/crc32.js'
import { writeRecord } from '../../src/booklet/recovery-record.js'
import { RedoList } from '../../src/booklet/redo-list.js'
import { bookletKind, NOT_CLOSED, patchHeader } from '../../src/format/booklet-header.js'
import { RemoteIndex } from '../../src/sync/remote-index.js'
import { goldenBooklets } from '../booklet/golden-booklets.js'
import { SeededRandom } from '../support/seed.js'
import { attempt, mutate, rounds, told } from './mutate.js'

/*
 * Whole booklet files, mutated: opened for reading and for writing (which repairs), everything read, changed,
 * pruned, closed, opened again.
 */

const bytesSerializer = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
const goldens = goldenBooklets().filter(({ bytes }) => bytes.length < 20_000).map(({ bytes }) => bytes)

type Any = Booklet<Uint8Array, unknown> | FixedBooklet<Uint8Array>

function open(bytes: Uint8Array, flag: 'r' | 'w' | 'c'): Any {
  const options = { flag, keySerializer: bytesSerializer, maxValueBytes: 1 << 20 }
  return bookletKind(bytes) === 'fixed' ? openFixedBooklet<Uint8Array>(bytes, options) : openBooklet<Uint8Array>(bytes, options)
}

/** Reads all that can be read. Each entry that is enumerated must be found by a lookup, alike. */
function readAll(booklet: Any, bytes: Uint8Array): number {
  const seen = new Set<string>()
  for (const { key, value } of booklet.rawEntries()) {
    const text = Buffer.from(key).toString('latin1')
    if (seen.has(text)) throw new Error(`the key ${text} comes twice`)
    seen.add(text)
    const found = booklet.getBytes(key)
    if (!found || Buffer.compare(found, value) !== 0) throw new Error(`a lookup of ${text} gives something else`)
    attempt('the value of a fuzzed file', bytes, () => booklet.get(key))
  }
  if (booklet.size !== seen.size) throw new Error(`size ${booklet.size}, ${seen.size} entries`)
  if ('reserved' in booklet) {
    const { reserved } = booklet
    attempt('metadata', bytes, () => booklet.metadata)
    attempt('slots', bytes, () => [reserved.get(1), reserved.get(2)])
  }
  return seen.size
}

function change(booklet: Any, bytes: Uint8Array): void {
  const length = 'valueLength' in booklet ? booklet.valueLength : 5
  // A header may claim values of 4 GiB: nobody sets one then.
  if (length > 1 << 20) return
  const size = booklet.size
  const key = Uint8Array.of(1, 2, 3)
  const had = booklet.has(key)
  booklet.setBytes(key, new Uint8Array(length))
  booklet.sync()
  booklet.prune()
  const again = open(booklet.toBytes(), 'r')
  if (again.size !== size + (had ? 0 : 1)) throw new Error(told('a fuzzed file after a change', bytes, `${again.size} keys instead of ${size}`))
  readAll(again, bytes)
}

test('mutated golden files', { timeout: 60_000 * rounds(1) }, () => {
  const random = new SeededRandom()
  const outcome = { refused: 0, read: 0, repaired: 0 }
  for (let i = 0; i < rounds(2000); i++) {
    const bytes = mutate(random, random.pick(goldens), goldens)
    for (const flag of ['r', 'w', 'c'] as const) {
      const size = attempt(`a fuzzed file, flag ${flag}`, bytes, () => {
        const booklet = open(bytes.slice(), flag)
        const count = readAll(booklet, bytes)
        if (flag !== 'r') change(booklet, bytes)
        if (booklet.repair) outcome.repaired++
        booklet.close()
        return count
      })
      if (size === undefined) outcome.refused++
      else outcome.read++
    }
  }
  expect(Math.min(...Object.values(outcome)), JSON.stringify(outcome)).toBeGreaterThan(rounds(100))
})

test('mutated remote indexes', { timeout: 60_000 * rounds(1) }, () => {
  const random = new SeededRandom()
  const seeds = [1, 3, 40].map((count) =>
    encodeFixedBooklet({ entries: Array.from({ length: count }, (_, i): [string, Uint8Array] => [`key ${i}`, new Uint8Array(15).fill(i)]), valueLength: 15, buckets: 7, timestamp: 1 }))
  for (let i = 0; i < rounds(3000); i++) {
    const bytes = mutate(random, random.pick(seeds), seeds)
    attempt('RemoteIndex', bytes, () => {
      const index = RemoteIndex.decode(bytes)
      const keys = new Set<string>()
      for (const [key, entry] of index.entries()) {
        keys.add(key)
        const found = index.get(key)
        if (found?.offset !== entry.offset || found.timestamp !== entry.timestamp) throw new Error(`a lookup of ${key} gives something else`)
      }
      if (index.size !== keys.size) throw new Error('the size is wrong')
      for (let k = 0; k < 40; k++) if (index.has(`key ${k}`) !== keys.has(`key ${k}`)) throw new Error(`has(key ${k}) is wrong`)
    })
  }
})

/* The record in the header has a checksum, which anyone can compute. */
test('forged records of an operation to be finished', { timeout: 60_000 * rounds(1) }, () => {
  const random = new SeededRandom()
  const states = ['clean', 'open', 'commit', 'rewrite', 'clear'] as const
  for (let i = 0; i < rounds(3000); i++) {
    const golden = random.pick(goldens)
    if (golden.length < 200) continue
    const list = forgedList(random, golden.length)
    const bytes = new Uint8Array(golden.length + 40 + list.length)
    bytes.set(golden)
    bytes.set(list, golden.length + 32)
    const number = (limit: number) => Math.floor(random.pick([0, 1, 199, 200, golden.length, bytes.length, limit - 1, random.next() * limit])) % limit
    patchHeader(bytes, { nKeys: random.pick([NOT_CLOSED, 0, 3]), ...(random.next() < 0.5 ? { version: 0 } : {}) })
    const honest = random.next() < 0.6
    const headerLength = bookletKind(bytes) === 'fixed' ? 21 : 32
    writeRecord(bytes.subarray(0, 200), {
      state: random.pick(states), version: random.pick([5, 5, 5, 4, 3, 0, 9]), length: number(2 ** 48), nKeys: number(2 ** 32), modified: number(2 ** 53),
      newLength: number(2 ** 48), nBuckets: number(2 ** 32), checksum: crc32(list), fileLength: honest ? bytes.length : number(2 ** 48),
      redoAt: honest ? golden.length + 32 - headerLength : number(2 ** 48), redoLength: honest ? list.length : number(2 ** 48),
    })
    for (const flag of ['r', 'w'] as const) {
      attempt(`a forged record, flag ${flag}`, bytes, () => {
        const booklet = open(bytes.slice(), flag)
        readAll(booklet, bytes)
        if (flag === 'w') change(booklet, bytes)
      })
    }
  }
})

/* Overwrites of any place, with lengths that may be wrong. */
function forgedList(random: SeededRandom, size: number): Uint8Array {
  const list = new RedoList()
  for (let left = random.below(4); left > 0; left--) {
    const kind = random.pick(['uncover', 'pointer', 'bytes', 'kill'] as const)
    const position = random.pick([0, 16, 33, 65, 200, random.below(size), size + 10 ** 6, 2 ** 31, 2 ** 47])
    list.add(kind, position, random.next() < 0.3 ? random.bytes(6) : undefined, random.bytes(random.pick([0, 1, 6, 6, 20])))
  }
  const bytes = Uint8Array.from(list.bytes)
  return random.next() < 0.2 ? mutate(random, bytes) : bytes
}
