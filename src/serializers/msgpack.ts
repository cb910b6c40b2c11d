import { MsgpackReader } from './msgpack-read.js'
import { MsgpackWriter } from './msgpack-write.js'
import type { Serializer } from './serializer.js'

/**
 * MessagePack as Python's msgpack writes and reads it.
 *
 * Written: null, booleans, numbers (safe integers as integers, others as 64-bit floats), bigint within 64
 * bits, strings, Uint8Array (bin), arrays, plain objects, Map with keys that are strings or
 * Uint8Array (Python refuses to read others), MsgpackExtension. Anything else is refused.
 *
 * Read: integers beyond ±(2^53 - 1) as bigint; a map as a plain object, or as Map where a key is not a string.
 */
export const msgpackSerializer: Serializer<unknown> = {
  encode: value => new MsgpackWriter().write(value),
  decode: bytes => new MsgpackReader(bytes).read(),
}
