import { DeserializationError, SerializationError, UnsupportedSerializerError } from './errors.js'
import type { NamedSerializer, Serializer } from './serializer.js'

/** Gives a serializer its name and code, and makes every failure of it a typed error. */
export function define<T>(name: string, code: number, inner: Serializer<T>, keepsBytes: boolean): NamedSerializer<T> {
  return {
    name,
    code,
    keepsBytes,
    encode(value) {
      try {
        return inner.encode(value)
      } catch (error) {
        if (isOurs(error)) throw error
        throw new SerializationError(name, messageOf(error), { cause: error })
      }
    },
    decode(bytes) {
      try {
        return inner.decode(bytes)
      } catch (error) {
        if (isOurs(error)) throw error
        throw new DeserializationError(name, messageOf(error), { cause: error })
      }
    },
  }
}

/* An inner serializer that is named itself has already told its story. */
function isOurs(error: unknown): boolean {
  return error instanceof SerializationError || error instanceof DeserializationError || error instanceof UnsupportedSerializerError
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
