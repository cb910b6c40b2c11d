import { blake2b } from '@noble/hashes/blake2.js'
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromBase64, toBase64Url, toHex, utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { FormatError, InvalidArgumentError, UnsupportedVersionError } from '../../src/base/error.js'
import { blake2b32, plainBlake2b32 } from '../../src/format/blake2b.js'
import { decodeDbMetadata, encodeDbMetadata, type DbMetadata } from '../../src/format/db-metadata.js'
import { decodeDbPayload, decodeMetaSection, encodeDbPayload, encodeMetaSection } from '../../src/format/db-object.js'
import { Format1Error, GroupTooLargeError } from '../../src/format/errors.js'
import { decodeGroup, encodeGroup, entryHeaderBytes, takeEntry, type GroupEntry } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { decodeIndexEntry, encodeIndexEntry } from '../../src/format/index-entry.js'
import { decodeJournal, EMPTY_JOURNAL, encodeJournal } from '../../src/format/journal.js'
import { NO_BASES } from '../../src/format/journal-bases.js'
import { nextPrime } from '../../src/format/primes.js'
import { decodeRemoteState, encodeRemoteState } from '../../src/format/remote-state.js'
import { MAX_TIMESTAMP, readTimestamp } from '../../src/format/timestamp.js'
import { readGoldenJson } from '../support/golden.js'

interface Vectors {
  key_to_group_id_blake2b_4_be: { key: string; group: Record<string, number> }[]
  next_prime: Record<string, number>
  pack_group: { entries: { key: string; timestamp: number; value: string }[]; packed: string }
  db_payload: { manifest: Record<string, string>; meta_section: string | null; index_bytes: string; payload: string }[]
  db_payload_bad: { name: string; data: string }[]
  journal_json: Record<string, string>
  remote_state_json: Record<string, string>
  meta_section_json: Record<string, string>
}
const vectors = readGoldenJson<Vectors>('vectors.json')

describe('groups of keys', () => {
  it('are those of the original', () => {
    for (const { key, group } of vectors.key_to_group_id_blake2b_4_be) {
      for (const [numGroups, gid] of Object.entries(group)) expect(groupId(key, Number(numGroups))).toBe(gid)
    }
    for (const [n, prime] of Object.entries(vectors.next_prime)) expect(nextPrime(Number(n))).toBe(prime)
  })

  it('the hash is BLAKE2b with a digest of 4 bytes, at every length', () => {
    for (let length = 0; length < 520; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff)
      expect(blake2b32(bytes).toString(16).padStart(8, '0')).toBe(toHex(blake2b(bytes, { dkLen: 4 })))
      const littleEndian = Buffer.alloc(4)
      littleEndian.writeInt32LE(plainBlake2b32(bytes))
      expect(toHex(littleEndian)).toBe(toHex(blake2b(bytes, { dkLen: 4 })))
    }
  })

  it('numbers of groups out of range are refused', () => {
    expect(nextPrime(4294967290)).toBe(4294967291)
    for (const bad of [-1, 1.5, NaN, 4294967292, Infinity]) expect(() => nextPrime(bad)).toThrow(InvalidArgumentError)
  })
})

const entryArbitrary = fc.record({ key: fc.string({ unit: 'binary' }), timestamp: fc.maxSafeNat(), value: fc.uint8Array() })

