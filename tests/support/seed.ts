/**
 * The seed of this run's random tests: EBOOKLET_TEST_SEED, a new one where that is `random`, else always the same: what
 * passed once passes again until the code changes. Tests put it into the messages of their failures; the same seed
 * replays them.
 */
export const testSeed = seedOf(process.env['EBOOKLET_TEST_SEED'])

function seedOf(given: string | undefined): number {
  if (given === undefined || given === '') return 20_230_501
  if (given === 'random') return Math.floor(Math.random() * 2 ** 31)
  const seed = Number(given)
  if (!Number.isSafeInteger(seed)) throw new Error(`EBOOKLET_TEST_SEED is ${given}, which is not a whole number`)
  return seed
}

/** What to add to a failure's message, so that it can be replayed. */
export const replay = `replay with EBOOKLET_TEST_SEED=${String(testSeed)}`

/** Random numbers that a seed determines (mulberry32), for tests that draw one step after the other. */
export class SeededRandom {
  #state: number

  constructor(seed: number = testSeed) {
    this.#state = seed | 0
  }

  /** 0 ≤ n < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, 0 ≤ n < limit */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)]
    if (choice === undefined) throw new Error('nothing to pick from')
    return choice
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}
