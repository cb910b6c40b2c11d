/** Three writers in three processes, one of them the original: some hundred pushes. EBOOKLET_TEST_ROUNDS sets how often each of ours pushes. */
import { expect, it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { newMinioBucket } from '../support/real-servers.js'
import { replay } from '../support/seed.js'
import type { Tally } from '../together/judge.js'
import { rounds } from '../together/remotes.js'
import { meetingForSuite, meetingOn } from './meeting.js'
import { twoOfOursAndPython } from './three-writers.js'

/* Else the writers hardly met, and the test shows less than it says. */
function expectMeetings(tally: Tally, count: number): void {
  if (count >= 30) expect({ kinds: Object.keys(tally.conflicts).length > 5, waits: tally.waits > count / 2 }).toEqual({ kinds: true, waits: true })
}

const count = rounds(70)
const options = { timeout: 120_000 + count * 30_000 }

describeWithPeers(['python'], 'two of ours and the original, for long', () => {
  const meeting = meetingForSuite()
  it(`write together, ${count} pushes of each of ours, ${replay}`, options, async () => {
    await using db = meeting.database()
    expectMeetings(await twoOfOursAndPython(db, PythonPeer.start(), count), count)
  })
})

describeWithPeers(['python', 'minio'], 'two of ours and the original on MinIO', () => {
  const meeting = meetingOn(newMinioBucket)
  const fewer = rounds(10)
  it(`write together, ${fewer} pushes of each of ours, ${replay}`, options, async () => {
    await using db = await meeting.database()
    expectMeetings(await twoOfOursAndPython(db, PythonPeer.start(), fewer), fewer)
  })
})
