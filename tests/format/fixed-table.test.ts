import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { FormatError } from '../../src/base/error.js'
import { encodeFixedBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { digestKey, newDigest } from '../../src/format/blake2s.js'
import type { IndexEntry } from '../../src/format/index-entry.js'
import { groupId } from '../../src/format/group-id.js'
import { encodeRemoteIndex, RemoteIndex } from '../../src/sync/remote-index.js'
import { FixedTable } from '../../src/format/fixed-table.js'
import { testSeed } from '../support/seed.js'

const key = fc.oneof(fc.constantFrom('', 'a', 'b', 'c', 'ä', '🔑', '__proto__'), fc.string({ maxLength: 5 }), fc.string({ minLength: 60, maxLength: 70, unit: 'binary' }).filter((text) => text.isWellFormed()))
const entry = fc.record({ timestamp: fc.nat(), offset: fc.nat(), length: fc.nat() })
const change = fc.record({ set: fc.array(fc.tuple(key, entry), { maxLength: 12 }), gone: fc.array(key, { maxLength: 6 }) })

describe('an index that follows another', () => {
  it('holds what a Map would hold, compact, whichever it followed', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.integer({ min: 1, max: 30 }), fc.boolean(), fc.boolean(), (changes, minBuckets, reread, byPlace) => {
        const expected = new Map<string, IndexEntry>()
        let index = RemoteIndex.empty()
        for (const [timestamp, { set, gone }] of changes.entries()) {
          for (const name of gone) expected.delete(name)
          for (const [name, value] of set) expected.set(name, value)
          const all = [...new Map(set)]
          const found = all.map(([name, value]) => ({ name, place: byPlace ? index.placeOf(name) : undefined, entry: value }))
          const moved = found.flatMap(({ place, entry: value }) => (place === undefined ? [] : [{ place, entry: value }]))
          const rest = found.flatMap(({ name, place, entry: value }): [string, IndexEntry][] => (place === undefined ? [[name, value]] : []))
          index = index.after({ set: rest, moved, gone }, { minBuckets, timestamp })
          // As another session sees it, which trusts nobody.
          if (reread) index = RemoteIndex.decode(index.bytes)
          expectHolds(index, expected, minBuckets)
        }
      }),
      { seed: testSeed, numRuns: 300 },
    )
  })

  it('has more buckets once there are more keys than buckets, in the steps of the original', () => {
    const names = Array.from({ length: 12_010 }, (_, i) => `key ${i}`)
    const value = { timestamp: 1, offset: 2, length: 3 }
    let index = RemoteIndex.decode(encodeRemoteIndex(names.slice(0, 12_007).map((name) => [name, value]), { minBuckets: 12_007, timestamp: 1 }))
    expect(FixedTable.decode(index.bytes).header.nBuckets).toBe(12_007)
    index = index.after({ set: new Map([[names[12_008]!, value]]), gone: [] }, { minBuckets: 12_007, timestamp: 2 })
    expect(FixedTable.decode(index.bytes).header.nBuckets).toBe(144_013)
    expect(index.size).toBe(12_008)
    index = index.after({ set: new Map(), gone: [names[0]!] }, { minBuckets: 12_007, timestamp: 3 })
    expect(FixedTable.decode(index.bytes).header.nBuckets).toBe(12_007)
    expect(index.has(names[0]!)).toBe(false)
  })

  it('gives the members of groups', () => {
    const names = Array.from({ length: 200 }, (_, i) => `key ${i}`)
    const index = RemoteIndex.decode(encodeRemoteIndex(names.map((name) => [name, { timestamp: 1, offset: 0, length: 0 }]), { minBuckets: 7, timestamp: 1 }))
    const wanted = names.map((name) => [groupId(name, 11), { key: name, place: index.placeOf(name) }] as const).filter(([gid]) => gid === 3 || gid === 7)
    expect([...index.members(new Set([3, 7]), 11)]).toEqual(wanted)
  })
})

