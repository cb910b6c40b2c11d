/**
 * A database larger than the memory of the processes that push and load it, with a push that is killed again and again.
 * EBOOKLET_TEST_LARGE sets the size in MB (4000), EBOOKLET_TEST_SEED replays contents and kills.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseGroupKey, uploadRecordPath } from '../../src/format/names.js'
import { fsckRemote, S3Connection } from '../../src/index.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { MiB, type LargeJob, type LargeResult } from './plan.js'
import type { SentRequest } from './server.js'

const megabytes = Number(process.env['EBOOKLET_TEST_LARGE'] ?? '') || 4000
const numGroups = 11
const kills = 4
const mostMemory = 300 * 1000 * 1000
const partSize = 8 * MiB

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

class Server {
  readonly #child: ChildProcess
  remote: Omit<LargeJob['remote'], 'dbKey'> | undefined

  constructor(folder: string) {
    this.#child = fork(program('server.ts'), [folder], { execArgv: ['--import', 'tsx'] })
  }

  async start(): Promise<NonNullable<Server['remote']>> {
    const [remote] = (await once(this.#child, 'message')) as [NonNullable<Server['remote']>]
    return remote
  }

  /** What was sent so far, once no client is connected. */
  async sent(): Promise<SentRequest[]> {
    this.#child.send('log')
    const [log] = (await once(this.#child, 'message')) as [SentRequest[]]
    return log
  }

  async end(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.send('end')
    await gone
  }
}

/** Runs a job; kills the process when so many bytes have moved. */
async function run(job: LargeJob, killAt = Infinity): Promise<LargeResult | undefined> {
  const child = spawn(process.execPath, ['--import', 'tsx', program('child.ts'), JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let last = ''
  const lines = createInterface({ input: child.stdout })
  const closed = once(lines, 'close')
  lines.on('line', (line) => {
    last = line
    if (line.startsWith('moved ') && Number(line.slice(6)) >= killAt) child.kill('SIGKILL')
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  await closed
  if (signal === 'SIGKILL') return undefined
  if (code !== 0) throw new Error(`the process that had to ${job.do} ended with ${code ?? signal}`)
  return JSON.parse(last) as LargeResult
}

/** Goes through what the server did: no group is sent when it was whole, no part when it was there. */
function judge(log: readonly SentRequest[]): { bytes: number; again: string[] } {
  const whole = new Set<string>()
  const again: string[] = []
  let bytes = 0
  for (const { op, key, query, status, bytesUp } of log) {
    const group = parseGroupKey('large.blt', key)
    if (group === undefined || status !== 200) continue
    const name = `group ${group.gid}`
    const part = `${name} part ${new URLSearchParams(query).get('partNumber')}`
    if (op === 'UploadPart') {
      if (whole.has(name) || whole.has(part)) again.push(part)
      whole.add(part)
    } else {
      if (op === 'PutObject' && whole.has(name)) again.push(name)
      whole.add(name)
    }
    bytes += op === 'CompleteMultipartUpload' ? 0 : bytesUp
  }
  return { bytes, again }
}

test(`a push of ${megabytes} MB in ${numGroups} groups, killed ${kills} times, and its load elsewhere, within 300 MB each, ${replay}`, { timeout: 900_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ebooklet-large-'))
  const server = new Server(join(folder, 'server'))
  try {
    const remote = { ...(await server.start()), dbKey: 'large.blt' }
    const job: Omit<LargeJob, 'do'> = { remote, path: join(folder, 'local.blt'), seed: testSeed, bytes: megabytes * 1000 * 1000, numGroups }
    const started = performance.now()
    const times: Record<string, number> = {}
    const timed = async <T>(name: string, action: Promise<T>): Promise<T> => {
      const begun = performance.now()
      const result = await action
      times[name] = Math.round((performance.now() - begun) / 100) / 10
      return result
    }
    const { digest } = (await timed('fill', run({ ...job, do: 'fill' })))!
    const random = new SeededRandom(testSeed)
    let killed = 0
    for (let i = 0; i < kills; i++) {
      // What was there already counts as moved, so each life gets further than the one before.
      const killAt = ((i + random.next()) / (kills + 0.5)) * job.bytes
      if ((await timed(`life ${i}`, run({ ...job, do: 'push' }, killAt))) === undefined) killed++
      await server.sent()
    }
    expect(killed).toBe(kills)
    expect(existsSync(uploadRecordPath(job.path))).toBe(true)
    const pushed = (await timed('push', run({ ...job, do: 'push' })))!
    expect(existsSync(uploadRecordPath(job.path))).toBe(false)
    const { bytes, again } = judge(await server.sent())
    expect(again).toEqual([])
    // All of it once, but for what was on its way when a process was killed.
    expect(bytes).toBeGreaterThan(job.bytes)
    expect(bytes).toBeLessThan(job.bytes * 1.01 + kills * 8 * partSize)
    expect(pushed.resumed! + pushed.sent!).toBeGreaterThan(job.bytes)
    const loaded = (await timed('load', run({ ...job, do: 'load', path: join(folder, 'elsewhere.blt') })))!
    expect(loaded.digest).toBe(digest)
    const report = await fsckRemote(new S3Connection(remote))
    expect(report.findings).toEqual([])
    const mb = (value: number) => Math.round(value / 1e6)
    console.log(`${megabytes} MB: ${mb(bytes)} MB sent in ${kills + 1} lives, ${mb(pushed.resumed!)} MB not again by the last; memory: push ${mb(pushed.memory)} MB, load ${mb(loaded.memory)} MB; seconds: ${JSON.stringify(times)}, ${Math.round((performance.now() - started) / 1000)} in all`)
    expect(pushed.memory).toBeLessThan(mostMemory)
    expect(loaded.memory).toBeLessThan(mostMemory)
  } finally {
    await server.end()
    rmSync(folder, { recursive: true, force: true })
  }
})
