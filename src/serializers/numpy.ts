import { FormatError, InvalidArgumentError } from '../base/error.js'
import { describe } from '../format/json-write.js'
import type { Serializer } from './serializer.js'

export type NumpyArray = Int8Array | Int16Array | Int32Array | BigInt64Array

/** What a numpy serializer writes: its own typed array, or any array of integers that fit exactly. */
export type NumpyInput = NumpyArray | Uint8Array | Uint16Array | Uint32Array | BigUint64Array | readonly (number | bigint)[]

const types = { 1: Int8Array, 2: Int16Array, 4: Int32Array, 8: BigInt64Array } as const

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * The raw elements of a one-dimensional numpy array of signed integers, `width` bytes each,
 * little-endian whatever the host is. Reads as a typed array of its own memory.
 */
export function numpySerializer(width: 1 | 2 | 4 | 8): Serializer<NumpyArray> {
  return {
    encode: value => bytesOf(toTyped(value, width)),
    decode(bytes) {
      if (bytes.length % width !== 0) throw new FormatError(`a multiple of ${width} bytes is expected, these are ${bytes.length}.`)
      const copy = bytes.slice()
      const own = copy.byteOffset === 0 && copy.buffer.byteLength === copy.length ? copy : new Uint8Array(bytes)
      if (!littleEndian) reverseElements(own, width)
      return new types[width](own.buffer)
    },
  }
}

function bytesOf(array: NumpyArray): Uint8Array {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice()
  if (!littleEndian) reverseElements(bytes, array.BYTES_PER_ELEMENT)
  return bytes
}

function reverseElements(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse()
}

function toTyped(value: unknown, width: 1 | 2 | 4 | 8): NumpyArray {
  const type = types[width]
  if (value instanceof type) return value
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView) && Symbol.iterator in value)
  if (!isArray) throw new InvalidArgumentError(`an ${type.name} or an array of integers is expected, this is ${describe(value)}.`)
  const elements = Array.from(value as ArrayLike<unknown>, (element, i) => toElement(element, i, width))
  return width === 8 ? BigInt64Array.from(elements) : new (types[width] as typeof Int32Array)(elements.map(Number))
}

function toElement(element: unknown, index: number, width: number): bigint {
  const whole = typeof element === 'bigint' || Number.isSafeInteger(element)
  if (!whole) throw new InvalidArgumentError(`element ${index} is ${typeof element === 'number' ? element : describe(element)}, not an exact integer.`)
  const integer = BigInt(element as number | bigint)
  const limit = 2n ** BigInt(8 * width - 1)
  if (integer < -limit || integer >= limit) throw new InvalidArgumentError(`element ${index} is out of range, ${-limit} to ${limit - 1n}.`)
  return integer
}
