/** Keys and values that all contenders get, the same in every run. */

/** Keys of 16 hex digits, all different, in random order. */
export function makeKeys(count: number): string[] {
  const keys: string[] = []
  for (let i = 0; i < count; i++) keys.push(flat(hex(Math.imul(i, 0x9e3779b1)) + hex(i)))
  return keys
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}

/* Strings that were put together are joined when first used: that is not what is to be timed. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

export type Value = Uint8Array | JsonValue

export interface JsonValue {
  id: number
  name: string
  tags: string[]
  price: number
  active: boolean
  text: string
}

/** Values are taken in turn, by the number of their key: many alike would be in the caches of the processor. */
const DIFFERENT = 512

/** Random bytes. Another seed gives other ones. */
export function makeBytes(length: number, seed = 1): Buffer[] {
  const next = random(seed)
  return Array.from({ length: DIFFERENT }, () => Buffer.from(Uint8Array.from({ length }, () => next() * 256)))
}

/** Objects whose JSON has about so many bytes, 100 or more. */
export function makeObjects(length: number, seed = 1): JsonValue[] {
  const next = random(seed)
  const word = (letters: number) => Array.from({ length: letters }, () => String.fromCharCode(97 + next() * 26)).join('')
  return Array.from({ length: DIFFERENT }, (_, id) => ({ id, name: word(8), tags: [word(4), word(5)], price: Math.floor(next() * 1e6) / 100, active: next() < 0.5, text: word(length - 90) }))
}

/** Some of the keys, at random, each at most once. */
export function sample(keys: readonly string[], count: number, seed = 1): string[] {
  const next = random(seed)
  const rest = [...keys]
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(next() * (rest.length - i))
    const key = rest[other]!
    rest[other] = rest[i]!
    rest[i] = key
  }
  return rest.slice(0, count)
}

/** Numbers from 0 to 1 (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
