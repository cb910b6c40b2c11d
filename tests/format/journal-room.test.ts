import { describe, expect, it } from 'vitest'
import { utf8Decode } from '../../src/base/bytes.js'
import { decodeJournal, EMPTY_JOURNAL, encodeJournal } from '../../src/format/journal.js'
import { journalRoom, placeKeys, withRoom } from '../../src/format/journal-room.js'
import { fc } from '../support/property.js'

const oddKeys = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('', ']', '],"', '"],"deletes":["', '\\', '\\"],"', ' ', '\u0000', 'ключ', '[', '🔑'.repeat(60), 'x'.repeat(505)),
)
const keySet = fc.uniqueArray(oddKeys, { maxLength: 30 })

describe('room in a journal', () => {
  it('takes keys one after the other, and whatever arrived of them it is a journal', () => {
    fc.assert(
      fc.property(keySet, keySet, keySet, fc.nat(5000), fc.infiniteStream(fc.boolean()), (before, more, deleted, position, arrives) => {
        const written = new Set(before)
        const added = more.filter((key) => !written.has(key))
        const deletes = new Set(deleted.filter((key) => !written.has(key) && !added.includes(key)))
        const journal = { ...EMPTY_JOURNAL, written, deletes, numGroups: 7, numGroupsSet: true }
        let bytes = withRoom(encodeJournal(journal))
        expect(decodeJournal(bytes)).toEqual(journal)
        for (const key of added) {
          const placed = placeKeys(journalRoom(bytes)!, [key], position)
          if (placed === undefined) {
            // Full, too long for a sector, or the first of all.
            bytes = withRoom(encodeJournal({ ...journal, written: written.add(key) }))
            continue
          }
          const [insert] = placed.inserts
          const { at, bytes: text } = insert!
          expect(placed.inserts.length).toBe(1)
          expect(Math.floor((position + at) / 512)).toBe(Math.floor((position + at + text.length - 1) / 512))
          expect(utf8Decode(bytes.subarray(at, at + text.length)).trim()).toBe('')
          bytes.set(text, at)
          written.add(key)
          expect(journalRoom(bytes)).toEqual(placed.room)
          expect(decodeJournal(bytes)).toEqual(journal)
        }
        const placed = placeKeys(journalRoom(bytes)!, ['one', 'two', 'three'].map((name) => `${name} more than all`), position)
        if (placed === undefined) return
        const arrived = placed.inserts.filter(() => arrives.next().value)
        for (const { at, bytes: text } of arrived) bytes.set(text, at)
        expect(decodeJournal(bytes).written.size).toBe(written.size + arrived.length)
      }),
      { numRuns: 300 },
    )
  })

  it('is an eighth of the journal, and 512 bytes at least', () => {
    const room = (count: number) => {
      const { start, end } = journalRoom(withRoom(encodeJournal({ ...EMPTY_JOURNAL, written: new Set(Array.from({ length: count }, (_, i) => `key ${i}`)) })))!
      return [end - start, start]
    }
    expect(room(0)[0]).toBe(512)
    const [spaces, before] = room(10_000)
    expect(spaces).toBe(Math.floor(before! / 8))
  })

  it('is not looked for in what somebody else wrote', () => {
    for (const text of ['', '{}', '{"v": 1, "written": ["a"], "deletes": []}', '{"deletes":[],"v":1,"written":["a"  ]}', '{"v":1,"written":["a"']) {
      expect(journalRoom(new TextEncoder().encode(text))).toBeUndefined()
    }
  })
})
