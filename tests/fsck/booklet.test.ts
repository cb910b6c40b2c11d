import { fc } from '../support/property.js'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkBooklet, openBooklet, openFixedBooklet, repairBooklet, WrongFileTypeError, UnsupportedVersionError, type BookletFinding } from '../../src/booklet/index.js'
import { goldenBooklets } from '../booklet/golden-booklets.js'
import { temporaryPath } from '../support/folder.js'

const keys = [...'abcdefghijkl']
const buckets = keys.length

interface Laid {
  bytes: Uint8Array
  /** Where the block of each key begins, and its length. */
  blocks: Map<string, { at: number; length: number }>
}

/* Few buckets, so that chains are long; a deleted and a replaced block among the others. */
function laidOut(fixed = false): Laid {
  const booklet = fixed ? openFixedBooklet(null, { buckets, valueLength: 5 }) : openBooklet<string, Uint8Array>(null, { buckets, valueSerializer: 'bytes' })
  for (const key of ['a', ...keys.slice(0, -1), 'gone']) {
    booklet.setBytes(key, new TextEncoder().encode(`is ${key}`.padEnd(5).slice(0, 5)))
    booklet.sync()
  }
  booklet.delete('gone')
  booklet.sync()
  booklet.setBytes(keys.at(-1)!, new TextEncoder().encode('last.'))
  booklet.sync()
  const blocks = new Map([...booklet.locations()].map(({ key, offset, length }) => [key, { at: offset - key.length - (fixed ? 21 : 32), length: length + key.length + (fixed ? 21 : 32) }]))
  return { bytes: booklet.toBytes(), blocks }
}

function entriesOf(bytes: Uint8Array, fixed = false): Map<string, string> {
  const booklet = fixed ? openFixedBooklet(bytes) : openBooklet(bytes)
  return new Map([...booklet.rawEntries()].map(({ key, value }) => [key, Buffer.from(value).toString('latin1')]))
}

function facts(findings: readonly BookletFinding[]): Record<string, unknown>[] {
  return findings.map(({ severity: _severity, advice: _advice, ...rest }) => {
    const { keyBytes: _keyBytes, reason: _reason, ...kept } = rest as Record<string, unknown>
    return kept
  })
}

