import { InvalidArgumentError } from '../base/error.js'
import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { describe } from '../format/json-write.js'
import type { Serializer } from './serializer.js'

/** Raw bytes. What is encoded is what was given; what is decoded is a view of it, never a Buffer. */
export const bytesSerializer: Serializer<Uint8Array> = {
  encode: value => checkBytes(value),
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
  const bytes = checkBytes(value)
  if (Object.getPrototypeOf(bytes) === Uint8Array.prototype) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function checkBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new InvalidArgumentError(`bytes (a Uint8Array) are expected, this is ${describe(value)}.`)
}
