import { afterAll, describe, expect, test } from 'vitest'
import { testSeed } from '../support/seed.js'
import { Life, newTally, type Shape } from './disk-life.js'

/*
 * A disk that loses power: of what was not synced anything may be missing, torn, or in another order. Each life of a file
 * has a seed of its own, which a failure names: EBOOKLET_TEST_LIFE replays that one alone.
 * EBOOKLET_TEST_CUTS sets how many cuts there are in all.
 */
const CUTS = Number(process.env['EBOOKLET_TEST_CUTS'] ?? 1300)
const CUTS_PER_LIFE = 12
const only = process.env['EBOOKLET_TEST_LIFE']

const shapes: [string, Shape][] = [
  ['variable', { fixed: false, timestamps: true, buckets: 7, bufferSize: 1 << 20, valueLength: 90 }],
  ['variable, tiny buffer', { fixed: false, timestamps: true, buckets: 3, bufferSize: 64, valueLength: 200 }],
  ['variable, many buckets', { fixed: false, timestamps: true, buckets: 100, bufferSize: 300, valueLength: 1500 }],
  ['variable, no timestamps', { fixed: false, timestamps: false, buckets: 100, bufferSize: 100, valueLength: 90 }],
  ['fixed', { fixed: true, timestamps: false, buckets: 100, bufferSize: 1 << 20, valueLength: 15 }],
  ['fixed, tiny buffer', { fixed: true, timestamps: false, buckets: 11, bufferSize: 64, valueLength: 1 }],
  ['fixed, long values', { fixed: true, timestamps: false, buckets: 100, bufferSize: 5000, valueLength: 2000 }],
]

const tally = newTally()

function live(seed: number, shape: Shape, run: (life: Life) => void): void {
  const life = new Life(seed, shape, tally)
  try {
    run(life)
  } catch (cause) {
    throw new Error(`after ${tally.cuts} cuts; replay with EBOOKLET_TEST_LIFE=${seed}: ${String((cause as Error).message)}`, { cause })
  }
}

describe('power cuts', () => {
  test.each(shapes)('%s', { timeout: 20_000 + CUTS * 100 }, (_name, shape) => {
    const lives = only === undefined ? Math.ceil(CUTS / shapes.length / CUTS_PER_LIFE) : 1
    for (let life = 0; life < lives; life++) live(only === undefined ? (testSeed + life * 7919) % 2 ** 31 : Number(only), shape, (one) => one.run(CUTS_PER_LIFE))
  })

  test('while an index that lies amid the data grows', { timeout: 60_000 }, () => {
    for (const fixed of [true, false]) {
      const shape: Shape = { fixed, timestamps: !fixed, buckets: 50, bufferSize: 1 << 20, valueLength: 3 }
      live(only === undefined ? testSeed : Number(only), shape, (one) => one.runGrowth(45, 12, 150))
    }
  })

  afterAll(() => {
    console.log(`power cuts: ${JSON.stringify(tally)}`)
    if (only !== undefined || tally.cuts < 1000) return
    // Else the cuts missed what they are for. A part of the tests tells nothing of that.
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(0)
  })
})
