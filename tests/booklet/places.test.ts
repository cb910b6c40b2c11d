/** The places of values, which a push reads from while the file is written to. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openBooklet, type Booklet } from '../../src/booklet/index.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'

const folder = mkdtempSync(join(tmpdir(), 'ebooklet-places-'))
afterAll(() => rmSync(folder, { recursive: true }))

const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`)

function read(file: Booklet<string, Uint8Array>, { offset, length }: { offset: number; length: number }): Uint8Array {
  const bytes = new Uint8Array(length)
  file.places.read(offset, bytes)
  return bytes
}

describe.each([
  { name: 'a file', path: join(folder, 'a.blt'), buckets: 11 },
  { name: 'a file with room', path: join(folder, 'b.blt'), buckets: 1000 },
  { name: 'memory', path: null, buckets: 11 },
])('places in $name', ({ path, buckets }) => {
  it(`hold their bytes while they are held, whatever is set, deleted, stamped and synced, ${replay}`, () => {
    const random = new SeededRandom(testSeed)
    const open = path === null ? openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes', buckets, bufferSize: 3000 }) : openBooklet<string, Uint8Array>(path, { flag: 'n', valueSerializer: 'bytes', buckets, bufferSize: 3000 })
    using file = open
    const letGo = file.places.hold()
    const pinned: { offset: number; length: number; value: Uint8Array }[] = []
    for (let step = 0; step < 600; step++) {
      const key = random.pick(keys)
      const draw = random.below(10)
      if (draw < 5) {
        const value = random.bytes(random.below(900))
        file.setBytes(key, value)
        const place = file.places.locate(key)!
        expect(place.length).toBe(value.length)
        pinned.push({ ...place, value })
      } else if (draw < 7) file.delete(key)
      else if (draw < 8 && file.has(key)) file.setTimestamp(key, step)
      else if (draw < 9) file.sync()
      else {
        const some = random.pick(pinned.length > 0 ? pinned : [{ offset: 0, length: 0, value: new Uint8Array() }])
        expect(read(file, some)).toEqual(some.value)
      }
    }
    for (const place of pinned) expect(read(file, place)).toEqual(place.value)
    expect(() => file.prune()).toThrow(/prune/)
    expect(() => file.clear()).toThrow(/clear/)
    letGo()
    letGo()
    file.prune()
    expect(file.places.locate('nothing')).toBeUndefined()
    for (const key of file.keys()) expect(read(file, file.places.locate(key)!)).toEqual(file.getBytes(key))
  })
})

it('an index that would have to move blocks to grow grows when places are let go', () => {
  using file = openBooklet<string, Uint8Array>(join(folder, 'c.blt'), { flag: 'n', valueSerializer: 'bytes', buckets: 7 })
  for (const key of keys.slice(0, 5)) file.setBytes(key, new Uint8Array(10).fill(1))
  // A pruned file has its index behind the data.
  file.prune()
  const { nBuckets } = file
  const letGo = file.places.hold()
  const place = file.places.locate('key 1')!
  for (const key of keys) file.setBytes(key, new Uint8Array(10).fill(2))
  file.sync()
  expect(read(file, place)).toEqual(new Uint8Array(10).fill(1))
  letGo()
  file.setBytes('one more', new Uint8Array(1))
  file.sync()
  expect(file.nBuckets).toBeGreaterThan(nBuckets)
  expect(file.size).toBe(41)
})
