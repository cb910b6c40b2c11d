import { blake2s as noble } from '@noble/hashes/blake2s'
import { fc } from '../support/property.js'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { fromBase64, toHex } from '../../src/base/bytes.js'
import { blake2s, digestKey, newDigest } from '../../src/format/blake2s.js'
import { Buckets, nextBucketCount } from '../../src/format/bucket.js'
import { readU48, readU56, writeU48, writeU56 } from '../../src/format/integers.js'

const vectors = JSON.parse(readFileSync(fileURLToPath(new URL('../fixtures/golden/vectors.json', import.meta.url)), 'utf8')) as {
  hash_key_blake2s_13: { key_bytes: string; hash: string; bucket: Record<string, number> }[]
  get_new_n_buckets: Record<string, number | null>
}

function bucketByBigInt(digest: Uint8Array, count: number): number {
  let whole = 0n
  for (const byte of [...digest].reverse()) whole = whole * 256n + BigInt(byte)
  return Number(whole % BigInt(count))
}

describe('key digests', () => {
  test('are those of the original, and so are the buckets', () => {
    expect(vectors.hash_key_blake2s_13.length).toBeGreaterThan(5)
    for (const { key_bytes, hash, bucket } of vectors.hash_key_blake2s_13) {
      const key = fromBase64(key_bytes)
      expect(toHex(blake2s(key))).toBe(hash)
      const digest = newDigest()
      digestKey(key, digest)
      for (const [count, expected] of Object.entries(bucket)) expect(new Buckets(Number(count)).of(digest)).toBe(expected)
    }
  })

  test('agree with another implementation, for any length of key and digest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 32 }), (bytes, dkLen) => {
        expect(toHex(blake2s(bytes, dkLen))).toBe(toHex(noble(bytes, { dkLen })))
      }),
    )
    for (const length of [63, 64, 65, 127, 128, 129, 65_535]) {
      const bytes = new Uint8Array(length).fill(length)
      expect(toHex(blake2s(bytes))).toBe(toHex(noble(bytes, { dkLen: 13 })))
    }
  })

  test('give the bucket that exact arithmetic gives, for any number of buckets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 0xffffffff }), fc.constantFrom(0x2000000, 0x2000001, 0xffffffff, 12007, 20736017)), (key, count) => {
        const digest = newDigest()
        digestKey(key, digest)
        expect(new Buckets(count).of(digest)).toBe(bucketByBigInt(blake2s(key), count))
      }),
      { numRuns: 500 },
    )
  })

  test('a digest has 1 to 32 bytes', () => {
    expect(() => blake2s(new Uint8Array(1), 0)).toThrow(RangeError)
    expect(() => blake2s(new Uint8Array(1), 33)).toThrow(RangeError)
  })

  test('files grow by the steps of the original', () => {
    for (const [from, to] of Object.entries(vectors.get_new_n_buckets)) expect(nextBucketCount(Number(from)) ?? null).toBe(to)
  })
})

describe('integers of odd widths', () => {
  test('survive writing and reading', () => {
    const bytes = new Uint8Array(7)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffffffff }), fc.maxSafeNat(), (six, seven) => {
        writeU48(bytes, 0, six)
        expect(readU48(bytes, 0)).toBe(six)
        writeU56(bytes, 0, seven)
        expect(readU56(bytes, 0)).toBe(seven)
      }),
    )
  })

  test('above 2^53 a timestamp is rounded down', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 56n - 1n }), (exact) => {
        const bytes = new Uint8Array(7)
        for (let i = 0; i < 7; i++) bytes[i] = Number((exact >> BigInt(i * 8)) & 0xffn)
        const got = BigInt(readU56(bytes, 0))
        expect(got <= exact).toBe(true)
        expect(exact - got < 8n).toBe(true)
      }),
    )
  })
})
