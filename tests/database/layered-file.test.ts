/** The local file of a reader against a plain map, by random operations. */
import { readFileSync, rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { systemEnvironment } from '../../src/base/environment.js'
import { openBooklet } from '../../src/booklet/index.js'
import { LayeredFile } from '../../src/database/shared/layered-file.js'
import { Overlay } from '../../src/database/shared/overlay.js'
import { temporaryFolder } from '../support/folder.js'
import { fc } from '../support/property.js'
import { filesOf } from './shared-suite.js'

interface Entry {
  value: string
  timestamp: number
}

type Op =
  | { op: 'set'; key: string; value: string; timestamp: number }
  | { op: 'delete'; key: string }
  | { op: 'stamp'; key: string; timestamp: number }
  | { op: 'prune'; before: number; keep: string }
  | { op: 'metadata'; value: unknown; timestamp: number }
  | { op: 'slot'; slot: 1 | 2; text: string | null }
  | { op: 'file' | 'sync' }

const key = fc.oneof(fc.integer({ min: 0, max: 12 }).map((i) => `k${i}`), fc.constantFrom('', 'ü', '__proto__'))
const value = fc.oneof(fc.string({ maxLength: 30, unit: 'grapheme' }).filter((text) => text.isWellFormed()), fc.nat(900).map((n) => 'x'.repeat(n)))
const timestamp = fc.integer({ min: 0, max: 1000 })
const entries = fc.dictionary(key, fc.record({ value, timestamp }), { noNullPrototype: true, maxKeys: 10 })

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ op: fc.constant('set' as const), key, value, timestamp }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('delete' as const), key }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('stamp' as const), key, timestamp }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('prune' as const), before: timestamp, keep: key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('metadata' as const), value: fc.oneof(fc.constant(undefined), fc.jsonValue({ maxDepth: 2 })), timestamp }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('slot' as const), slot: fc.constantFrom(1 as const, 2 as const), text: fc.oneof(fc.constant(null), value) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('file' as const, 'sync' as const) }) },
)

const utf8 = new TextEncoder()
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

/** What a file is to hold. */
class Model {
  readonly entries: Map<string, Entry>
  metadata: { value: unknown; timestamp: number | undefined }
  readonly slots = new Map<1 | 2, string | undefined>([[1, 'one'], [2, undefined]])

  constructor(initial: Record<string, Entry>, metadata: unknown) {
    this.entries = new Map(Object.entries(initial))
    this.metadata = { value: metadata, timestamp: metadata === undefined ? undefined : 7 }
  }
}

function apply(file: LayeredFile, overlay: Overlay, model: Model, step: Op): void {
  const held = 'key' in step ? model.entries.get(step.key) : undefined
  switch (step.op) {
    case 'set': {
      const bytes = utf8.encode(step.value)
      file.setBytes(step.key, bytes, step)
      // The file has its own.
      bytes.fill(0)
      model.entries.set(step.key, { value: step.value, timestamp: step.timestamp })
      break
    }
    case 'delete':
      expect(file.delete(step.key)).toBe(model.entries.delete(step.key))
      break
    case 'stamp':
      expect(file.setTimestamp(step.key, step.timestamp)).toBe(held !== undefined)
      if (held) model.entries.set(step.key, { ...held, timestamp: step.timestamp })
      break
    case 'prune': {
      const old = [...model.entries].filter(([name, { timestamp }]) => timestamp < step.before && name !== step.keep).map(([name]) => name)
      expect(file.prune({ before: step.before, keep: [step.keep] })).toBe(old.length)
      for (const name of old) model.entries.delete(name)
      break
    }
    case 'metadata':
      file.setMetadata(step.value, step)
      model.metadata = { value: step.value, timestamp: step.value === undefined ? undefined : step.timestamp }
      break
    case 'slot':
      if (step.text === null) expect(file.reserved.delete(step.slot)).toBe(model.slots.get(step.slot) !== undefined)
      else file.reserved.set(step.slot, utf8.encode(step.text))
      model.slots.set(step.slot, step.text ?? undefined)
      break
    case 'file':
      expect(overlay.moveToFile()).toBe(true)
      break
    case 'sync':
      file.sync()
  }
}

function compare(file: LayeredFile, model: Model): void {
  expect(new Map(file.timestamps())).toEqual(new Map([...model.entries].map(([name, { timestamp }]) => [name, timestamp])))
  for (const name of [...model.entries.keys(), 'never there', 'k1', 'k2']) {
    const entry = model.entries.get(name)
    expect(file.getTimestamp(name)).toBe(entry?.timestamp)
    expect(file.lengthOf(name)).toBe(entry && utf8.encode(entry.value).length)
    const found = file.getEntryBytes(name)
    expect(found && { value: text(found.value), timestamp: found.timestamp }).toEqual(entry)
    // What a caller does with it is no concern of the file's.
    found?.value.fill(0)
    expect(text(file.getBytes(name))).toBe(entry?.value)
  }
  expect(file.metadata).toEqual(model.metadata.value)
  expect(file.metadataTimestamp).toBe(model.metadata.timestamp)
  for (const slot of [1, 2] as const) expect(text(file.reserved.get(slot)?.bytes)).toBe(model.slots.get(slot))
}

function makeShared(path: string, initial: Record<string, Entry>, metadata: unknown): void {
  const file = openBooklet(path, { flag: 'n', buckets: 7 })
  for (const [name, { value: content, timestamp: time }] of Object.entries(initial)) file.setBytes(name, utf8.encode(content), { timestamp: time })
  if (metadata !== undefined) file.setMetadata(metadata, { timestamp: 7 })
  file.reserved.set(1, utf8.encode('one'))
  file.close()
}

describe('the layered file', () => {
  it('holds what a map holds, whether in memory or in a file, and leaves the shared one alone', () => {
    const folder = temporaryFolder()
    const environment = systemEnvironment()
    let number = 0
    const property = fc.property(entries, fc.option(fc.jsonValue({ maxDepth: 1 }), { nil: undefined }), fc.array(op, { maxLength: 60 }), fc.constantFrom(1, 150, 1000, 1_000_000), (initial, metadata, ops, bufferSize) => {
      const path = `${folder}/${String(number++)}.blt`
      makeShared(path, initial, metadata)
      const before = readFileSync(path)
      const base = openBooklet<string, unknown>(path)
      const cacheBytes = bufferSize === 150 ? 0 : 100_000
      const overlay = new Overlay({ path, bufferSize, cacheBytes, environment, headerBytes: base.headerBytes() })
      const file = new LayeredFile({ path, bufferSize, cacheBytes, environment, type: 'EVariableLengthValue' }, base, overlay)
      const model = new Model(initial, metadata)
      compare(file, model)
      for (const step of ops) apply(file, overlay, model, step)
      compare(file, model)
      expect(readFileSync(path).equals(before)).toBe(true)
      expect(overlay.path === undefined || filesOf(path).length > 1).toBe(true)
      base.close()
      overlay.drop()
      expect(filesOf(path)).toEqual([`${String(number - 1)}.blt`])
      rmSync(path)
    })
    fc.assert(property, { numRuns: 150 })
  }, 60_000)
})
