import { fc } from '../support/property.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Booklet, checkBooklet, type FixedBooklet, openBooklet, openFixedBooklet } from '../../src/booklet/index.js'

/* Random operations on a booklet and on a Map, compared after each reopening. Failures print a seed. */

type Any = Booklet<string, Uint8Array> | FixedBooklet<string>

interface Entry {
  value: string
  timestamp: number | undefined
}

interface Shape {
  fixed: boolean
  timestamps: boolean
  buckets: number
  bufferSize: number
  valueLength: number
  inFile: boolean
}

type Op =
  | { op: 'set'; key: string; length: number; timestamp: number }
  | { op: 'delete'; key: string }
  | { op: 'stamp'; key: string; timestamp: number }
  | { op: 'sync' | 'reopen' | 'prune' | 'clear' | 'metadata' }
  | { op: 'evict'; before: number; keep: string }
  | { op: 'burst'; count: number; from: number }

const key = fc.oneof(fc.integer({ min: 0, max: 30 }).map((i) => `k${i}`), fc.string({ maxLength: 12 }).filter((text) => text.isWellFormed()))
const timestamp = fc.integer({ min: 0, max: 1000 })

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ op: fc.constant('set' as const), key, length: fc.oneof(fc.nat(40), fc.nat(3000)), timestamp }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('delete' as const), key }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('stamp' as const), key, timestamp }) },
  { weight: 4, arbitrary: fc.constant({ op: 'sync' as const }) },
  { weight: 4, arbitrary: fc.constant({ op: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ op: 'prune' as const }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('evict' as const), before: timestamp, keep: key }) },
  { weight: 1, arbitrary: fc.constant({ op: 'clear' as const }) },
  { weight: 1, arbitrary: fc.constant({ op: 'metadata' as const }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('burst' as const), count: fc.integer({ min: 1, max: 60 }), from: fc.nat(50) }) },
)

const shape: fc.Arbitrary<Shape> = fc.record({
  fixed: fc.boolean(),
  timestamps: fc.boolean(),
  buckets: fc.constantFrom(1, 2, 5, 6, 11, 50),
  bufferSize: fc.constantFrom(1, 200, 5000, 1 << 20),
  valueLength: fc.constantFrom(1, 15, 300, 40_000),
  inFile: fc.boolean(),
})

let folder: string
let number = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'booklet-model-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

class Run {
  readonly model = new Map<string, Entry>()
  metadata: unknown
  #booklet: Any
  readonly #path: string | undefined

  constructor(readonly shape: Shape) {
    this.#path = shape.inFile ? join(folder, `${number++}.blt`) : undefined
    this.#booklet = this.#open(this.#path ?? null, 'n')
  }

  get #stamped(): boolean {
    return this.shape.timestamps && !this.shape.fixed
  }

  #open(source: string | Uint8Array | null, flag: 'n' | 'w' | 'r'): Any {
    const { fixed, buckets, bufferSize, valueLength, timestamps } = this.shape
    return fixed
      ? openFixedBooklet(source, { flag, buckets, bufferSize, valueLength })
      : openBooklet<string, Uint8Array>(source, { flag, buckets, bufferSize, timestamps, valueSerializer: 'bytes' })
  }

  do(op: Op): void {
    const booklet = this.#booklet
    switch (op.op) {
      case 'set':
        return this.#set(op.key, op.length, op.timestamp)
      case 'burst':
        for (let i = 0; i < op.count; i++) this.#set(`b${op.from + i}`, i, i)
        return
      case 'delete':
        expect(booklet.delete(op.key)).toBe(this.model.delete(op.key))
        return
      case 'stamp': {
        if (!this.#stamped) return
        const entry = this.model.get(op.key)
        expect((booklet as Booklet<string, Uint8Array>).setTimestamp(op.key, op.timestamp)).toBe(entry !== undefined)
        if (entry) entry.timestamp = op.timestamp
        return
      }
      case 'sync':
        return booklet.sync()
      case 'prune':
        booklet.prune()
        return
      case 'evict':
        return this.#evict(op.before, op.keep)
      case 'clear':
        booklet.clear()
        this.model.clear()
        this.metadata = undefined
        return
      case 'metadata':
        if (this.shape.fixed) return
        this.metadata = { at: this.model.size }
        ;(booklet as Booklet<string, Uint8Array>).metadata = this.metadata
        return
      case 'reopen':
        return this.reopen()
    }
  }

  #set(key: string, length: number, timestamp: number): void {
    const value = new Uint8Array(this.shape.fixed ? this.shape.valueLength : length).fill(length + timestamp)
    this.#booklet.set(key, value, this.#stamped ? { timestamp } : {})
    this.model.set(key, { value: Buffer.from(value).toString('latin1'), timestamp: this.#stamped ? timestamp : undefined })
  }

  #evict(before: number, keep: string): void {
    if (!this.#stamped) return
    let gone = 0
    for (const [key, entry] of this.model) {
      if (entry.timestamp! < before && key !== keep) {
        this.model.delete(key)
        gone++
      }
    }
    expect(this.#booklet.prune({ before, keep: [keep] })).toBeGreaterThanOrEqual(gone)
  }

  reopen(): void {
    const source = this.#path ?? this.#booklet.toBytes()
    this.#booklet.close()
    expect(checkBooklet(source).findings).toEqual([])
    const reader = this.#open(source, 'r')
    this.compare(reader)
    reader.close()
    this.#booklet = this.#open(source, 'w')
    expect(this.#booklet.repair).toBeUndefined()
    if (this.#path) expect(this.#booklet.openedClean).toBe(true)
    this.compare()
  }

  compare(booklet: Any = this.#booklet): void {
    const seen = new Map<string, Entry>()
    for (const { key, value, timestamp } of booklet.rawEntries()) {
      expect(seen.has(key)).toBe(false)
      seen.set(key, { value: Buffer.from(value).toString('latin1'), timestamp })
    }
    expect(seen).toEqual(this.model)
    expect(booklet.size).toBe(this.model.size)
    for (const [key, entry] of this.model) {
      const found = booklet.getEntryBytes(key)!
      expect(Buffer.from(found.value).toString('latin1')).toBe(entry.value)
      expect(found.timestamp).toBe(entry.timestamp)
    }
    expect(booklet.has('never set')).toBe(this.model.has('never set'))
    if (!this.shape.fixed) expect((booklet as Booklet<string, Uint8Array>).metadata).toEqual(this.metadata)
  }

  finish(): void {
    this.#booklet.close()
    if (this.#path) rmSync(this.#path)
  }
}

describe('random operations', () => {
  test('agree with a Map', () => {
    fc.assert(
      fc.property(shape, fc.array(op, { minLength: 1, maxLength: 60 }), (shape, ops) => {
        const run = new Run(shape)
        for (const each of ops) run.do(each)
        run.compare()
        run.reopen()
        run.finish()
      }),
      { numRuns: Number(process.env.EBOOKLET_TEST_RUNS ?? 150) },
    )
  })
})
