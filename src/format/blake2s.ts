/**
 * BLAKE2s (RFC 7693) without a key, for any digest length; the file format uses 13 bytes.
 *
 * Own code because the digest length is a parameter of the hash and not a truncation, which node:crypto
 * can't do, and because hashing is on the path of every get and set.
 */

/** A 13-byte digest as three little-endian 32-bit words (signed) and the last byte: cheap to compare. */
export interface Digest {
  w0: number
  w1: number
  w2: number
  w3: number
}

export const DIGEST_LENGTH = 13

const IV = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)

const SIGMA = Uint8Array.of(
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
  11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
  7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
  9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
  2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
  12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
  13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
  6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
  10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
)

/* Scratch of the one running call; nothing here is asynchronous. */
const state = new Int32Array(8)
const words = new Int32Array(16)
const wordBytes = new Uint8Array(words.buffer)
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function start(digestLength: number): void {
  state.set(IV)
  state[0]! ^= 0x01010000 ^ digestLength
}

/* Loads up to 64 bytes as little-endian words, padded with zeros. */
function load(bytes: Uint8Array, from: number, to: number): void {
  words.fill(0)
  if (littleEndian) {
    for (let i = from, j = 0; i < to; i++, j++) wordBytes[j] = bytes[i]!
  } else {
    for (let i = from, j = 0; i < to; i++, j++) words[j >> 2]! |= bytes[i]! << ((j & 3) * 8)
  }
}

