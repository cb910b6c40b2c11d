import { describe, expect, test } from 'vitest'
import { fromBase64, utf8Encode } from '../../src/base/bytes.js'
import { decodeDbMetadata, encodeDbMetadata } from '../../src/format/db-metadata.js'
import { decodeDbPayload, decodeMetaSection } from '../../src/format/db-object.js'
import { decodeHeader } from '../../src/format/booklet-header.js'
import { decodeGroup, entryHeaderBytes, takeEntry } from '../../src/format/group.js'
import { decodeJournal } from '../../src/format/journal.js'
import { parseJson } from '../../src/format/json.js'
import { isLockTicket, parseGroupKey, parseLockKey, parseValueKey } from '../../src/format/names.js'
import { decodeRemoteState } from '../../src/format/remote-state.js'
import { MAX_TIMESTAMP } from '../../src/format/timestamp.js'
import * as flechette from '@uwdata/flechette'
import { type ArrowTable, readGeometry, resolveSerializer, withGeometry } from '../../src/serializers/index.js'
import '../support/arrow.js'
import { readGoldenJson } from '../support/golden.js'
import { sampleValues, sharedSerializers } from '../support/samples.js'
import { SeededRandom } from '../support/seed.js'
import { attempt, mutate, rounds, told } from './mutate.js'

interface Vectors {
  pack_group: { packed: string }
  db_payload: { payload: string; meta_section: string | null }[]
  db_payload_bad: { data: string }[]
  journal_json: Record<string, string>
  remote_state_json: Record<string, string>
  meta_section_json: Record<string, string>
}

const vectors = readGoldenJson<Vectors>('vectors.json')

/** Mutates seeds and hands them to a decoder; `check` looks at what it gave. */
function fuzz<T>(what: string, seeds: readonly Uint8Array[], times: number, decode: (bytes: Uint8Array) => T, check: (value: T, bytes: Uint8Array) => boolean): void {
  const random = new SeededRandom()
  let accepted = 0
  for (let i = 0; i < rounds(times); i++) {
    const bytes = mutate(random, random.pick(seeds), seeds)
    const value = attempt(what, bytes, () => decode(bytes))
    if (value === undefined) continue
    accepted++
    if (!check(value, bytes)) throw new Error(told(what, bytes, `not sane: ${String(value)}`))
  }
  // Mutations that never get past the first check would test nothing.
  expect(accepted, what).toBeGreaterThan(0)
}

const isTimestamp = (value: unknown) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TIMESTAMP
const isGeneration = (text: string) => /^[0-9a-z]{13}$/.test(text)

