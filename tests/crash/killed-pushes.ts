/** Processes that open, edit, push and close are killed at random moments; after each kill everything is looked at. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { decodeJournal } from '../../src/format/journal.js'
import { DirectoryConnection, openEbooklet, RemoteNotFoundError, S3Connection, type Ebooklet } from '../../src/index.js'
import { difference, Judge, same, stateOf, type State } from './judge.js'
import { lifeOf, type Job, type Moment } from './plan.js'
import { Prepared } from './process.js'

export interface KilledPushes {
  remote: Job['remote']
  numGroups: number | null
  kills: number
  seed: number
  /** Resolves when the server has done what a dead process had asked of it, and no other client is connected. */
  settled: () => Promise<void>
}

export interface Tally {
  lives: number
  /** How many kills came after each of the moments. */
  kills: Partial<Record<Moment | 'view' | 'push' | 'end' | 'synced', number>>
  /** Pushes that were cut off: whose commit stood, and whose did not. */
  arrived: number
  lost: number
}

const lockTiming = { settle: 2, poll: 5 }

class Run implements AsyncDisposable {
  readonly judge = new Judge()
  readonly tally: Tally = { lives: 0, kills: {}, arrived: 0, lost: 0 }
  readonly #options: KilledPushes
  readonly #folder = mkdtempSync(join(tmpdir(), 'ebooklet-crash-'))
  readonly #job: Omit<Job, 'life'>
  #prepared = new Prepared()

  constructor(options: KilledPushes) {
    const { remote, numGroups, seed } = options
    this.#options = options
    this.#job = { remote, dbKey: 'killed.blt', path: join(this.#folder, 'killed.blt'), numGroups, seed }
  }

