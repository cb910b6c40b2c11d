/**
 * Values as Python has them, written as JSON: the tagged encoding of the golden files (tests/fixtures/golden/manifest.json,
 * "value_encoding") and of dev/peers/peer.py.
 */
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { PyByteArray, PyFrozenSet, PyTuple } from '../../src/serializers/index.js'
import { geoJsonOf } from './wkt.js'
import { timeFrom, timeOf } from './tagged-time.js'

export type Tagged = null | boolean | number | string | readonly Tagged[] | { readonly [key: string]: Tagged }

type NumberArray = Int8Array | Int16Array | Int32Array | BigInt64Array

interface ArrayContent {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: readonly Tagged[]
}

/** The value that Python gets for one of ours. Whole safe numbers become int, all others float; a bigint is an int. */
export function toTagged(value: unknown): Tagged {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : { $float: pythonFloat(value) }
  if (typeof value === 'bigint') return inSafeRange(value) ? Number(value) : { $int: value.toString() }
  if (value instanceof Uint8Array) return { [value instanceof PyByteArray ? '$bytearray' : '$bytes']: toBase64(value) }
  if (typeof value === 'object' && timeOf(value)) return timeOf(value) as Tagged
  if (value instanceof Set) return { [value instanceof PyFrozenSet ? '$frozenset' : '$set']: [...(value as Set<unknown>)].map(toTagged) }
  if (value instanceof PyTuple) return { $tuple: Array.from(value, toTagged) }
  if (isNumberArray(value)) return { $ndarray: { dtype: dtypeOf(value), shape: [value.length], data: Array.from<number | bigint, Tagged>(value, toTagged) } }
  if (Array.isArray(value)) return value.map(toTagged)
  if (value instanceof Map) return { $map: [...(value as Map<unknown, unknown>)].map(([key, item]) => [toTagged(key), toTagged(item)]) }
  if (typeof value === 'object') {
    if (isGeometry(value)) return { $geojson: value as unknown as Tagged }
    const entries = Object.entries(value)
    if (entries.some(([key]) => key.startsWith('$'))) return { $map: entries.map(([key, item]) => [key, toTagged(item)]) }
    return Object.fromEntries(entries.map(([key, item]) => [key, toTagged(item)]))
  }
  throw new TypeError(`a ${typeof value} has no tagged form`)
}

/**
 * Our value of a tagged one: ints are numbers where they are safe and else bigints, floats are numbers, bytes are
 * Uint8Arrays, tuples are PyTuples, sets are Sets, `$map` is a Map, arrays of numpy are typed arrays.
 */
export function fromTagged(tagged: Tagged): unknown {
  if (tagged === null || typeof tagged !== 'object') return tagged
  if (isList(tagged)) return tagged.map(fromTagged)
  const entries = Object.entries(tagged)
  const [tag, content] = entries[0] ?? ['', null]
  if (entries.length === 1 && tag.startsWith('$')) return fromTag(tag, content)
  // Not Object.fromEntries of a literal: a key `__proto__` must stay a key.
  return Object.fromEntries(entries.map(([key, item]) => [key, fromTagged(item)]))
}

function fromTag(tag: string, content: Tagged): unknown {
  switch (tag) {
    case '$int':
      return BigInt(content as string)
    case '$float':
      return floatOf(content as string)
    case '$bytes':
      return fromBase64(content as string)
    case '$bytearray':
      return PyByteArray.from(fromBase64(content as string))
    case '$tuple':
      return PyTuple.from((content as readonly Tagged[]).map(fromTagged))
    case '$set':
      return new Set((content as readonly Tagged[]).map(fromTagged))
    case '$frozenset':
      return new PyFrozenSet((content as readonly Tagged[]).map(fromTagged))
    case '$datetime':
    case '$date':
    case '$time':
    case '$timedelta':
    case '$timezone':
    case '$complex':
      return timeFrom(tag, content)
    case '$geojson':
      return content
    case '$wkt':
      return geoJsonOf(content as string)
    case '$map':
      return new Map((content as readonly [Tagged, Tagged][]).map(([key, item]) => [fromTagged(key), fromTagged(item)]))
    case '$ndarray':
      return numberArrayOf(content as unknown as ArrayContent)
    default:
      throw new TypeError(`there is no value of ours for ${tag}`)
  }
}

