import { utf8Decode } from '../base/bytes.js'
import { parseJson, type JsonDialect } from '../format/json.js'
import { encodeJson } from '../format/json-write.js'
import type { Serializer } from './serializer.js'

/** JSON as Python's `json` (`python`) or as orjson writes and reads it. */
export function jsonSerializer(dialect: JsonDialect): Serializer<unknown> {
  return {
    encode: value => encodeJson(value, dialect),
    decode: bytes => parseJson(utf8Decode(bytes), dialect),
  }
}
