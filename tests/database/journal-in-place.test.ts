/** The journal of many pending writes is not written anew for each further one. */
import { copyFile, stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { decodeJournal } from '../../src/format/journal.js'
import { Bench, memoryKind } from './remotes.js'

function journalOf(path: string) {
  const booklet = openBooklet(path, { flag: 'w' })
  const { repair } = booklet
  const { bytes } = booklet.reserved.get(1)!
  booklet.close()
  return { ...decodeJournal(bytes), repair, length: bytes.length }
}

describe('one more write and sync', () => {
  it('costs the same however many writes are pending, also in a later session, and all are pushed', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    const copies: string[] = []
    const expected = new Map<string, string>()
    for (const session of [1, 2]) {
      await using db = await bench.open<string>(path, { flag: 'c', numGroups: 3 })
      const set = (key: string) => {
        db.set(key, `value of ${key}`)
        expected.set(key, `value of ${key}`)
      }
      if (session === 1) for (let i = 0; i < 3000; i++) set(`key ${i}`)
      db.sync()
      const before = (await stat(path)).size
      for (let i = 0; i < 25; i++) {
        set(`session ${session}, one more ]," ${'é'.repeat(i)} ${i}`)
        // Pending already: the journal needn't know.
        set(`key ${i}`)
        db.sync()
      }
      expect((await stat(path)).size - before).toBeLessThan(25 * 2 * 400)
      // As a crash right after the sync leaves it.
      const copy = bench.freshPath()
      await copyFile(path, copy)
      copies.push(copy)
    }
    for (const [i, copy] of [...copies, path].entries()) {
      const { written, repair, length } = journalOf(copy)
      expect(repair).toBeUndefined()
      expect(length).toBeGreaterThan(30_000)
      expect(written.size).toBe(i === 0 ? 3025 : 3050)
    }
    expect([...journalOf(path).written].sort()).toEqual([...expected.keys()].sort())
    await using db = await bench.open<string>(path, { flag: 'w' })
    expect(await db.push()).toMatchObject({ ok: true })
    expect(await bench.contents()).toEqual(Object.fromEntries(expected))
  })

  it('is written anew when the room is used up, and after a delete, a discard and a prune', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    {
      await using db = await bench.open<string>(path, { flag: 'c', numGroups: null })
      for (let i = 0; i < 400; i++) {
        db.set(`key ${i}`, 'x')
        if (i % 3 === 0) db.sync()
        if (i % 50 === 7) db.delete(`key ${i - 5}`)
        if (i % 50 === 9) db.set(`key ${i - 7}`, 'again')
        if (i % 90 === 11) db.discard([`key ${i - 1}`])
        if (i % 100 === 13) db.prune()
      }
    }
    await using db = await bench.open<string>(path, { flag: 'w' })
    const keys = [...db.keys()].sort()
    await db.close()
    expect([...journalOf(path).written].sort()).toEqual(keys)
    const gone = (key: string) => /^key (?:2|52|102|152|202|252|302|352)$/.test(key)
    const discarded = (key: string) => /^key (?:10|100|190|280|370)$/.test(key)
    const all = Array.from({ length: 400 }, (_, i) => `key ${i}`).filter((key) => !discarded(key))
    // What was deleted was set again two keys later.
    expect(all.filter(gone).length).toBe(8)
    expect(keys).toEqual(all.sort())
  })
})
