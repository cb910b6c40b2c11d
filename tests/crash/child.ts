/*
 * One life of a process that will be killed. It is started ahead, waits for its job (a line of JSON on its standard
 * input), and says every step before it takes it, and what was acknowledged after it:
 *
 *   opening · view {content at opening} · edit n · sync n · synced n · push n · upload · commit · cleanup ·
 *   pushed n · closing · nothing (for a reader) · error text
 */
import { readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { CommitConflictError, DirectoryConnection, openEbooklet, RemoteNotFoundError, S3Connection, type Ebooklet, type Progress } from '../../src/index.js'
import { lifeOf, type Job, type Life, type Step } from './plan.js'

const lockTiming = { settle: 2, poll: 5 }

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

function readLine(): string {
  const chunk = Buffer.alloc(1)
  let line = ''
  while (readSync(0, chunk) === 1 && chunk[0] !== 10) line += chunk.toString('latin1')
  return line
}

function connect({ remote, dbKey }: Job) {
  return 'folder' in remote ? new DirectoryConnection(join(remote.folder, dbKey)) : new S3Connection({ ...remote, dbKey })
}

async function push(db: Ebooklet<string>): Promise<void> {
  let phase = ''
  const onProgress = (progress: Progress) => {
    if (progress.phase !== phase) say((phase = progress.phase))
  }
  const result = await db.push({ onProgress }).catch(async (error: unknown) => {
    if (!(error instanceof CommitConflictError)) throw error
    // The commit of a process that is dead arrived after this one had opened.
    await db.pull()
    return db.push({ onProgress })
  })
  if (!result.ok) throw new Error('parts of the push failed', { cause: result.failures[0]!.error })
}

async function take(db: Ebooklet<string>, step: Step, at: number): Promise<void> {
  if (step.do !== 'push' && step.do !== 'sync') say(`edit ${at}`)
  switch (step.do) {
    case 'set':
      db.set(step.key, step.value)
      return
    case 'delete':
      db.delete(step.key)
      return
    case 'clear':
      db.clear()
      return
    case 'metadata':
      db.metadata = step.value
      return
    case 'prune':
      db.prune({ before: Number.MAX_SAFE_INTEGER })
      return
    case 'sync':
      say(`sync ${at}`)
      db.sync()
      say(`synced ${at}`)
      return
    case 'push':
      say(`push ${at}`)
      await push(db)
      say(`pushed ${at}`)
  }
}

async function write(job: Job, { steps, lock }: Life): Promise<void> {
  say('opening')
  const db = await openEbooklet<string>(connect(job), job.path, {
    flag: 'c',
    numGroups: job.numGroups,
    valueSerializer: 'str',
    breakLocks: 'all',
    // There are no rivals but its own dead.
    ...(lock === 'push' ? { lock, onConflict: 'local' } : {}),
    lockTiming,
    bufferSize: 3000,
  })
  const content: Record<string, string> = {}
  for (const key of [...db.keys()]) content[key] = (await db.get(key)) ?? 'it is gone'
  say(`view ${JSON.stringify({ content, metadata: db.metadata })}`)
  for (const [at, step] of steps.entries()) await take(db, step, at)
  say('closing')
  await db.close()
}

async function read(job: Job): Promise<void> {
  say('opening')
  const db = await openEbooklet<string>(connect(job), `${job.path}.reader`, { bufferSize: 3000 }).catch((error: unknown) => {
    if (error instanceof RemoteNotFoundError) return undefined
    throw error
  })
  if (db === undefined) {
    say('nothing')
    return
  }
  const keys = [...db.keys()]
  for (let at = 0; at < keys.length; at += 4) {
    say(`edit ${at}`)
    await db.getMany(keys.slice(at, at + 4))
    if (at % 3 === 0) db.sync()
  }
  say('closing')
  await db.close()
}

say('ready')
const job = JSON.parse(readLine()) as Job
const life = lifeOf(job.seed, job.life)
try {
  await (life.kind === 'read' ? read(job) : write(job, life))
  say('end')
} catch (error) {
  say(`error ${error instanceof Error ? `${error.stack} <- ${String(error.cause)}` : String(error)}`.replaceAll('\n', ' | '))
}
