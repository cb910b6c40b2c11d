/** What a local file has to remember: the changes that wait for a push, and which of them must survive a crash. */
import type { Ebooklet } from '../../src/index.js'
import { addTo, metaName, shown, Violation, type Commit, type PushRecord, type World } from './world.js'

/** JSON of a value; null: deleted; undefined: nothing pending. */
export type Pending = string | null | undefined

export class FileModel {
  readonly pending = new Map<string, string | null>()
  replace = false
  /** The newest commit that a session on this file was on. */
  seq = -1
  /** Every change of `pending`, in order. */
  readonly log: { key: string; value: Pending }[] = []
  /** Pushes since the file was last known to be in step with the model. */
  readonly pushes: PushRecord[] = []
  /** After a crash, until the file is open again. */
  uncertain = false
  /** A process has died over it: what changes were based on may not be known any more, and then counts as changed. */
  crashed = false
  readonly #remote: (key: string) => number | undefined
  /** µs of what the remote had where pending changes began; several where that can't be told. */
  readonly #bases = new Map<string, Set<number | undefined>>()
  /** µs of the commit that a replacement began on. */
  #replaceBases = new Set<number | undefined>()
  /** Every push of this file. */
  readonly #records: PushRecord[] = []
  /** Keys that were deleted without being seen on the remote. */
  readonly #vain = new Set<string>()
  #durable = new Map<string, string | null>()
  #since = new Map<string, Set<Pending>>()
  #replaceMaybe = new Set<boolean>([false])

  /** @param remote tells the µs of what the remote has of a key, as the session knows it */
  constructor(remote: (key: string) => number | undefined = () => undefined) {
    this.#remote = remote
  }

