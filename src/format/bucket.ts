import { LAST } from './block.js'
import type { Digest } from './blake2s.js'
import { BUCKET_LENGTH } from './booklet-header.js'
import { writeU48 } from './integers.js'

/** The bucket counts that a growing file steps through (section 1.4 of the format). */
const LADDER = [12007, 144013, 1728017, 20736017]

/** What follows `nBuckets` when a file grows; undefined at the top, where it stays. */
export function nextBucketCount(nBuckets: number): number | undefined {
  return LADDER.find((step) => step > nBuckets)
}

/** An index without entries. */
export function emptyIndex(nBuckets: number): Uint8Array {
  const bytes = new Uint8Array(nBuckets * BUCKET_LENGTH)
  for (let at = 0; at < bytes.length; at += BUCKET_LENGTH) writeU48(bytes, at, LAST)
  return bytes
}

/**
 * Maps digests to buckets: the 13 bytes as one little-endian integer, modulo the number of buckets.
 *
 * Done on four 26-bit parts with their weights modulo n, so that all sums stay below 2^53 and no BigInt
 * is needed; above 2^25 buckets, where they wouldn't, by Horner's rule on 16-bit parts.
 */
export class Buckets {
  readonly count: number
  readonly #weight1: number
  readonly #weight2: number
  readonly #weight3: number
  readonly #small: boolean

  constructor(count: number) {
    this.count = count
    this.#small = count <= 0x2000000
    this.#weight1 = 0x4000000 % count
    this.#weight2 = this.#small ? (this.#weight1 * this.#weight1) % count : 0
    this.#weight3 = this.#small ? (this.#weight2 * this.#weight1) % count : 0
  }

  of(digest: Digest): number {
    const { w0, w1, w2, w3 } = digest
    const count = this.count
    if (!this.#small) return horner(digest, count)
    const sum =
      (w0 & 0x3ffffff) +
      ((w0 >>> 26) | ((w1 & 0xfffff) << 6)) * this.#weight1 +
      ((w1 >>> 20) | ((w2 & 0x3fff) << 12)) * this.#weight2 +
      ((w2 >>> 14) | (w3 << 18)) * this.#weight3
    // Faster than `%` on doubles; the quotient may be off by one, never more.
    const rest = sum - Math.floor(sum / count) * count
    return rest < 0 ? rest + count : rest >= count ? rest - count : rest
  }
}

function horner({ w0, w1, w2, w3 }: Digest, count: number): number {
  let rest = w3 % count
  for (const word of [w2, w1, w0]) {
    rest = (rest * 0x10000 + (word >>> 16)) % count
    rest = (rest * 0x10000 + (word & 0xffff)) % count
  }
  return rest
}
