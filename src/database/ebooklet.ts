import { setMaxListeners } from 'node:events'
import { ClosedError, InvalidArgumentError, ReadOnlyError } from '../base/error.js'
import type { Environment } from '../base/environment.js'
import { anySignal } from '../base/signals.js'
import { mapEntries, type MapFunction, type MapModule, type MapOptions } from '../map/index.js'
import { deleteKey, discardAll, discardKeys, writeValue } from '../sync/edit.js'
import { dropOldBaseValues } from '../sync/note-bases.js'
import { OfflineError, PushInProgressError } from '../sync/errors.js'
import type { Guarantee } from '../sync/conditions.js'
import type { ConflictRule, ConflictValues } from '../sync/conflict.js'
import { checkKey } from '../sync/key.js'
import { ValueFetcher, type ValueSource } from '../sync/fetch.js'
import { OfflineValues } from '../sync/offline.js'
import { ProgressMeter } from '../sync/progress.js'
import { pull, type PullResult } from '../sync/pull.js'
import { push, type PushOptions } from '../sync/push.js'
import { planDryRun, type DryRun, type PushPlan } from '../sync/push-plan.js'
import type { WriterLock } from '../sync/push-context.js'
import type { PushResult } from '../sync/push-result.js'
import type { RemoteLocation } from '../sync/remote.js'
import type { SyncState } from '../sync/state.js'
import type { ValueCodec } from '../values/index.js'
import { Changes } from './changes.js'
import { loadValues, readEach, readMany } from './read.js'
import type { CallOptions, LoadOptions, SessionParts } from './session.js'
import { watchRemote, type RemoteWatch, type WatchOptions } from './watch.js'

/**
 * One open database: a map in a local file, in step with a remote when you say so. What is local is
 * synchronous; what may ask the network is async. Made by `openEbooklet`; close it with `close()` or
 * `await using`. `V` is the type of its values; `I` what a schema lets be set.
 */
export class Ebooklet<V = unknown, I = V> implements AsyncDisposable {
  readonly #state: SyncState
  readonly #remote: RemoteLocation | undefined
  readonly #values: ValueCodec<V, I>
  readonly #environment: Environment
  readonly #writer: WriterLock | undefined
  readonly #onConflict: ConflictRule | undefined
  readonly #closeConnection: () => Promise<void>
  readonly #fetcher: ValueSource
  readonly #closing = new AbortController()
  #pushing: Promise<PushResult> | undefined
  #closed: Promise<void> | undefined

  /** @internal */
  constructor(parts: SessionParts<V, I>) {
    this.#state = parts.state
    this.#remote = parts.remote
    this.#values = parts.values
    this.#environment = parts.environment
    this.#writer = parts.writer
    this.#onConflict = parts.onConflict
    this.#closeConnection = parts.closeConnection
    const { state, remote } = parts
    this.#fetcher = remote ? new ValueFetcher(remote, state, parts.environment, (signal) => pull(state, remote, signal)) : new OfflineValues()
  }

  /** Path of the local file; undefined for `:memory:`. */
  get path(): string | undefined {
    return this.#state.local.path
  }
  /** 32 hexadecimal digits that every copy of this database shares. */
  get uuid(): string {
    return this.#state.local.uuid
  }
  get readonly(): boolean {
    return this.#writer === undefined
  }
  /** True when the network is never asked: see the option `offline`. */
  get offline(): boolean {
    return this.#remote === undefined
  }
  /** How many group objects the remote has; null in per-key mode. */
  get numGroups(): number | null {
    return this.#state.pending.numGroups ?? null
  }
  /** Name of the value serializer, as in Python; `custom` for one of your own. */
  get valueSerializer(): string {
    return this.#values.name
  }
  /** µs of the remote's last commit that this session knows; undefined before the first push. */
  get remoteTimestamp(): number | undefined {
    return this.#state.remote.timestamp ?? undefined
  }
  /**
   * What protects a commit besides the lock: `conditional` no commit is ever overwritten unseen, `create-only` no first
   * commit, `lock` nothing. Seen in a race on this store, not believed; undefined in a read-only session, and with
   * `lock: 'push'` until the first push.
   */
  get guarantee(): Guarantee | undefined {
    return this.#writer?.guarantee
  }
  /** How many keys there are, local and remote together. */
  get size(): number {
    return this.#open().size
  }

