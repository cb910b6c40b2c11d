/** Getting values from the remote and keeping them in the local file. */
import type { Environment } from '../base/environment.js'
import { MAX_GROUP_BYTES, takeEntry } from '../format/group.js'
import { groupId } from '../format/group-id.js'
import { format1GroupKey, groupKey, valueKey } from '../format/names.js'
import type { GetResult } from '../store/object-store.js'
import { forEachConcurrent, waitFor } from './concurrency.js'
import { ResponseTooLargeError } from '../store/errors.js'
import { IntegrityError, RemoteTooLargeError } from './errors.js'
import { isValueNotMetadata } from './format-1.js'
import { byGroup, planRangeReads, type RangeRead, type WantedValue } from './plan-reads.js'
import type { ProgressMeter } from './progress.js'
import type { RemoteIndex } from './remote-index.js'
import type { RemoteLocation } from './remote.js'
import type { SyncState } from './state.js'
import { transferOf, type Transfer } from './transfer.js'
import { useWholeObject } from './value-object.js'
import { findInGroup } from './whole-group.js'

export interface FetchOptions {
  signal?: AbortSignal | undefined
  meter?: ProgressMeter | undefined
  /** Called with each value as it comes; undefined when the key turned out to be gone from the remote. */
  deliver?: ((key: string, value: Uint8Array | undefined) => void) | undefined
  /** Read the index again, once, when an object is gone. Default true. */
  refresh?: boolean
  /** The index as it was when the values were found to be wanted. */
  index?: RemoteIndex
}

/** Groups that are read side by side; the store bounds the requests. */
const groupsAtOnce = 16
/** How often the index is read again for values that were moved by commits meanwhile. */
const readRounds = 8
/** ms that are waited before the index of format 1 is read again. */
const format1Pauses = [100, 300, 900]

type Pull = (signal: AbortSignal | undefined) => Promise<unknown>

/** Where values come from that are not local. */
export interface ValueSource {
  /** Refuses a call before anything of it is done, where what it wants can't be had. */
  checkReachable(wanted: () => readonly WantedValue[]): void
  fetchOne(wanted: WantedValue, signal?: AbortSignal): Promise<Uint8Array | undefined>
  fetch(wanted: readonly WantedValue[], options?: FetchOptions): Promise<void>
  /** What the remote has under these keys, whatever is pending here. Keeps only what is wanted locally. */
  readRemote(wanted: readonly WantedValue[], options: Pick<FetchOptions, 'signal' | 'deliver'>): Promise<void>
}

interface Waiting {
  promise: Promise<Uint8Array | undefined>
  resolve: (value: Uint8Array | undefined) => void
  reject: (error: unknown) => void
}

/** A fetch under way, whose values others may wait for. A promise is made only where somebody does. */
class FetchRun {
  readonly #waiting = new Map<string, Waiting>()

  join(key: string): Promise<Uint8Array | undefined> {
    const found = this.#waiting.get(key)
    if (found) return found.promise
    let waiting!: Pick<Waiting, 'resolve' | 'reject'>
    const promise = new Promise<Uint8Array | undefined>((resolve, reject) => (waiting = { resolve, reject }))
    this.#waiting.set(key, { promise, ...waiting })
    return promise
  }

