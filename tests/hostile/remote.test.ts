import { beforeAll, describe, expect, test } from 'vitest'
import { DeserializationError, EbookletError, FormatError, IntegrityError, InvalidArgumentError, RemoteTooLargeError } from '../../src/index.js'
import { toBase64Url, utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { writeRecord } from '../../src/booklet/recovery-record.js'
import { METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY } from '../../src/format/internal-keys.js'
import { encodeGroup, type GroupEntry } from '../../src/format/group.js'
import { resolveSerializer } from '../../src/serializers/index.js'
import { database, dbKey, indexOf, open, payload, storeOf, visit, withDb, withInitBytes, type Parts, type StoredObject } from './remotes.js'

/* Remotes that somebody made to do harm. Each gives a typed error, or the right values. */

const generation = '0123456789abc'
let good: StoredObject[]

beforeAll(async () => {
  good = await database({ numGroups: 1, valueSerializer: 'json' }, { a: 1, b: [2] }, { about: 'good' })
})

/** A remote of one or two groups with one's own db object and group 0. */
function crafted(parts: Partial<Parts>, group?: Uint8Array, lengths?: (bigint | undefined)[]): StoredObject[] {
  const body = payload({ manifest: `{"0":"${generation}","1":"${generation}"}`, meta: '', index: indexOf([]), ...parts }, lengths)
  const db = { ...good.find(({ key }) => key === dbKey)!, bytes: body }
  return [db, ...(group ? [0, 1].map((gid) => ({ key: `${dbKey}/${gid}.${generation}`, bytes: group, metadata: {} })) : [])]
}

/** A remote that holds exactly these entries, as the format wants it. */
function holding(entries: GroupEntry[]): StoredObject[] {
  const { bytes, offsets } = encodeGroup(entries)
  return crafted({ index: indexOf(entries.map(({ key, timestamp, value }, i) => [key, { timestamp, offset: offsets[i]!, length: value.length }] as const)) }, bytes)
}

const json = (value: unknown) => utf8Encode(JSON.stringify(value))

async function refused(objects: readonly StoredObject[], kind: abstract new (...args: never[]) => EbookletError = FormatError): Promise<void> {
  await expect(visit(storeOf(objects))).rejects.toBeInstanceOf(kind)
}

test('the good one is good', async () => {
  expect(Object.fromEntries(await visit(storeOf(good)))).toEqual({ a: 1, b: [2] })
  expect(Object.fromEntries(await visit(storeOf(holding([{ key: 'k', timestamp: 5, value: json('v') }]))))).toEqual({ k: 'v' })
})

describe('db objects', () => {
  test.each([2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 1000n])('a section that claims %d bytes', async (length) => {
    for (const at of [0, 1, 2]) await refused(crafted({}, undefined, [0, 1, 2].map((i) => (i === at ? length : undefined))))
  })

  test.each([
    ['leads up', '{"0":"../../../x12"}'],
    ['leads aside', '{"0/../1":"0123456789abc"}'],
    ['names a group beyond 32 bits', '{"4294967296":"0123456789abc"}'],
    ['is __proto__', '{"__proto__":{"0":"0123456789abc"}}'],
    ['is an array', '["0123456789abc"]'],
    ['nests 1,000,000 levels', '['.repeat(1e6) + ']'.repeat(1e6)],
    ['nests 1,000,000 objects', '{"0":'.repeat(1e6) + '1' + '}'.repeat(1e6)],
    ['has a number of a million digits', `{"0":${'9'.repeat(1e6)}}`],
    ['has a generation in capitals', '{"0":"0123456789ABC"}'],
    ['has a generation with a line end', '{"0":"0123456789abc\\n"}'],
  ])('a manifest that %s', async (_name, manifest) => refused(crafted({ manifest })))

  test('of equal groups in a manifest the last counts', async () => {
    const objects = holding([{ key: 'k', timestamp: 5, value: json(1) }])
    const { index } = { index: objects[0]!.bytes.subarray(objects[0]!.bytes.length - indexOf([['k', { timestamp: 5, offset: 0, length: 1 }]]).length) }
    const twice = crafted({ manifest: `{"0":"aaaaaaaaaaaaa","1":"aaaaaaaaaaaaa","0":"${generation}","1":"${generation}"}`, index }, objects[1]!.bytes)
    expect(Object.fromEntries(await visit(storeOf(twice)))).toEqual({ k: 1 })
  })

  test.each([
    ['1,000,000 levels', '{"timestamp":5,"data":' + '['.repeat(1e6) + ']'.repeat(1e6) + '}'],
    ['no object', '[]'],
    ['a timestamp of 2^56', `{"timestamp":${2n ** 56n},"data":1}`],
    ['bytes that are no JSON', '\u0000'],
  ])('a metadata section with %s', async (_name, meta) => refused(crafted({ meta })))

  test('metadata that names prototypes is only data', async () => {
    const store = storeOf(crafted({ meta: '{"timestamp":5,"data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"__proto__":{"timestamp":7}}' }))
    await using db = await open(store)
    expect(JSON.stringify(db.metadata)).toBe('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  test.each([
    ['0'], ['-1'], ['1e3'], ['4294967296'], ['99999999999999999999'], ['01'], [' 1'], ['NaN'], [''],
  ])('num_groups of %j', async (text) => refused(withDb(good, ({ metadata }) => ({ metadata: { ...metadata, num_groups: text } }))))

  test('the largest possible num_groups costs nothing', async () => {
    const objects = withDb(good, ({ metadata }) => ({ metadata: { ...metadata, num_groups: '4294967291' } }))
    await refused(objects, IntegrityError)
  })

  test('metadata that is missing, each alone', async () => {
    for (const name of ['timestamp', 'uuid', 'type', 'init_bytes', 'format_version']) {
      await refused(withDb(good, ({ metadata }) => ({ metadata: Object.fromEntries(Object.entries(metadata).filter(([field]) => field !== name)) })))
    }
    await refused(withDb(good, () => ({ metadata: {} })))
  })

  test('timestamps at the end of time', async () => {
    const latest = 2 ** 56 - 8
    const objects = withDb(holding([{ key: 'k', timestamp: latest, value: json(1) }]), ({ metadata }) => ({ metadata: { ...metadata, timestamp: String(2n ** 56n - 1n) } }))
    await using db = await open(storeOf(objects), { flag: 'w' })
    expect(await db.get('k')).toBe(1)
    expect(db.getTimestamp('k')).toBe(latest)
    expect(db.remoteTimestamp).toBe(latest)
    db.set('k', 2)
    // There is nothing later: it says so, and keeps what is pending.
    await expect(db.push()).rejects.toBeInstanceOf(FormatError)
    expect(db.changes().size).toBe(1)
  })

  test('above 2^53 a change is later all the same, as far as a number tells', async () => {
    for (const timestamp of [2 ** 53, 2 ** 54, 2 ** 55, 2 ** 56 - 16]) {
      const store = storeOf(withDb(holding([{ key: 'k', timestamp, value: json(1) }]), ({ metadata }) => ({ metadata: { ...metadata, timestamp: String(timestamp) } })))
      await using warm = await open(store)
      expect(await warm.get('k')).toBe(1)
      await using db = await open(store, { flag: 'w' })
      db.set('k', 2)
      await db.push()
      await warm.pull()
      expect(await warm.get('k')).toBe(2)
      expect(warm.remoteTimestamp).toBeGreaterThan(timestamp)
    }
  })
})

describe('init_bytes', () => {
  test.each([0, 1, 16, 199, 201, 1000])('of %d bytes', async (length) => {
    await refused(withDb(good, ({ metadata }) => ({ metadata: { ...metadata, init_bytes: toBase64Url(new Uint8Array(length)) } })))
  })

  test('of another kind, version, width, or without buckets', async () => {
    const fixedId = '04d3b294f2104162958d0400738c9e0a'
    await refused(withInitBytes(good, (bytes) => bytes.set(Buffer.from(fixedId, 'hex'))), EbookletError)
    for (const [at, byte] of [[0, 0], [16, 6], [16, 0], [18, 8], [19, 1], [20, 8]] as const) await refused(withInitBytes(good, (bytes) => (bytes[at] = byte)))
    await refused(withInitBytes(good, (bytes) => bytes.fill(0, 21, 25)))
  })

  test('a layout and a number of keys that they claim are not believed', async () => {
    const objects = withInitBytes(good, (bytes) => {
      bytes.fill(0xff, 33, 37)
      bytes.set([200, 0, 0, 0, 0, 1, 7, 7, 7, 7, 7, 7], 65)
    })
    expect((await visit(storeOf(objects))).size).toBe(2)
  })

  test('a record of an operation to be finished is not believed', async () => {
    for (const state of ['clean', 'open', 'commit', 'rewrite', 'clear'] as const) {
      const objects = withInitBytes(good, (bytes) => writeRecord(bytes, { state, version: 5, length: 10 ** 9, nKeys: 77, newLength: 5, redoAt: 200, redoLength: 10, nBuckets: 9 }))
      expect(Object.fromEntries(await visit(storeOf(objects)))).toEqual({ a: 1, b: [2] })
    }
  })

  test('2^32 - 1 buckets make no huge file', async () => {
    const objects = withInitBytes(good, (bytes) => bytes.fill(0xff, 21, 25))
    await using db = await open(storeOf(objects), { flag: 'w' })
    expect(await db.get('a')).toBe(1)
    db.set('c', 3)
    await db.push()
  })

  test('a serializer that nobody knows, and entries without timestamps', async () => {
    await refused(withInitBytes(good, (bytes) => bytes.set([0xe7, 0x03], 29)), EbookletError)
    await refused(withInitBytes(good, (bytes) => bytes.set([0xe7, 0x03], 31)), EbookletError)
    await refused(withInitBytes(good, (bytes) => (bytes[41] = 0)), EbookletError)
  })
})

describe('indexes', () => {
  const entry = { timestamp: 5, offset: 24, length: 1 }
  const names = Array.from({ length: 6 }, (_, i) => `k${i}`)
  /** One bucket: all blocks in one chain. */
  const chain = () => indexOf(names.map((name) => [name, entry] as const), 1)
  const blocks = 206
  const blockLength = 21 + 2 + 15

  function pointer(bytes: Uint8Array, at: number, value: number): Uint8Array {
    new DataView(bytes.buffer).setUint32(at, value % 2 ** 32, true)
    new DataView(bytes.buffer).setUint16(at + 4, Math.floor(value / 2 ** 32), true)
    return bytes
  }

  test.each([
    ['a chain in a circle', (index: Uint8Array) => pointer(index, blocks + 13, blocks + 5 * blockLength)],
    ['a block that leads to itself', (index: Uint8Array) => pointer(index, blocks + 13, blocks)],
    ['a head inside the header', (index: Uint8Array) => pointer(index, 200, 20)],
    ['a head inside the index', (index: Uint8Array) => pointer(index, 200, 201)],
    ['a head far outside', (index: Uint8Array) => pointer(index, 200, 2 ** 47)],
    ['a head amid a block', (index: Uint8Array) => pointer(index, 200, blocks + 3)],
    ['2^32 - 1 buckets', (index: Uint8Array) => index.fill(0xff, 21, 25)],
    ['an index_offset far outside', (index: Uint8Array) => pointer(index, 65, 2 ** 47)],
    ['a data position far outside', (index: Uint8Array) => pointer(index, 71, 2 ** 47)],
    ['values of 2^32 - 1 bytes', (index: Uint8Array) => index.fill(0xff, 37, 41)],
    ['the kind of other files', (index: Uint8Array) => { index.set(Buffer.from('4f7e8a3fe75c4750ad430a728fe31cfe', 'hex')); index[20] = 4; return index }],
    ['the mark of a file that was not closed', (index: Uint8Array) => index.fill(0xff, 33, 37)],
  ])('%s', async (_name, change) => {
    for (const flag of ['r', 'w'] as const) {
      await expect(visit(storeOf(crafted({ index: change(chain()) })), { flag })).rejects.toBeInstanceOf(EbookletError)
    }
  })

  test('a number of keys that is wrong is counted anew', async () => {
    const objects = holding(names.map((key) => ({ key, timestamp: 5, value: json(key) })))
    const index = indexOf(names.map((name) => [name, entry] as const))
    const at = objects[0]!.bytes.length - index.length + 33
    for (const claimed of [[0, 0, 0, 0], [0xfe, 0xff, 0xff, 0xff]]) {
      objects[0]!.bytes.set(claimed, at)
      await using db = await open(storeOf(objects))
      expect(db.size).toBe(6)
      expect([...db.keys()].length).toBe(6)
      expect(await db.get('k3')).toBe('k3')
    }
  })

  test.each([
    ['beyond the group', { timestamp: 5, offset: 10 ** 6, length: 10 }],
    ['at the end of 32 bits', { timestamp: 5, offset: 2 ** 32 - 1, length: 2 ** 32 - 1 }],
    ['longer than the group', { timestamp: 5, offset: 24, length: 2 ** 32 - 1 }],
    ['before any entry', { timestamp: 5, offset: 0, length: 4 }],
  ])('a value %s is taken from where it is', async (_name, where) => {
    const { bytes } = encodeGroup([{ key: 'k', timestamp: 5, value: json('there') }])
    expect(Object.fromEntries(await visit(storeOf(crafted({ index: indexOf([['k', where]]) }, bytes))))).toEqual({ k: 'there' })
  })

  test('a value that is nowhere, or whose group is missing', async () => {
    const { bytes } = encodeGroup([{ key: 'other', timestamp: 5, value: json(1) }])
    await refused(crafted({ index: indexOf([['k', entry]]) }, bytes), IntegrityError)
    await refused(crafted({ index: indexOf([['k', entry]]) }), IntegrityError)
    await refused(crafted({ index: indexOf([['k', entry]]), manifest: '{}' }, bytes), IntegrityError)
  })

  test('names of prototypes, and keys as long as can be, are keys', async () => {
    const keys = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', '', '../x', 'a'.repeat(65535), '\u0000', 'ключ']
    const found = await visit(storeOf(holding(keys.map((key) => ({ key, timestamp: 5, value: json(key.length) })))))
    expect([...found]).toEqual(expect.arrayContaining(keys.map((key) => [key, key.length])))
    expect(found.size).toBe(keys.length)
  })

  test('the keys that the local file keeps for itself are not overwritten', async () => {
    for (const key of [METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY].map(utf8Decode)) {
      await using db = await open(storeOf(holding([{ key, timestamp: 2 ** 55, value: json({ v: 1, written: ['x'] }) }, { key: 'k', timestamp: 5, value: json(1) }])), { flag: 'w' })
      expect(await db.get(key)).toBeUndefined()
      expect([...db.keys()]).toEqual(['k'])
      await db.load()
      expect(db.size).toBe(1)
      expect(await db.get('k')).toBe(1)
      expect(db.changes().size).toBe(0)
      expect(db.metadata).toBeUndefined()
    }
  })
})

describe('groups', () => {
  const at = (offset: number, length: number) => ({ index: indexOf([['k', { timestamp: 5, offset, length }]]) })
  const { bytes } = encodeGroup([{ key: 'k', timestamp: 5, value: json('v') }])

  test.each([
    ['claims 2^32 - 1 entries', (group: Uint8Array) => group.fill(0xff, 0, 4)],
    ['claims a key of 65,535 bytes', (group: Uint8Array) => group.fill(0xff, 4, 6)],
    ['claims a value of 2^32 - 1 bytes', (group: Uint8Array) => group.fill(0xff, 14, 18)],
    ['is cut short', (group: Uint8Array) => group.subarray(0, 15)],
    ['is empty', () => new Uint8Array(0)],
    ['is something else', () => utf8Encode('<html>'.repeat(50))],
  ])('one that %s', async (_name, change) => {
    await expect(visit(storeOf(crafted(at(90, 3), change(bytes.slice()))))).rejects.toBeInstanceOf(EbookletError)
  })
})

describe('values that explode', () => {
  /* A zstd frame without a content size: one block of a million equal bytes, again and again. */
  function bomb(blocks: number): Uint8Array {
    const out = new Uint8Array(6 + 4 * blocks)
    out.set([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
    for (let i = 0; i < blocks; i++) {
      const head = (128 * 1024 * 8) | 2 | (i === blocks - 1 ? 1 : 0)
      out.set([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff, 0x20], 6 + 4 * i)
    }
    return out
  }

  const zstd = (objects: StoredObject[]) => withInitBytes(objects, (bytes) => bytes.set([27, 0], 29))

  test('are unfolded up to the limit, and refused beyond', async () => {
    const objects = zstd(holding([{ key: 'k', timestamp: 5, value: bomb(4) }]))
    await using within = await open<Uint8Array>(storeOf(objects), { maxValueBytes: 4 * 128 * 1024 })
    expect((await within.get('k'))?.length).toBe(4 * 128 * 1024)
    await using beyond = await open<Uint8Array>(storeOf(objects), { maxValueBytes: 4 * 128 * 1024 - 1 })
    await expect(beyond.get('k')).rejects.toBeInstanceOf(DeserializationError)
    await expect(beyond.get('k')).rejects.toThrow(/maxValueBytes/)
    // The bytes as they are can be had.
    expect((await beyond.getBytes('k'))?.length).toBe(bomb(4).length)
  })

  test('beyond 1 GiB are refused by default', async () => {
    await using db = await open(storeOf(zstd(holding([{ key: 'k', timestamp: 5, value: bomb(8192) }]))))
    await expect(db.get('k')).rejects.toThrow(/would unfold to 1073741824 bytes/)
  })

  test('a frame that states 2^64 - 1 bytes', async () => {
    const frame = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0])
    await refused(zstd(holding([{ key: 'k', timestamp: 5, value: frame }])), DeserializationError)
  })
})

describe('limits of a session', () => {
  test('maxValueBytes refuses before it fetches', async () => {
    const store = storeOf(holding([{ key: 'large', timestamp: 5, value: json('x'.repeat(5000)) }, { key: 'small', timestamp: 5, value: json(1) }]))
    await using db = await open(store, { maxValueBytes: 1000 })
    await expect(db.get('large')).rejects.toMatchObject({ code: 'REMOTE_TOO_LARGE', option: 'maxValueBytes', limit: 1000 })
    expect(await db.get('small')).toBe(1)
  })

  test('maxValueBytes holds for values of their own object', async () => {
    const objects = await database({ numGroups: null, valueSerializer: 'json' }, { large: 'x'.repeat(5000), small: 1 })
    await using db = await open(storeOf(objects), { maxValueBytes: 1000 })
    await expect(db.get('large')).rejects.toBeInstanceOf(RemoteTooLargeError)
    expect(await db.get('small')).toBe(1)
  })

  test('maxIndexBytes', async () => {
    const { length } = good.find(({ key }) => key === dbKey)!.bytes
    await (await open(storeOf(good), { maxIndexBytes: length })).close()
    await expect(open(storeOf(good), { maxIndexBytes: length - 1 })).rejects.toMatchObject({ code: 'REMOTE_TOO_LARGE', option: 'maxIndexBytes' })
  })

  test.each([-1, 1.5, NaN, Infinity])('%d is no limit', async (limit) => {
    await expect(open(storeOf(good), { maxValueBytes: limit })).rejects.toBeInstanceOf(InvalidArgumentError)
    await expect(open(storeOf(good), { maxIndexBytes: limit })).rejects.toBeInstanceOf(InvalidArgumentError)
  })
})

test('JSON values that nest without end, or hold what can not be', async () => {
  for (const text of ['['.repeat(1e6), '{"a":'.repeat(1e6) + '1' + '}'.repeat(1e6), '1'.repeat(10_000), '"\\ud83d', '{"a":1,}', '\ufeff1']) {
    await refused(holding([{ key: 'k', timestamp: 5, value: utf8Encode(text) }]), DeserializationError)
  }
  const msgpack = resolveSerializer('msgpack')
  for (const bytes of [new Uint8Array(1e6).fill(0x91), Uint8Array.of(0xdd, 255, 255, 255, 255), Uint8Array.of(0xdf, 255, 255, 255, 255, 1), Uint8Array.of(0xc6, 255, 255, 255, 255)]) {
    expect(() => msgpack.decode(bytes)).toThrow(DeserializationError)
  }
})
