import { utf8Encode } from '../base/bytes.js'
import { blake2b32 } from './blake2b.js'

/** The group of a key: BLAKE2b with a digest of 4 bytes of its UTF-8, as a big-endian integer, modulo the number of groups. */
export function groupId(key: string, numGroups: number): number {
  return groupIdOfBytes(utf8Encode(key), numGroups)
}

/** The same for a key that is UTF-8 already. */
export function groupIdOfBytes(key: Uint8Array, numGroups: number): number {
  return blake2b32(key) % numGroups
}