  get #grouped(): boolean {
    return this.#options.numGroups !== null
  }

  #connection() {
    const { remote, dbKey } = this.#job
    return 'folder' in remote ? new DirectoryConnection(join(remote.folder, dbKey)) : new S3Connection({ ...remote, dbKey })
  }

  async killAll(): Promise<void> {
    for (let life = 0, kills = 0; kills < this.#options.kills; life++) {
      const at = `life ${life} of seed ${this.#options.seed}`
      if (await this.#live(life, at)) kills++
      if (life % 8 === 7) await this.#converge(at)
    }
    await this.#converge('the end')
    expect(await this.#lockTickets()).toEqual([])
  }

  /** @returns whether it was killed */
  async #live(life: number, at: string): Promise<boolean> {
    const process = this.#prepared
    this.#prepared = new Prepared()
    const plan = lifeOf(this.#options.seed, life)
    // The judge forgets what is past; this reader may have seen any state of this life.
    const seenFrom = [...this.judge.candidates]
    const problems: string[] = []
    const readers: Promise<State | undefined>[] = []
    let pushing = false
    const death = await process.live({ ...this.#job, life }, plan, (line) => {
      const problem = this.judge.heard(line, plan)
      if (problem !== undefined) problems.push(problem)
      if (line.startsWith('push')) pushing = line.startsWith('push ')
      if (line.startsWith('push ')) seenFrom.push(...this.judge.candidates)
      // Per-key mode promises readers no single state.
      if (line === 'upload' && this.#grouped && this.judge.everCommitted) readers.push(this.#readRemote(':memory:'))
    })
    this.tally.lives++
    const said = death.last as keyof Tally['kills']
    if (death.killed) this.tally.kills[said] = (this.tally.kills[said] ?? 0) + 1
    expect(problems, at).toEqual([])
    for (const found of await Promise.all(readers)) if (found) expect(this.judge.mayBeSeen(found, seenFrom, this.#grouped), `a reader during ${at}`).toBeUndefined()
    await this.#options.settled()
    await this.#lookAtRemote(at, death.killed && pushing)
    if (death.killed) this.#lookAtJournal(at)
    return death.killed
  }

  /** With a fresh reader, with one that has a copy of its own, and with the copy that killed readers filled. */
  async #lookAtRemote(at: string, cutOff: boolean): Promise<void> {
    const fresh = await this.#readRemote(':memory:')
    if (fresh === undefined) {
      expect(this.judge.everCommitted, `${at}: there is no remote`).toBe(false)
      return
    }
    const before = this.judge.candidates[0]!
    expect(this.judge.sawRemote(fresh, this.#grouped), at).toBeUndefined()
    if (cutOff) this.tally[same(before, fresh) ? 'lost' : 'arrived']++
    for (const copy of ['warm', 'reader']) {
      const path = `${this.#job.path}.${copy}`
      const found = await this.#readRemote(path)
      if (this.#grouped) expect(difference(found!, fresh), `the ${copy} copy after ${at}`).toBe('none')
      else expect(this.judge.mayBeSeen(found!, this.judge.candidates, false), `the ${copy} copy after ${at}`).toBeUndefined()
      this.#hasNothingPending(path, at)
    }
  }

  /** What a reader sees while nothing is pulled in between. */
  async #readRemote(path: string): Promise<State | undefined> {
    let db: Ebooklet<string>
    try {
      db = await openEbooklet<string>(this.#connection(), path, { onWarning: () => undefined })
    } catch (error) {
      if (error instanceof RemoteNotFoundError) return undefined
      throw error
    }
    await using session = db
    for (;;) {
      const commit = session.remoteTimestamp
      const metadata = session.metadata
      const keys = [...session.keys()]
      const values = await session.getMany(keys)
      if (session.remoteTimestamp !== commit) continue
      return stateOf({ content: Object.fromEntries(keys.map((key, i) => [key, values[i] ?? 'absent though listed'])), metadata })
    }
  }

  /** A copy that readers filled never becomes a list of changes to push. */
  #hasNothingPending(path: string, at: string): void {
    const journal = this.#journalOf(path)
    expect([...(journal?.written ?? []), ...(journal?.deletes ?? [])], `changes of a reader after ${at}`).toEqual([])
  }

  /** Looks at a copy, so that the next process meets the file as the dead one left it. */
  #lookAtJournal(at: string): void {
    const { path } = this.#job
    if (!existsSync(path)) return
    const copy = `${path}.copy`
    copyFileSync(path, copy)
    // Killed amid a prune, a file is finished from the image beside it.
    if (existsSync(`${path}.prune`)) copyFileSync(`${path}.prune`, `${copy}.prune`)
    // It may have been killed while it made the file.
    const journal = this.#journalOf(copy, 'c')
    if (!journal) return
    expect([...journal.written].filter((key) => new Set(journal.deletes).has(key)), `${at}: written and deleted`).toEqual([])
    const booklet = openBooklet<string, string>(copy, { flag: 'r' })
    try {
      expect([...journal.written].filter((key) => !booklet.has(key)), `${at}: written, but without a value`).toEqual([])
      expect(booklet.size, at).toBe([...booklet.keys()].length)
    } finally {
      booklet.close()
    }
  }

  #journalOf(path: string, flag: 'w' | 'c' = 'w') {
    const booklet = openBooklet<string, string>(path, { flag })
    try {
      const slot = booklet.reserved.get(1)
      return slot && decodeJournal(slot.bytes)
    } catch (error) {
      throw new Error(`the journal of ${path} can't be read`, { cause: error })
    } finally {
      booklet.close()
    }
  }

  /** One session that nobody kills: it pushes what is pending, and then all agree. */
  async #converge(at: string): Promise<void> {
    const { path, numGroups } = this.#job
    let local: State
    {
      await using db = await openEbooklet<string>(this.#connection(), path, { flag: 'c', numGroups, valueSerializer: 'str', breakLocks: 'all', lockTiming, bufferSize: 3000 })
      const content: Record<string, string> = {}
      for (const key of [...db.keys()]) content[key] = (await db.get(key)) ?? 'absent though listed'
      const view = JSON.stringify({ content, metadata: db.metadata })
      expect(this.judge.heard(`view ${view}`, lifeOf(0, 0)), at).toBeUndefined()
      local = stateOf(JSON.parse(view) as { content: Record<string, string> })
      this.judge.heard('push 0', lifeOf(0, 0))
      expect(await db.push(), at).toMatchObject({ ok: true })
      expect(db.changes().size, at).toBe(0)
      this.judge.heard('pushed 0', lifeOf(0, 0))
    }
    expect(difference((await this.#readRemote(':memory:'))!, local), `${at}: the remote, after a push that nobody disturbed`).toBe('none')
  }

  async #lockTickets(): Promise<string[]> {
    const opened = this.#connection().open('write')
    const keys: string[] = []
    for await (const { key } of opened.store.list(`${this.#job.dbKey}.lock.`)) keys.push(key)
    await opened.close()
    return keys
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prepared.discard()
    rmSync(this.#folder, { recursive: true, force: true })
    return Promise.resolve()
  }
}

/** @throws AssertionError that names the seed and the life at which a promise broke */
export async function killedPushes(options: KilledPushes): Promise<Tally> {
  await using run = new Run(options)
  await run.killAll()
  return run.tally
}
