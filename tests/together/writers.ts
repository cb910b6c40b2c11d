/** Processes that write together: starting them, hearing what they tell, and judging it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { openEbooklet, type Ebooklet, type RemoteConnection } from '../../src/index.js'
import { Judge, judgeWaits, type Tally } from './judge.js'
import { metaName, type Job, type LogLine, type PushLog } from './log.js'

const program = fileURLToPath(new URL('writer.ts', import.meta.url))

/** Runs one writer to its end. @throws with what it complained of */
export async function writer(job: Job, heard: (line: LogLine) => void): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (data) => (complaint += String(data)))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => heard(JSON.parse(line) as LogLine))
  child.stdin.on('error', () => undefined)
  child.stdin.write(`${JSON.stringify(job)}\n`)
  try {
    const closed = once(lines, 'close')
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    await closed
    if (code !== 0) throw new Error(`${job.name} ended with ${String(code ?? signal)}: ${complaint}`)
  } finally {
    child.kill('SIGKILL')
  }
}

/** What they all begin with. */
const content: readonly [string, string][] = Array.from({ length: 8 }, (_, at) => [`shared ${at}`, `first ${at}`])

/** Publishes what they begin with, and gives the judge of it. */
export async function begin(connection: RemoteConnection, path: string): Promise<Judge> {
  await using db = await openEbooklet<string>(connection, path, { flag: 'c', numGroups: 5, lockTiming: { settle: 50, poll: 50 } })
  db.update(content)
  await db.push()
  const start = new Map(content.map(([key, value]) => [key, { made: JSON.stringify(value), timestamp: db.getTimestamp(key)! }]))
  return new Judge(db.remoteTimestamp!, start)
}

/** What somebody sees who has nothing local: JSON of values. */
export async function seenBy(db: Ebooklet<string>): Promise<Record<string, string>> {
  const found: [string, string][] = []
  for await (const [key, value] of db) found.push([key, JSON.stringify(value)])
  if (db.metadata !== undefined) found.push([metaName, JSON.stringify(db.metadata)])
  return Object.fromEntries(found)
}

/** Judges what everybody told, and what is there in the end. */
export async function judgeAll(judge: Judge, lines: readonly LogLine[], connection: RemoteConnection): Promise<Tally> {
  const pushes = lines.filter((line): line is PushLog => 'outcome' in line)
  judge.replay(pushes)
  for (const line of lines) if ('read' in line) judge.read(line)
  await using db = await openEbooklet<string>(connection, ':memory:')
  expect(await seenBy(db)).toEqual(judge.content)
  judge.tally.waits = judgeWaits(pushes)
  return judge.tally
}
