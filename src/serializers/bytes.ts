import { InvalidArgumentError } from '../base/error.js'
import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { describe } from '../format/json-write.js'
import type { Serializer } from './serializer.js'

/** Raw bytes. What is decoded is a view of what was given, never a Buffer. */
export const bytesSerializer: Serializer<Uint8Array> = {
  encode: value => asPlainBytes(value),
  decode: bytes => asPlainBytes(bytes),
}

/** UTF-8 text. */
export const textSerializer: Serializer<string> = {
  encode(value: unknown) {
    if (typeof value !== 'string') throw new InvalidArgumentError(`a string is expected, this is ${describe(value)}.`)
    return utf8Encode(value)
  },
  decode: bytes => utf8Decode(bytes),
}

/** A plain Uint8Array on the same memory; Buffers behave differently (slice, toString, JSON). */
export function asPlainBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new InvalidArgumentError(`bytes (a Uint8Array) are expected, this is ${describe(value)}.`)
  if (Object.getPrototypeOf(value) === Uint8Array.prototype) return value
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}
