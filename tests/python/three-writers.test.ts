/** Three writers in three processes, one of them the original. three-writers.slow.test.ts does it more often. */
import { it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { replay } from '../support/seed.js'
import { rounds } from '../together/remotes.js'
import { meetingForSuite } from './meeting.js'
import { twoOfOursAndPython } from './three-writers.js'

const count = rounds(3)

describeWithPeers(['python'], 'two of ours and the original', () => {
  const meeting = meetingForSuite()

  it(`write together, ${count} pushes of each of ours, ${replay}`, { timeout: 60_000 + count * 30_000 }, async () => {
    await using db = meeting.database()
    await twoOfOursAndPython(db, PythonPeer.start(), count)
  })
})