function compress(counter: number, last: boolean): void {
  const h = state
  const m = words
  const s = SIGMA
  let v0 = h[0]!, v1 = h[1]!, v2 = h[2]!, v3 = h[3]!, v4 = h[4]!, v5 = h[5]!, v6 = h[6]!, v7 = h[7]!
  let v8 = IV[0]!, v9 = IV[1]!, v10 = IV[2]!, v11 = IV[3]!
  let v12 = IV[4]! ^ (counter | 0), v13 = IV[5]! ^ Math.floor(counter / 0x100000000)
  let v14 = last ? ~IV[6]! : IV[6]!, v15 = IV[7]!
  for (let o = 0; o < 160; o += 16) {
    v0 = (((v0 + v4) | 0) + m[s[o]!]!) | 0; v12 ^= v0; v12 = (v12 >>> 16) | (v12 << 16); v8 = (v8 + v12) | 0; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20)
    v0 = (((v0 + v4) | 0) + m[s[o + 1]!]!) | 0; v12 ^= v0; v12 = (v12 >>> 8) | (v12 << 24); v8 = (v8 + v12) | 0; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25)
    v1 = (((v1 + v5) | 0) + m[s[o + 2]!]!) | 0; v13 ^= v1; v13 = (v13 >>> 16) | (v13 << 16); v9 = (v9 + v13) | 0; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20)
    v1 = (((v1 + v5) | 0) + m[s[o + 3]!]!) | 0; v13 ^= v1; v13 = (v13 >>> 8) | (v13 << 24); v9 = (v9 + v13) | 0; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25)
    v2 = (((v2 + v6) | 0) + m[s[o + 4]!]!) | 0; v14 ^= v2; v14 = (v14 >>> 16) | (v14 << 16); v10 = (v10 + v14) | 0; v6 ^= v10; v6 = (v6 >>> 12) | (v6 << 20)
    v2 = (((v2 + v6) | 0) + m[s[o + 5]!]!) | 0; v14 ^= v2; v14 = (v14 >>> 8) | (v14 << 24); v10 = (v10 + v14) | 0; v6 ^= v10; v6 = (v6 >>> 7) | (v6 << 25)
    v3 = (((v3 + v7) | 0) + m[s[o + 6]!]!) | 0; v15 ^= v3; v15 = (v15 >>> 16) | (v15 << 16); v11 = (v11 + v15) | 0; v7 ^= v11; v7 = (v7 >>> 12) | (v7 << 20)
    v3 = (((v3 + v7) | 0) + m[s[o + 7]!]!) | 0; v15 ^= v3; v15 = (v15 >>> 8) | (v15 << 24); v11 = (v11 + v15) | 0; v7 ^= v11; v7 = (v7 >>> 7) | (v7 << 25)
    v0 = (((v0 + v5) | 0) + m[s[o + 8]!]!) | 0; v15 ^= v0; v15 = (v15 >>> 16) | (v15 << 16); v10 = (v10 + v15) | 0; v5 ^= v10; v5 = (v5 >>> 12) | (v5 << 20)
    v0 = (((v0 + v5) | 0) + m[s[o + 9]!]!) | 0; v15 ^= v0; v15 = (v15 >>> 8) | (v15 << 24); v10 = (v10 + v15) | 0; v5 ^= v10; v5 = (v5 >>> 7) | (v5 << 25)
    v1 = (((v1 + v6) | 0) + m[s[o + 10]!]!) | 0; v12 ^= v1; v12 = (v12 >>> 16) | (v12 << 16); v11 = (v11 + v12) | 0; v6 ^= v11; v6 = (v6 >>> 12) | (v6 << 20)
    v1 = (((v1 + v6) | 0) + m[s[o + 11]!]!) | 0; v12 ^= v1; v12 = (v12 >>> 8) | (v12 << 24); v11 = (v11 + v12) | 0; v6 ^= v11; v6 = (v6 >>> 7) | (v6 << 25)
    v2 = (((v2 + v7) | 0) + m[s[o + 12]!]!) | 0; v13 ^= v2; v13 = (v13 >>> 16) | (v13 << 16); v8 = (v8 + v13) | 0; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20)
    v2 = (((v2 + v7) | 0) + m[s[o + 13]!]!) | 0; v13 ^= v2; v13 = (v13 >>> 8) | (v13 << 24); v8 = (v8 + v13) | 0; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25)
    v3 = (((v3 + v4) | 0) + m[s[o + 14]!]!) | 0; v14 ^= v3; v14 = (v14 >>> 16) | (v14 << 16); v9 = (v9 + v14) | 0; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20)
    v3 = (((v3 + v4) | 0) + m[s[o + 15]!]!) | 0; v14 ^= v3; v14 = (v14 >>> 8) | (v14 << 24); v9 = (v9 + v14) | 0; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25)
  }
  h[0]! ^= v0 ^ v8; h[1]! ^= v1 ^ v9; h[2]! ^= v2 ^ v10; h[3]! ^= v3 ^ v11
  h[4]! ^= v4 ^ v12; h[5]! ^= v5 ^ v13; h[6]! ^= v6 ^ v14; h[7]! ^= v7 ^ v15
}

function absorb(bytes: Uint8Array): void {
  const length = bytes.length
  let at = 0
  for (; at + 64 < length; at += 64) {
    load(bytes, at, at + 64)
    compress(at + 64, false)
  }
  load(bytes, at, length)
  compress(length, true)
}

/** The BLAKE2s digest of `bytes` with a digest length of 1 to 32. */
export function blake2s(bytes: Uint8Array, digestLength: number = DIGEST_LENGTH): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(digestLength) || digestLength < 1 || digestLength > 32) {
    throw new RangeError(`a BLAKE2s digest has 1 to 32 bytes, not ${digestLength}`)
  }
  start(digestLength)
  absorb(bytes)
  const out = new Uint8Array(digestLength)
  for (let i = 0; i < digestLength; i++) out[i] = state[i >> 2]! >>> ((i & 3) * 8)
  return out
}

export function newDigest(): Digest {
  return { w0: 0, w1: 0, w2: 0, w3: 0 }
}

/** Puts the 13-byte digest of a key into `out`. */
export function digestKey(key: Uint8Array, out: Digest): void {
  start(DIGEST_LENGTH)
  absorb(key)
  out.w0 = state[0]!
  out.w1 = state[1]!
  out.w2 = state[2]!
  out.w3 = state[3]! & 0xff
}