describe('group objects', () => {
  it('are packed as the original does', () => {
    const entries = vectors.pack_group.entries.map(({ key, timestamp, value }) => ({ key, timestamp: Math.min(timestamp, MAX_TIMESTAMP), value: fromBase64(value) }))
    const golden = fromBase64(vectors.pack_group.packed)
    // One timestamp, 2^56 - 1, is more than a number holds: it is read rounded down.
    expect([...decodeGroup(golden)].map(({ key, timestamp, value }) => ({ key, timestamp, value }))).toEqual(entries)
    const ours = encodeGroup(entries).bytes
    expect(ours.filter((byte, i) => byte !== golden[i]).length).toBeLessThanOrEqual(1)
    expect(ours.length).toBe(golden.length)
  })

  it('come back, and every entry can be taken from a piece', () => {
    fc.assert(fc.property(fc.array(entryArbitrary, { maxLength: 8 }), entries => {
      const { bytes, offsets } = encodeGroup(entries)
      const decoded = [...decodeGroup(concatBytes([bytes, Uint8Array.of(1, 2, 3)]))]
      expect(decoded).toEqual(entries.map((entry, i) => ({ ...entry, offset: offsets[i] })))
      for (const { key, timestamp, value, offset } of decoded) {
        const start = offset - entryHeaderBytes(key)
        const piece = bytes.subarray(Math.max(0, start - 3), offset + value.length)
        const at = offset - Math.max(0, start - 3)
        expect(takeEntry(piece, at, key, value.length)).toEqual({ timestamp, value })
        expect(takeEntry(piece, at, `${key}x`, value.length)).toBeUndefined()
        expect(takeEntry(piece, at, key, value.length + 1)).toBeUndefined()
        expect(takeEntry(piece.subarray(0, -1), at, key, value.length)).toBeUndefined()
        expect(takeEntry(piece, entryHeaderBytes(key) - 1, key, value.length)).toBeUndefined()
      }
    }), { numRuns: 200 })
  })

  it('cut short or damaged give an error, or other entries, in bounded time', () => {
    const { bytes } = encodeGroup([{ key: 'a', timestamp: 1, value: Uint8Array.of(1, 2, 3) }, { key: 'é', timestamp: 2, value: new Uint8Array(0) }])
    for (let length = 0; length < bytes.length; length++) expect(() => [...decodeGroup(bytes.subarray(0, length))]).toThrow(FormatError)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = bytes.slice()
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        expect([...decodeGroup(bad)].length).toBeLessThanOrEqual(2)
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
      }
    }
    expect(() => [...decodeGroup(Uint8Array.of(255, 255, 255, 255, 0))]).toThrow(/can not hold the 4294967295 entries/)
  })

  it('too large ones are refused before they are built', () => {
    const large = { length: 2 ** 31 } as Uint8Array
    const entry = (key: string): GroupEntry => ({ key, timestamp: 1, value: large })
    expect(() => encodeGroup([entry('a'), entry('b')])).toThrow(GroupTooLargeError)
    expect(() => encodeGroup([entry('a'), entry('b')])).toThrow(/4294967328 bytes.*numGroups/)
    expect(() => encodeGroup([{ key: 'x'.repeat(65536), timestamp: 1, value: new Uint8Array(0) }])).toThrow(InvalidArgumentError)
    expect([...decodeGroup(encodeGroup([{ key: 'x'.repeat(65535), timestamp: 1, value: new Uint8Array(0) }]).bytes)].length).toBe(1)
    for (const timestamp of [-1, 1.5, NaN, 2 ** 56]) expect(() => encodeGroup([{ key: 'a', timestamp, value: new Uint8Array(0) }])).toThrow(InvalidArgumentError)
  })
})

it('index entries come back; what does not fit is refused', () => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.nat({ max: 0xffffffff }), fc.nat({ max: 0xffffffff }), (timestamp, offset, length) => {
    expect(decodeIndexEntry(encodeIndexEntry({ timestamp, offset, length }))).toEqual({ timestamp, offset, length })
  }))
  expect(toHex(encodeIndexEntry({ timestamp: 0x01020304050607, offset: 0x11121314, length: 0x21222324 }))).toBe('070605040302011413121124232221')
  for (const bad of [-1, 2 ** 32, 1.5]) expect(() => encodeIndexEntry({ timestamp: 0, offset: bad, length: 0 })).toThrow(InvalidArgumentError)
  for (const length of [0, 14, 16]) expect(() => decodeIndexEntry(new Uint8Array(length))).toThrow(FormatError)
  expect(decodeIndexEntry(new Uint8Array(15).fill(255))).toEqual({ timestamp: MAX_TIMESTAMP, offset: 0xffffffff, length: 0xffffffff })
})

