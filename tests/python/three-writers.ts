/** Two of ours with `lock: 'push'` and the original write together, a process each. */
import { expect } from 'vitest'
import type { PythonPeer } from '../support/python.js'
import { SeededRandom, testSeed } from '../support/seed.js'
import type { Tally } from '../together/judge.js'
import type { LogLine } from '../together/log.js'
import { pythonWriter } from '../together/python-writer.js'
import { begin, judgeAll, writer } from '../together/writers.js'
import type { SharedDatabase } from './meeting.js'

/** The original goes on for as long as the others do. @param count pushes of each of ours */
export async function twoOfOursAndPython(db: SharedDatabase, python: PythonPeer, count: number): Promise<Tally> {
  const judge = await begin(db.ours, db.freshPath())
  const lines: LogLine[] = []
  const heard = (line: LogLine) => void lines.push(line)
  const started = performance.now()
  let writing = 2
  const ours = ['ada', 'bob'].map((name, at) =>
    // The original relies on a second.
    writer({ name, remote: db.place, dbKey: db.dbKey, path: db.freshPath(), seed: testSeed * 3 + at, rounds: count, lockTiming: { settle: 1000, poll: 250 } }, heard).finally(() => writing--),
  )
  const theirs = pythonWriter({ python, theirs: db.theirs, ours: db.ours, path: db.freshPath(), random: new SeededRandom(testSeed * 3 + 2), goesOn: (sessions) => sessions === 0 || writing > 0 }, heard)
  const [sessions] = await Promise.all([theirs, ...ours])
  const tally = await judgeAll(judge, lines, db.ours)
  console.log(`with Python, ${sessions} sessions: ${JSON.stringify(tally)} in ${Math.round((performance.now() - started) / 1000)} s`)
  expect(tally.commits).toBeGreaterThan(count + sessions)
  return tally
}
