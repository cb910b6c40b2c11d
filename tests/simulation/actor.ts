/** Somebody who uses the database: takes the steps of the plan with one local file, dies and comes back. */
import { join } from 'node:path'
import { breakLocks, openEbooklet, StoreConnection, UuidMismatchError, type Ebooklet, type PushResult } from '../../src/index.js'
import { SeededRandom } from '../support/seed.js'
import { checkError } from './expected-errors.js'
import { FileModel } from './file-model.js'
import { isPending, merged, pushFailed, type MergingSession } from './merging.js'
import { Rule, type Strategy } from './rule.js'
import { Process, copyLocalFile, removeLocalFile, type ProcessParts } from './process.js'
import type { OddServerOptions } from './odd-server.js'
import { roles, type Role, type Settings, type Step } from './plan.js'
import { dbKey, metaName, shown, Violation, type PushRecord, type World } from './world.js'
import type { Timeline } from './timeline.js'
import { Watcher } from './watcher.js'
import type { ObjectStore } from '../../src/store/object-store.js'

export interface Stage {
  settings: Settings
  timeline: Timeline
  server: ObjectStore
  /** What is odd about the server; may be changed. */
  oddities: OddServerOptions
  world: World
  folder: string
  log: (line: string) => void
  /** Who has the database open for writing, or tries to. */
  writers: Set<object>
  /** Somebody breaks every lock where only the lock protects. */
  breaking: boolean
  counts: Map<string, number>
}

interface PushStep {
  step?: Step
  /** ms */
  abortAfter?: number | undefined
  strategy?: Strategy
  /** Break the locks of the dead first. */
  breaking?: boolean
}

export class Actor {
  readonly role: Role
  readonly number: number
  readonly #stage: Stage
  file = this.#newFile()
  #watcher: Watcher | undefined
  /** Of the session that is open. */
  #records: PushRecord[] = []
  /** Of the push that is under way. */
  #rules: Rule[] = []
  process: Process
  db: Ebooklet<string> | undefined
  #path: string
  #files = 0
  #background: Promise<void>[] = []
  #pushing = false
  /** Its last process died, and may have left a lock. */
  #widowed = false

  constructor(number: number, stage: Stage) {
    this.number = number
    this.role = roles[number]!
    this.#stage = stage
    this.#path = this.#newPath()
    this.process = this.#newProcess()
  }

  get reader(): boolean {
    return this.role === 'warm' || this.role === 'cold'
  }

  /** Takes the lock only while it pushes. */
  get pushes(): boolean {
    return this.role === 'pusher' || this.role === 'merger' || (this.#stage.settings.sharing === 'all' && !this.reader)
  }

  #newFile(): FileModel {
    return new FileModel((key) => this.#stage.world.commitAt(this.db?.remoteTimestamp)?.content.get(key)?.timestamp)
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { timeline, world } = this.#stage
    for (const step of steps) {
      await timeline.sleep(step.wait)
      if (world.violation) return
      try {
        await this.#take(step)
      } catch (error) {
        this.#violated(step, error)
        return
      }
    }
  }

  /** Lets background work end. */
  async rest(): Promise<void> {
    await Promise.all(this.#background.splice(0))
  }

  async #take(step: Step): Promise<void> {
    // It may have died of what went on in the background.
    if (this.process.dead) await this.#bury()
    const { process } = this
    process.reseed(step.id)
    process.calm = step.calm ?? false
    process.countdown = step.crash ?? Infinity
    this.#say(`#${step.id} ${step.op}${step.keys.length > 0 ? ` ${step.keys.join()}` : ''}${step.background ? ' …' : ''}`)
    // Only what needs an open database can go on beside what follows.
    const background = step.background && this.db !== undefined && !(this.pushes && this.file.replace)
    const work = this.#attempt(step)
    if (background) this.#background.push(work.catch((error: unknown) => this.#violated(step, error)))
    else await work
    if (process.dead) await this.#bury()
    else if (!background) process.countdown = Infinity
    this.verify()
  }

  #violated(step: Step, error: unknown): void {
    this.#stage.world.violation ??= new Violation(`step ${step.id}, ${this.role}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }

  /** Compares the session with the model, unless something of it is half-done. */
  verify(): void {
    this.#watcher?.throwIfWrong()
    if (this.db && !this.#pushing && !this.process.dead) this.file.check(this.db, this.#stage.world)
  }

  async #attempt(step: Step): Promise<void> {
    const { process } = this
    try {
      await this.#perform(step)
      this.#count(`${step.op} ok`)
    } catch (error) {
      if (process.dead) return
      if (error instanceof Violation) throw error
      const name = error instanceof Error ? error.name : String(error)
      this.#say(`  #${step.id} ${step.op}: ${name}: ${error instanceof Error ? error.message : ''}`)
      this.#count(`${step.op} ${name}`)
      checkError(error)
    }
  }

  async #perform(step: Step): Promise<void> {
    if (step.op === 'kill') return this.process.die()
    if (step.op === 'close') return this.close()
    if (step.op === 'forget') return this.#forget()
    if (step.op === 'open-n' || step.op === 'open-breaking') return this.#reopen(step)
    if (!this.db) await this.open({})
    const { db } = this
    if (!db || step.op === 'open') return
    await this.#use(db, step)
  }

