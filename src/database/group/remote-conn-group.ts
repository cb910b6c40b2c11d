import type { StandardSchemaV1 } from '@standard-schema/spec'
import { setMaxListeners } from 'node:events'
import { ClosedError, ReadOnlyError } from '../../base/error.js'
import { systemEnvironment, type Environment } from '../../base/environment.js'
import { anySignal } from '../../base/signals.js'
import { stringifyJson } from '../../format/json-write.js'
import type { MapFunction, MapModule, MapOptions } from '../../map/index.js'
import { RemoteNotFoundError } from '../../sync/errors.js'
import { ProgressMeter } from '../../sync/progress.js'
import type { PullResult } from '../../sync/pull.js'
import type { PushOptions } from '../../sync/push.js'
import type { DryRun, PushPlan } from '../../sync/push-plan.js'
import type { PushResult } from '../../sync/push-result.js'
import type { Guarantee } from '../../sync/conditions.js'
import { readSummary, type RemoteSummary } from '../../sync/remote-summary.js'
import type { Changes } from '../changes.js'
import { toConnection, type RemoteConnection } from '../connection/index.js'
import type { Ebooklet } from '../ebooklet.js'
import type { CallOptions, LoadOptions } from '../session.js'
import type { WithSchema } from '../../values/index.js'
import { openDatabase, openEbooklet } from '../open.js'
import type { RemoteWatch, WatchOptions } from '../watch.js'
import type { OpenEbookletOptions } from '../options.js'
import { checkEntryKey, decodeEntry, encodeEntry, type GroupEntry } from './entry.js'
import { GroupEntryError, MemberNotFoundError } from './errors.js'
import { memberConnection, recordedConnection, type MemberConnectionOptions } from './member.js'
import { refreshEntries, type RefreshResult } from './refresh.js'

/** As for `openEbooklet`; values are always entries, as JSON. */
export type OpenRcgOptions = Omit<OpenEbookletOptions<unknown>, 'valueSerializer' | 'maxValueBytes' | 'schema' | 'validateReads'>

export interface AddMemberOptions extends CallOptions {
  /** The key of the entry: letters, digits, `.`, `_` and `-`. Default: the member's UUID, 32 hexadecimal digits. */
  key?: string | undefined
  /** What there is to say of the member: any JSON value. Default: what an entry of that key says already, else null. */
  userMeta?: unknown
}

export type OpenMemberOptions<V> = OpenEbookletOptions<V> & {
  /** What the group doesn't record: credentials (default: found as the AWS SDK finds them), region, and the like. */
  connection?: MemberConnectionOptions
}

export type OpenMemberGroupOptions = OpenRcgOptions & { connection?: MemberConnectionOptions }

export interface RefreshOptions extends LoadOptions {
  /** Which entries. Default: all. */
  keys?: Iterable<string>
  /** As in `open`, for every member, or made for each. */
  connection?: MemberConnectionOptions | ((key: string, entry: GroupEntry) => MemberConnectionOptions)
  /** How many members are asked at a time. Default 8. */
  concurrency?: number
}

const defaultConcurrency = 8
/* How many entries are fetched ahead of the reader. */
const batchKeys = 1024
/* Entries are small; anyone may publish a group. */
const maxEntryBytes = 2 ** 26

/**
 * Opens a remote connection group: a catalogue of databases, which is itself a database with a local file and a remote.
 *
 * @param remote where the group is; any connection or URL that `openEbooklet` takes
 * @param path its local file, or `:memory:`
 * @throws RemoteTypeError when there is an ordinary database; else as openEbooklet
 */
export async function openRcg(remote: RemoteConnection | string | URL, path: string, options: OpenRcgOptions = {}): Promise<RemoteConnGroup> {
  const database = await openDatabase<unknown>('RemoteConnGroup', remote, path, { ...options, valueSerializer: 'orjson', maxValueBytes: maxEntryBytes })
  return new RemoteConnGroup(database, options)
}

/**
 * A catalogue of databases: where each is, what kind it is, and its metadata when it was last looked at. It holds
 * a database of such entries; pushes and pulls are that one's. Made by `openRcg`; close it with `close()` or `await using`.
 */
export class RemoteConnGroup implements AsyncDisposable {
  readonly #database: Ebooklet
  readonly #environment: Environment
  readonly #maxIndexBytes: number | undefined
  readonly #closing = new AbortController()

  /** @internal */
  constructor(database: Ebooklet, options: OpenRcgOptions) {
    this.#database = database
    this.#environment = options.environment ?? systemEnvironment()
    this.#maxIndexBytes = options.maxIndexBytes
  }

