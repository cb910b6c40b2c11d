import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GroupTooLargeError } from '../../src/format/errors.js'
import { decodeGroup, encodeGroup } from '../../src/format/group.js'
import { GroupLayout } from '../../src/format/group-layout.js'
import { replay, testSeed } from '../support/seed.js'

const entries = fc.array(fc.record({ key: fc.string({ maxLength: 12, unit: 'grapheme' }), timestamp: fc.nat(), value: fc.uint8Array({ maxLength: 30 }) }), { maxLength: 12 })

it(`every piece of a group is made from lengths and the values that lie in it alone, ${replay}`, () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 40 }), (members, size) => {
      const layout = new GroupLayout(members.map(({ key, timestamp, value }) => ({ key, timestamp, length: value.length })))
      const whole = new Uint8Array(layout.size)
      // From the end on, so that no piece builds on another.
      for (let start = Math.floor((layout.size - 1) / size) * size; start >= 0; start -= size) {
        const piece = new Uint8Array(Math.min(size, layout.size - start)).fill(255)
        layout.fill(piece, start, (i, from, target) => {
          expect(target.length).toBeGreaterThan(0)
          target.set(members[i]!.value.subarray(from, from + target.length))
        })
        whole.set(piece, start)
      }
      expect(whole).toEqual(encodeGroup(members).bytes)
      expect([...decodeGroup(whole)].map(({ offset, ...entry }, i) => ({ ...entry, at: offset, expected: layout.offsets[i] }))).toEqual(members.map((entry, i) => ({ ...entry, at: layout.offsets[i], expected: layout.offsets[i] })))
    }),
    { seed: testSeed },
  )
})

it('refuses more than a group can have, before a value is read', () => {
  const member = (key: string) => ({ key, timestamp: 1, length: 2 ** 31 })
  expect(() => new GroupLayout([member('a'), member('b')])).toThrow(GroupTooLargeError)
  expect(new GroupLayout([member('a')]).size).toBe(4 + 14 + 2 ** 31)
})
