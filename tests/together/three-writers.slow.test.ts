/* Three processes write together, some hundred pushes. EBOOKLET_TEST_ROUNDS and EBOOKLET_TEST_SEED as in three-writers.test.ts. */
import { describe, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { replay } from '../support/seed.js'
import { onCeph, onDirectory, onEmbeddedServer, rounds, threeOfOurs, type TogetherRemote } from './remotes.js'

function writeMuch(kind: TogetherRemote, usually: number): void {
  const count = rounds(usually)
  test(`${count} pushes each, ${replay}`, { timeout: 60_000 + count * 5000 }, async () => {
    const tally = await threeOfOurs(kind, count)
    // Else the writers hardly met, and the test shows less than it says.
    if (count >= 50) expect({ kinds: Object.keys(tally.conflicts).length > 6, waits: tally.waits > count / 4 }).toEqual({ kinds: true, waits: true })
  })
}

describe('three writers on the embedded S3 server', () => writeMuch(onEmbeddedServer, 100))
describe('three writers on a directory', () => writeMuch(onDirectory, 100))
describeWithPeers(['ceph'], "three writers on Ceph's gateway", () => writeMuch(onCeph, 60))