  async #use(db: Ebooklet<string>, step: Step): Promise<void> {
    const names = step.keys.map((key) => `k${key}`)
    const [name] = names as [string]
    switch (step.op) {
      case 'get': return this.#get(db, [name], async () => [await db.get(name)])
      case 'get-many': return this.#get(db, names, () => db.getMany(names))
      case 'load': return db.load()
      case 'iterate': return this.#iterate(db)
      case 'pull': return void (await db.pull())
      case 'prune': return void db.prune({ before: step.n < 0.5 ? Number.MAX_SAFE_INTEGER : this.process.environment.now() - 1e9 })
      case 'sync': return this.#sync(db)
      case 'set': case 'set-past': case 'update': case 'delete': case 'clear': case 'discard': case 'discard-some': case 'metadata': return this.#edit(db, step, names)
      case 'push': case 'push-aborted': return void (await this.push(db, { step, abortAfter: step.op === 'push' ? undefined : step.n * 400 }))
      case 'watch': return this.#watch(db, step)
      case 'plan': return this.#plan(db)
      default: throw new Error(`no such step: ${step.op}`)
    }
  }

  #edit(db: Ebooklet<string>, step: Step, names: readonly string[]): void {
    const { file } = this
    // What a pull has ended is not pending any more, and a change of it is a new one.
    if (this.pushes) this.verify()
    const known = (key: string) => !file.replace && (this.#stage.world.commitAt(db.remoteTimestamp)?.content.has(key) ?? false)
    const remove = (key: string) => {
      if (!db.has(key)) return
      db.delete(key)
      file.change(key, known(key) ? null : undefined)
      if (!known(key)) file.deletedUnknown(key)
    }
    switch (step.op) {
      case 'set': case 'set-past': case 'update':
        for (const key of step.op === 'update' ? names : names.slice(0, 1)) {
          const value = `${this.role[0]}${step.id}${'.'.repeat(step.n < 0.05 ? 90_000 * step.n : 20 * step.n)}`
          if (step.op === 'set-past') db.set(key, value, { timestamp: 1_600_000_000_000_000 + step.id })
          else db.set(key, value)
          file.change(key, JSON.stringify(value))
        }
        return
      case 'delete': return remove(names[0]!)
      case 'clear': {
        const all = [...db.keys()]
        db.clear()
        for (const key of all) {
          file.change(key, known(key) ? null : undefined)
          if (!known(key)) file.deletedUnknown(key)
        }
        return
      }
      case 'discard-some':
        db.discard(names)
        for (const key of names) if (file.pending.has(key)) file.change(key, undefined)
        return
      case 'discard':
        db.discard()
        for (const key of [...file.pending.keys()]) file.change(key, undefined)
        if (file.replace) file.setReplace(false)
        return
      default:
        db.metadata = { by: this.role, step: step.id }
        file.change(metaName, JSON.stringify(db.metadata))
    }
  }

  #sync(db: Ebooklet<string>): void {
    db.sync()
    if (!this.#pushing) this.file.durable()
  }

  async #get(db: Ebooklet<string>, names: readonly string[], read: () => Promise<(string | undefined)[]>): Promise<void> {
    const { file } = this
    const { world } = this.#stage
    const seqOf = () => world.commitAt(db.remoteTimestamp)?.seq ?? -1
    const [seq, logged, pending, replace] = [seqOf(), file.log.length, names.map((name) => file.pending.get(name)), file.replace]
    const rules = [this.#rules.at(-1)]
    const values = await read()
    if (this.process.dead) return
    if (this.#rules.at(-1) !== rules[0]) rules.push(this.#rules.at(-1))
    const ruled = rules.some((rule) => rule !== undefined)
    const touched = file.log.slice(logged)
    names.forEach((name, i) => {
      const value = values[i] === undefined ? undefined : JSON.stringify(values[i])
      const mine = pending[i]
      const changes = touched.filter(({ key }) => key === name)
      if (mine !== undefined && changes.length === 0 && this.file === file && !ruled) {
        if (value !== (mine ?? undefined)) throw new Violation(`${name} reads ${shown(value)}, and what is pending is ${shown(mine)}`)
        return
      }
      const possible = world.visible(name, Math.max(0, seq), seqOf())
      if (seq < 0 || replace || file.replace) possible.add(undefined)
      for (const change of [{ value: mine }, ...changes]) possible.add(change.value ?? undefined)
      for (const rule of rules) for (const decided of rule?.valuesOf(name) ?? []) possible.add(decided ?? undefined)
      if (!possible.has(value)) throw new Violation(`${name} reads ${shown(value)} on commits ${seq} to ${seqOf()}, where it was ${[...possible].map(shown).join(' or ')}`)
    })
  }

  async #iterate(db: Ebooklet<string>): Promise<void> {
    const { file } = this
    const [start, logged] = [db.remoteTimestamp, file.log.length]
    const found = new Map<string, string>()
    for await (const [key, value] of db) found.set(key, JSON.stringify(value))
    // A push may drop what is pending meanwhile.
    if (this.#rules.length > 0) return
    if (this.process.dead || db.remoteTimestamp !== start || file.log.length !== logged || file.replace) return
    const commit = this.#stage.world.commitAt(start)
    const expected = new Map<string, string | null>([...(commit?.content ?? [])].map(([key, held]) => [key, held.value]))
    for (const [key, value] of file.pending) expected.set(key, value)
    expected.delete(metaName)
    for (const [key, value] of expected) if (value === null) expected.delete(key)
    for (const key of new Set([...found.keys(), ...expected.keys()])) {
      const [is, should] = [found.get(key), expected.get(key)]
      if (is === should) continue
      const fine = commit?.numGroups === undefined && !file.pending.has(key) && this.#stage.world.visible(key, commit?.seq ?? 0, commit?.seq ?? 0).has(is)
      if (!fine) throw new Violation(`iterating gives ${key} = ${shown(is)} on commit ${commit?.seq}, where it is ${shown(should)}`)
    }
  }

  /** Pushes, and compares the result with what came to the remote. */
  async push(db: Ebooklet<string>, { step, abortAfter, strategy, breaking }: PushStep = {}): Promise<PushResult | undefined> {
    const { file, process } = this
    if (this.#pushing || this.reader) return undefined
    const guarantee = this.#stage.settings.conditions === 'honoured' ? 'conditional' : 'lock'
    const record: PushRecord = { who: this.role, candidates: new Map(), replace: file.replace, safe: () => true, commits: [] }
    file.beginPush(record)
    this.#records.push(record)
    const logged = file.log.length
    const first = file.seq
    const random = new SeededRandom(this.#stage.settings.seed ^ Math.imul((step?.id ?? 0) + 1, 0x9e3779b1))
    const rule = this.pushes ? this.#rule(db, record, random, strategy ?? random.pick<Strategy>(['local', 'remote', 'stop', 'ask', 'ask']), `${this.role[0]}${step?.id}`) : undefined
    if (rule) {
      record.rule = rule
      this.#rules.push(rule)
    }
    process.push = record
    this.#pushing = true
    try {
      if (!(await this.#mayLock(breaking ?? this.#widowed))) return undefined
      const signal = abortAfter === undefined ? undefined : this.#abortAfter(abortAfter)
      const result = await db.push({ signal, onConflict: rule?.onConflict })
      if (process.dead) return undefined
      if (result.updated || result.conflicts.length + result.adopted.length > 0) this.#widowed = false
      if ((!this.pushes || result.updated) && db.guarantee !== guarantee) throw new Violation(`the guarantee is ${db.guarantee}, not ${guarantee}`)
      if (rule) await merged(this.#merging(db), result, record, rule, logged)
      if (process.dead) return undefined
      this.#pushed(db, result, record, logged)
      return result
    } catch (error) {
      if (rule && !process.dead) await (error instanceof UuidMismatchError ? this.#startAnew() : pushFailed(this.#merging(db), error, rule, first))
      throw error
    } finally {
      this.#pushing = false
      if (rule) this.#rules.splice(0)
      if (this.pushes) this.#stage.writers.delete(this)
    }
  }

  #merging(db: Ebooklet<string>): MergingSession {
    return { db, file: this.file, world: this.#stage.world, isDead: () => this.process.dead, say: (text) => this.#say(text), count: (name) => this.#count(name) }
  }

  #rule(db: Ebooklet<string>, record: PushRecord, random: SeededRandom, strategy: Strategy, name: string): Rule {
    const { file, process } = this
    const { world } = this.#stage
    this.#say(`  conflicts: ${strategy}`)
    return new Rule(strategy, { file, world, record, random, name, seen: () => db.remoteTimestamp, pause: () => process.environment.sleep(random.below(3000)) })
  }

  /** Where only the lock protects, nobody pushes while somebody breaks locks; who left one breaks it when nobody else writes. */
  async #mayLock(breaking: boolean): Promise<boolean> {
    if (!this.pushes) return true
    const { settings, writers } = this.#stage
    if (this.#stage.breaking) return false
    const alone = ![...writers].some((other) => other !== this)
    writers.add(this)
    if (!breaking || settings.lawless || !alone) return true
    this.#stage.breaking = true
    try {
      await breakLocks(this.process.store, dbKey, { which: 'all', environment: this.process.environment })
      this.#widowed = false
    } finally {
      this.#stage.breaking = false
    }
    return true
  }

  /** The local file is of another database than the one that came to the remote. */
  async #startAnew(): Promise<void> {
    const { db } = this
    this.db = undefined
    this.#watcher = undefined
    await db?.close().catch(() => undefined)
    if (!this.process.dead) this.#startOver()
  }

  async #watch(db: Ebooklet<string>, step: Step): Promise<void> {
    if (this.#watcher) return this.#endWatch()
    const { process } = this
    this.#watcher = new Watcher(db, this.#stage.world, this.#records, 500 + step.n * 5000, (error) => {
      if (process.dead) return
      this.#say(`  a watch ended: ${String(error)}`)
      checkError(error)
    })
  }

  async #endWatch(): Promise<void> {
    const watcher = this.#watcher
    this.#watcher = undefined
    await watcher?.settle((ms) => this.process.environment.sleep(ms))
    await watcher?.end()
    if (watcher) this.#stage.counts.set('told', (this.#stage.counts.get('told') ?? 0) + watcher.told)
  }

  /** A dry run asks nobody, and tells of what is pending. */
  async #plan(db: Ebooklet<string>): Promise<void> {
    if (this.reader || this.#pushing) return
    const { requests } = this.process
    const plan = await db.push({ dryRun: true })
    if (this.process.requests !== requests) throw new Violation('a dry run has made requests')
    const told = [...plan.written.map((key) => `write ${key}`), ...plan.deleted.map((key) => `delete ${key}`), ...(plan.metadata ? [`write ${metaName}`] : [])]
    const pending = [...this.file.pending].map(([key, value]) => `${value === null && key !== metaName ? 'delete' : 'write'} ${key}`)
    if (told.sort().join() !== pending.sort().join() || plan.replaces !== this.file.replace) throw new Violation(`a dry run tells of ${told.join()}, where there is ${pending.join()}`)
  }

  #pushed(db: Ebooklet<string>, result: PushResult, record: PushRecord, logged: number): void {
    const { file } = this
    file.follow(db, this.#stage.world)
    this.#say(`  pushed: ${result.written.join()} −${result.deleted.join()} ${result.failures.map(({ keys, error }) => `failed ${keys.join()}: ${error.message}`).join('; ')}`)
    const touched = new Set(file.log.slice(logged).map(({ key }) => key))
    for (const { error } of result.failures) checkError(error)
    if (result.ok !== (result.failures.length === 0)) throw new Violation('ok and failures contradict each other')
    const commit = result.updated ? record.commits.find(({ timestamp }) => timestamp === result.timestamp) : undefined
    if (result.updated && !commit) throw new Violation('the push tells of a commit that was not made')
    for (const key of [...result.written, ...result.deleted, ...(commit ? [metaName] : [])]) {
      const value = commit?.content.get(key)?.value ?? null
      const candidates = record.candidates.get(key)
      if (key !== metaName && !candidates?.has(value)) throw new Violation(`the push tells that ${key} is done, and the commit has ${shown(value)}`)
      // A change made since may have come into this push, or wait for the next.
      if (touched.has(key) && file.pending.get(key) === value && this.db === db && !isPending(db, key)) file.change(key, undefined)
      else if (!touched.has(key) && file.pending.has(key)) {
        if (file.pending.get(key) !== value) throw new Violation(`the push tells that ${key} is done, and the commit has ${shown(value)}, not ${shown(file.pending.get(key))}`)
        file.change(key, undefined)
      }
    }
    if (commit && file.replace) file.setReplace(false)
    for (const key of result.ok ? record.candidates.keys() : []) {
      if (touched.has(key) || !file.pending.has(key)) continue
      // A commit that arrived late had made the delete already: the push found that out and had nothing to do for it.
      const wasDone = file.pending.get(key) === null && this.#stage.world.commitAt(db.remoteTimestamp)?.content.has(key) === false
      if (!wasDone) throw new Violation(`a push without failures has left out ${key}`)
      file.change(key, undefined)
    }
    if (commit && touched.size === 0) file.durable()
  }

  #abortAfter(ms: number): AbortSignal {
    const controller = new AbortController()
    void this.#stage.timeline.sleep(ms).then(() => controller.abort(new DOMException('enough', 'AbortError')))
    return controller.signal
  }

  /** Opens the database as the role has it. */
  async open(options: { anew?: number | null; breaking?: boolean }): Promise<void> {
    const { settings, writers } = this.#stage
    const { process, file } = this
    const { anew } = options
    let breaking = options.breaking ?? false
    if (this.pushes) breaking = (breaking || this.#widowed) && settings.lawless
    else if (!this.reader) {
      if (this.#stage.breaking) return
      const allowed = settings.lawless || ![...writers].some((other) => other !== this)
      if (breaking && !allowed) return
      // Who died comes back and breaks the lock that was left.
      breaking ||= this.#widowed && allowed
      writers.add(this)
      if (breaking && !settings.lawless) this.#stage.breaking = true
    }
    if (anew !== undefined) file.mayBeEmptied()
    try {
      const db = await openEbooklet<string>(new StoreConnection(process.store, dbKey), this.#path, {
        flag: this.reader ? 'r' : anew === undefined ? 'c' : 'n',
        ...(anew === undefined ? (this.#stage.world.current ? {} : { numGroups: settings.numGroups }) : { numGroups: anew }),
        buckets: 11, valueSerializer: 'json', partSize: 150, lockTimeout: 60_000, lockTiming: { poll: 4000 }, environment: process.environment, onWarning: () => undefined,
        ...(breaking ? { breakLocks: 'all' as const } : {}),
        ...(this.pushes ? { lock: 'push' as const } : {}),
      })
      if (process.dead) {
        await db.close().catch(() => undefined)
        return
      }
      this.db = db
      this.#records = []
      if (!this.pushes) this.#widowed = false
      if (anew !== undefined) this.#emptied(db)
      await file.adopt(db, this.#stage.world)
      if (!this.reader) file.durable()
    } catch (error) {
      if (!process.dead) {
        writers.delete(this)
        if (anew !== undefined) file.uncertain = true
        if (error instanceof Error && error.name === 'UuidMismatchError') this.#startOver()
      }
      throw error
    } finally {
      if (breaking && !this.pushes) this.#stage.breaking = false
    }
  }

  #emptied(db: Ebooklet<string>): void {
    const { file } = this
    for (const key of [...file.pending.keys()]) file.change(key, undefined)
    file.setReplace(db.remoteTimestamp !== undefined, db.remoteTimestamp)
    file.uncertain = false
  }

  async #reopen(step: Step): Promise<void> {
    await this.close()
    if (this.process.dead) return
    const { settings } = this.#stage
    if (step.op === 'open-breaking') return this.open({ breaking: true })
    const numGroups = step.n < 0.6 ? settings.numGroups : settings.numGroups === null ? null : 1 + Math.floor(step.n * 8)
    await this.open({ anew: numGroups })
  }

  async close(): Promise<void> {
    const { db, process, file } = this
    if (!db) return
    if (!this.#pushing && !process.dead) await this.#endWatch()
    this.#watcher = undefined
    this.db = undefined
    const pushing = this.#pushing
    try {
      await db.close()
    } finally {
      if (!process.dead) {
        this.#stage.writers.delete(this)
        if (pushing) file.uncertain = true
        else file.durable()
      }
    }
    if (!process.dead) await this.rest()
  }

  async #forget(): Promise<void> {
    await this.close()
    if (!this.process.dead) this.#startOver()
  }

  #startOver(): void {
    removeLocalFile(this.#path)
    this.#path = this.#newPath()
    this.file = this.#newFile()
  }

  /* The rest of a dead process runs on without a server, on files that nobody looks at any more. */
  async #bury(): Promise<void> {
    const { db } = this
    this.#say('  † died')
    this.db = undefined
    this.#watcher = undefined
    await Promise.allSettled([...this.#background.splice(0), ...(db ? [db.close()] : [])])
    for (const old of this.#oldPaths.splice(0)) removeLocalFile(old)
    this.#pushing = false
    this.#stage.writers.delete(this)
    this.process = this.#newProcess()
  }

  readonly #oldPaths: string[] = []

  #died(): void {
    const path = this.#newPath()
    copyLocalFile(this.#path, path)
    this.#oldPaths.push(this.#path)
    this.#path = path
    this.file.uncertain = true
    this.#widowed = true
  }

  #newPath(): string {
    return join(this.#stage.folder, `${this.role}${this.#files++}.blt`)
  }

  #newProcess(): Process {
    const { settings, timeline, server, world } = this.#stage
    const parts: ProcessParts = {
      settings, timeline, server, world,
      skew: settings.skews[this.number]!,
      patient: settings.patient[this.number]!,
      log: this.#stage.log,
      onDeath: () => this.#died(),
    }
    return new Process(parts)
  }

  #say(line: string): void {
    this.#stage.log(`${String(Math.round(this.#stage.timeline.now / 1000 - 1.7e12)).padStart(7)} ${this.role}: ${line}`)
  }

  #count(name: string): void {
    const { counts } = this.#stage
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
}