  has(key: string): boolean {
    return this.#open().has(key)
  }

  /** Every key, local and remote. Don't change the database while you iterate: take a copy first. */
  keys(): IterableIterator<string> {
    return this.#open().keys()
  }

  /** Keys with the µs of their newest value. */
  *timestamps(): Generator<[string, number]> {
    for (const key of this.keys()) yield [key, this.#state.getTimestamp(key)!]
  }

  /** µs of the newest value of the key; undefined when there is no such key. */
  getTimestamp(key: string): number | undefined {
    return this.#open().getTimestamp(key)
  }

  /**
   * The value of a key, from the local file or fetched once and kept; undefined when there is none.
   * @throws IntegrityError, StoreError, OfflineError, DeserializationError
   */
  async get(key: string, options: CallOptions = {}): Promise<V | undefined> {
    const bytes = await this.getBytes(key, options)
    return bytes && this.#values.decode(bytes, key)
  }

  /** Like `get`, without decoding. */
  async getBytes(key: string, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    const state = this.#open()
    const found = state.locate(key)
    if (found.where === 'absent') return undefined
    if (found.where === 'local') return state.local.getBytes(key)
    return this.#fetcher.fetchOne({ key, entry: found.entry }, this.#signal(options.signal))
  }

  /** The values of many keys, in their order, undefined where there is none. Near ranges are read together. */
  async getMany(keys: Iterable<string>, options: CallOptions = {}): Promise<(V | undefined)[]> {
    const found = await readMany(this.#open(), this.#fetcher, [...keys], this.#signal(options.signal))
    return found.map(([key, bytes]) => bytes && this.#values.decode(bytes, key))
  }

  /** Keys and values of the keys that exist when the iteration begins; fetches ahead, group by group. */
  async *entries(options: CallOptions = {}): AsyncGenerator<[string, V]> {
    const state = this.#open()
    for await (const [key, bytes] of readEach(state, this.#fetcher, { signal: this.#signal(options.signal) })) {
      yield [key, this.#values.decode(bytes, key)]
      this.#open()
    }
  }

  /** Like `entries`, without the keys. */
  async *values(options: CallOptions = {}): AsyncGenerator<V> {
    for await (const [, value] of this.entries(options)) yield value
  }

  [Symbol.asyncIterator](): AsyncGenerator<[string, V]> {
    return this.entries()
  }

  /**
   * Runs a function on worker threads for each key and value, and gives its results as they come, in no order; null skips.
   * Values that aren't local are fetched ahead, group by group. Works on the keys that exist when it begins, with the
   * values as they are when their turn comes: writing meanwhile is allowed. Values are decoded in the workers; with a
   * serializer of your own or `validateReads`, here, and sent as structured clones, as results are. Leaving the loop ends
   * the workers.
   *
   * @param fn sent to the workers as its source text, so that it sees nothing of its surroundings; or an export of a module
   * @throws InvalidArgumentError, MapFunctionError before anything runs; the iteration throws MapError (it names the key),
   *   MapWorkerError, what reading throws, and the reason of the signal
   */
  map<NK = unknown, NV = unknown>(fn: MapFunction<string, V, NK, NV> | MapModule, options: MapOptions<string> = {}): AsyncGenerator<[NK, NV]> {
    const state = this.#open()
    const entries = (signal: AbortSignal) => readEach(state, this.#fetcher, { signal: this.#signal(signal), keys: options.keys })
    const signal = this.#signal(options.signal)
    return mapEntries({ entries, values: this.#values }, fn, { ...options, signal })
  }

  /** Fetches the values of these keys (default: of all) that are not local yet, and keeps them. */
  async load(keys?: Iterable<string>, options: LoadOptions = {}): Promise<void> {
    const meter = new ProgressMeter(this.#environment, options.onProgress)
    await loadValues(this.#open(), this.#fetcher, keys, { signal: this.#signal(options.signal), meter })
  }

  /**
   * Sets a value in the local file; `push` sends it.
   * @param options timestamp: µs; default now
   * @throws SchemaError, SerializationError, InvalidArgumentError, ReadOnlyError: nothing was changed
   */
  set(key: string, value: I, options: { timestamp?: number } = {}): this {
    const state = this.#writable()
    writeValue(state, key, this.#values.encode(value, key), options.timestamp ?? this.#environment.now())
    return this
  }

  /** Like `set`, of a value that is serialized already: neither schema nor serializer look at it. */
  setBytes(key: string, bytes: Uint8Array, options: { timestamp?: number } = {}): this {
    const state = this.#writable()
    if (!(bytes instanceof Uint8Array)) throw new InvalidArgumentError('setBytes takes a Uint8Array')
    writeValue(state, key, bytes, options.timestamp ?? this.#environment.now())
    return this
  }

  /** Sets many values; all are validated and encoded before the first is written, so a bad one changes nothing. */
  update(entries: Iterable<readonly [string, I]>): this {
    const state = this.#writable()
    const encoded = [...entries].map(([key, value]): [string, Uint8Array] => {
      checkKey(key)
      return [key, this.#values.encode(value, key)]
    })
    for (const [key, bytes] of encoded) writeValue(state, key, bytes, this.#environment.now())
    return this
  }

  /** Deletes a key locally; `push` deletes it on the remote. False when there was no such key. */
  delete(key: string): boolean {
    const state = this.#writable()
    checkKey(key)
    return deleteKey(state, key)
  }

  /** Deletes every key at the next push; `discard()` before it takes that back. */
  clear(): void {
    const state = this.#writable()
    this.#refuseDuringPush('clear')
    for (const key of [...state.keys()]) deleteKey(state, key)
  }

  /**
   * Sets the µs of a key's value, as a change to push; fetches the value first if it isn't local.
   * False when there is no such key.
   */
  async setTimestamp(key: string, timestamp: number, options: CallOptions = {}): Promise<boolean> {
    const state = this.#writable()
    const fetched = await this.getBytes(key, options)
    // It may have been set or deleted while it was fetched.
    const { where } = state.locate(key)
    const bytes = where === 'local' ? state.local.getBytes(key) : where === 'remote' ? fetched : undefined
    if (!bytes) return false
    writeValue(state, key, bytes, timestamp)
    return true
  }

  /** The metadata of the database, any JSON value; undefined when there is none. */
  get metadata(): unknown {
    return this.#open().metadata
  }

  /** A change to push, like a value. Null or undefined removes it. */
  set metadata(value: unknown) {
    this.setMetadata(value)
  }

  /** Like setting `metadata`. @param options timestamp: µs; default now */
  setMetadata(value: unknown, options: { timestamp?: number } = {}): void {
    const state = this.#writable()
    state.local.setMetadata(value, { timestamp: options.timestamp ?? this.#environment.now() })
    state.pending.setMetaPending(true)
  }

  /** µs of the metadata; undefined when there is none. */
  get metadataTimestamp(): number | undefined {
    return this.metadata === undefined ? undefined : this.#state.local.metadataTimestamp
  }

  /**
   * Drops local copies of values older than `before` (µs) that the remote has; never a pending write. Returns how many blocks
   * the file lost. In a read-only session: how many values it dropped for itself; the file is pruned when it closes, if
   * nobody else has it open then.
   */
  prune(options: { before?: number } = {}): number {
    const state = this.#open()
    this.#refuseDuringPush('prune')
    state.saveJournal()
    return state.local.prune({ ...options, keep: state.pending.written })
  }

  /** Makes all local changes durable: they survive a crash from here on. (What a read-only session fetched is only a copy, and may be in memory until it closes.) */
  sync(): void {
    this.#open().save()
  }

  /** What waits for the next push. */
  changes(): Changes {
    return new Changes(this.#open(), this)
  }

  /**
   * Drops pending changes of these keys (default: all, with the metadata edit and a pending replacement).
   * Values come back from the remote, deleted keys reappear.
   */
  discard(keys?: Iterable<string>): void {
    const state = this.#writable()
    this.#refuseDuringPush('discard')
    if (keys === undefined) discardAll(state)
    else discardKeys(state, keys)
    dropOldBaseValues(state)
  }

  /**
   * Sends every pending change to the remote in one commit. What failed is in the result's `failures` and
   * stays pending; a push again sends only that. With `lock: 'push'` it takes the lock, reads the remote again, merges
   * (`onConflict`), and gives the lock back.
   * @throws PushConflictError, LockTimeoutError, LockLostError, CommitConflictError, CommitFailedError, UuidMismatchError,
   *   RemoteNotFoundError, OfflineError: everything is still pending
   */
  push(options?: PushOptions<V, I> & DryRun<false>): Promise<PushResult>
  /** Tells what that would do, from what the session knows: nothing is asked, sent or changed. Others' conflicting changes aren't known. */
  push(options: PushOptions<V, I> & { dryRun: true }): Promise<PushPlan>
  push(options: PushOptions<V, I> & DryRun): Promise<PushResult | PushPlan>
  async push(options: PushOptions<V, I> & DryRun = {}): Promise<PushResult | PushPlan> {
    const remote = this.#online('push()')
    const state = this.#writable()
    this.#refuseDuringPush('push')
    if (options.dryRun) return planDryRun({ state, remote, locks: this.#writer!.perPush, now: this.#environment.now() })
    const pusher = { state, remote, fetcher: this.#fetcher, environment: this.#environment, writer: this.#writer!, values: this.#values as ConflictValues, onConflict: this.#onConflict }
    const running = push(pusher, { ...options, signal: this.#signal(options.signal) })
    this.#pushing = running.finally(() => (this.#pushing = undefined))
    return this.#pushing
  }

  /** Takes in the remote's newest state; one request without a body when nothing changed. @throws OfflineError, StoreError */
  async pull(options: CallOptions = {}): Promise<PullResult> {
    const state = this.#open()
    this.#refuseDuringPush('pull')
    return pull(state, this.#online('pull()'), this.#signal(options.signal))
  }

  /**
   * Tells what others change on the remote from now on: looks there every `interval` ms (one request, without a body when
   * nothing changed), pulls when something did, and gives each key that was added, changed or deleted, and the metadata.
   * What other calls of this session take in meanwhile (a pull, a read, a push) is told too; what it pushed itself isn't. Who is
   * slow is told of the last state only. Ends when the database is closed.
   * @throws InvalidArgumentError, OfflineError; the iteration throws the reason of the signal, RemoteNotFoundError,
   *   UuidMismatchError, StoreError when the remote refuses (a failure that may pass goes to `onError`)
   */
  watch(options: WatchOptions = {}): RemoteWatch {
    const [state, remote, signal] = [this.#state, this.#online('watch()'), this.#signal(options.signal)]
    const source = { state, environment: this.#environment, signal, closing: this.#closing.signal, pushing: () => this.#pushing }
    return watchRemote({ ...source, pull: (ended) => pull(state, remote, ended) }, options)
  }

  /** Keeps pending changes in the local file, releases the lock and lets go of everything. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ClosedError('the database was closed'))
    await this.#pushing?.catch(() => undefined)
    // Each step is done whatever becomes of the others; the first error is told.
    const errors: unknown[] = []
    const steps: (() => void | Promise<void> | undefined)[] = [
      () => this.#state.saveJournal(),
      // Syncs it, too.
      () => this.#state.local.close(),
      () => this.#state.baseValues?.close(),
      () => this.#writer?.release(),
      this.#closeConnection,
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  #open(): SyncState {
    if (this.#closed) throw new ClosedError('the database is closed: open it again')
    return this.#state
  }

  #online(operation: string): RemoteLocation {
    this.#open()
    if (!this.#remote) throw new OfflineError([], operation)
    return this.#remote
  }

  #writable(): SyncState {
    const state = this.#open()
    if (this.readonly) throw new ReadOnlyError("the database was opened with flag 'r': open it with 'w' or 'c' to change it")
    return state
  }

  #refuseDuringPush(operation: string): void {
    if (this.#pushing) throw new PushInProgressError(operation)
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const both = signal ? anySignal([signal, this.#closing.signal]) : this.#closing.signal
    // Every request of a call listens to it, and there may be many.
    setMaxListeners(0, both)
    return both
  }
}
