/** Values for every serializer that both we and Python have. */
import { fc } from './property.js'
import type { SerializerName } from '../../src/serializers/index.js'
import { geometries } from './geometries.js'
import { pythonValues } from './python-values.js'
import { testSeed } from './seed.js'

const text = fc.string({ unit: 'binary', maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 200 })
const int64 = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }))
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })

/** Values of JSON's kinds; `leaf` adds what a serializer has beyond them. */
function nested(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, fc.constant(null), fc.boolean(), text, tie('list'), tie('record')),
    list: fc.array(tie('value'), { maxLength: 6 }),
    record: fc.dictionary(text, tie('value'), { maxKeys: 6 }),
  }))['value']
}

/** Python's whole floats come back from us as the numbers that they are, and from JSON as ints; -0 too. */
const jsonLeaf = fc.oneof(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), int64, fc.double())
const orjsonLeaf = fc.oneof(int64, finite)
const msgpackLeaf = fc.oneof(int64, fc.double(), bytes)

function integers(width: 1 | 2 | 4 | 5 | 8, signed: boolean): fc.Arbitrary<unknown> {
  const bits = BigInt(width * 8)
  const min = signed ? -(2n ** (bits - 1n)) : 0n
  const max = signed ? 2n ** (bits - 1n) - 1n : 2n ** bits - 1n
  const value = fc.oneof(fc.constantFrom(min, max, 0n, 1n), fc.bigInt({ min, max }))
  return width === 8 ? value : value.map(Number)
}

const arbitraries = {
  None: bytes,
  bytes,
  str: text,
  pickle: pythonValues,
  json: nested(jsonLeaf),
  orjson: nested(orjsonLeaf),
  orjson_zstd: nested(orjsonLeaf),
  uint1: integers(1, false),
  int1: integers(1, true),
  uint2: integers(2, false),
  int2: integers(2, true),
  uint4: integers(4, false),
  int4: integers(4, true),
  uint5: integers(5, false),
  int5: integers(5, true),
  uint8: integers(8, false),
  int8: integers(8, true),
  numpy_int1: fc.int8Array(),
  numpy_int2: fc.int16Array(),
  numpy_int4: fc.int32Array(),
  numpy_int8: fc.bigInt64Array(),
  numpy_int2_zstd: fc.int16Array(),
  numpy_int4_zstd: fc.int32Array(),
  numpy_int8_zstd: fc.bigInt64Array(),
  zstd: bytes,
  msgpack: nested(msgpackLeaf),
  msgpack_zstd: nested(msgpackLeaf),
  pickle_zstd: pythonValues,
  wkb: geometries,
  wkb_zstd: geometries,
} satisfies Partial<Record<SerializerName, fc.Arbitrary<unknown>>>

export type SharedSerializer = keyof typeof arbitraries

export const sharedSerializers = Object.keys(arbitraries) as readonly SharedSerializer[]

/** `count` values that fit the serializer, from the seed of the run. */
export function sampleValues(serializer: SharedSerializer, count: number): unknown[] {
  return fc.sample(arbitraries[serializer], { numRuns: count, seed: testSeed })
}