  /** Path of the local file; undefined for `:memory:`. */
  get path(): string | undefined {
    return this.#database.path
  }
  /** 32 hexadecimal digits that every copy of this group shares. */
  get uuid(): string {
    return this.#database.uuid
  }
  get readonly(): boolean {
    return this.#database.readonly
  }
  /** True when the group itself was opened without its remote. Its members still need theirs. */
  get offline(): boolean {
    return this.#database.offline
  }
  /** How many group objects hold the entries on the remote; null for one object per entry. */
  get numGroups(): number | null {
    return this.#database.numGroups
  }
  /** µs of the remote's last commit that this session knows; undefined before the first push. */
  get remoteTimestamp(): number | undefined {
    return this.#database.remoteTimestamp
  }
  /** See `Ebooklet.guarantee`. */
  get guarantee(): Guarantee | undefined {
    return this.#database.guarantee
  }
  /** How many entries there are. */
  get size(): number {
    return this.#database.size
  }
  /** Metadata of the group itself, any JSON value; undefined when there is none. Setting it is a change to push. */
  get metadata(): unknown {
    return this.#database.metadata
  }
  set metadata(value: unknown) {
    this.#database.metadata = value
  }

  has(key: string): boolean {
    return this.#database.has(key)
  }
  keys(): IterableIterator<string> {
    return this.#database.keys()
  }
  /** Keys with the µs of their newest entry (not of the members). */
  timestamps(): Generator<[string, number]> {
    return this.#database.timestamps()
  }
  getTimestamp(key: string): number | undefined {
    return this.#database.getTimestamp(key)
  }

  /**
   * The entry of a key, frozen; undefined when there is none.
   * @throws GroupEntryError when what is stored there is no entry; IntegrityError, StoreError
   */
  async get(key: string, options: CallOptions = {}): Promise<GroupEntry | undefined> {
    const bytes = await this.#database.getBytes(key, options)
    return bytes && decodeEntry(key, bytes)
  }

  /** The entries of many keys, in their order, undefined where there is none. */
  async getMany(keys: Iterable<string>, options: CallOptions = {}): Promise<(GroupEntry | undefined)[]> {
    const asked = [...keys]
    await this.load(asked, options)
    const entries: (GroupEntry | undefined)[] = []
    for (const key of asked) entries.push(await this.get(key, options))
    return entries
  }

  /** Keys and entries. @throws GroupEntryError at an entry that is none; read the others by `keys()` and `get()` */
  async *entries(options: CallOptions = {}): AsyncGenerator<[string, GroupEntry]> {
    const keys = [...this.keys()]
    for (let at = 0; at < keys.length; at += batchKeys) {
      const batch = keys.slice(at, at + batchKeys)
      await this.load(batch, options)
      for (const key of batch) {
        const entry = await this.get(key, options)
        if (entry) yield [key, entry]
      }
    }
  }

  async *values(options: CallOptions = {}): AsyncGenerator<GroupEntry> {
    for await (const [, entry] of this.entries(options)) yield entry
  }

  [Symbol.asyncIterator](): AsyncGenerator<[string, GroupEntry]> {
    return this.entries()
  }

  /** Fetches the entries that are not local yet. */
  load(keys?: Iterable<string>, options: LoadOptions = {}): Promise<void> {
    return this.#database.load(keys, options)
  }

  /**
   * Adds a database to the group, or describes it anew, in the local file; `push` sends it. The member is looked at, so
   * it has to exist. Its place is recorded, credentials never are.
   *
   * @returns the key of the entry
   * @throws ConnectionNotRecordableError for a directory, a store of your own, or a URL with a secret;
   * RemoteNotFoundError, InvalidArgumentError, SerializationError, ReadOnlyError: nothing was changed
   */
  async add(remote: RemoteConnection | string | URL, options: AddMemberOptions = {}): Promise<string> {
    this.#checkWritable()
    const connection = toConnection(remote)
    const remoteConn = recordedConnection(connection)
    if (options.key !== undefined) checkEntryKey(options.key)
    if (options.userMeta !== undefined) stringifyJson(options.userMeta)
    const signal = this.#signal(options.signal)
    const summary = await this.#look(connection, signal)
    if (!summary) throw new RemoteNotFoundError(connection.name)
    const key = options.key ?? summary.uuid
    const previous = await this.#previous(key, signal)
    const userMeta = options.userMeta === undefined ? (previous?.userMeta ?? null) : options.userMeta
    this.#database.set(key, encodeEntry({ summary, userMeta, remoteConn }, previous))
    return key
  }

  /** Takes an entry out, locally; `push` does on the remote. The member itself is not touched. False when there was none. */
  delete(key: string): boolean {
    return this.#database.delete(key)
  }
  /** Takes every entry out at the next push; `discard()` before it takes that back. */
  clear(): void {
    this.#database.clear()
  }

