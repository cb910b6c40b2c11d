import { InvalidArgumentError } from '../base/error.js'
import { describe } from '../format/json-write.js'
import { featherSerializer } from './arrow/index.js'
import { asPlainBytes, bytesSerializer, textSerializer } from './bytes.js'
import { define } from './define.js'
import { DeserializationError, UnsupportedSerializerError } from './errors.js'
import { integerSerializer } from './integers.js'
import { jsonSerializer } from './json.js'
import { msgpackSerializer } from './msgpack.js'
import { numpySerializer } from './numpy.js'
import { pickleSerializer } from './pickle/index.js'
import type { NamedSerializer, Serializer } from './serializer.js'
import { wkbSerializer } from './wkb/index.js'
import { zstdSerializer } from './zstd.js'

export { DeserializationError, SerializationError, UnsupportedSerializerError, UnsupportedValueError } from './errors.js'
export { MsgpackExtension } from './msgpack-extension.js'
export { type ArrowModule, type ArrowTable, type GeometryOptions, readGeometry, setArrowLoader, useArrow, withGeometry } from './arrow/index.js'
export { PickledClassError, PyByteArray, PyComplex, PyDate, PyDateTime, type PyDateTimeDetails, PyFrozenSet, PyTime, PyTimeDelta, PyTimezone, PyTuple } from './pickle/index.js'
export type { NumpyArray, NumpyInput } from './numpy.js'
export type { NamedSerializer, Serializer } from './serializer.js'
export type {
  GeoJsonGeometry,
  GeoJsonGeometryCollection,
  GeoJsonLineString,
  GeoJsonMultiLineString,
  GeoJsonMultiPoint,
  GeoJsonMultiPolygon,
  GeoJsonPoint,
  GeoJsonPolygon,
  GeoJsonPosition,
} from './wkb/index.js'
export { MAX_DECOMPRESSED_BYTES } from './zstd.js'

/** The codes of the header's serializer fields, by name. `None` and `bytes` are both raw bytes. */
const codes = {
  None: 1,
  str: 2,
  pickle: 3,
  json: 4,
  orjson: 5,
  uint1: 6,
  int1: 7,
  uint2: 8,
  int2: 9,
  uint4: 10,
  int4: 11,
  uint5: 12,
  int5: 13,
  uint8: 14,
  int8: 15,
  pickle_zstd: 16,
  orjson_zstd: 17,
  numpy_int1: 18,
  numpy_int2: 19,
  numpy_int4: 20,
  numpy_int8: 21,
  numpy_int2_zstd: 22,
  numpy_int4_zstd: 23,
  numpy_int8_zstd: 24,
  pd_zstd: 25,
  gpd_zstd: 26,
  zstd: 27,
  wkb: 28,
  wkb_zstd: 29,
  msgpack: 30,
  msgpack_zstd: 31,
  bytes: 32,
} as const

/** The name of a serializer, as in Python. */
export type SerializerName = keyof typeof codes

/** Every name that a file can record. */
export const serializerNames = Object.keys(codes) as readonly SerializerName[]

const orjson = jsonSerializer('orjson')

const plain = (serializer: Serializer<unknown>) => () => serializer
const packed = (inner: Serializer<unknown>) => (maxBytes?: number) => zstdSerializer(inner, maxBytes)

/** How each is made, for values that unfold to `maxBytes` at most. */
const makers: Record<SerializerName, (maxBytes?: number) => Serializer<unknown>> = {
  None: plain(bytesSerializer),
  str: plain(textSerializer),
  pickle: plain(pickleSerializer),
  json: plain(jsonSerializer('python')),
  orjson: plain(orjson),
  uint1: plain(integerSerializer(1, false)),
  int1: plain(integerSerializer(1, true)),
  uint2: plain(integerSerializer(2, false)),
  int2: plain(integerSerializer(2, true)),
  uint4: plain(integerSerializer(4, false)),
  int4: plain(integerSerializer(4, true)),
  uint5: plain(integerSerializer(5, false)),
  int5: plain(integerSerializer(5, true)),
  uint8: plain(integerSerializer(8, false)),
  int8: plain(integerSerializer(8, true)),
  pickle_zstd: packed(pickleSerializer),
  orjson_zstd: packed(orjson),
  numpy_int1: plain(numpySerializer(1)),
  numpy_int2: plain(numpySerializer(2)),
  numpy_int4: plain(numpySerializer(4)),
  numpy_int8: plain(numpySerializer(8)),
  numpy_int2_zstd: packed(numpySerializer(2)),
  numpy_int4_zstd: packed(numpySerializer(4)),
  numpy_int8_zstd: packed(numpySerializer(8)),
  pd_zstd: maxBytes => featherSerializer('pd_zstd', maxBytes),
  gpd_zstd: maxBytes => featherSerializer('gpd_zstd', maxBytes),
  zstd: packed(bytesSerializer),
  wkb: plain(wkbSerializer),
  wkb_zstd: packed(wkbSerializer),
  msgpack: plain(msgpackSerializer),
  msgpack_zstd: packed(msgpackSerializer),
  bytes: plain(bytesSerializer),
}

