import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NumberTable } from '../../src/booklet/number-table.js'

test('does what a Map does', () => {
  // Few different keys, and those that files have: near each other, beyond 2^32, multiples of a block's length.
  const key = fc.oneof(fc.nat(40), fc.nat(0xffff).map((n) => n * 148 + 72_274), fc.nat(0xffff).map((n) => n * 0x10000000))
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.nat(2 ** 48)), { maxLength: 400 }), fc.nat(64), (pairs, expected) => {
      const table = new NumberTable(expected)
      const map = new Map<number, number>()
      for (const [k, v] of pairs) {
        expect(table.get(k)).toBe(map.get(k) ?? -1)
        expect(table.has(k)).toBe(map.has(k))
        table.set(k, v)
        map.set(k, v)
      }
      expect(table.size).toBe(map.size)
      const all: [number, number][] = []
      table.forEach((k, v) => all.push([k, v]))
      expect(all).toEqual([...map])
    }),
  )
})

test('holds keys that differ in their upper bits alone', () => {
  const table = new NumberTable()
  for (let i = 0; i < 50_000; i++) table.set(i * 0x10000, i)
  for (let i = 0; i < 50_000; i++) expect(table.get(i * 0x10000)).toBe(i)
})