describe('db payloads', () => {
  it('are those of the original', () => {
    for (const vector of vectors.db_payload) {
      const bytes = fromBase64(vector.payload)
      const payload = decodeDbPayload(bytes)
      expect(Object.fromEntries(payload.manifest)).toEqual(vector.manifest)
      expect(payload.metaSection === undefined ? null : utf8Decode(payload.metaSection)).toBe(vector.meta_section)
      expect(payload.index).toEqual(fromBase64(vector.index_bytes))
      expect(encodeDbPayload(payload).length).toBe(bytes.length)
      expect(decodeDbPayload(encodeDbPayload(payload))).toEqual(payload)
    }
  })

  it('bad ones have their own errors', () => {
    const bad = Object.fromEntries(vectors.db_payload_bad.map(({ name, data }) => [name, fromBase64(data)]))
    expect(() => decodeDbPayload(bad['v1 raw index'] ?? new Uint8Array())).toThrow(Format1Error)
    expect(() => decodeDbPayload(bad['short'] ?? new Uint8Array())).toThrow(/cut short/)
    expect(() => decodeDbPayload(bad['payload version 3'] ?? new Uint8Array())).toThrow(UnsupportedVersionError)
    expect(() => decodeDbPayload(bad['payload version 1'] ?? new Uint8Array())).toThrow(FormatError)
    for (const foreign of ['', '<html>', 'ebooklet-dc\0'.padEnd(60, 'x')]) expect(() => decodeDbPayload(utf8Encode(foreign))).toThrow(/no EBooklet database/)
  })

  const good = encodeDbPayload({ manifest: new Map([[2, '0123456789abc']]), metaSection: utf8Encode('{}'), index: Uint8Array.of(1, 2, 3) })

  it('cut short at any length, or with wrong lengths, are refused', () => {
    for (let length = 0; length < good.length; length++) expect(() => decodeDbPayload(good.subarray(0, length))).toThrow(FormatError)
    for (const at of [16, 24, 32]) {
      const bad = good.slice()
      bad.fill(0xff, at, at + 8)
      expect(() => decodeDbPayload(bad)).toThrow(/cut short/)
    }
  })

  it.each(['{"01":"0123456789abc"}', '{"-1":"0123456789abc"}', '{"4294967296":"0123456789abc"}', '{"1":"../../../etc/pw"}', '{"1":"0123456789ab/"}', '{"1":"0123456789ab"}', '{"1":"0123456789ABC"}', '{"1":"0123456789abc\\n"}', '{"../1":"0123456789abc"}', '{"1.x":"0123456789abc"}', '{"1":1}', '{"__proto__":"0123456789abc"}', '{"1":null}', '[]', 'null', '1', 'x', ''])('a manifest of %s is refused', manifest => {
    const bytes = utf8Encode(manifest)
    const head = good.slice(0, 40)
    new DataView(head.buffer).setBigUint64(16, BigInt(bytes.length))
    expect(() => decodeDbPayload(concatBytes([head, bytes, utf8Encode('{}'), Uint8Array.of(1, 2, 3)]))).toThrow(FormatError)
  })

  it('a manifest that can not be read is not written', () => {
    for (const [gid, generation] of [[-1, '0123456789abc'], [1.5, '0123456789abc'], [1, 'short'], [1, '0123456789ab"']] as const) {
      expect(() => encodeDbPayload({ manifest: new Map([[gid, generation]]), metaSection: undefined, index: new Uint8Array() })).toThrow(InvalidArgumentError)
    }
  })
})

describe('the metadata section', () => {
  it('is that of the original, big integers and all', () => {
    const built = decodeMetaSection(utf8Encode(vectors.meta_section_json['built'] ?? ''))
    expect(built).toEqual({ timestamp: 1700000000000001, data: { é: [1, 1, null, true, 'x/"\\'], n: 9007199254740992n } })
    expect(decodeMetaSection(encodeMetaSection(built))).toEqual(built)
    expect(utf8Decode(encodeMetaSection({ timestamp: 5, data: null }))).toBe(vectors.meta_section_json['none_data'])
  })

  it('ignores further fields, and refuses what is none', () => {
    expect(decodeMetaSection(utf8Encode('{"x":1,"timestamp":5,"data":[1],"y":{}}'))).toEqual({ timestamp: 5, data: [1] })
    for (const bad of ['', '[]', 'null', '{}', '{"timestamp":5}', '{"data":1}', '{"timestamp":"5","data":1}', '{"timestamp":-1,"data":1}', '{"timestamp":1.5,"data":1}', `{"timestamp":${2n ** 56n},"data":1}`]) expect(() => decodeMetaSection(utf8Encode(bad))).toThrow(FormatError)
    expect(() => encodeMetaSection({ timestamp: 1, data: undefined })).toThrow(InvalidArgumentError)
    expect(() => encodeMetaSection({ timestamp: -1, data: 1 })).toThrow(InvalidArgumentError)
  })
})