  change(key: string, value: Pending): void {
    if (value === undefined) {
      this.pending.delete(key)
      this.#bases.delete(key)
    } else {
      if (value !== null) this.#vain.delete(key)
      if (!this.#bases.has(key)) this.#bases.set(key, new Set([this.#remote(key)]))
      this.pending.set(key, value)
    }
    this.#note(key, value)
    this.log.push({ key, value })
    for (const push of this.pushes) {
      if (value !== undefined) addTo(push.candidates, key, value)
      // The rule may be applied to it still.
      if (push.rule) this.#note(key, undefined)
    }
  }

  /** Without being the change that is known of, it may be found after a crash. */
  may(key: string, value: Pending): void {
    this.#note(key, value)
  }

  /** Whether the remote had this when a pending change began, or it is of a commit made here. */
  isBase(key: string, timestamp: number | undefined): boolean {
    return (this.#bases.get(key)?.has(timestamp) ?? false) || this.#isOwn(key, timestamp)
  }

  isOnlyBase(key: string, timestamp: number | undefined): boolean {
    const bases = this.#bases.get(key)
    return bases !== undefined && bases.has(timestamp) && bases.size === 1
  }

  isOnlyReplaceBase(commit: number | undefined): boolean {
    return this.#replaceBases.has(commit) && this.#replaceBases.size === 1
  }

  isReplaceBase(commit: number | undefined): boolean {
    return this.#replaceBases.has(commit) || this.#records.some(({ commits }) => commits.some(({ timestamp }) => timestamp === commit))
  }

  /** Whether a change was pending at any time since the last push began. */
  wasPending(key: string, value: Pending): boolean {
    return this.pending.get(key) === value || this.log.some((change) => change.key === key && change.value === value)
  }

  /** What was pending may be based on these commits from now on: a push that failed may have decided so. */
  mayBeRebased(commits: readonly Commit[]): void {
    for (const { content, timestamp } of commits) {
      for (const [key, bases] of this.#bases) bases.add(content.get(key)?.timestamp)
      this.#replaceBases.add(timestamp)
    }
  }

  #isOwn(key: string, timestamp: number | undefined): boolean {
    return this.#records.some(({ commits, candidates }) => candidates.has(key) && commits.some(({ content }) => content.get(key)?.timestamp === timestamp))
  }

  setReplace(replace: boolean, commit?: number): void {
    if (replace) this.#replaceBases = new Set([commit])
    this.replace = replace
    this.#replaceMaybe.add(replace)
  }

  /** The file is about to be emptied; a crash may come before or after. */
  mayBeEmptied(): void {
    for (const key of [...this.#durable.keys(), ...this.#since.keys()]) this.#note(key, undefined)
    this.#replaceMaybe.add(true)
  }

  /** What the session doesn't see on the remote was deleted: where a push that runs or is in doubt may bring it there, it has to be deleted there too. */
  deletedUnknown(key: string): void {
    this.#vain.add(key)
    this.may(key, null)
  }

  /** A push may decide against it. */
  mayLoseReplacement(): void {
    this.#replaceMaybe.add(false)
  }

  /** Everything so far is in the file, and synced. */
  durable(): void {
    this.#durable = new Map(this.pending)
    this.#since = new Map()
    this.#replaceMaybe = new Set([this.replace])
    this.pushes.length = 0
  }

  beginPush(push: PushRecord): void {
    for (const [key, value] of this.pending) addTo(push.candidates, key, value)
    this.pushes.push(push)
    this.#records.push(push)
  }

  /** Compares what a session says with the model. Called when nothing of the session is half-done. */
  check(db: Ebooklet<string>, world: World): void {
    const commit = this.follow(db, world)
    const changes = db.changes()
    if (changes.replacesRemote !== this.replace) throw new Violation(`a pending replacement is ${changes.replacesRemote}, not ${this.replace}`)
    const actual = new Set([...changes].map(({ key, type }) => `${type === 'deleted' ? 'delete' : 'write'} ${key}`))
    if (changes.metadataChanged) actual.add(`write ${metaName}`)
    const expected = new Set([...this.pending].map(([key, value]) => `${value === null ? 'delete' : 'write'} ${key}`))
    for (const change of actual) if (!expected.has(change)) throw new Violation(`pending without having been asked for: ${change}`)
    for (const change of expected) if (!actual.has(change)) throw new Violation(`no longer pending: ${change}`)
    this.#checkView(db, commit)
  }

  /** Takes note of the commits that the session came to. */
  follow(db: Ebooklet<string>, world: World): Commit | undefined {
    const commit = world.commitAt(db.remoteTimestamp)
    if (db.remoteTimestamp !== undefined && !commit) throw new Violation(`the session is on a commit that never was: ${db.remoteTimestamp}`)
    const deletes = new Set(db.changes().pendingDeletes)
    this.#advance(commit, world, deletes)
    for (const key of deletes) if (this.#vain.has(key) && !this.pending.has(key)) this.change(key, null)
    return commit
  }

  /** Sorts out what a crash left, then compares as ever. */
  async adopt(db: Ebooklet<string>, world: World): Promise<void> {
    if (this.uncertain) {
      this.crashed = true
      await this.#sortOut(db)
      this.mayBeRebased(world.commits.slice(Math.max(0, this.seq)))
    }
    this.uncertain = false
    this.check(db, world)
  }

  /* Deletes of what is gone from the remote anyway are no longer pending; nor those of what was gone in a commit that the session was on in between. */
  #advance(commit: Commit | undefined, world: World, deletes: ReadonlySet<string>): void {
    if (!commit) return
    if (commit.seq < this.seq) throw new Violation(`the session went back from commit ${this.seq} to ${commit.seq}`)
    for (const [key, value] of [...this.pending]) {
      if (value !== null) continue
      const between = world.commits.slice(Math.max(0, this.seq), commit.seq + 1)
      if (between.some(({ content }) => !content.has(key)) && !(commit.content.has(key) && deletes.has(key))) this.change(key, undefined)
    }
    this.seq = commit.seq
  }

  #checkView(db: Ebooklet<string>, commit: Commit | undefined): void {
    const base = this.replace ? undefined : commit?.content
    const keys = new Set([...(base?.keys() ?? [])].filter((key) => key !== metaName))
    for (const [key, value] of this.pending) {
      if (key === metaName) continue
      if (value === null) keys.delete(key)
      else keys.add(key)
    }
    const actual = [...db.keys()]
    if (actual.length !== keys.size || actual.some((key) => !keys.has(key)) || db.size !== keys.size) {
      throw new Violation(`the keys are ${actual.sort().join()}, not ${[...keys].sort().join()}`)
    }
    for (const key of keys) {
      const pending = this.pending.has(key)
      const timestamp = base?.get(key)?.timestamp
      if (!pending && db.getTimestamp(key) !== timestamp) throw new Violation(`${key} is seen with the timestamp ${db.getTimestamp(key)}, not ${timestamp} as in commit ${commit?.seq}`)
    }
    const meta = this.pending.get(metaName) ?? base?.get(metaName)?.value
    const found = db.metadata === undefined ? undefined : JSON.stringify(db.metadata)
    if (found !== meta) throw new Violation(`the metadata is ${found}, not ${meta}`)
  }

  async #sortOut(db: Ebooklet<string>): Promise<void> {
    const changes = db.changes()
    const found = new Map<string, Pending>()
    for (const { key, type } of changes) found.set(key, type === 'deleted' ? null : JSON.stringify(await db.get(key)))
    if (changes.metadataChanged) found.set(metaName, JSON.stringify(db.metadata))
    if (!this.#replaceMaybe.has(changes.replacesRemote) && !(this.#landed() && !changes.replacesRemote)) throw new Violation(`after a crash a pending replacement is ${changes.replacesRemote}`)
    for (const key of new Set([...found.keys(), ...this.#durable.keys(), ...this.#since.keys()])) {
      const possible = new Set<Pending>([this.#durable.get(key), ...(this.#since.get(key) ?? [])])
      const value = found.get(key)
      const gone = value === undefined && (possible.has(null) || this.#landed(key))
      if (!possible.has(value) && !gone) {
        throw new Violation(`after a crash, pending for ${key} is ${shown(value)} instead of ${[...possible].map(shown).join(' or ')}`)
      }
      if (this.pending.get(key) !== value) this.change(key, value)
    }
    this.replace = changes.replacesRemote
    this.durable()
  }

  /* Whether a push since then has made a commit: the journal may have been cleared. */
  #landed(key?: string): boolean {
    return this.pushes.some((push) => push.commits.length > 0 && (key === undefined || push.candidates.has(key)))
  }

  #note(key: string, value: Pending): void {
    const since = this.#since.get(key)
    if (since) since.add(value)
    else this.#since.set(key, new Set([value]))
  }
}

