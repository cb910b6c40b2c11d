import { decodeHeader, DEFAULT_BUCKETS, patchHeader } from '../format/booklet-header.js'
import type { RemoteSnapshot } from '../sync/remote.js'

/* Least bytes of an entry of the index: its bucket, a block's head, an empty key, the entry. */
const bytesPerKey = 6 + 21 + 15
const bucketsPerKey = 16

/**
 * The header that a new local copy is made from. Its number of buckets, which decides how large an empty file is, is
 * believed as far as the keys of the index bear it out: anyone may publish a remote.
 */
export function initBytesOf({ metadata, index }: RemoteSnapshot): Uint8Array {
  const { nBuckets } = decodeHeader(metadata.initBytes)
  const most = Math.max(12 * DEFAULT_BUCKETS, Math.ceil(index.bytes.length / bytesPerKey) * bucketsPerKey)
  if (nBuckets <= most) return metadata.initBytes
  const bytes = metadata.initBytes.slice()
  patchHeader(bytes, { nBuckets: most })
  return bytes
}
