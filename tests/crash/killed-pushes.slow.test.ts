/* kill -9 of a pushing process, some hundred times. EBOOKLET_TEST_CRASHES and EBOOKLET_TEST_SEED as in killed-pushes.test.ts. */
import { describe, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { replay, testSeed } from '../support/seed.js'
import { crashes, killOn, onCeph, onDirectory, onEmbeddedServer, timeFor, type CrashRemote } from './remotes.js'

function killMany(remote: CrashRemote, usually: number, numGroups: number | null): void {
  const kills = crashes(usually)
  test(`${kills} times, ${String(numGroups)} groups, ${replay}`, { timeout: timeFor(kills) }, async () => {
    const tally = await killOn(remote, { numGroups, kills, seed: testSeed })
    // Else the moments are badly chosen, and the test proves less than it says.
    if (kills >= 50) expect({ arrived: tally.arrived > 0, lost: tally.lost > 0 }).toEqual({ arrived: true, lost: true })
  })
}

describe('killed on the embedded S3 server', () => {
  killMany(onEmbeddedServer, 80, 5)
  killMany(onEmbeddedServer, 25, null)
})

describe('killed on a directory', () => killMany(onDirectory, 50, 5))

describeWithPeers(['ceph'], "killed on Ceph's gateway", () => killMany(onCeph, 50, 5))
