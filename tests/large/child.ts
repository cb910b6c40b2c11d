/*
 * A process that fills a local file, pushes it, or loads the database elsewhere. Gets its job as an argument; says
 * `moved n` as bytes move, and at last a line of JSON.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { openEbooklet, S3Connection, type Progress } from '../../src/index.js'
import { contentOf, MiB, valuesOf, type LargeJob, type LargeResult } from './plan.js'

const job = JSON.parse(process.argv[2] ?? '') as LargeJob

let most = 0
const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5)

/** The high-water mark of the system where it keeps one for this program alone. */
function mostMemory(): number {
  clearInterval(watch)
  try {
    const mark = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return mark === null ? most : Number(mark[1]) * 1024
  } catch {
    return most
  }
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

function onProgress({ phase, bytesDone }: Progress): void {
  if (phase === 'upload' || phase === 'fetch') say(`moved ${bytesDone}`)
}

const open = (flag: 'c' | 'w' | 'r') =>
  openEbooklet<Uint8Array>(new S3Connection(job.remote), job.path, {
    flag,
    valueSerializer: 'bytes',
    ...(flag === 'r' ? {} : { numGroups: job.numGroups, breakLocks: 'all' as const }),
    lockTiming: { settle: 20, poll: 20 },
  })

async function fill(): Promise<Partial<LargeResult>> {
  await using db = await open('c')
  const buffer = Buffer.alloc(16 * MiB + 4)
  const digest = createHash('sha1')
  for (const [key, length] of valuesOf(job.seed, job.bytes)) {
    const value = contentOf(key, length, buffer)
    digest.update(key).update(value)
    db.setBytes(key, value)
  }
  return { digest: digest.digest('hex') }
}

async function push(): Promise<Partial<LargeResult>> {
  await using db = await open('w')
  const { ok, failures, bytesUploaded: sent, bytesResumed: resumed } = await db.push({ onProgress })
  if (!ok) throw new Error('parts of the push failed', { cause: failures[0]?.error })
  return { sent, resumed }
}

async function load(): Promise<Partial<LargeResult>> {
  await using db = await open('r')
  await db.load(undefined, { onProgress })
  const digest = createHash('sha1')
  let keys = 0
  for (const [key] of valuesOf(job.seed, job.bytes)) {
    digest.update(key).update((await db.getBytes(key)) ?? 'missing')
    keys++
  }
  if (db.size !== keys) throw new Error(`${db.size} keys instead of ${keys}`)
  return { digest: digest.digest('hex') }
}

const done = await { fill, push, load }[job.do]()
say(JSON.stringify({ ...done, memory: mostMemory() } satisfies LargeResult))
