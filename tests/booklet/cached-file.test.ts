import { describe, expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { openBookletOn } from '../../src/booklet/booklet.js'
import { PointerPatches } from '../../src/booklet/patches.js'
import { CachedFile } from '../../src/platform/cached-file.js'
import { MemoryFile, type RandomAccessFile } from '../../src/platform/random-access-file.js'
import { readU48, writeU48 } from '../../src/format/integers.js'
import { fc } from '../support/property.js'
import { Disk } from './disk.js'

/* A file that doesn't say that it is in memory, and counts what is read. */
function hidden(inner: RandomAccessFile): RandomAccessFile & { reads: number; fails: boolean } {
  return {
    reads: 0,
    fails: false,
    read(position, target) {
      this.reads++
      return inner.read(position, target)
    },
    write(position, bytes) {
      inner.write(position, this.fails ? bytes.subarray(0, bytes.length >> 1) : bytes)
      if (this.fails) throw new Error('the disk is full')
    },
    truncate: (length) => inner.truncate(length),
    size: () => inner.size(),
    sync: () => undefined,
    modified: () => undefined,
    setModified: () => undefined,
    close: () => inner.close(),
  }
}

function contents(file: RandomAccessFile): Uint8Array {
  const bytes = new Uint8Array(file.size())
  for (let at = 0; at < bytes.length; at += 1000) expect(file.read(at, bytes.subarray(at, at + 1000))).toBe(Math.min(1000, bytes.length - at))
  return bytes
}

const LIMIT = 300_000
const place = fc.integer({ min: 0, max: 400_000 })
const length = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 150_000 }))
const operations = fc.array(
  fc.oneof(
    fc.record({ op: fc.constant('read' as const), at: place, length }),
    fc.record({ op: fc.constant('inMemory' as const), at: place, length }),
    fc.record({ op: fc.constantFrom('write' as const, 'fail' as const), at: place, length, fill: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ op: fc.constant('truncate' as const), at: place }),
  ),
  { minLength: 1, maxLength: 40 },
)

describe('a file that is kept in memory', () => {
  it('reads as the file itself, whatever is done to it', () => {
    fc.assert(
      fc.property(operations, (steps) => {
        const disk = hidden(new MemoryFile())
        const cached = new CachedFile(disk, LIMIT)
        for (const step of steps) run(disk, cached, step)
        expect(Buffer.compare(contents(cached), contents(disk))).toBe(0)
        expect(cached.size()).toBe(disk.size())
      }),
      { numRuns: 150 },
    )
  })

  it('is read from the disk once, and a longer one each time', () => {
    for (const [size, reads] of [[LIMIT, 0], [LIMIT + 1, 300]] as const) {
      const disk = hidden(new MemoryFile(new Uint8Array(size)))
      const cached = new CachedFile(disk, LIMIT)
      contents(cached)
      disk.reads = 0
      contents(cached)
      expect(disk.reads).toBeGreaterThanOrEqual(reads)
      if (reads === 0) expect(disk.reads).toBe(0)
    }
  })
})

function run(disk: ReturnType<typeof hidden>, cached: CachedFile, step: { op: string; at: number; length?: number; fill?: number }): void {
  const { op, at, length = 0, fill = 0 } = step
  if (op === 'truncate') cached.truncate(at)
  else if (op === 'write') cached.write(at, new Uint8Array(length).fill(fill))
  else if (op === 'fail') {
    disk.fails = true
    expect(() => cached.write(at, new Uint8Array(length).fill(fill))).toThrow('full')
    disk.fails = false
  } else if (op === 'inMemory') {
    const there = Math.max(0, Math.min(length, disk.size() - at))
    const held = cached.inMemory(at, length)
    if (disk.size() > LIMIT) expect(held).toBeUndefined()
    const bytes = new Uint8Array(there)
    disk.read(at, bytes)
    if (held !== undefined) expect(Buffer.compare(held.subarray(at, at + there), bytes)).toBe(0)
  } else {
    const [ours, theirs] = [new Uint8Array(length), new Uint8Array(length)]
    expect(cached.read(at, ours)).toBe(disk.read(at, theirs))
    expect(Buffer.compare(ours, theirs)).toBe(0)
  }
}

it('many pointers are written as one by one, wherever they lie and in whatever order', () => {
  const far = fc.integer({ min: 0, max: 30_000 }).map((i) => i * 10)
  const near = fc.integer({ min: 0, max: 2000 }).map((i) => 65_000 + i * 6)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(far, near), fc.integer({ min: 0, max: 2 ** 48 - 1 })), { maxLength: 300 }), (list) => {
      const [file, model] = [new MemoryFile(new Uint8Array(300_100).fill(7)), new MemoryFile(new Uint8Array(300_100).fill(7))]
      const patches = new PointerPatches()
      const last = new Map<number, number>()
      for (const [position, value] of list) if (![...last.keys()].some((other) => other !== position && Math.abs(other - position) < 6)) last.set(position, value)
      for (const [position, value] of list) {
        if (!last.has(position)) continue
        patches.add(position, value)
        const bytes = new Uint8Array(6)
        writeU48(bytes, 0, value)
        model.write(position, bytes)
      }
      patches.apply(file)
      for (const [position, value] of last) expect(readU48(file.contents(), position)).toBe(value)
      expect(Buffer.compare(file.contents(), model.contents())).toBe(0)
    }),
    { numRuns: 200 },
  )
})

describe('values', () => {
  it('are their owner\'s: changing one changes no other, nor the file', () => {
    for (const cacheBytes of [0, 1 << 20]) {
      const file = openBookletOn<string, Uint8Array>(new Disk(), { flag: 'n', valueSerializer: 'bytes', cacheBytes })
      for (let i = 0; i < 200; i++) file.set(`key ${i}`, new Uint8Array(i * 11).fill(i))
      file.sync()
      const read = () => Array.from({ length: 200 }, (_, i) => file.get(`key ${i}`)!)
      const values = [...read(), ...file.values()]
      for (const [i, value] of values.entries()) {
        expect(value.byteOffset % 8).toBe(0)
        expect(value.every((byte) => byte === i % 200)).toBe(true)
        value.fill(255)
      }
      for (const [i, value] of read().entries()) expect(value.length === i * 11 && value.every((byte) => byte === i)).toBe(true)
      file.close()
    }
  })

  it('come from files of any size, with any cache', () => {
    expect(() => openBooklet(null, { cacheBytes: -1 })).toThrow('cacheBytes')
    for (const cacheBytes of [0, 100_000, 10_000_000]) {
      const disk = new Disk()
      const file = openBookletOn<string, Uint8Array>(disk, { flag: 'n', valueSerializer: 'bytes', buckets: 100, cacheBytes })
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 60; i++) file.set(`key ${(i * 7) % 50}`, new Uint8Array(3000).fill(i + round))
        file.sync()
        for (let i = 10; i < 60; i++) expect(file.get(`key ${(i * 7) % 50}`)![2999]).toBe(i + round)
        file.delete('key 1')
        if (round === 2) file.prune()
      }
      file.close()
    }
  })
})
