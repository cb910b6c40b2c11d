import { toHex } from './bytes.js'
import type { Environment } from './environment.js'

/** 32 hex digits of a random (version 4) UUID. */
export function newUuid(environment: Pick<Environment, 'randomBytes'>): string {
  const bytes = environment.randomBytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return toHex(bytes)
}