describe('user metadata of the db object', () => {
  const good: DbMetadata = { timestamp: 1700000000000001, uuid: '018bcff4aa418c20a29f6fbed82c07cd', type: 'EVariableLengthValue', initBytes: Uint8Array.from({ length: 200 }, (_, i) => 255 - i), numGroups: 11 }
  const record = encodeDbMetadata(good)

  it('comes back, in any case of the names and with - for _', () => {
    expect(decodeDbMetadata(record)).toEqual({ ...good, format: 2 })
    expect(decodeDbMetadata(Object.fromEntries(Object.entries(record).map(([name, value]) => [name.replaceAll('_', '-').toUpperCase(), value])))).toEqual({ ...good, format: 2 })
    expect(decodeDbMetadata({ 'num-groups': '7', ...record, 'format-version': '9' })).toEqual({ ...good, format: 2 })
    const { num_groups: _, ...perKey } = record
    expect(decodeDbMetadata(perKey).numGroups).toBeUndefined()
    expect(encodeDbMetadata({ ...good, numGroups: undefined })).toEqual(perKey)
  })

  it('the version is looked at before anything else', () => {
    expect(() => decodeDbMetadata({ format_version: '3' })).toThrow(UnsupportedVersionError)
    expect(() => decodeDbMetadata({ ...record, format_version: '3', uuid: 'x' })).toThrow(/format 3; this release reads up to 2/)
    const { format_version: _, ...old } = record
    expect(() => decodeDbMetadata(old)).toThrow(Format1Error)
    expect(decodeDbMetadata(old, { acceptFormat1: true })).toEqual({ ...good, format: 1 })
    expect(() => decodeDbMetadata(old)).toThrow(UnsupportedVersionError)
    expect(() => decodeDbMetadata({ ...record, format_version: '1' })).toThrow(Format1Error)
    expect(() => decodeDbMetadata({})).toThrow(/no EBooklet database/)
    for (const bad of ['', 'two', '2.0', '-2', '99999999999']) expect(() => decodeDbMetadata({ ...record, format_version: bad })).toThrow(FormatError)
  })

  it.each([
    ['timestamp', ['', '1.5', '-1', 'x', '72057594037927936', '999999999999999999']],
    ['uuid', ['', 'x'.repeat(32), '018BCFF4AA418C20A29F6FBED82C07CD', '018bcff4-aa41-8c20-a29f-6fbed82c07cd']],
    ['type', ['', 'evariablelengthvalue', 'Other']],
    ['init_bytes', ['', 'AAAA', '!', toBase64Url(new Uint8Array(201))]],
    ['num_groups', ['', '0', '-1', '1.5', '4294967296', '007']],
  ])('a bad %s is refused', (name, values) => {
    for (const value of values) expect(() => decodeDbMetadata({ ...record, [name]: value })).toThrow(FormatError)
    if (name !== 'num_groups') expect(() => decodeDbMetadata(Object.fromEntries(Object.entries(record).filter(([field]) => field !== name)))).toThrow(FormatError)
  })

  it('what can not be read is not written', () => {
    for (const bad of [{ timestamp: -1 }, { uuid: 'x' }, { initBytes: new Uint8Array(199) }, { numGroups: 0 }, { numGroups: 1.5 }]) expect(() => encodeDbMetadata({ ...good, ...bad })).toThrow(InvalidArgumentError)
  })
})

