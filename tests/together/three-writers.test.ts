/*
 * Three processes write to one database with `lock: 'push'`, each with a random rule for conflicts. EBOOKLET_TEST_ROUNDS sets how
 * often each pushes, EBOOKLET_TEST_SEED what they do; three-writers.slow.test.ts does it more often, and on Ceph.
 */
import { expect, test } from 'vitest'
import { replay } from '../support/seed.js'
import { onDirectory, onEmbeddedServer, rounds, threeOfOurs } from './remotes.js'

const count = rounds(6)

test.each([onEmbeddedServer, onDirectory])(`three writers, ${count} pushes each, on $name, ${replay}`, { timeout: 60_000 + count * 5000 }, async (kind) => {
  const tally = await threeOfOurs(kind, count)
  expect(Object.keys(tally.conflicts).length).toBeGreaterThan(0)
})