function damaged(bytes: Uint8Array, change: (view: DataView, copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice()
  change(new DataView(copy.buffer), copy)
  return copy
}

describe.each([false, true])('each kind of damage, fixed: %s', (fixed) => {
  const { bytes, blocks } = laidOut(fixed)
  const whole = entriesOf(bytes, fixed)
  const at = (key: string) => blocks.get(key)!.at
  const nextOf = (key: string) => new DataView(bytes.buffer).getUint32(at(key) + 13, true)
  /* A key with another behind it in its chain. */
  const first = keys.find((key) => nextOf(key) > 1)!
  const second = keys.find((key) => at(key) === nextOf(first))!
  const problem = (to: number, leadsTo: string) => ({ kind: 'bad-pointer', at: at(first) + 13, to, leadsTo })

  function expectRepaired(broken: Uint8Array, missing: string[] = []): void {
    const before = broken.slice()
    const dry = repairBooklet(broken, { dryRun: true })
    const done = repairBooklet(broken)
    expect(broken).toEqual(before)
    expect({ ...done, mended: undefined }).toEqual(dry)
    expect(checkBooklet(done.mended!).findings).toEqual([])
    const expected = new Map([...whole].filter(([key]) => !missing.includes(key)))
    expect(new Map([...entriesOf(done.mended!, fixed)].sort())).toEqual(new Map([...expected].sort()))
    expect(done.kept).toBe(expected.size)
    expect(repairBooklet(done.mended!).changed).toBe(false)
  }

  test('none', () => {
    expect(checkBooklet(bytes, { deep: true })).toMatchObject({ findings: [], keys: 12, kind: fixed ? 'fixed' : 'variable' })
    expect(repairBooklet(bytes)).toMatchObject({ changed: false, lost: [], kept: 12 })
  })

  test('a loop, a foreign chain, a dead block, a place outside', () => {
    const cases: [number, string][] = [
      [at(first), 'loop'],
      [0x7fffffff, 'outside'],
      [bytes.length - 4, 'cut-short-block'],
      [at(second) + 1, 'damaged-block'],
      [at(keys.find((key) => ![first, second].includes(key) && !chainOf(first).includes(key))!), 'other-bucket'],
    ]
    for (const [to, leadsTo] of cases) {
      const broken = damaged(bytes, (view) => view.setUint32(at(first) + 13, to, true))
      const found = facts(checkBooklet(broken).findings).filter(({ kind }) => kind === 'bad-pointer').map(({ bucket: _bucket, ...rest }) => rest)
      // A place that lies in the file may be one of several sorts of damage.
      expect(found.length, leadsTo).toBe(1)
      if (leadsTo === 'loop' || leadsTo === 'outside' || leadsTo === 'cut-short-block' || leadsTo === 'other-bucket') expect(found).toEqual([problem(to, leadsTo)])
      expectRepaired(broken)
    }
  })

  function chainOf(key: string): string[] {
    const out = [key]
    for (let next = nextOf(key); next > 1; ) {
      const there = keys.find((other) => at(other) === next)!
      out.push(there)
      next = nextOf(there)
    }
    for (const other of keys) if (!out.includes(other) && nextOf(other) > 1 && out.includes(keys.find((each) => at(each) === nextOf(other))!)) out.push(other)
    return out
  }

  test('a dead block within a chain', () => {
    const broken = damaged(bytes, (view) => view.setUint32(at(second) + 13, 0, true))
    expect(facts(checkBooklet(broken).findings)).toContainEqual(expect.objectContaining({ kind: 'bad-pointer', to: at(second), leadsTo: 'dead-block' }))
    expectRepaired(broken, [second])
  })

  test('a block whose digest does not fit its key', () => {
    const broken = damaged(bytes, (_view, copy) => (copy[at(second) + 2]! ^= 0xff))
    const { findings } = checkBooklet(broken)
    expect(facts(findings)).toContainEqual(expect.objectContaining({ kind: 'bad-pointer', to: at(second), leadsTo: 'damaged-block' }))
    expectRepaired(broken, [second])
    expect(repairBooklet(broken).lost).toContainEqual({ why: 'damaged', start: at(second), bytes: blocks.get(second)!.length, key: undefined })
  })

  test('a pointer that skips a block: it is unlinked, and taken in again unless that is not wanted', () => {
    const broken = damaged(bytes, (view) => view.setUint32(at(first) + 13, 1, true))
    const found = checkBooklet(broken)
    const unlinked = { kind: 'unlinked-block', position: at(second), bytes: blocks.get(second)!.length, key: second }
    expect(facts(found.findings)).toContainEqual(unlinked)
    expectRepaired(broken)
    expect(repairBooklet(broken).recovered.map(({ key }) => key)).toContain(second)
    const dropped = repairBooklet(broken, { unlinked: 'drop' })
    expect(dropped.lost).toContainEqual(expect.objectContaining({ why: 'unlinked', start: at(second), key: expect.objectContaining({ key: second }) }))
    expect(entriesOf(dropped.mended!, fixed).has(second)).toBe(false)
  })

  test('cut short, and bytes behind the end', () => {
    const last = [...blocks].sort(([, a], [, b]) => b.at - a.at)[0]![0]
    const cut = bytes.slice(0, bytes.length - 2)
    expect(facts(checkBooklet(cut).findings)).toContainEqual({ kind: 'truncated-tail', start: at(last), end: cut.length })
    expectRepaired(cut, [last])
    expect(repairBooklet(cut).lost).toEqual([{ why: 'damaged', start: at(last), bytes: blocks.get(last)!.length - 2, key: { key: last, keyBytes: new TextEncoder().encode(last) } }])
    const longer = new Uint8Array(bytes.length + 7).fill(9)
    longer.set(bytes)
    expect(facts(checkBooklet(longer).findings)).toEqual([{ kind: 'truncated-tail', start: bytes.length, end: longer.length }])
    expectRepaired(longer)
  })

  test('fields of the header', () => {
    const cases: [(view: DataView, copy: Uint8Array) => void, Record<string, unknown>][] = [
      [(view) => view.setUint32(33, 99, true), { kind: 'wrong-key-count', stated: 99, found: 12 }],
      [(view) => view.setUint32(33, 0xffffffff, true), { kind: 'not-closed', unsynced: 0 }],
      [(_view, copy) => (copy[3]! ^= 1), { kind: 'bad-header-field', field: 'type id' }],
      [(_view, copy) => (copy[18] = 8), { kind: 'bad-header-field', field: 'width of positions', found: '8', expected: '6' }],
      [(view) => view.setUint16(16, 0x4005, true), { kind: 'unsupported-version', version: 0x4005 }],
      [(view) => view.setUint32(21, 0, true), { kind: 'bad-header-field', field: 'number of buckets' }],
      [(view) => view.setUint32(21, 11, true), { kind: 'header-contradicts-index' }],
      [(view) => view.setUint32(21, 0x7fffffff, true), { kind: 'layout-outside-file', part: 'index' }],
      [(view) => view.setUint32(65, bytes.length - 3, true), { kind: 'layout-outside-file', part: 'index', start: bytes.length - 3 }],
      [(view) => view.setUint32(71, 0x00ffffff, true), { kind: 'layout-outside-file', part: 'data' }],
      [(_view, copy) => (copy[80] = 7), { kind: 'bad-recovery-record' }],
    ]
    for (const [change, expected] of cases) {
      const broken = damaged(bytes, change)
      if (expected['kind'] !== 'header-contradicts-index') expect(facts(checkBooklet(broken).findings)).toContainEqual(expect.objectContaining(expected))
      else expect(checkBooklet(broken).count.error).toBeGreaterThan(0)
      if (expected['kind'] !== 'header-contradicts-index') expectRepaired(broken)
    }
  })

  test('an index that is overwritten: every whole block is found', () => {
    expectRepaired(damaged(bytes, (_view, copy) => copy.fill(0xee, 200, 200 + 6 * buckets)))
    const wiped = damaged(bytes, (_view, copy) => copy.fill(0, 200, 200 + 6 * buckets))
    expect(checkBooklet(wiped).findings.filter(({ kind }) => kind === 'unlinked-block').length).toBeGreaterThanOrEqual(12)
    expectRepaired(wiped)
  })
})

test('what is no booklet, or of another release, is refused and left alone', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(300).fill(65)]) {
    expect(checkBooklet(bytes).findings.map(({ kind }) => kind)).toEqual(['not-a-booklet'])
    expect(() => repairBooklet(bytes)).toThrow(WrongFileTypeError)
  }
  expect(() => repairBooklet(damaged(laidOut().bytes, (view) => view.setUint16(16, 6, true)))).toThrow(UnsupportedVersionError)
})

