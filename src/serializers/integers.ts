import { FormatError, InvalidArgumentError } from '../base/error.js'
import { describe } from '../format/json-write.js'
import type { Serializer } from './serializer.js'

export type IntegerWidth = 1 | 2 | 4 | 5 | 8

/**
 * A little-endian integer of `width` bytes. Reads as number, with 8 bytes as bigint; writes either, where
 * the value is a whole number in range.
 */
export function integerSerializer(width: IntegerWidth, signed: boolean): Serializer<number> | Serializer<bigint> {
  return width === 8 ? wide(signed) : narrow(width, signed)
}

function wide(signed: boolean): Serializer<bigint> {
  const [min, max] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n]
  return {
    encode(value: unknown) {
      const integer = wholeNumber(value)
      if (integer < min || integer > max) throw outOfRange(min, max)
      const out = new Uint8Array(8)
      new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(integer)), true)
      return out
    },
    decode(bytes) {
      const view = exactly(bytes, 8)
      return signed ? view.getBigInt64(0, true) : view.getBigUint64(0, true)
    },
  }
}

function narrow(width: 1 | 2 | 4 | 5, signed: boolean): Serializer<number> {
  const span = 2 ** (8 * width)
  const [min, max] = signed ? [-span / 2, span / 2 - 1] : [0, span - 1]
  return {
    encode(value: unknown) {
      const integer = wholeNumber(value)
      if (integer < min || integer > max) throw outOfRange(min, max)
      const out = new Uint8Array(width)
      let rest = Number(integer)
      if (rest < 0) rest += span
      for (let i = 0; i < width; i++) {
        out[i] = rest % 256
        rest = Math.floor(rest / 256)
      }
      return out
    },
    decode(bytes) {
      const view = exactly(bytes, width)
      let value = 0
      for (let i = width - 1; i >= 0; i--) value = value * 256 + view.getUint8(i)
      return signed && value >= span / 2 ? value - span : value
    },
  }
}

function wholeNumber(value: unknown): number | bigint {
  if (typeof value === 'bigint') return value
  if (typeof value !== 'number') throw new InvalidArgumentError(`an integer (number or bigint) is expected, this is ${describe(value)}.`)
  if (Number.isSafeInteger(value)) return value
  throw new InvalidArgumentError(`${value} is not an integer that a number holds exactly; use a bigint for one beyond 2^53.`)
}

function outOfRange(min: number | bigint, max: number | bigint): InvalidArgumentError {
  return new InvalidArgumentError(`it is out of range, ${min} to ${max}.`)
}

function exactly(bytes: Uint8Array, width: number): DataView {
  if (bytes.length !== width) throw new FormatError(`${width} bytes are expected, these are ${bytes.length}.`)
  return new DataView(bytes.buffer, bytes.byteOffset, width)
}
