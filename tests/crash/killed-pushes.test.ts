/*
 * kill -9 of a pushing process, on the embedded server and on a directory. EBOOKLET_TEST_CRASHES sets how often,
 * EBOOKLET_TEST_SEED replays the plan. killed-pushes.slow.test.ts does it more often, and on Ceph.
 */
import { describe, expect, test } from 'vitest'
import { replay, testSeed } from '../support/seed.js'
import { crashes, killOn, onDirectory, onEmbeddedServer, timeFor } from './remotes.js'

const kills = crashes(12)

describe(`${kills} processes killed while they push, ${replay}`, () => {
  test.each([5, null])('on the embedded S3 server (%s groups)', { timeout: timeFor(kills) }, async (numGroups) => {
    const tally = await killOn(onEmbeddedServer, { numGroups, kills, seed: testSeed })
    expect(sum(tally.kills)).toBe(kills)
  })

  test('on a directory', { timeout: timeFor(kills) }, async () => {
    const tally = await killOn(onDirectory, { numGroups: 5, kills, seed: testSeed })
    expect(sum(tally.kills)).toBe(kills)
  })
})

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0)
}
