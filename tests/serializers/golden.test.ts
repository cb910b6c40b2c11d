/** What the Python original wrote, read by us; and what we write, compared with it byte for byte where it is one to one. */
import { describe, expect, it } from 'vitest'
import { fromBase64, utf8Decode } from '../../src/base/bytes.js'
import { DeserializationError, resolveSerializer, serializerByCode, serializerNames, type SerializerName } from '../../src/serializers/index.js'
import { parseJson } from '../../src/format/json.js'
import { stringifyJson } from '../../src/format/json-write.js'
import { goldenBooklets, readGoldenFile, type GoldenBooklet } from '../support/golden.js'
import '../support/arrow.js'
import { fromTagged, isTagged, type Tagged } from '../support/tagged.js'

/* numpy's own short names for what the tagged form calls int8 … int64. */
const dtypes: Record<string, string> = { '|i1': 'int8', '<i2': 'int16', '<i4': 'int32', '<i8': 'int64' }

function longDtypes(tagged: Tagged): Tagged {
  if (typeof tagged !== 'object' || tagged === null || !('$ndarray' in tagged)) return tagged
  const array = tagged['$ndarray'] as { dtype: string }
  return { $ndarray: { ...array, dtype: dtypes[array.dtype] ?? array.dtype } }
}

/* What names a class in a pickle is refused, arrays of numpy too. */
function isPickledArray(serializer: string, tagged: Tagged): boolean {
  return serializer.startsWith('pickle') && typeof tagged === 'object' && tagged !== null && '$ndarray' in tagged
}

/* The arrays of numpy hold integers that JSON.parse would round. */
function readGoldenJson<T>(file: string): T {
  return parseJson(utf8Decode(readGoldenFile(file))) as T
}

interface Dump {
  serializer: SerializerName
  value: Tagged
  /** `not_bytes` where the original's serializer let another value through. */
  bytes?: { $bytes?: string; not_bytes?: string }
  loads?: Tagged
  loads_error?: string
  error?: string
}

const vectors = readGoldenJson<{ serializer_dumps: Dump[]; constants: { serializer_codes: Record<string, number> } }>('vectors.json')

describe('names and codes', () => {
  it('are those of the original', () => {
    expect(Object.fromEntries(serializerNames.map(name => [name, resolveSerializer(name).code]))).toEqual(vectors.constants.serializer_codes)
    for (const name of serializerNames) expect(serializerByCode(resolveSerializer(name).code).name).toBe(name)
  })
})

const files = goldenBooklets().filter(entry => /^booklet\/(ser|key)_/.test(entry.expected))

describe.each(files.map(entry => [entry.expected.slice(8, -5), entry] as const))('%s', (name, entry) => {
  const { expected } = readGoldenJson<GoldenBooklet>(entry.expected)
  const items = expected.items_in_iteration_order ?? []

  it('has every key and value as Python sees it', () => {
    expect(items.length).toBeGreaterThan(0)
    const keys = serializerByCode(expected.header.key_serializer_code)
    const values = serializerByCode(expected.header.value_serializer_code)
    for (const item of items) {
      for (const [serializer, bytes, tagged] of [[keys, item.key_bytes, item.key], [values, item.value_bytes, item.value]] as const) {
        if (isPickledArray(serializer.name, tagged)) expect(() => serializer.decode(fromBase64(bytes))).toThrow(expect.objectContaining({ code: 'PICKLED_CLASS', className: 'numpy._core.numeric._frombuffer' }))
        else expect(isTagged(serializer.decode(fromBase64(bytes)), longDtypes(tagged)), `${name}: ${stringifyJson(tagged)}`).toBe(true)
      }
    }
  })

  it('is written back as Python wrote it, where floats that are whole do not stand in the way', () => {
    const serializer = serializerByCode(expected.header.value_serializer_code)
    // The JSON module of Python puts blanks in; ours does not. zstd frames may differ between releases of zstd.
    if (serializer.name === 'json' || serializer.name.includes('zstd')) return
    for (const item of items) {
      if (isPickledArray(serializer.name, item.value)) continue
      if (/"\$float":"-?[\d.]+(?:e\+\d+)?"/.test(stringifyJson(item.value)) && serializer.name === 'orjson') continue
      expect(serializer.encode(serializer.decode(fromBase64(item.value_bytes))), stringifyJson(item.value)).toEqual(fromBase64(item.value_bytes))
    }
  })
})

describe('single values that Python serialized', () => {
  const cases = vectors.serializer_dumps.filter(dump => dump.bytes?.$bytes !== undefined)

  it('are read as what Python reads', () => {
    expect(cases.length).toBeGreaterThan(100)
    for (const { serializer, bytes, loads, loads_error } of cases) {
      const value: unknown = resolveSerializer(serializer).decode(fromBase64(bytes?.$bytes ?? ''))
      if (loads_error === undefined) expect(isTagged(value, loads ?? null), `${serializer} ${JSON.stringify(loads)}`).toBe(true)
    }
  })

  it('include a map with integer keys, which Python writes but does not read: it comes as a Map', () => {
    const only = cases.filter(dump => dump.loads_error !== undefined)
    expect(only.map(dump => dump.serializer)).toEqual(['msgpack'])
    expect(resolveSerializer('msgpack').decode(fromBase64(only[0]?.bytes?.$bytes ?? ''))).toEqual(new Map([[1, 'a']]))
  })

  it('that Python refuses to write are refused by us, where JavaScript has such a value', () => {
    const refused = vectors.serializer_dumps.filter(dump => dump.error !== undefined && !/\$(datetime|date|map|tuple)/.test(JSON.stringify(dump.value)))
    expect(refused.length).toBeGreaterThan(80)
    for (const { serializer, value } of refused) {
      expect(() => resolveSerializer<unknown>(serializer).encode(fromTagged(value)), `${serializer} ${JSON.stringify(value)}`).toThrow(/can not write/)
    }
  })
})

it('a value written by another serializer gives an error or that serializer\'s reading of it, never a crash', () => {
  const all = vectors.serializer_dumps.filter(dump => dump.bytes?.$bytes !== undefined)
  for (const name of serializerNames) {
    for (const { bytes } of all) {
      try {
        resolveSerializer(name).decode(fromBase64(bytes?.$bytes ?? ''))
      } catch (error) {
        expect(error).toBeInstanceOf(DeserializationError)
      }
    }
  }
})