function expectHolds(index: RemoteIndex, expected: ReadonlyMap<string, IndexEntry>, minBuckets: number): void {
  expect(index.size).toBe(expected.size)
  expect(new Map(index.entries())).toEqual(expected)
  expect([...index.keys()].sort()).toEqual([...expected.keys()].sort())
  const digest = newDigest()
  const there = newDigest()
  for (const [name, value] of expected) {
    expect(index.get(name)).toEqual(value)
    expect(index.entryAt(index.placeOf(name)!)).toEqual(value)
    digestKey(utf8Encode(name), digest)
    index.digestAt(index.placeOf(name)!, there)
    expect(there).toEqual(digest)
    expect(index.timestampOf(digest)).toBe(value.timestamp)
    expect(index.placeOf(name)).toBeGreaterThanOrEqual(200)
  }
  for (const name of ['a', 'no such key']) expect(index.has(name)).toBe(expected.has(name))
  if (expected.size === 0 && index.bytes.length === 0) return
  const bytes = [...expected.keys()].reduce((sum, name) => sum + 36 + utf8Encode(name).length, 0)
  const { nBuckets } = FixedTable.decode(index.bytes).header
  expect(nBuckets).toBeGreaterThanOrEqual(minBuckets)
  expect(index.bytes.length).toBe(200 + 6 * nBuckets + bytes)
  // The reader of whole files agrees.
  const file = openFixedBooklet(index.bytes, { flag: 'r' })
  expect(file.size).toBe(expected.size)
  for (const name of expected.keys()) expect(file.has(name)).toBe(true)
}

describe('a table in memory', () => {
  it('of a file that was changed by turns: lookups and positions agree with the file', () => {
    const file = openFixedBooklet(null, { valueLength: 15, buckets: 5 })
    for (let i = 0; i < 60; i++) file.set(`key ${i % 25}`, new Uint8Array(15).fill(i))
    for (let i = 0; i < 25; i += 3) file.delete(`key ${i}`)
    for (let i = 40; i < 90; i++) file.set(`key ${i}`, new Uint8Array(15).fill(i))
    file.sync()
    const table = FixedTable.decode(file.toBytes())
    expect(Array.from(table.positions, (position) => utf8Decode(table.keyAt(position))).sort()).toEqual([...file.keys()].sort())
    for (const [name, value] of file.entries()) {
      const position = table.find(utf8Encode(name))!
      expect(table.bytes.subarray(table.valueAt(position), table.valueAt(position) + 15)).toEqual(value)
    }
    expect(table.find(utf8Encode('key 0'))).toBeUndefined()
  })

  it('gives the first of two blocks of one key in a chain, as lookups do, and refuses chains that meet', () => {
    const bytes = encodeFixedBooklet({ entries: Array.from({ length: 40 }, (_, i) => [`k${i}`, new Uint8Array(15).fill(i)] as const), valueLength: 15, buckets: 1, timestamp: 1 })
    const at = (i: number) => 206 + [...Array(i).keys()].reduce((sum, k) => sum + 36 + `k${k}`.length, 0)
    // The head of the only chain is the last block. Two of the same length: one becomes a second one of the other's key.
    const twice = bytes.slice()
    twice.copyWithin(at(12), at(20), at(20) + 13)
    twice.set(bytes.subarray(at(20) + 19, at(21)), at(12) + 19)
    const table = FixedTable.decode(twice)
    expect(table.positions.length).toBe(39)
    expect(table.find(utf8Encode('k20'))).toBe(at(20))
    expect(table.find(utf8Encode('k12'))).toBeUndefined()
    const circle = bytes.slice()
    circle.set(bytes.subarray(200, 206), at(0) + 13)
    expect(() => FixedTable.decode(circle).positions).toThrow(FormatError)
    expect(() => FixedTable.decode(circle).find(utf8Encode('not there'))).toThrow(FormatError)
  })
})