test('metadata and slots that can not be read', () => {
  const booklet = openBooklet(null)
  booklet.set('kept', 1)
  booklet.metadata = { a: 1 }
  booklet.reserved.set(1, new TextEncoder().encode('{"v":1,"written":["kept","lost"],"deletes":[]}'))
  booklet.reserved.set(2, new TextEncoder().encode('{"v":1,'))
  booklet.sync()
  const bytes = damaged(booklet.toBytes(), (_view, copy) => {
    const at = Buffer.from(copy).indexOf('{"a":1}')
    copy[at] = 0x21
  })
  expect(facts(checkBooklet(bytes).findings)).toEqual([
    { kind: 'bad-metadata' },
    { kind: 'bad-slot', slot: 2, content: 'remote state', certain: true },
    { kind: 'pending-write-missing', key: 'lost' },
  ])
  const done = repairBooklet(bytes)
  expect(done).toMatchObject({ removed: ['metadata', 'remote state'], pendingLost: ['lost'], kept: 1 })
  expect(checkBooklet(done.mended!).findings).toEqual([])
})

test('in a file: mended in its place, dry runs change nothing, companions are looked at', () => {
  const path = temporaryPath()
  const { bytes } = laidOut()
  writeFileSync(path, bytes.subarray(0, bytes.length - 3))
  writeFileSync(`${path}.remote_index`, 'no index')
  writeFileSync(`${path}.prune`, '')
  expect(checkBooklet(path).findings.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['truncated-tail', 'bad-index-file', 'leftover-file']))
  const before = readFileSync(path)
  expect(repairBooklet(path, { dryRun: true }).removed).toEqual(['index file'])
  expect(readFileSync(path)).toEqual(before)
  expect(repairBooklet(path)).toMatchObject({ changed: true, kept: 11, removed: ['index file'] })
  expect(checkBooklet(path).findings).toEqual([])
  expect(existsSync(`${path}.prune`)).toBe(false)
  using mended = openBooklet(path, { flag: 'w' })
  expect(mended.openedClean).toBe(true)
  expect(mended.size).toBe(11)
})

