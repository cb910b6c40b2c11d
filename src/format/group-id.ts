import { blake2b } from '@noble/hashes/blake2.js'
import { utf8Encode } from '../base/bytes.js'

const options = { dkLen: 4 }

/** The group of a key: BLAKE2b with a digest of 4 bytes of its UTF-8, as a big-endian integer, modulo the number of groups. */
export function groupId(key: string, numGroups: number): number {
  const digest = blake2b(utf8Encode(key), options)
  const hash = new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0)
  return hash % numGroups
}