describe('the journal', () => {
  it('is that of the original', () => {
    const full = decodeJournal(utf8Encode(vectors.journal_json['full'] ?? ''))
    expect(full).toEqual({ written: new Set(['b', 'c"q', 'ключ']), deletes: new Set(['a', 'z']), numGroups: 11, numGroupsSet: true, replacePending: false, metaPending: false, bases: NO_BASES, sent: false })
    expect(utf8Decode(encodeJournal(full))).toBe(vectors.journal_json['full'])
    expect(utf8Decode(encodeJournal(EMPTY_JOURNAL))).toBe(vectors.journal_json['empty'])
    expect(decodeJournal(encodeJournal(EMPTY_JOURNAL))).toEqual(EMPTY_JOURNAL)
  })

  it('any keys come back, __proto__ too', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('__proto__'))), fc.nat(), (keys, cut) => {
      const at = cut % (keys.length + 1)
      const journal = { ...EMPTY_JOURNAL, written: new Set(keys.slice(0, at)), deletes: new Set(keys.slice(at)), metaPending: true }
      expect(decodeJournal(encodeJournal(journal))).toEqual(journal)
    }))
  })

  it('what changes were based on comes back, from any clock', () => {
    const timestamp = fc.oneof(fc.nat(), fc.bigInt(0n, 2n ** 56n - 1n).map((n) => readTimestamp(new Uint8Array(new BigUint64Array([n]).buffer), 0)))
    const entry = fc.record({ timestamp, length: fc.option(fc.nat(0xffffffff)) })
    const base = fc.oneof(entry, fc.constantFrom('absent' as const, 'unknown' as const))
    const meta = fc.option(fc.oneof(fc.uint8Array(), fc.constantFrom('absent' as const, 'unknown' as const)), { nil: undefined })
    const replace = fc.option(fc.oneof(timestamp, fc.constant('unknown' as const)), { nil: undefined })
    const keys = fc.array(fc.tuple(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('__proto__')), base)).map((all) => new Map(all))
    fc.assert(fc.property(fc.record({ keys, meta, replace }), (bases) => {
      expect(decodeJournal(encodeJournal({ ...EMPTY_JOURNAL, bases })).bases).toEqual(bases)
    }))
    expect(utf8Decode(encodeJournal(EMPTY_JOURNAL))).not.toContain('bases')
  })

  it('bases that are none are refused', () => {
    expect(decodeJournal(utf8Encode('{"v":1,"bases":{"more":1}}')).bases).toEqual(NO_BASES)
    for (const bad of ['1', 'null', '[]', '{"keys":{}}', '{"keys":["a"]}', '{"keys":[[1,2,3]]}', '{"keys":[["a"]]}', '{"keys":[["a",-1]]}', '{"keys":[["a",1.5,1]]}', '{"keys":[["a",1,-1]]}', '{"keys":[["a",1,4294967296]]}', '{"keys":[["a",true]]}', '{"meta":1}', '{"meta":"?"}', '{"replace":null}', '{"replace":"1"}']) {
      expect(() => decodeJournal(utf8Encode(`{"v":1,"bases":${bad}}`)), bad).toThrow(FormatError)
    }
  })

  it('unknown fields are ignored, absent ones have defaults, wrong ones are refused', () => {
    expect(decodeJournal(utf8Encode('{"v":1,"more":{"a":1}}'))).toEqual(EMPTY_JOURNAL)
    expect(() => decodeJournal(utf8Encode('{"v":2,"written":5}'))).toThrow(UnsupportedVersionError)
    for (const bad of ['', '[]', 'null', '{}', '{"v":0}', '{"v":"1"}', '{"v":1.5}', '{"v":1,"written":{}}', '{"v":1,"written":[1]}', '{"v":1,"written":["a"],"deletes":["a"]}', '{"v":1,"num_groups":0}', '{"v":1,"num_groups":"5"}', '{"v":1,"num_groups_set":1}', '{"v":1,"meta_pending":"no"}']) {
      expect(() => decodeJournal(utf8Encode(bad)), bad).toThrow(FormatError)
    }
    expect(() => encodeJournal({ ...EMPTY_JOURNAL, written: new Set(['a']), deletes: new Set(['a']) })).toThrow(InvalidArgumentError)
    expect(() => encodeJournal({ ...EMPTY_JOURNAL, written: new Set(['\ud800']) })).toThrow(InvalidArgumentError)
  })
})

describe('the remote state', () => {
  it('is that of the original, and carries our ETag', () => {
    for (const text of Object.values(vectors.remote_state_json)) {
      const state = decodeRemoteState(utf8Encode(text))
      expect(JSON.parse(utf8Decode(encodeRemoteState(state)))).toEqual(JSON.parse(text))
      const tagged = { ...state, etag: '"x\\"' }
      expect(decodeRemoteState(encodeRemoteState(tagged))).toEqual(tagged)
    }
    expect(utf8Decode(encodeRemoteState({ timestamp: null, manifest: new Map(), metaSection: null }))).toBe(vectors.remote_state_json['empty'])
  })

  it('wrong ones are refused', () => {
    expect(decodeRemoteState(utf8Encode('{"v":1}'))).toEqual({ timestamp: null, manifest: new Map(), metaSection: null })
    expect(() => decodeRemoteState(utf8Encode('{"v":2}'))).toThrow(UnsupportedVersionError)
    for (const bad of ['{}', '{"v":1,"remote_ts":"5"}', '{"v":1,"remote_ts":-5}', '{"v":1,"manifest":[]}', '{"v":1,"manifest":{"1":"x"}}', '{"v":1,"meta_section":"!"}', '{"v":1,"meta_section":5}']) {
      expect(() => decodeRemoteState(utf8Encode(bad)), bad).toThrow(FormatError)
    }
  })
})