test('files of the original that are whole show nothing', () => {
  const odd = /crash_|compat_version2|relocated/
  for (const { name, bytes } of goldenBooklets()) if (!odd.test(name)) expect(checkBooklet(bytes).findings.filter(({ severity }) => severity !== 'note'), name).toEqual([])
})

test('random damage: the mended file is clean, holds nothing new, and misses no entry that was not hit', () => {
  const goldens = goldenBooklets().filter(({ name, bytes }) => bytes.length < 6000 && !/compat_version|crash_gc|variable_v3|custom/.test(name))
  const raw = { keySerializer: { encode: (key: Uint8Array) => key, decode: (key: Uint8Array) => key } }
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }), fc.option(fc.nat(), { nil: undefined, freq: 6 }), (which, hits, cut) => {
      const golden = goldens[which % goldens.length]!
      const fixed = golden.expected.header.kind === 'fixed'
      const open = (bytes: Uint8Array) => (fixed ? openFixedBooklet<Uint8Array>(bytes, raw) : openBooklet<Uint8Array>(bytes, raw))
      const writable = fixed ? openFixedBooklet<Uint8Array>(golden.bytes, { ...raw, flag: 'w' }) : openBooklet<Uint8Array>(golden.bytes, { ...raw, flag: 'w' })
      const base = writable.toBytes()
      const whole = open(base)
      const entries = new Map([...whole.rawEntries()].map(({ key, value }) => [Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex')]))
      const places = [...whole.locations()].map(({ key, offset, length }) => ({ name: Buffer.from(key).toString('hex'), from: offset - key.length - 32, to: offset + length }))
      const broken = base.slice(0, cut === undefined ? base.length : 200 + (cut % (base.length - 199)))
      // Behind the header: what its fields mean is told of above.
      const places200 = hits.map(([at]) => 200 + (at % Math.max(1, broken.length - 200)))
      hits.forEach(([, byte], i) => {
        if (places200[i]! < broken.length) broken[places200[i]!] = byte
      })
      const hit = new Set(places.filter(({ from, to }) => to > broken.length || places200.some((at) => at >= from && at < to)).map(({ name }) => name))
      const done = repairBooklet(broken)
      const mended = done.mended!
      expect(checkBooklet(mended).findings.filter(({ severity, kind }) => severity === 'error' && kind !== 'bad-key')).toEqual([])
      const seen = new Map([...open(mended).rawEntries()].map(({ key, value }) => [Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex')]))
      for (const [name, value] of entries) if (!hit.has(name)) expect(seen.get(name), `${golden.name} ${name}`).toBe(value)
      // A hit may make a dead block look alive, or change a key; nothing else comes anew.
      expect([...seen.keys()].filter((name) => !entries.has(name)).length).toBeLessThanOrEqual(hits.length)
    }),
    { numRuns: Number(process.env['EBOOKLET_TEST_RUNS'] ?? 300) },
  )
})
