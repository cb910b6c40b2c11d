import { equalBytes, utf8Encode } from '../base/bytes.js'

/** Keys that a variable-length file keeps for itself: never counted, never enumerated (section 1.5). */
export const METADATA_KEY = utf8Encode('adb01ebc1ba3433eb043527')
/** Reserved slot 1: the journal of a session. */
export const SLOT_1_KEY = utf8Encode('7c40d2ea915b4f3a8e6d201')
/** Reserved slot 2: the remote state that the local file is in step with. */
export const SLOT_2_KEY = utf8Encode('f19a5c3d7e2b48069ab34c5')

const LENGTH = 23
const ALL = [METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY]

/** True for the internal keys. A fixed-length file has none: there they are keys like any other. */
export function isInternalKey(key: Uint8Array): boolean {
  return key.length === LENGTH && ALL.some((internal) => equalBytes(internal, key))
}

/** The same for a key that lies inside a larger buffer. */
export function isInternalKeyAt(bytes: Uint8Array, at: number, length: number): boolean {
  if (length !== LENGTH) return false
  const first = bytes[at]
  // The first bytes differ, so most keys of this length cost one comparison.
  if (first !== 0x61 && first !== 0x37 && first !== 0x66) return false
  return isInternalKey(bytes.subarray(at, at + length))
}
