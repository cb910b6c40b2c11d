/** What the processes of the test of large pushes agree on. */
import { SeededRandom } from '../support/seed.js'

export const MiB = 1024 * 1024

export interface LargeJob {
  do: 'fill' | 'push' | 'load'
  remote: { endpoint: string; bucket: string; accessKeyId: string; secretAccessKey: string; dbKey: string }
  path: string
  seed: number
  /** Bytes of all values. */
  bytes: number
  numGroups: number
}

export interface LargeResult {
  /** The most memory that the process had, in bytes. */
  memory: number
  /** A digest of all keys and values. */
  digest?: string
  sent?: number
  resumed?: number
}

/** Keys with the bytes of their values: from none to 16 MiB, half of the bytes in values of some MiB. */
export function* valuesOf(seed: number, bytes: number): Generator<[string, number]> {
  const random = new SeededRandom(seed)
  let left = bytes
  for (let i = 0; left > 0; i++) {
    const draw = random.next()
    const length = Math.min(left, draw < 0.2 ? random.below(2000) : draw < 0.6 ? random.below(MiB) : draw < 0.95 ? 2 * MiB + random.below(2 * MiB) : random.below(16 * MiB))
    left -= length
    yield [`value ${i}`, length]
  }
}

/** Bytes that no other key has, made fast. */
export function contentOf(key: string, length: number, into: Buffer): Buffer {
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length >> 2)
  let state = 0x9e3779b9
  for (const char of key) state = Math.imul(state ^ char.charCodeAt(0), 0x85ebca6b)
  for (let i = 0; i < (length + 3) >> 2; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return into.subarray(0, length)
}
