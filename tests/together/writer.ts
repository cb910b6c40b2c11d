/**
 * A process that writes together with others, with `lock: 'push'`: gets its job as a line of JSON on its standard input,
 * and says on its standard output what it pushed and read (log.ts).
 */
import { readSync, writeSync } from 'node:fs'
import { openEbooklet, PushConflictError, StoreConnection, type Conflict, type Ebooklet, type Resolution } from '../../src/index.js'
import { DirectoryStore, S3Store, type ObjectStore } from '../../src/store/index.js'
import { lockPrefix } from '../../src/format/names.js'
import { SeededRandom } from '../support/seed.js'
import { metaName, type Decision, type Interval, type Job, type LogLine, type Made, type PendingChange, type PushLog, type Seen, type Shown, type Strategy } from './log.js'

const clock = () => performance.timeOrigin + performance.now()

function say(line: LogLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

function readLine(): string {
  const chunk = Buffer.alloc(1)
  let line = ''
  while (readSync(0, chunk) === 1 && chunk[0] !== 10) line += chunk.toString('latin1')
  return line
}

function storeOf({ remote }: Job): ObjectStore {
  if ('folder' in remote) return new DirectoryStore({ root: remote.folder })
  const { endpoint, bucket, accessKeyId, secretAccessKey } = remote
  return new S3Store({ endpoint, bucket, credentials: { accessKeyId, secretAccessKey } })
}

/** Writes down when there was a ticket, and when somebody looked at the tickets. */
class WatchedLock {
  readonly store: ObjectStore
  #from: number | undefined
  #to = 0
  #looks: Interval[] = []

  constructor(inner: ObjectStore, dbKey: string) {
    const isLock = (key: string) => key.startsWith(lockPrefix(dbKey))
    const looked = <T>(prefix: string, items: AsyncIterable<T>) => (isLock(prefix) ? this.#looked(items) : items)
    this.store = {
      name: inner.name,
      writable: true,
      place: inner.place,
      parts: inner.parts,
      get: (key, options) => inner.get(key, options),
      head: (key, options) => inner.head(key, options),
      put: (key, body, options) => {
        if (isLock(key)) this.#from ??= clock()
        return inner.put(key, body, options)
      },
      delete: async (targets, options) => {
        const result = await inner.delete(targets, options)
        if (targets.some(({ key }) => isLock(key))) this.#to = clock()
        return result
      },
      list: (prefix, options) => looked(prefix, inner.list(prefix, options)),
      listVersions: (prefix, options) => looked(prefix, inner.listVersions(prefix, options)),
      copy: (source, target, options) => inner.copy(source, target, options),
      close: () => inner.close(),
    }
  }

  async *#looked<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    const from = clock()
    yield* items
    this.#looks.push({ from, to: clock() })
  }

  take(): Pick<PushLog, 'ticket' | 'looks'> {
    const taken = { ticket: this.#from === undefined ? undefined : { from: this.#from, to: this.#to }, looks: this.#looks }
    this.#from = undefined
    this.#looks = []
    return taken
  }
}

class Writer {
  readonly #job: Job
  readonly #random: SeededRandom
  readonly #lock: WatchedLock
  readonly #keys: readonly string[]
  #db!: Ebooklet<string>
  /** Where pending changes began. */
  readonly #bases = new Map<string, number | undefined>()
  #made = 0

  constructor(job: Job) {
    this.#job = job
    this.#random = new SeededRandom(job.seed)
    this.#lock = new WatchedLock(storeOf(job), job.dbKey)
    const own = Array.from({ length: 6 }, (_, at) => `${job.name} ${at}`)
    this.#keys = [...own, ...Array.from({ length: 8 }, (_, at) => `shared ${at}`)]
  }

  async run(): Promise<void> {
    await this.#open()
    for (let round = 0; round < this.#job.rounds; round++) {
      await this.#edits()
      if (this.#random.next() < 0.2) {
        await this.#db.close()
        await this.#open()
      }
      await this.#pushes()
    }
    await this.#db.close()
  }

  async #open(): Promise<void> {
    const { dbKey, path, name, lockTiming } = this.#job
    const connection = new StoreConnection(this.#lock.store, dbKey)
    this.#db = await openEbooklet<string>(connection, path, { flag: 'w', lock: 'push', lockTimeout: 600_000, lockTiming, owner: name })
  }

  async #edits(): Promise<void> {
    const count = 1 + this.#random.below(6)
    for (let at = 0; at < count; at++) {
      const draw = this.#random.next()
      if (draw < 0.08) await this.#db.pull()
      else if (draw < 0.2) await this.#read(this.#random.pick(this.#keys))
      else this.#edit(draw)
    }
  }

  #edit(draw: number): void {
    const db = this.#db
    const key = draw > 0.93 ? metaName : this.#random.pick(this.#keys)
    if (!this.#pendingKeys().has(key)) this.#bases.set(key, db.remoteTimestamp)
    // Sometimes two write the same, which is no conflict.
    const value = this.#random.next() < 0.35 ? 'the same' : `${this.#job.name} ${this.#made++} ${'.'.repeat(this.#random.below(200))}`
    if (key === metaName) db.metadata = this.#random.next() < 0.2 ? null : { value }
    else if (draw < 0.4) db.delete(key)
    else db.set(key, value)
  }

  async #read(key: string): Promise<void> {
    const db = this.#db
    if (this.#pendingKeys().has(key)) return
    const from = db.remoteTimestamp
    const value = await db.get(key)
    say({ writer: this.#job.name, read: { key, value: madeOf(value), from, to: db.remoteTimestamp } })
  }

  #pendingKeys(): Map<string, 'write' | 'delete'> {
    const changes = this.#db.changes()
    const pending = new Map<string, 'write' | 'delete'>([...changes].map(({ key, type }) => [key, type === 'deleted' ? 'delete' : 'write']))
    if (changes.metadataChanged) pending.set(metaName, this.#db.metadata === undefined ? 'delete' : 'write')
    return pending
  }

  async #pending(): Promise<PendingChange[]> {
    const pending: PendingChange[] = []
    for (const [key, what] of this.#pendingKeys()) {
      const value = key === metaName ? this.#db.metadata : what === 'write' ? await this.#db.get(key) : undefined
      pending.push({ key, made: madeOf(value), base: this.#bases.get(key) })
    }
    return pending
  }

  /** Until one goes through. */
  async #pushes(): Promise<void> {
    for (let strategy = this.#random.pick<Strategy>(['local', 'remote', 'stop', 'ask']); ; strategy = this.#random.pick<Strategy>(['local', 'remote', 'ask'])) {
      const decisions: Decision[] = []
      const pending = await this.#pending()
      const onConflict = strategy === 'ask' ? (conflict: Conflict<string>) => this.#decide(conflict, decisions) : strategy
      this.#lock.take()
      const from = clock()
      let outcome: PushLog['outcome']
      try {
        const { ok, updated, written, deleted, adopted, conflicts, failures } = await this.#db.push({ onConflict })
        if (!ok) throw failures[0]!.error
        outcome = { kind: 'pushed', updated, written: [...written], deleted: [...deleted], adopted: [...adopted], conflicts: conflicts.map(({ kind, key, resolution }) => ({ kind, key: key ?? metaName, resolution })) }
      } catch (error) {
        if (!(error instanceof PushConflictError) || strategy !== 'stop') throw error
        outcome = { kind: 'stopped', conflicts: error.conflicts.map(({ kind, key }) => ({ kind, key: key ?? metaName })) }
      }
      const time = { from, to: clock() }
      const after = this.#seen(outcome.kind === 'pushed')
      say({ writer: this.#job.name, pending, strategy, decisions, outcome, after, time, ...this.#lock.take() })
      if (outcome.kind === 'pushed') return
    }
  }

  /** While nothing is pending. */
  #seen(settled: boolean): Seen {
    const db = this.#db
    if (!settled) return { commit: db.remoteTimestamp, keys: {} }
    if (this.#pendingKeys().size > 0) throw new Error('something is pending after a push')
    const keys = Object.fromEntries(db.timestamps())
    return { commit: db.remoteTimestamp, keys: db.metadataTimestamp === undefined ? keys : { ...keys, [metaName]: db.metadataTimestamp } }
  }

  #decide(conflict: Conflict<string>, decisions: Decision[]): Resolution<string> {
    const { kind, base, local, remote } = conflict
    const key = conflict.key ?? metaName
    const answer = this.#random.pick<Decision['answer'] | 'merged' | 'gone'>(['local', 'remote', 'merged', 'merged', 'gone'])
    const made = answer === 'merged' ? madeOf(key === metaName ? { merged: this.#made++ } : `${String(local.value)} & ${String(remote.value)}`.slice(0, 300)) : answer === 'gone' ? null : undefined
    decisions.push({ key, kind, base: shown(base), local: shown(local), remote: shown(remote), answer: made === undefined ? (answer as 'local' | 'remote') : { made } })
    if (made === undefined) return answer as 'local' | 'remote'
    const value = made === null ? undefined : (JSON.parse(made) as string)
    return key === metaName ? { metadata: value } : { value }
  }
}

function madeOf(value: unknown): Made {
  return value === undefined || value === null ? null : JSON.stringify(value)
}

function shown(side: { timestamp: number | undefined; deleted: boolean; known: boolean; value: unknown }): Shown {
  return { timestamp: side.timestamp, deleted: side.deleted, known: side.known, value: side.known && !side.deleted ? JSON.stringify(side.value) : undefined }
}

try {
  await new Writer(JSON.parse(readLine()) as Job).run()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? `${String(error.stack)} <- ${String(error.cause)}` : String(error)}\n`)
  process.exitCode = 1
}