  /**
   * Opens a member. Reading goes over its public URL where it has one, without credentials; else with those that are
   * given or found.
   *
   * @throws MemberNotFoundError, GroupEntryError, RemoteTypeError (for a member that is a group: see `openGroup`), and as openEbooklet
   */
  open<S extends StandardSchemaV1>(
    key: string,
    path: string,
    options: WithSchema<OpenMemberOptions<StandardSchemaV1.InferOutput<S>>, S>,
  ): Promise<Ebooklet<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>>
  open<V = unknown>(key: string, path: string, options?: OpenMemberOptions<V>): Promise<Ebooklet<V>>
  async open<V>(key: string, path: string, options: OpenMemberOptions<V> = {}): Promise<Ebooklet<V>> {
    const { connection, ...rest } = options
    return openEbooklet<V>(await this.#member(key, connection, options.signal), path, rest)
  }

  /** Like `open`, for a member that is a connection group itself. */
  async openGroup(key: string, path: string, options: OpenMemberGroupOptions = {}): Promise<RemoteConnGroup> {
    const { connection, ...rest } = options
    return openRcg(await this.#member(key, connection, options.signal), path, rest)
  }

  /** The connection that `open` uses, for calls of your own. */
  async connection(key: string, options: CallOptions & { connection?: MemberConnectionOptions } = {}): Promise<RemoteConnection> {
    return this.#member(key, options.connection, options.signal)
  }

  /**
   * Looks at the members, side by side, and brings what the group says of them up to date: kind, timestamp, metadata. What
   * differs is a change to push. One that can't be looked at stops nothing.
   */
  async refresh(options: RefreshOptions = {}): Promise<RefreshResult> {
    this.#checkWritable()
    const signal = this.#signal(options.signal)
    const keys = [...(options.keys ?? this.keys())]
    await this.load(keys, { signal })
    const meter = new ProgressMeter(this.#environment, options.onProgress)
    meter.begin('fetch', { bytes: 0, groups: keys.length })
    const { connection } = options
    const group = {
      read: (key: string) => this.get(key, { signal }),
      version: (key: string) => this.getTimestamp(key),
      write: (key: string, stored: Record<string, unknown>) => void this.#database.set(key, stored),
      look: (key: string, entry: GroupEntry) => this.#look(memberConnection(key, entry, typeof connection === 'function' ? connection(key, entry) : connection), signal),
      done: () => meter.done({ groups: 1 }),
    }
    return refreshEntries(group, keys, options.concurrency ?? defaultConcurrency, signal)
  }

  /** Runs a function on worker threads for each entry as it is stored (`GroupEntry.stored`); see `Ebooklet.map`. */
  map<NK = unknown, NV = unknown>(fn: MapFunction<string, unknown, NK, NV> | MapModule, options: MapOptions<string> = {}): AsyncGenerator<[NK, NV]> {
    return this.#database.map(fn, options)
  }

  /** Drops local copies of entries older than `before` (µs) that the remote has. Returns how many blocks the file lost. */
  prune(options: { before?: number } = {}): number {
    return this.#database.prune(options)
  }
  /** Makes all local changes durable. */
  sync(): void {
    this.#database.sync()
  }
  /** What waits for the next push. */
  changes(): Changes {
    return this.#database.changes()
  }
  /** Drops pending changes; see `Ebooklet.discard`. */
  discard(keys?: Iterable<string>): void {
    this.#database.discard(keys)
  }
  /** Sends every pending change in one commit; see `Ebooklet.push`. */
  push(options?: PushOptions & DryRun<false>): Promise<PushResult>
  push(options: PushOptions & { dryRun: true }): Promise<PushPlan>
  push(options: PushOptions & DryRun = {}): Promise<PushResult | PushPlan> {
    return this.#database.push(options)
  }
  /** Takes in the remote's newest state; see `Ebooklet.pull`. */
  pull(options: CallOptions = {}): Promise<PullResult> {
    return this.#database.pull(options)
  }
  /** Tells what others change in the group from now on, by the keys of entries; see `Ebooklet.watch`. */
  watch(options: WatchOptions = {}): RemoteWatch {
    return this.#database.watch(options)
  }

  /** Keeps pending changes in the local file and lets go of everything. May be called twice. Members stay open. */
  close(): Promise<void> {
    this.#closing.abort(new ClosedError('the connection group was closed'))
    return this.#database.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkWritable(): void {
    if (this.#closing.signal.aborted) throw new ClosedError('the connection group is closed: open it again')
    if (this.readonly) throw new ReadOnlyError("the connection group was opened with flag 'r': open it with 'w' or 'c' to change it")
  }

  async #member(key: string, given: MemberConnectionOptions | undefined, signal: AbortSignal | undefined): Promise<RemoteConnection> {
    const entry = await this.get(key, { signal })
    if (!entry) throw new MemberNotFoundError(key)
    return memberConnection(key, entry, given)
  }

  /* An entry that can't be used is replaced like none. */
  async #previous(key: string, signal: AbortSignal): Promise<GroupEntry | undefined> {
    try {
      return await this.get(key, { signal })
    } catch (error) {
      if (error instanceof GroupEntryError) return undefined
      throw error
    }
  }

  async #look(connection: RemoteConnection, signal: AbortSignal): Promise<RemoteSummary | undefined> {
    const opened = connection.open('read')
    try {
      return await readSummary({ store: opened.store, dbKey: opened.dbKey, limits: { maxIndexBytes: this.#maxIndexBytes } }, signal)
    } finally {
      await opened.close()
    }
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    const both = signal ? anySignal([signal, this.#closing.signal]) : this.#closing.signal
    setMaxListeners(0, both)
    return both
  }
}
