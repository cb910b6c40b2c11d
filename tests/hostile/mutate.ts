import { EbookletError } from '../../src/base/error.js'
import { testSeed, type SeededRandom } from '../support/seed.js'

/** How many mutations each fuzz test tries: EBOOKLET_TEST_FUZZ, or what runs in CI. */
export function rounds(usual: number): number {
  return Math.ceil(usual * Number(process.env['EBOOKLET_TEST_FUZZ'] ?? 1))
}

/** One hostile variant of `bytes`: a few changes of the kinds that parsers stumble over. */
export function mutate(random: SeededRandom, bytes: Uint8Array, donors: readonly Uint8Array[] = [bytes]): Uint8Array<ArrayBuffer> {
  let out = Uint8Array.from(bytes)
  for (let left = 1 + random.below(4); left > 0; left--) out = change(random, out, random.pick(donors))
  return out
}

function change(random: SeededRandom, bytes: Uint8Array<ArrayBuffer>, donor: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = bytes
  const at = random.below(length + 1)
  switch (random.below(8)) {
    case 0:
      if (at < length) bytes[at]! ^= 1 << random.below(8)
      return bytes
    case 1:
      if (at < length) bytes[at] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff, random.below(256)])
      return bytes
    case 2:
      return bytes.slice(0, at)
    case 3:
      extreme(random, bytes, at)
      return bytes
    case 4: {
      const from = random.below(donor.length + 1)
      const piece = donor.subarray(from, from + random.below(200))
      return joined(bytes.subarray(0, at), piece, bytes.subarray(at))
    }
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(Math.min(length, at + random.below(40))))
    case 6: {
      const from = random.below(donor.length + 1)
      const piece = donor.subarray(from, Math.min(donor.length, from + random.below(64), from + length - at))
      bytes.set(piece, at)
      return bytes
    }
    default:
      bytes.fill(random.pick([0, 0xff, 0x20]), at, at + random.below(30))
      return bytes
  }
}

/* A number as lengths, counts and positions have them: the least, the largest, one that just fits. */
function extreme(random: SeededRandom, bytes: Uint8Array, at: number): void {
  const width = random.pick([2, 4, 6, 7, 8])
  if (at + width > bytes.length) return
  const value = random.pick([0n, 1n, 2n ** 15n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 47n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, BigInt(bytes.length), BigInt(at), BigInt(bytes.length - at)])
  const number = BigInt.asUintN(8 * width, value)
  for (let i = 0; i < width; i++) bytes[at + i] = Number((number >> BigInt(8 * i)) & 0xffn)
  if (random.next() < 0.5) bytes.subarray(at, at + width).reverse()
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** ms that one decoding of a small input may take; far above what it takes. */
const SOON = 2000

/**
 * Runs a decoder on hostile input. It may throw a typed error, nothing else; it must end soon; and it must leave the
 * prototypes of everything alone.
 * @param subject what a failure shows, beside the seed
 * @returns what it gave, or undefined when it refused
 */
export function attempt<T>(what: string, subject: Uint8Array | string, decode: () => T): T | undefined {
  const started = performance.now()
  try {
    return decode()
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw new Error(told(what, subject, String((error as Error)?.stack ?? error)), { cause: error })
  } finally {
    const took = performance.now() - started
    if (took > SOON) throw new Error(told(what, subject, `took ${Math.round(took)} ms`))
    checkPrototypes(() => told(what, subject, 'changed a prototype'))
  }
}

/** The message of a failure: what, with which input, how to replay it. */
export function told(what: string, subject: Uint8Array | string, problem: string): string {
  const shown = typeof subject === 'string' ? subject.slice(0, 4000) : Buffer.from(subject.subarray(0, 3000)).toString('base64')
  return `${what}: ${problem}\nreplay with EBOOKLET_TEST_SEED=${testSeed}; input: ${shown}`
}

const before = { object: Object.getOwnPropertyNames(Object.prototype).length, array: Object.getOwnPropertyNames(Array.prototype).length }

/** Throws when somebody added to what every object inherits from. */
export function checkPrototypes(message: () => string): void {
  if (Object.getOwnPropertyNames(Object.prototype).length !== before.object || Object.getOwnPropertyNames(Array.prototype).length !== before.array) throw new Error(message())
}
