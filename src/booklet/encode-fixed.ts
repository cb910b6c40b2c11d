import { utf8Encode } from '../base/bytes.js'
import { systemEnvironment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { newUuid } from '../base/uuid.js'
import { FixedTableWriter } from '../format/fixed-table-writer.js'
import { resolveSerializer } from '../serializers/index.js'

/**
 * A whole file of fixed-length values at once, compact and in the standard layout: what `openFixedBooklet` and
 * the Python package read.
 *
 * @param options.entries keys and values; each key once
 * @param options.buckets of the index; more than there are keys makes lookups fast
 * @param options.uuid 32 hex digits; default random
 * @param options.timestamp of the file, µs
 * @throws InvalidArgumentError for a value of another length, a key that is too long or comes twice
 */
export function encodeFixedBooklet(options: {
  entries: Iterable<readonly [string, Uint8Array]>
  valueLength: number
  buckets: number
  keySerializer?: 'str'
  uuid?: string
  timestamp: number
}): Uint8Array<ArrayBuffer> {
  const { entries, valueLength, buckets, timestamp, uuid = newUuid(systemEnvironment()) } = options
  const keySerializer = resolveSerializer(options.keySerializer ?? 'str').code
  const writer = new FixedTableWriter({ buckets, valueLength, keySerializer, timestamp, uuid })
  for (const [key, value] of entries) {
    if (value.length !== valueLength) throw new InvalidArgumentError(`the value of ${JSON.stringify(key)} has ${value.length} bytes; each has ${valueLength}`)
    const at = writer.add(utf8Encode(key))
    writer.bytes.set(value, at)
  }
  return writer.finish().bytes
}
