/**
 * Checking a remote: what is there that nothing refers to, what is missing that something refers to, and what
 * contradicts itself. Reads; and only when asked to sweep, under the lock, deletes what nothing refers to.
 */
import type { Environment } from '../../base/environment.js'
import { EbookletError, UnsupportedVersionError } from '../../base/error.js'
import { FindingList, type Severity } from '../../base/findings.js'
import { decodeDbMetadata } from '../../format/db-metadata.js'
import { decodeDbPayload, decodeMetaSection } from '../../format/db-object.js'
import { Format1Error } from '../../format/errors.js'
import { indexProblems } from '../../booklet/index.js'
import { UnsupportedOperationError } from '../../store/errors.js'
import { forEachConcurrent } from '../concurrency.js'
import { RemoteChangedError, RemoteTooLargeError } from '../errors.js'
import { ProgressMeter, type ProgressListener } from '../progress.js'
import { decodeSnapshot, getDbObject, type RemoteLocation, type RemoteSnapshot } from '../remote.js'
import { listChildren, type Child } from './children.js'
import { Classifier, type Class } from './classify.js'
import { compareGroups, compareValues } from './deep.js'
import { remoteFinding, type RemoteFinding, type SweepOutcome } from './finding.js'
import { judgeEntries, judgeMissingObjects } from './judge.js'
import { outerReferences } from './outer.js'
import { References } from './references.js'
import { ageOf, decide, identityOf, Sweeper, type SweepRules } from './sweep.js'
import { judgeTickets } from './tickets.js'
import { judgeUploads } from './uploads.js'

export interface FsckContext {
  remote: RemoteLocation
  environment: Environment
  rules: SweepRules
  /** The id of one's own lock ticket. */
  ownTicket: string | undefined
  deep: boolean
  maxFindings: number
  signal: AbortSignal | undefined
  onProgress: ProgressListener | undefined
}

/** What fsck found. */
export interface FsckReport {
  /** Whether there is a db object. */
  readonly exists: boolean
  /** 1 or 2; undefined when there is no db object, or none that can be read. */
  readonly formatVersion: 1 | 2 | undefined
  /** What was found, up to `maxFindings`. */
  readonly findings: readonly RemoteFinding[]
  /** How many findings came after that. */
  readonly omitted: number
  /** How many there are of each severity, the omitted ones included. */
  readonly count: Readonly<Record<Severity, number>>
  /** Keys in the index. */
  readonly keys: number
  /** Objects below the database that it refers to and that are there. */
  readonly objects: number
  /** Whether the store could be listed. Where it can't, as over a public URL, orphans are not seen. */
  readonly listed: boolean
  /** What a sweep deleted. */
  readonly swept: { readonly objects: number; readonly bytes: number }
}

/** How often a check begins anew when somebody commits meanwhile. */
const attempts = 5
/** Unclear objects that are judged, and swept, together. */
const batchSize = 500
const asksAtOnce = 16

/** @throws RemoteChangedError, LockLostError, StoreError */
export async function fsck(context: FsckContext): Promise<FsckReport> {
  for (let attempt = 1; ; attempt++) {
    const pass = new Pass(context)
    try {
      if (await pass.run()) return pass.report()
    } catch (error) {
      // Without the lock, a commit may come between reading the db object and judging by it. Under the lock that is an error.
      if (!(error instanceof RemoteChangedError) || context.rules.lock !== undefined) throw error
    }
    if (attempt === attempts) throw new RemoteChangedError(`${context.remote.store.name} ${context.remote.dbKey}`)
  }
}

/** One look at the remote, in terms of one commit. */
class Pass {
  readonly #context: FsckContext
  readonly #list: FindingList<RemoteFinding>
  readonly #meter: ProgressMeter
  #references: References
  #formatVersion: 1 | 2 | undefined
  #identity = ''
  #objects = 0
  #listed = true
  /** What databases above this one refer to. */
  #outer: ((object: string) => boolean)[] = []
  #swept = { objects: 0, bytes: 0 }
  /** Objects that are gone from view in a versioned bucket, but could be brought back. */
  readonly #hidden = new Set<string>()