  /** @param value a view: it is copied where somebody waits for it */
  settle(key: string, value: Uint8Array | undefined): void {
    if (this.#waiting.size === 0) return
    this.#waiting.get(key)?.resolve(value?.slice())
    this.#waiting.delete(key)
  }

  fail(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}

export class ValueFetcher implements ValueSource {
  readonly #remote: RemoteLocation
  readonly #state: SyncState
  readonly #pull: Pull
  readonly #sleep: Environment['sleep']
  readonly #transfer: Transfer
  readonly #underWay = new Map<string, FetchRun>()

  constructor(remote: RemoteLocation, state: SyncState, environment: Pick<Environment, 'sleep'>, pull: Pull) {
    this.#remote = remote
    this.#state = state
    this.#pull = pull
    this.#transfer = transferOf(remote)
    this.#sleep = (ms, signal) => environment.sleep(ms, signal)
  }

  checkReachable(): void {
    // Whether the network gives them is seen when they are asked for.
  }

  /** The value of one key. Callers that ask for the same key at the same time share one request. */
  async fetchOne(wanted: WantedValue, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const running = this.#underWay.get(wanted.key)?.join(wanted.key)
    if (running) {
      try {
        return await waitFor(running, signal)
      } catch (error) {
        if (signal?.aborted || !isAbort(error)) throw error
        // The caller who began it gave up; that is not our end.
        return this.fetchOne(wanted, signal)
      }
    }
    let value: Uint8Array | undefined
    await this.fetch([wanted], { signal, deliver: (_key, bytes) => (value = bytes) })
    return value
  }

  /**
   * Fetches values and keeps them locally; what others are fetching already is waited for, not asked again.
   * @throws IntegrityError when values are in the index but not in the store
   */
  async fetch(wanted: readonly WantedValue[], options: FetchOptions = {}): Promise<void> {
    const [fresh, joined] = this.#notUnderWay(wanted)
    const run = new FetchRun()
    for (const { key } of fresh) this.#underWay.set(key, run)
    const deliver = (key: string, value: Uint8Array | undefined) => {
      // Forgotten one by one: all that come until the end would not fit into memory.
      this.#underWay.delete(key)
      run.settle(key, value)
      options.deliver?.(key, value?.slice())
    }
    try {
      await this.#fetchFresh(fresh, { ...options, deliver })
    } catch (error) {
      run.fail(error)
      throw error
    } finally {
      // Nothing is left where all came.
      if (this.#underWay.size > 0) for (const { key } of fresh) if (this.#underWay.get(key) === run) this.#underWay.delete(key)
    }
    for (const value of joined) {
      // Waited for in any case: who asks to fetch relies on the value being there afterwards.
      const found = this.#state.locate(value.key)
      const bytes = found.where === 'remote' ? await this.fetchOne({ key: value.key, entry: found.entry }, options.signal) : undefined
      options.deliver?.(value.key, found.where === 'local' ? this.#state.local.getBytes(value.key) : bytes)
    }
  }

  /** Those that nobody is fetching, and the others. */
  #notUnderWay(wanted: readonly WantedValue[]): [fresh: readonly WantedValue[], joined: readonly WantedValue[]] {
    if (this.#underWay.size === 0) return [wanted, []]
    const isUnderWay = ({ key }: WantedValue) => this.#underWay.has(key)
    return [wanted.filter((value) => !isUnderWay(value)), wanted.filter(isUnderWay)]
  }

  /** @throws IntegrityError when values are in the index but not in the store */
  async readRemote(wanted: readonly WantedValue[], options: Pick<FetchOptions, 'signal' | 'deliver'>): Promise<void> {
    const deliver = (key: string, value: Uint8Array | undefined) => options.deliver?.(key, value?.slice())
    const gone = await this.#read(wanted, { ...options, deliver })
    if (gone.length > 0) throw this.#integrityError(gone)
  }

  async #fetchFresh(wanted: readonly WantedValue[], options: FetchOptions): Promise<void> {
    let left = wanted
    for (let round = 1; left.length > 0; round++) {
      const { remote } = this.#state
      const { numGroups } = this.#state.pending
      const gone = await this.#read(left, { ...options, index: this.#state.visibleIndex })
      if (gone.length === 0) return
      if (options.refresh === false) throw this.#integrityError(gone)
      const tried = new Map(gone.map((value) => [value.key, this.#placeOf(value, remote, numGroups)]))
      await this.#pull(options.signal)
      left = this.#stillWanted(gone, options)
      // What lies where it was not found is missing. Elsewhere it is looked for again: a writer may be faster than we.
      const missing = round < readRounds ? left.filter((value) => this.#placeOf(value) === tried.get(value.key)) : left
      if (missing.length > 0 && !(await this.#mayComeYet(round, options.signal))) throw this.#integrityError(missing)
    }
  }

  /** A writer of format 1 takes a deleted value out of its group before it takes the key out of the index: a moment is waited for that. */
  async #mayComeYet(round: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (!this.#isFormat1 || round > format1Pauses.length) return false
    await this.#sleep(format1Pauses[round - 1]!, signal)
    return true
  }

  /** Which of the values have to be fetched still, after a pull; the others are delivered. */
  #stillWanted(gone: readonly WantedValue[], options: FetchOptions): WantedValue[] {
    const again: WantedValue[] = []
    for (const { key } of gone) {
      const found = this.#state.locate(key)
      if (found.where === 'remote') again.push({ key, entry: found.entry })
      else options.deliver?.(key, found.where === 'local' ? this.#state.local.getBytes(key) : undefined)
    }
    return again
  }

  /** Where a value is to be found; in per-key mode the objects keep their names. */
  #placeOf({ key, entry }: WantedValue, remote = this.#state.remote, numGroups = this.#state.pending.numGroups): string {
    const object = this.#objectOf(key, remote, numGroups)
    if (remote.format === 1) return `${object} as of ${remote.timestamp}`
    return typeof numGroups === 'number' ? object : `${object} of ${entry.timestamp}`
  }

  /** Groups of format 1 are overwritten in place, before the index that tells of it. */
  get #isFormat1(): boolean {
    return this.#state.remote.format === 1
  }

  get #isGrouped(): boolean {
    return typeof this.#state.pending.numGroups === 'number'
  }

  #objectOf(key: string, remote = this.#state.remote, numGroups = this.#state.pending.numGroups): string {
    const { dbKey } = this.#remote
    if (typeof numGroups !== 'number') return valueKey(dbKey, key)
    const gid = groupId(key, numGroups)
    return this.#groupObject(gid, remote) ?? `${dbKey}/${gid}.?`
  }

  #groupObject(gid: number, remote = this.#state.remote): string | undefined {
    const { dbKey } = this.#remote
    if (remote.format === 1) return format1GroupKey(dbKey, gid)
    const generation = remote.manifest.get(gid)
    return generation === undefined ? undefined : groupKey(dbKey, gid, generation)
  }

  /** An entry of format 1 that is older than the index says is not the one; a newer one belongs to a push under way. */
  #isCurrent(found: { timestamp: number }, { entry }: WantedValue): boolean {
    return !this.#isFormat1 || found.timestamp >= entry.timestamp
  }

  #integrityError(gone: readonly WantedValue[]): IntegrityError {
    const object = this.#objectOf(gone[0]!.key)
    const keys = gone.map((value) => value.key).filter((key) => this.#objectOf(key) === object)
    return new IntegrityError(keys, `${object} of ${this.#remote.store.name}`, 'is missing or holds something else than the index says')
  }

  /** Reads values; returns those whose object is gone or doesn't hold them. */
  async #read(wanted: readonly WantedValue[], options: FetchOptions): Promise<WantedValue[]> {
    for (const { key, entry } of wanted) if (entry.length > this.#maxValueBytes) throw this.#tooLarge(key)
    const gone: WantedValue[] = []
    if (!this.#isGrouped) {
      await forEachConcurrent(wanted, groupsAtOnce, async (value) => {
        if (!(await this.#readValue(value, options))) gone.push(value)
      })
      return gone
    }
    const groups = byGroup(wanted, (key) => this.#state.groupOf(key))
    await forEachConcurrent(groups, groupsAtOnce, async ([gid, values]) => {
      for (const value of await this.#readGroup(gid, values, options)) gone.push(value)
      options.meter?.done({ groups: 1 })
    })
    return gone
  }

  /* The index doesn't tell how large a value of its own object is. */
  async #readValue(wanted: WantedValue, options: FetchOptions): Promise<boolean> {
    const { store, dbKey } = this.#remote
    const reading = { transfer: this.#transfer, maxBytes: this.#maxValueBytes, signal: options.signal }
    try {
      return await useWholeObject(store, valueKey(dbKey, wanted.key), reading, (result) => this.#takeValue(wanted, result, options))
    } catch (cause) {
      if (cause instanceof ResponseTooLargeError) throw this.#tooLarge(wanted.key, cause)
      throw cause
    }
  }

  #takeValue(wanted: WantedValue, result: GetResult, options: FetchOptions): boolean {
    if (result.status !== 'ok') return false
    const stamp = result.info.metadata['timestamp']
    const time = stamp === undefined ? undefined : Number(stamp)
    // An object older than its index entry is somebody's stale copy. A newer one belongs to a push under way.
    if (time !== undefined && time < wanted.entry.timestamp) return false
    if (this.#isFormat1 && !isValueNotMetadata(this.#state.index, wanted.key, time)) return false
    this.#keep(wanted, result.bytes, options)
    options.meter?.done({ groups: 1 })
    return true
  }

  get #maxValueBytes(): number {
    return this.#remote.limits?.maxValueBytes ?? MAX_GROUP_BYTES
  }

  #tooLarge(key: string, cause?: unknown): RemoteTooLargeError {
    return new RemoteTooLargeError('maxValueBytes', `the value of ${JSON.stringify(key)}`, this.#maxValueBytes, { cause })
  }

  async #readGroup(gid: number, wanted: readonly WantedValue[], options: FetchOptions): Promise<WantedValue[]> {
    const key = this.#groupObject(gid)
    if (key === undefined) return [...wanted]
    const unread: WantedValue[] = []
    let missing = false
    const { budget, partSize } = this.#transfer
    await forEachConcurrent(planRangeReads(wanted, { maxRange: partSize }), groupsAtOnce, async (range) => {
      // Twice: as it comes, and what of it is on its way into the local file or was, until the memory is free again.
      const outcome = await budget.with(2 * range.length, options.signal, () => this.#readRange(key, range, options))
      if (outcome === 'missing') missing = true
      else for (const value of outcome) unread.push(value)
    })
    if (missing) return wanted.filter((value) => this.#stillRemote(value))
    return unread.length > 0 ? this.#readWholeGroup(key, unread, options) : []
  }

  /** Returns what the range didn't hold as the index says. */
  async #readRange(key: string, range: RangeRead, options: FetchOptions): Promise<WantedValue[] | 'missing'> {
    const { offset, length } = range
    const result = await this.#remote.store.get(key, { range: { offset, length }, maxBytes: length, signal: options.signal })
    if (result.status === 'missing') return 'missing'
    if (result.status !== 'ok') return range.wanted
    const unread: WantedValue[] = []
    for (const value of range.wanted) {
      const found = takeEntry(result.bytes, value.entry.offset - result.offset, value.key, value.entry.length)
      if (found && this.#isCurrent(found, value)) this.#keep(value, found.value, options)
      else unread.push(value)
    }
    return unread
  }

  async #readWholeGroup(key: string, wanted: readonly WantedValue[], options: FetchOptions): Promise<WantedValue[]> {
    const left = new Map(wanted.map((value) => [value.key, value]))
    await findInGroup(this.#remote.store, key, new Set(left.keys()), this.#transfer, (entry) => {
      const value = left.get(entry.key)
      if (!value || !this.#isCurrent(entry, value)) return
      if (entry.value.length > this.#maxValueBytes) throw this.#tooLarge(value.key)
      left.delete(entry.key)
      this.#keep(value, entry.value, options)
    }, options.signal)
    return [...left.values()]
  }

  #stillRemote(value: WantedValue): boolean {
    return this.#state.locate(value.key).where === 'remote'
  }

  /** @param index by which it was found to be wanted: where that is still the one, only a change here can tell otherwise */
  #isStillWanted({ key, entry }: WantedValue, index: RemoteIndex | undefined): boolean {
    const { pending, visibleIndex } = this.#state
    if (visibleIndex === index) return !pending.written.has(key) && !pending.deletes.has(key)
    const found = this.#state.locate(key)
    return found.where === 'remote' && found.entry.timestamp === entry.timestamp
  }

  /** Stores a value locally, unless the key was changed here while it was under way. */
  #keep(wanted: WantedValue, bytes: Uint8Array, options: FetchOptions): void {
    const { key, entry } = wanted
    if (this.#isStillWanted(wanted, options.index)) this.#state.local.setBytes(key, bytes, { timestamp: entry.timestamp })
    options.meter?.done({ bytes: bytes.length })
    options.deliver?.(key, bytes)
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}
