import { utf8Encode } from '../base/bytes.js'
import { systemEnvironment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { blockLayout, hasDigest, LAST, MAX_KEY_LENGTH, NEXT_AT, writeBlockHead } from '../format/block.js'
import { digestKey, newDigest } from '../format/blake2s.js'
import { BUCKET_LENGTH, encodeHeader, HEADER_LENGTH, patchHeader } from '../format/booklet-header.js'
import { Buckets } from '../format/bucket.js'
import { readU48, writeU48 } from '../format/integers.js'
import { resolveSerializer } from '../serializers/index.js'
import { emptyIndex, newUuid } from './create.js'

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
  const { valueLength } = options
  const layout = blockLayout({ fixed: true, timestamps: false, valueLength })
  const buckets = new Buckets(options.buckets)
  const index = emptyIndex(options.buckets)
  const dataOffset = HEADER_LENGTH + index.length
  const digest = newDigest()
  let bytes = new Uint8Array(dataOffset + 0x4000)
  let end = dataOffset
  let nKeys = 0
  for (const [text, value] of options.entries) {
    const key = utf8Encode(text)
    check(text, key, value, valueLength)
    const length = layout.headerLength + key.length + valueLength
    if (end + length > bytes.length) bytes = grown(bytes, end + length)
    digestKey(key, digest)
    const slot = buckets.of(digest) * BUCKET_LENGTH
    for (let at = readU48(index, slot); at > LAST; at = readU48(bytes, at + NEXT_AT)) {
      if (hasDigest(bytes, at, digest)) throw new InvalidArgumentError(`the key ${JSON.stringify(text)} comes twice`)
    }
    writeBlockHead(layout, bytes, end, { digest, next: Math.max(readU48(index, slot), LAST), keyLength: key.length, valueLength, timestamp: 0 })
    bytes.set(key, end + layout.headerLength)
    bytes.set(value, end + layout.headerLength + key.length)
    writeU48(index, slot, end)
    end += length
    nKeys++
  }
  const header = encodeHeader({
    kind: 'fixed', nBuckets: options.buckets, valueSerializer: 0, keySerializer: resolveSerializer(options.keySerializer ?? 'str').code,
    valueLength, timestamps: false, fileTimestamp: options.timestamp, uuid: options.uuid ?? newUuid(systemEnvironment()),
  })
  patchHeader(header, { nKeys })
  bytes.set(header)
  bytes.set(index, HEADER_LENGTH)
  return bytes.slice(0, end)
}

/** How many bytes `encodeFixedBooklet` makes of so many keys of so many bytes in all. */
export function fixedBookletLength(content: { count: number; keyBytes: number; valueLength: number; buckets: number }): number {
  const { count, keyBytes, valueLength, buckets } = content
  const { headerLength } = blockLayout({ fixed: true, timestamps: false, valueLength })
  return HEADER_LENGTH + buckets * BUCKET_LENGTH + count * (headerLength + valueLength) + keyBytes
}

function check(text: string, key: Uint8Array, value: Uint8Array, valueLength: number): void {
  if (key.length > MAX_KEY_LENGTH) throw new InvalidArgumentError(`the key ${JSON.stringify(text.slice(0, 40))}… has ${key.length} bytes; at most ${MAX_KEY_LENGTH} are possible`)
  if (value.length !== valueLength) throw new InvalidArgumentError(`the value of ${JSON.stringify(text)} has ${value.length} bytes; each has ${valueLength}`)
}

function grown(bytes: Uint8Array<ArrayBuffer>, needed: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.max(needed, bytes.length * 2))
  out.set(bytes)
  return out
}
