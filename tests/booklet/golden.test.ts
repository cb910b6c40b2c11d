import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { FileNotClosedError, openBooklet, openFixedBooklet, UnsupportedVersionError } from '../../src/booklet/index.js'
import { asTimestamp, type GoldenBooklet, goldenBooklet, goldenBooklets, type GoldenItem } from './golden-booklets.js'

const bytesSerializer = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
const raw = { keySerializer: bytesSerializer }
const all = goldenBooklets()
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'booklet-golden-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/* Keys are read as bytes, so that files of any key serializer open. */
function open(golden: GoldenBooklet, source: string | Uint8Array, flag: 'r' | 'w') {
  return golden.expected.header.kind === 'fixed'
    ? openFixedBooklet<Uint8Array>(source, { flag, ...raw })
    : openBooklet<Uint8Array>(source, { flag, ...raw })
}

/* What a lookup in the original finds; enumeration shows more after a crash (section 7 of the format). */
const CRASHED = ['crash_orphan_blocks', 'crash_kill9_autoflush', 'crash_truncated_tail', 'quirk_reindex_tiny_relocated']

const sound = all.filter(({ name, expected }) => expected.items_in_iteration_order && !expected.open_error && !CRASHED.includes(name))

function itemsOf(booklet: ReturnType<typeof open>, wantTimestamps: boolean) {
  const entries = [...booklet.rawEntries()]
  return [...booklet.locations()].map(({ key, timestamp, offset, length }, i) => {
    const entry = entries[i]!
    expect(toBase64(entry.key)).toBe(toBase64(key))
    expect(entry.value.length).toBe(length)
    return { key: toBase64(key), value: toBase64(entry.value), ...(wantTimestamps ? { timestamp } : {}), offset }
  })
}

function expectedItems(items: GoldenItem[], got: { value: string; offset: number }[], wantTimestamps: boolean) {
  return items.map((item, i) => ({
    key: item.key_bytes,
    value: item.value_bytes ?? got[i]?.value,
    ...(wantTimestamps && item.timestamp !== undefined ? { timestamp: asTimestamp(item.timestamp) } : {}),
    offset: item.value_offset ?? got[i]?.offset,
  }))
}

