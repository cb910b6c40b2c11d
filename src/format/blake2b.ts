import { blockHash, type BlockHash } from './blake2b-wasm.js'

/*
 * BLAKE2b (RFC 7693) with a digest of 4 bytes, which chooses a key's group. The length is a parameter of
 * the hash, so a longer digest cut short is not the same. Each 64-bit word is two halves of 32 bits, low
 * before high. Own code because it is called for every key, and is several times faster so.
 */
const digestBytes = 4
const blockBytes = 128

const initial = Int32Array.of(
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
)

/* The message words that each round takes, a hex digit each (RFC 7693, section 2.7); rounds 10 and 11 repeat 0 and 1. */
const permutations =
  '0123456789abcdef ea489fd61c02b753 b8c052fdae367194 7931dcbe265a40f8 905724afe1bc683d 2c6a0b834d75fe19 ' +
  'c51fed4a0763928b db7ec13950f4862a 6fe9b308c2d714a5 a2847615fb9e3cd0 0123456789abcdef ea489fd61c02b753'
const rounds = permutations.split(' ').map((round) => [...round].map((digit) => Number.parseInt(digit, 16)))
const order = Uint8Array.from(rounds.flat(), (word) => word * 2)

/* Scratch of the one call under way: nothing here is asynchronous. */
const state = new Int32Array(16)
const work = new Int32Array(32)
const message = new Int32Array(32)
const lastBlock = new Uint8Array(blockBytes)
const lastView = new DataView(lastBlock.buffer)

/* Made when it is first used; null where it can't be. */
let fast: BlockHash | null | undefined

/** The 4-byte digest of `bytes` as a big-endian integer. */
export function blake2b32(bytes: Uint8Array): number {
  if (fast === undefined) fast = blockHash(rounds) ?? null
  return swapped(fast !== null && bytes.length <= blockBytes ? fast(bytes) : plainBlake2b32(bytes))
}

function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}

/** The same for keys of any length, as a little-endian integer, without WebAssembly. */
export function plainBlake2b32(bytes: Uint8Array): number {
  state.set(initial)
  state[0] = initial[0]! ^ 0x01010000 ^ digestBytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  // The last block is never empty, unless there are no bytes at all.
  for (; bytes.length - at > blockBytes; at += blockBytes) compress(view, at, at + blockBytes, false)
  lastBlock.fill(0)
  lastBlock.set(bytes.subarray(at))
  compress(lastView, 0, bytes.length, true)
  return state[0]
}

function compress(view: DataView, at: number, total: number, last: boolean): void {
  for (let i = 0; i < 32; i++) message[i] = view.getInt32(at + i * 4, true)
  work.set(state)
  work.set(initial, 16)
  work[24] = work[24]! ^ total
  work[25] = work[25]! ^ Math.floor(total / 2 ** 32)
  if (last) {
    work[28] = ~work[28]!
    work[29] = ~work[29]!
  }
  for (let i = 0; i < order.length; i += 16) round(i)
  for (let i = 0; i < 16; i++) state[i] = state[i]! ^ work[i]! ^ work[i + 16]!
}

function round(i: number): void {
  mix(0, 8, 16, 24, order[i]!, order[i + 1]!)
  mix(2, 10, 18, 26, order[i + 2]!, order[i + 3]!)
  mix(4, 12, 20, 28, order[i + 4]!, order[i + 5]!)
  mix(6, 14, 22, 30, order[i + 6]!, order[i + 7]!)
  mix(0, 10, 20, 30, order[i + 8]!, order[i + 9]!)
  mix(2, 12, 22, 24, order[i + 10]!, order[i + 11]!)
  mix(4, 14, 16, 26, order[i + 12]!, order[i + 13]!)
  mix(6, 8, 18, 28, order[i + 14]!, order[i + 15]!)
}

/* Sums of halves wrap to 32 bits; a wrapped one is smaller than what was added, which is the carry. */
function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  let al = work[a]!, ah = work[a + 1]!, bl = work[b]!, bh = work[b + 1]!
  let cl = work[c]!, ch = work[c + 1]!, dl = work[d]!, dh = work[d + 1]!
  // a += b + m[x]
  al = (al + bl) | 0
  ah = (ah + bh + (al >>> 0 < bl >>> 0 ? 1 : 0)) | 0
  let low = message[x]!
  al = (al + low) | 0
  ah = (ah + message[x + 1]! + (al >>> 0 < low >>> 0 ? 1 : 0)) | 0
  // d = (d ^ a) rotated right by 32
  low = dl ^ al
  dl = dh ^ ah
  dh = low
  // c += d
  cl = (cl + dl) | 0
  ch = (ch + dh + (cl >>> 0 < dl >>> 0 ? 1 : 0)) | 0
  // b = (b ^ c) rotated right by 24
  low = bl ^ cl
  let high = bh ^ ch
  bl = (low >>> 24) | (high << 8)
  bh = (high >>> 24) | (low << 8)
  // a += b + m[y]
  al = (al + bl) | 0
  ah = (ah + bh + (al >>> 0 < bl >>> 0 ? 1 : 0)) | 0
  low = message[y]!
  al = (al + low) | 0
  ah = (ah + message[y + 1]! + (al >>> 0 < low >>> 0 ? 1 : 0)) | 0
  // d = (d ^ a) rotated right by 16
  low = dl ^ al
  high = dh ^ ah
  dl = (low >>> 16) | (high << 16)
  dh = (high >>> 16) | (low << 16)
  // c += d
  cl = (cl + dl) | 0
  ch = (ch + dh + (cl >>> 0 < dl >>> 0 ? 1 : 0)) | 0
  // b = (b ^ c) rotated right by 63
  low = bl ^ cl
  high = bh ^ ch
  work[b] = (low << 1) | (high >>> 31)
  work[b + 1] = (high << 1) | (low >>> 31)
  work[a] = al
  work[a + 1] = ah
  work[c] = cl
  work[c + 1] = ch
  work[d] = dl
  work[d + 1] = dh
}
