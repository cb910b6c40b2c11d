/*
 * The same hash as blake2b.ts, for keys of one block, as a module of WebAssembly: its 64-bit arithmetic makes it ten times
 * faster. The module is put together here, from the tables of the hash, by a handful of its instructions.
 */
const blockBytes = 128

const initial = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
]
/** What the digest's length of 4 bytes changes in the first word. */
const parameters = 0x01010004n

const localGet = (i: number) => [0x20, i]
const localSet = (i: number) => [0x21, i]
const constant = (value: bigint) => [0x42, ...signedLeb(BigInt.asIntN(64, value))]
const add = 0x7c
const xor = 0x85
const rotateLeft = (bits: number) => [...constant(BigInt(bits)), 0x89]
/** A word of the message, which lies at the start of the memory. */
const message = (i: number) => [0x41, 0, 0x29, 3, ...unsignedLeb(i * 8)]

/* The only parameter, the number of bytes, is local 0; the 16 words of the state are those after it. */
const word = (i: number) => i + 1

function mix(a: number, b: number, c: number, d: number, x: number, y: number): number[] {
  const sum = (to: number, from: number, extra: readonly number[] = []) => [...localGet(to), ...localGet(from), add, ...extra, ...localSet(to)]
  const turn = (to: number, from: number, right: number) => [...localGet(to), ...localGet(from), xor, ...rotateLeft(64 - right), ...localSet(to)]
  return [
    ...sum(a, b, [...message(x), add]), ...turn(d, a, 32), ...sum(c, d), ...turn(b, c, 24),
    ...sum(a, b, [...message(y), add]), ...turn(d, a, 16), ...sum(c, d), ...turn(b, c, 63),
  ]
}

function body(rounds: readonly (readonly number[])[]): number[] {
  const set = (i: number, value: readonly number[]) => [...value, ...localSet(word(i))]
  const code = initial.flatMap((value, i) => set(i, constant(i === 0 ? value ^ parameters : value)))
  code.push(...initial.flatMap((value, i) => set(i + 8, constant(i === 6 ? ~value : value))))
  // The length: extended to 64 bits.
  code.push(...localGet(word(12)), ...localGet(0), 0xad, xor, ...localSet(word(12)))
  for (const s of rounds) {
    const at = (i: number) => s[i]!
    for (let i = 0; i < 4; i++) code.push(...mix(word(i), word(4 + i), word(8 + i), word(12 + i), at(2 * i), at(2 * i + 1)))
    for (let i = 0; i < 4; i++) code.push(...mix(word(i), word(4 + ((i + 1) % 4)), word(8 + ((i + 2) % 4)), word(12 + ((i + 3) % 4)), at(8 + 2 * i), at(9 + 2 * i)))
  }
  // The first word of the digest, of which 32 bits are wanted.
  code.push(...constant(initial[0]! ^ parameters), ...localGet(word(0)), xor, ...localGet(word(8)), xor, 0xa7, 0x0b)
  return [1, 16, 0x7e, ...code]
}

function moduleBytes(rounds: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: readonly number[]) => [id, ...unsignedLeb(content.length), ...content]
  const name = (text: string) => [text.length, ...[...text].map((letter) => letter.charCodeAt(0))]
  const code = body(rounds)
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7f]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('hash'), 0, 0]),
    ...section(10, [1, ...unsignedLeb(code.length), ...code]),
  ])
}

function unsignedLeb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsignedLeb(value >>> 7)]
}

function signedLeb(value: bigint): number[] {
  const low = Number(value & 0x7fn)
  const rest = value >> 7n
  const last = low < 0x40 ? rest === 0n : rest === -1n
  return last ? [low] : [low | 0x80, ...signedLeb(rest)]
}

/* What is used of it: which types there are depends on the platform. */
interface WebAssemblyClasses {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: { memory: { buffer: ArrayBuffer }; hash: (bytes: number) => number } }
}

/** Takes keys of up to 128 bytes; gives the 4 bytes of the digest as a little-endian integer. */
export type BlockHash = (bytes: Uint8Array) => number

/**
 * @param rounds the message words that each of the 12 rounds takes
 * @returns undefined where WebAssembly is not to be had, as in pages whose policy forbids it
 */
export function blockHash(rounds: readonly (readonly number[])[]): BlockHash | undefined {
  try {
    const { Instance, Module } = (globalThis as unknown as { WebAssembly: WebAssemblyClasses }).WebAssembly
    const { memory, hash } = new Instance(new Module(moduleBytes(rounds))).exports
    const block = new Uint8Array(memory.buffer, 0, blockBytes)
    return (bytes) => {
      for (let i = 0; i < bytes.length; i++) block[i] = bytes[i]!
      block.fill(0, bytes.length)
      return hash(bytes.length)
    }
  } catch {
    return undefined
  }
}