describe('files of the Python original', () => {
  test('there are some', () => {
    expect(all.length).toBeGreaterThan(80)
    expect(sound.length).toBeGreaterThan(75)
  })

  describe.each(sound.map((golden) => [golden.name, golden] as const))('%s', (name, golden) => {
    const { expected } = golden
    const wantTimestamps = expected.header.kind === 'variable' && expected.header.init_timestamps === 1 && expected.header.version > 3

    function check(source: string | Uint8Array, flag: 'r' | 'w'): void {
      const booklet = open(golden, source, flag)
      const got = itemsOf(booklet, wantTimestamps)
      const items = expected.items_in_iteration_order!
      // Large files list only some items.
      if (items.length === expected.len) expect(got).toEqual(expectedItems(items, got, wantTimestamps))
      else expect(got.length).toBe(expected.len)
      expect(booklet.size).toBe(expected.len)
      expect(booklet.uuid).toBe(expected.header.uuid)
      expect(booklet.fileTimestamp).toBe(expected.header.file_timestamp)
      expect(booklet.nBuckets).toBe(expected.header.n_buckets)
      for (const { key, value } of got) expect(toBase64(booklet.getBytes(fromBase64(key))!)).toBe(value)
      expect(booklet.repair).toBeUndefined()
      booklet.close()
    }

    test('is read from bytes', () => check(golden.bytes, 'r'))

    test('opens for writing unchanged, and clean the next time', () => {
      const path = join(folder, `${name}.blt`)
      writeFileSync(path, golden.bytes)
      check(path, 'w')
      const after = readFileSync(path)
      // Nothing but our note in the implementation area.
      expect(after.subarray(0, 77).equals(golden.bytes.subarray(0, 77))).toBe(true)
      expect(after.subarray(200).equals(golden.bytes.subarray(200))).toBe(true)
      const again = open(golden, path, 'w')
      expect(again.openedClean).toBe(true)
      again.close()
      check(path, 'r')
      rmSync(path)
    })

    test('can be edited, reopened and pruned', () => {
      const booklet = open(golden, golden.bytes, 'w')
      const model = new Map([...booklet.rawEntries()].map(({ key, value }) => [toBase64(key), toBase64(value)]))
      const length = expected.header.value_len
      const value = (seed: number) => new Uint8Array(length || seed).fill(seed)
      let i = 0
      for (const key of [...model.keys()]) {
        if (++i > 40) break
        const bytes = fromBase64(key)
        if (i % 3 === 0) {
          booklet.delete(bytes)
          model.delete(key)
        } else if (i % 3 === 1) {
          booklet.setBytes(bytes, value(i))
          model.set(key, toBase64(value(i)))
        }
      }
      const added = Uint8Array.of(1, 2, 3, 4, 250)
      booklet.setBytes(added, value(7))
      model.set(toBase64(added), toBase64(value(7)))
      const same = (other: ReturnType<typeof open>) => {
        expect(new Map([...other.rawEntries()].map(({ key, value }) => [toBase64(key), toBase64(value)]))).toEqual(model)
        expect(other.size).toBe(model.size)
      }
      same(booklet)
      const bytes = booklet.toBytes()
      same(booklet)
      same(open(golden, bytes, 'r'))
      const again = open(golden, bytes, 'w')
      expect(again.repair).toBeUndefined()
      again.prune()
      same(again)
      same(open(golden, again.toBytes(), 'r'))
    })
  })

  test('metadata and reserved slots', () => {
    let seen = 0
    for (const golden of sound) {
      const { metadata, reserved, header } = golden.expected
      if (header.kind === 'fixed') continue
      const booklet = openBooklet<Uint8Array>(golden.bytes, raw)
      if (metadata !== undefined) {
        const got = booklet.metadata
        if (metadata === null) expect(got ?? null).toBeNull()
        else {
          seen++
          expect(booklet.metadataTimestamp).toBe((metadata as { timestamp: number }).timestamp || undefined)
          expect(got).toEqual(untagged((metadata as { data: unknown }).data))
        }
      }
      for (const slot of [1, 2] as const) {
        const content = reserved?.[String(slot)] as { value?: { $bytes: string }; timestamp?: number } | undefined
        if (content === undefined) expect(booklet.reserved.get(slot)).toBeUndefined()
        else {
          seen++
          expect(toBase64(booklet.reserved.get(slot)!.bytes)).toBe((content.value ?? (content as unknown as { $bytes: string })).$bytes)
        }
      }
    }
    expect(seen).toBeGreaterThan(5)
  })

  test('a null in the metadata is a null', () => {
    expect(openBooklet(goldenBooklet('sem_metadata_null').bytes).metadata).toBeNull()
  })

  test('a version that is too old is refused', () => {
    const { bytes } = goldenBooklet('compat_version2')
    for (const flag of ['r', 'w'] as const) {
      expect(() => openBooklet(bytes, { flag })).toThrow(UnsupportedVersionError)
    }
  })

  test.each(['crash_gc_unclosed', 'crash_gc_fixed'])('%s: readers refuse, a writer repairs', (name) => {
    const golden = goldenBooklet(name)
    expect(() => open(golden, golden.bytes, 'r')).toThrow(FileNotClosedError)
    const booklet = open(golden, golden.bytes, 'w')
    expect(booklet.repair?.keysBefore).toBeUndefined()
    expect(booklet.size).toBe(5)
    expect([...booklet.keys()].length).toBe(5)
    expect(open(golden, booklet.toBytes(), 'r').size).toBe(5)
  })

  test('crash_orphan_blocks: what no lookup finds is no entry', () => {
    const golden = goldenBooklet('crash_orphan_blocks')
    const expected = [['k0', 'value 0'], ['k1', 'value 1'], ['k2', 'value 2']]
    const reader = openBooklet<string, string>(golden.bytes)
    expect([...reader]).toEqual(expected)
    expect(reader.size).toBe(3)
    const writer = openBooklet<string, string>(golden.bytes, { flag: 'w' })
    expect(writer.repair).toMatchObject({ orphans: 2, keys: 3 })
    expect([...writer]).toEqual(expected)
    expect(openBooklet(writer.toBytes(), { flag: 'w' }).repair).toBeUndefined()
  })

  test('crash_kill9_autoflush: the number of keys is counted', () => {
    const golden = goldenBooklet('crash_kill9_autoflush')
    const count = golden.expected.items_in_iteration_order!.length
    expect(golden.expected.header.n_keys).toBe(0)
    expect(openBooklet(golden.bytes).size).toBe(count)
    expect(openBooklet(golden.bytes, { flag: 'w' }).repair).toMatchObject({ keysBefore: 0, keys: count })
  })

  test('crash_truncated_tail: never a short value', () => {
    const golden = goldenBooklet('crash_truncated_tail')
    const reader = openBooklet<string, string>(golden.bytes)
    expect(() => reader.get('k4')).toThrow(/damaged/)
    expect(reader.get('k3')).toBe('value 3')
    expect(() => [...reader]).toThrow(/damaged/)
    const writer = openBooklet<string, string>(golden.bytes, { flag: 'w' })
    expect(writer.repair).toMatchObject({ danglingPointers: 1, keys: 4 })
    expect([...writer].map(([key]) => key)).toEqual(['k0', 'k1', 'k2', 'k3'])
    expect(writer.get('k4')).toBeUndefined()
  })

  test('quirk_reindex_tiny_relocated: read around the stray index, and cured by a prune', () => {
    const golden = goldenBooklet('quirk_reindex_tiny_relocated')
    const expected = Array.from({ length: 9 }, (_, i) => [`k${i}`, `value ${i}`])
    expect([...openBooklet<string, string>(golden.bytes)]).toEqual(expected)
    const writer = openBooklet<string, string>(golden.bytes, { flag: 'w' })
    expect(writer.repair).toMatchObject({ strayGaps: 1 })
    writer.set('k9', 'value 9').delete('k0')
    expect([...writer].length).toBe(9)
    const again = openBooklet<string, string>(writer.toBytes(), { flag: 'w' })
    expect([...again.keys()]).toEqual(['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9'])
    again.prune()
    expect(openBooklet(again.toBytes(), { flag: 'w' }).repair).toBeUndefined()
  })
})

function untagged(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untagged)
  if (typeof value !== 'object' || value === null) return value
  const tagged = value as Record<string, unknown>
  if (typeof tagged.$float === 'string') return Number(tagged.$float)
  return Object.fromEntries(Object.entries(tagged).map(([key, inner]) => [key, untagged(inner)]))
}