  constructor(context: FsckContext) {
    this.#context = context
    this.#list = new FindingList(context.maxFindings)
    this.#meter = new ProgressMeter(context.environment, context.onProgress)
    this.#references = new References(context.remote.dbKey, undefined)
  }

  /** False when the remote changed meanwhile, in a way that what was found may be wrong. */
  async run(): Promise<boolean> {
    const { remote, signal, ownTicket, rules } = this.#context
    await judgeTickets(remote, { ownTicket, now: rules.now, signal, add: this.#add })
    const judgeable = await this.#readDbObject()
    if (!judgeable) return true
    await this.#look()
    await judgeUploads({ remote, references: this.#references, rules, signal, add: this.#add })
    judgeEntries(this.#references, this.#add)
    judgeMissingObjects(this.#references, { dbKey: remote.dbKey, hidden: this.#hidden, add: this.#add })
    if (this.#context.deep) await this.#compare()
    return this.#list.count.error === 0 || (await this.#isUnchanged())
  }

  report(): FsckReport {
    const { findings, omitted, count } = this.#list
    return {
      exists: this.#identity !== '',
      formatVersion: this.#formatVersion,
      findings, omitted, count,
      keys: this.#references.snapshot?.index.size ?? 0,
      objects: this.#objects,
      listed: this.#listed,
      swept: this.#swept,
    }
  }

  readonly #add = (finding: RemoteFinding): void => this.#list.add(finding)

  /** False when what the db object refers to can't be known. */
  async #readDbObject(): Promise<boolean> {
    const { remote, signal } = this.#context
    const object = remote.dbKey
    try {
      const result = await getDbObject(remote, { signal })
      this.#identity = identityOf(result)
      if (result.status !== 'ok') return true
      decodeDbMetadata(result.info.metadata)
      this.#formatVersion = 2
      const problems = indexProblems(decodeDbPayload(result.bytes).index)
      if (problems.length === 0) return this.#judgeSnapshot(decodeSnapshot(result.info.metadata, result.bytes, result.info.etag))
      this.#add(remoteFinding('index-damaged', { object, reason: problems[0]!.advice, problems }))
      return false
    } catch (error) {
      if (!(error instanceof EbookletError)) throw error
      this.#identity ||= 'unreadable'
      if (error instanceof Format1Error) {
        this.#formatVersion = 1
        this.#add(remoteFinding('old-format', { object }))
      } else if (error instanceof UnsupportedVersionError) this.#add(remoteFinding('newer-format', { object, version: error.found }))
      else if (error.code === 'FORMAT' || error.code === 'WRONG_FILE_TYPE' || error.code === 'FILE_NOT_CLOSED' || error.code === 'INVALID_ARGUMENT' || error instanceof RemoteTooLargeError) {
        this.#add(remoteFinding('db-object-unreadable', { object, code: error.code, reason: error.message }))
      } else throw error
      return false
    }
  }

  #judgeSnapshot(snapshot: RemoteSnapshot): true {
    const { metadata, header, state } = snapshot
    const object = this.#context.remote.dbKey
    if (header.uuid !== metadata.uuid) this.#add(remoteFinding('uuid-mismatch', { object, uuid: metadata.uuid, headerUuid: header.uuid }))
    try {
      if (state.metaSection) decodeMetaSection(state.metaSection)
    } catch (error) {
      this.#add(remoteFinding('metadata-damaged', { object, reason: (error as Error).message }))
    }
    this.#references = new References(object, snapshot)
    return true
  }

  /** Goes through everything below the database. */
  async #look(): Promise<void> {
    const { remote, rules, signal } = this.#context
    const sweeper = new Sweeper(remote, rules, this.#identity, signal)
    const classifier = new Classifier(remote.store, remote.dbKey, this.#references, signal)
    this.#meter.begin('list', { bytes: 0, groups: 0 })
    this.#outer = await outerReferences(remote, signal)
    let unclear: Child[] = []
    let torn = { objects: 0, bytes: 0 }
    const judge = async () => {
      const judged = await classifier.classify(unclear)
      const own = judged.filter(({ found }) => found.is === 'orphan')
      torn = own.reduce(({ objects, bytes }, { child }) => ({ objects: objects + 1, bytes: bytes + child.bytes }), torn)
      await this.#settle(judged, sweeper)
      this.#swept = { objects: sweeper.objects, bytes: sweeper.bytes }
      unclear = []
    }
    try {
      for await (const child of listChildren(remote.store, remote.dbKey, signal)) {
        this.#meter.done({ groups: 1 })
        if (this.#takeReferenced(child)) continue
        unclear.push(child)
        if (unclear.length === batchSize) await judge()
      }
    } catch (error) {
      if (!(error instanceof UnsupportedOperationError)) throw error
      this.#listed = false
    }
    await judge()
    await this.#askForUnseen()
    if (this.#identity === '' && torn.objects > 0) this.#add(remoteFinding('torn-teardown', { object: remote.dbKey, ...torn }))
  }

  #takeReferenced(child: Child): boolean {
    if (this.#outer.some((refersTo) => refersTo(child.object))) return true
    if (!this.#references.refersTo(child.object)) return false
    if (child.present) {
      this.#objects++
      this.#references.saw(child.object, child.size)
    } else this.#hidden.add(child.object)
    return true
  }

  /** A listing may be behind, or not be possible at all: what it didn't show is asked for before it counts as missing. */
  async #askForUnseen(): Promise<void> {
    const { remote, signal } = this.#context
    const references = this.#references
    await forEachConcurrent(references.unseenObjects(), asksAtOnce, async (object) => {
      signal?.throwIfAborted()
      const head = await remote.store.head(object, { signal })
      if (head.status !== 'ok') return
      this.#objects++
      references.saw(object, head.info.size)
    })
  }

  /** Tells of what was judged, and sweeps what may go. */
  async #settle(judged: readonly { child: Child; found: Class }[], sweeper: Sweeper): Promise<void> {
    const { rules } = this.#context
    const sweepable = (found: Class) => found.is === 'orphan' || (found.is === 'hidden' && found.sweepable)
    const doomed = judged.filter(({ child, found }) => sweepable(found) && decide(child.lastModified, rules) === 'sweep').map(({ child }) => child)
    const outcomes = await sweeper.sweep(doomed)
    for (const { child, found } of judged) {
      const decided = decide(child.lastModified, rules)
      const outcome = outcomes.get(child) ?? (decided === 'sweep' ? 'found' : decided)
      this.#tell(child, found, outcome)
    }
  }

  #tell(child: Child, found: Class, outcome: SweepOutcome): void {
    const { object, bytes, versions, deleteMarkers, lastModified } = child
    const age = ageOf(lastModified, this.#context.rules)
    if (found.is === 'orphan') this.#add(remoteFinding('orphan', { object, what: found.what, bytes, versions, age, outcome }))
    else if (found.is === 'hidden') this.#add(remoteFinding('hidden-versions', { object, versions, deleteMarkers, bytes, age, sweepable: found.sweepable, outcome }))
    else if (found.is === 'foreign') this.#add(remoteFinding('foreign', { object, bytes }))
    else if (found.first) this.#add(remoteFinding('nested-database', { object: found.root }))
  }

  async #compare(): Promise<void> {
    const { remote, signal } = this.#context
    const context = { remote, references: this.#references, meter: this.#meter, signal, add: this.#add }
    if (this.#references.numGroups === undefined) await compareValues(context)
    else await compareGroups(context)
  }

  async #isUnchanged(): Promise<boolean> {
    const { remote, signal } = this.#context
    return identityOf(await remote.store.head(remote.dbKey, { signal })) === this.#identity
  }
}