/** Serializers whose values hold nothing of the bytes that they were read from: text, numbers, copies. */
const lettingGo = new Set<SerializerName>([
  ...(['str', 'json', 'orjson', 'orjson_zstd', 'uint1', 'int1', 'uint2', 'int2', 'uint4', 'int4', 'uint5', 'int5', 'uint8', 'int8'] as const),
  ...(['numpy_int1', 'numpy_int2', 'numpy_int4', 'numpy_int8', 'numpy_int2_zstd', 'numpy_int4_zstd', 'numpy_int8_zstd'] as const),
])

const byName = new Map<string, NamedSerializer<unknown>>()
const byCode = new Map<number, NamedSerializer<unknown>>()
for (const name of serializerNames) {
  const serializer = define(name, codes[name], makers[name](), !lettingGo.has(name))
  byName.set(name, serializer)
  byCode.set(serializer.code, serializer)
}

function unrecordedFails(): never {
  throw new UnsupportedSerializerError('custom', 'The file was made with a serializer of the caller\'s own, which files do not record. Give the same { encode, decode } when opening it, or use the raw bytes (getBytes, setBytes).')
}

const unrecorded: NamedSerializer<unknown> = { name: 'custom', code: 0, keepsBytes: true, encode: unrecordedFails, decode: unrecordedFails }

/**
 * The serializer of a name, or a caller's own one made fit (its failures become typed errors).
 *
 * @throws UnsupportedSerializerError for a name that doesn't exist
 * @throws InvalidArgumentError for what is neither a name nor has the functions `encode` and `decode`
 */
export function resolveSerializer<T>(spec: SerializerName | Serializer<T>): NamedSerializer<T> {
  if (typeof spec === 'string') {
    const found = byName.get(spec)
    if (found === undefined) throw new UnsupportedSerializerError(String(spec), `There is no serializer of the name ${JSON.stringify(spec)}. Names: ${serializerNames.join(', ')}.`)
    return found as NamedSerializer<T>
  }
  if (typeof spec !== 'object' || spec === null || typeof spec.encode !== 'function' || typeof spec.decode !== 'function') {
    throw new InvalidArgumentError(`A serializer is one of the names ${serializerNames.join(', ')}, or an object with the functions encode and decode; this is ${describe(spec)}.`)
  }
  if (isRegistered(spec)) return spec
  return define('custom', 0, { encode: value => asPlainBytes(spec.encode(value)), decode: bytes => spec.decode(bytes) }, true)
}

/**
 * The same serializer, which refuses to read values of more bytes than `maxBytes`, as stored or unfolded, before it takes
 * memory for them. Without a limit it is the serializer as it is.
 */
export function limitSerializer<T>(serializer: NamedSerializer<T>, maxBytes: number | undefined): NamedSerializer<T> {
  if (maxBytes === undefined) return serializer
  const { name, code, keepsBytes } = serializer
  const inner = code === 0 ? serializer : define(name, code, makers[name as SerializerName](maxBytes) as Serializer<T>, keepsBytes)
  return {
    name,
    code,
    keepsBytes,
    encode: value => inner.encode(value),
    decode(bytes) {
      if (bytes.length > maxBytes) throw new DeserializationError(name, `it has ${bytes.length} bytes, more than the limit of ${maxBytes} (the option maxValueBytes).`)
      return inner.decode(bytes)
    },
  }
}

function isRegistered<T>(spec: Serializer<T>): spec is NamedSerializer<T> {
  const { code } = spec as Partial<NamedSerializer<T>>
  return code !== undefined && (byCode.get(code) as unknown) === spec
}

/**
 * The serializer of a code in a file header. 0 (a custom one, not recorded) gives a serializer whose `encode` and `decode`
 * throw UnsupportedSerializerError.
 *
 * @throws UnsupportedSerializerError for a code that doesn't exist
 */
export function serializerByCode(code: number): NamedSerializer<unknown> {
  if (code === 0) return unrecorded
  const found = byCode.get(code)
  if (found !== undefined) return found
  throw new UnsupportedSerializerError(String(code), `The file names a serializer of code ${code}; this release knows 1 to ${codes.bytes}. The file is damaged, or was written by a newer release: upgrade, or give a serializer of your own.`)
}