/**
 * Whether our value is what the tagged one says. An int may be ours as number or bigint (which of them is a matter of the
 * serializer), a whole float as number, a map with text keys as an object; nothing else is blurred.
 */
export function isTagged(value: unknown, tagged: Tagged): boolean {
  return same(value, fromTagged(tagged))
}

function same(ours: unknown, theirs: unknown): boolean {
  if (typeof ours === 'bigint' || typeof theirs === 'bigint') return integerOf(ours) !== undefined && integerOf(ours) === integerOf(theirs)
  if (ours instanceof Uint8Array || theirs instanceof Uint8Array || isNumberArray(ours) || isNumberArray(theirs)) return sameArrays(ours, theirs)
  const time = typeof theirs === 'object' && theirs !== null ? timeOf(theirs) : undefined
  if (time) return typeof ours === 'object' && ours !== null && JSON.stringify(timeOf(ours)) === JSON.stringify(time)
  if (ours instanceof Set || theirs instanceof Set) return ours instanceof Set && theirs instanceof Set && isFrozen(ours) === isFrozen(theirs) && sameMembers([...ours], [...theirs])
  if (Array.isArray(ours) || Array.isArray(theirs)) {
    return Array.isArray(ours) && Array.isArray(theirs) && ours.length === theirs.length && ours.every((item, at) => same(item, theirs[at]))
  }
  if (isRecord(ours) && isRecord(theirs)) return sameMaps(entriesOf(ours), entriesOf(theirs))
  return Object.is(ours, theirs)
}

function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined
}

function sameArrays(ours: unknown, theirs: unknown): boolean {
  if (!ArrayBuffer.isView(ours) || !ArrayBuffer.isView(theirs)) return false
  if (Object.prototype.toString.call(ours) !== Object.prototype.toString.call(theirs)) return false
  const [a, b] = [ours, theirs].map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at])
}

function isFrozen(set: Set<unknown>): boolean {
  return set instanceof PyFrozenSet
}

function sameMembers(ours: readonly unknown[], theirs: readonly unknown[]): boolean {
  return ours.length === theirs.length && ours.every((item) => theirs.some((other) => same(item, other)))
}

function sameMaps(ours: readonly [unknown, unknown][], theirs: readonly [unknown, unknown][]): boolean {
  if (ours.length !== theirs.length) return false
  return ours.every(([key, item]) => theirs.some(([theirKey, theirItem]) => same(key, theirKey) && same(item, theirItem)))
}

function entriesOf(value: object): [unknown, unknown][] {
  return value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value)
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isList(tagged: Tagged): tagged is readonly Tagged[] {
  return Array.isArray(tagged)
}

/** Nothing else in the tests looks like one. */
function isGeometry(value: object): boolean {
  return 'type' in value && typeof value.type === 'string' && ('coordinates' in value || 'geometries' in value)
}

function isNumberArray(value: unknown): value is NumberArray {
  return value instanceof Int8Array || value instanceof Int16Array || value instanceof Int32Array || value instanceof BigInt64Array
}

function dtypeOf(array: NumberArray): string {
  if (array instanceof Int8Array) return 'int8'
  if (array instanceof Int16Array) return 'int16'
  return array instanceof Int32Array ? 'int32' : 'int64'
}

function numberArrayOf({ dtype, data }: ArrayContent): NumberArray {
  const items = data.map(fromTagged) as (number | bigint)[]
  if (dtype === 'int64') return BigInt64Array.from(items, (item) => BigInt(item))
  const numbers = items.map(Number)
  if (dtype === 'int8') return Int8Array.from(numbers)
  if (dtype === 'int16') return Int16Array.from(numbers)
  if (dtype === 'int32') return Int32Array.from(numbers)
  throw new TypeError(`there is no typed array of ours for ${dtype}`)
}

function inSafeRange(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
}

/** What Python's float() reads. */
function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0.0' : String(value)
}

function floatOf(repr: string): number {
  const named: Record<string, number> = { nan: NaN, inf: Infinity, '-inf': -Infinity }
  return named[repr] ?? Number(repr)
}