describe('fuzzed formats', () => {
  const payloads = [...vectors.db_payload.map(({ payload }) => fromBase64(payload)), ...vectors.db_payload_bad.map(({ data }) => fromBase64(data))]
  const metaSections = Object.values(vectors.meta_section_json).map((text) => utf8Encode(text))

  test('db payloads', () => {
    fuzz('decodeDbPayload', payloads, 4000, decodeDbPayload, ({ manifest, metaSection, index }, bytes) => {
      const parts = (metaSection?.length ?? 0) + index.length
      return parts <= bytes.length && [...manifest].every(([gid, generation]) => Number.isInteger(gid) && gid >= 0 && gid < 2 ** 32 && isGeneration(generation))
    })
  })

  test('metadata sections', () => {
    fuzz('decodeMetaSection', metaSections, 4000, decodeMetaSection, ({ timestamp }) => isTimestamp(timestamp))
  })

  test('groups, whole and in pieces', () => {
    const seeds = [fromBase64(vectors.pack_group.packed)]
    fuzz('decodeGroup', seeds, 4000, (bytes) => [...decodeGroup(bytes)], (entries, bytes) =>
      entries.every(({ timestamp, value, offset }) => isTimestamp(timestamp) && offset + value.length <= bytes.length))
    fuzz('takeEntry', seeds, 4000, (bytes) => takeEntry(bytes, 4 + entryHeaderBytes('a'), 'a', 2), (entry) => entry === undefined || (entry.value.length === 2 && isTimestamp(entry.timestamp)))
  })

  test('journals', () => {
    const withBases = '{"v":1,"written":["a","b"],"bases":{"keys":[["a",1767225600000000,5],["b",null],["c",false]],"meta":"eyJ0aW1lc3RhbXAiOjF9","replace":17}}'
    fuzz('decodeJournal', [...Object.values(vectors.journal_json), withBases].map((text) => utf8Encode(text)), 4000, decodeJournal, ({ written, deletes, numGroups }) =>
      [...deletes].every((key) => !written.has(key)) && (numGroups === null || (Number.isInteger(numGroups) && numGroups > 0)))
  })

  test('remote states', () => {
    const seeds = Object.values(vectors.remote_state_json).map((text) => utf8Encode(text))
    seeds.push(utf8Encode('{"v":1,"remote_ts":5,"manifest":{"1":"0123456789abc"},"meta_section":"e30=","etag":"x","conditions":{"store":"s","create":true,"match":"bare"}}'))
    fuzz('decodeRemoteState', seeds, 4000, decodeRemoteState, ({ timestamp, manifest, conditions }) =>
      (timestamp === null || isTimestamp(timestamp)) && [...manifest.values()].every(isGeneration) && (conditions === undefined || typeof conditions.create === 'boolean'))
  })

  test('headers', () => {
    const header = new Uint8Array(200)
    header.set(fromBase64('T36KP+dcR1CtQwpyj+Mc/gUABgIE5y4AAAAAAAAEAAIA'))
    fuzz('decodeHeader', [header], 4000, (bytes) => decodeHeader(bytes), ({ nBuckets, indexOffset, dataOffset }) => nBuckets > 0 && indexOffset >= 200 && dataOffset >= 200)
  })

  test('user metadata of the db object', () => {
    const random = new SeededRandom()
    const good = encodeDbMetadata({ timestamp: 1, uuid: 'ab'.repeat(16), type: 'EVariableLengthValue', initBytes: new Uint8Array(200), numGroups: 11 })
    const names = [...Object.keys(good), '__proto__', 'constructor', 'INIT-BYTES', 'num-groups', '']
    for (let i = 0; i < rounds(4000); i++) {
      const record: Record<string, string> = Object.assign(Object.create(null) as Record<string, string>, good)
      for (let left = 1 + random.below(3); left > 0; left--) {
        const name = random.pick(names)
        if (random.next() < 0.3) delete record[name]
        else record[name] = Buffer.from(mutate(random, utf8Encode(Object.hasOwn(good, name) ? good[name]! : 'x'))).toString('latin1')
      }
      const metadata = attempt('decodeDbMetadata', JSON.stringify(record), () => decodeDbMetadata(record))
      if (!metadata) continue
      expect(isTimestamp(metadata.timestamp) && /^[0-9a-f]{32}$/.test(metadata.uuid) && metadata.initBytes.length === 200).toBe(true)
    }
  })

  test('names of objects lead nowhere else', () => {
    const random = new SeededRandom()
    const seeds = ['db/10.0123456789abc', 'db/key', 'db.lock.0123456789abc-0', 'db/_writable_probe_0123456789abc', 'db/../x'].map((text) => utf8Encode(text))
    for (let i = 0; i < rounds(8000); i++) {
      const name = Buffer.from(mutate(random, random.pick(seeds), seeds)).toString('latin1')
      const group = attempt('parseGroupKey', name, () => parseGroupKey('db', name))
      if (group) expect(`db/${group.gid}.${group.generation}`).toBe(name)
      const ticket = attempt('parseLockKey', name, () => parseLockKey('db', name))
      if (ticket) {
        expect(`db.lock.${ticket.id}-${ticket.part}`).toBe(name)
        expect(isLockTicket(name)).toBe(true)
      }
      const key = attempt('parseValueKey', name, () => parseValueKey('db', name))
      if (key !== undefined) expect(`db/${key}`).toBe(name)
    }
  })

  test('JSON texts of both dialects', () => {
    const random = new SeededRandom()
    const text = '{"a":[1,-2.5e10,true,null,"x\\u00e9\\n"],"__proto__":{"polluted":1},"constructor":{"prototype":[]},"n":12345678901234567890123,"a":{"b":{}},"f":NaN,"i":-Infinity,"e":1e999}'
    const seeds = [text, `[${'['.repeat(50)}${']'.repeat(50)}]`, `{"n":${'9'.repeat(400)}}`, '"\\ud800"', `${'1'.repeat(16)}.5`].map((seed) => utf8Encode(seed))
    for (let i = 0; i < rounds(8000); i++) {
      const bytes = mutate(random, random.pick(seeds), seeds)
      const decoded = attempt('utf-8', bytes, () => Buffer.from(bytes).toString('utf8')) ?? ''
      for (const dialect of ['python', 'orjson'] as const) {
        const value = attempt(`parseJson ${dialect}`, decoded, () => ({ value: parseJson(decoded, dialect) }))
        // Where JSON.parse refuses, so must we, but for Python's own words.
        if (value && dialect === 'orjson') expect(() => void JSON.parse(decoded), decoded).not.toThrow()
      }
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  test('frames', () => {
    const serializer = resolveSerializer<ArrowTable>('gpd_zstd')
    const table = (rows: number) => flechette.tableFromArrays({
      n: Int32Array.from({ length: rows }, (_, i) => i), s: Array.from({ length: rows }, (_, i) => (i % 3 ? `text ${i % 5}` : null)), b: Array.from({ length: rows }, (_, i) => i % 2 === 0),
      l: Array.from({ length: rows }, (_, i) => [i, i + 1]), o: Array.from({ length: rows }, (_, i) => ({ a: i, b: 'x' })), i: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i) << 56n),
    }) as unknown as ArrowTable
    const point = { type: 'Point' as const, coordinates: [1, 2] }
    const seeds = [1, 3, 200].map((rows) => serializer.encode(withGeometry(table(rows), Array.from({ length: rows }, () => point))))
    fuzz('gpd_zstd', seeds, 2500, (bytes) => serializer.decode(bytes), (found, bytes) => {
      const geometries = attempt('readGeometry', bytes, () => readGeometry(found))
      attempt('gpd_zstd, written again', bytes, () => serializer.encode(found))
      // Each value can be had, and there are no more than the bytes bear out.
      return found.numRows < 2 ** 20 && (geometries === undefined || geometries.length === found.numRows) && found.children.every((column) => Array.from({ length: found.numRows }, (_, i) => column.at(i)).length === column.length)
    })
  })

  test.each(sharedSerializers)('values of %s', (name) => {
    const serializer = resolveSerializer<unknown>(name)
    const seeds = sampleValues(name, 20).map((value) => serializer.encode(value))
    const random = new SeededRandom()
    for (let i = 0; i < rounds(1200); i++) {
      const bytes = mutate(random, random.pick(seeds), seeds)
      const value = attempt(name, bytes, () => ({ value: serializer.decode(bytes) }))
      if (!value) continue
      // What it reads it writes again, or says why not.
      attempt(`${name}, written again`, bytes, () => serializer.encode(value.value))
    }
  })
})

