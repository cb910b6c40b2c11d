import { existsSync } from 'node:fs'
import type { Environment } from '../base/environment.js'
import type { DatabaseType } from '../format/db-metadata.js'
import { FileLockedError, openBooklet, WrongFileTypeError, type Booklet, type BookletOptions } from '../booklet/index.js'
import { DEFAULT_BUFFER, DEFAULT_CACHE } from '../booklet/options.js'
import { resolveSerializer, serializerByCode, type NamedSerializer } from '../serializers/index.js'
import { ConflictingOptionError } from '../sync/errors.js'
import { PendingChanges } from '../sync/pending.js'
import { takeIn } from '../sync/pull.js'
import type { RemoteSnapshot } from '../sync/remote.js'
import { RemoteIndex } from '../sync/remote-index.js'
import type { LocalFile } from '../sync/local-file.js'
import { uploadRecordInMemory, type UploadRecordFile } from '../sync/resume/upload-record.js'
import { noRemoteYet, SyncState, type IndexFile } from '../sync/state.js'
import { ValueCodec } from '../values/index.js'
import { initBytesOf } from './init-bytes.js'
import { indexFileBeside, indexFileInMemory } from './index-file.js'
import type { OpenEbookletOptions } from './options.js'
import { Patience } from './patience.js'
import { holdsNothing } from './unborn-file.js'
import { uploadRecordBeside } from './upload-record-file.js'
import type { Rollback } from './rollback.js'
import { openShared } from './shared/open-shared.js'
import { markUnknown, overlaysBeside, settleInto, type SharedFile } from './shared/settle.js'

type LocalOptions = BookletOptions<string, unknown>

/** Opens and makes the local file of a session. */
export class LocalOpener<V> {
  readonly #path: string
  readonly #options: OpenEbookletOptions<V>
  readonly #environment: Environment
  readonly #lockTimeout: number
  readonly #rollback: Rollback
  readonly #indexFile: IndexFile
  readonly #uploadRecord: UploadRecordFile
  readonly #asked: NamedSerializer<V> | undefined
  readonly #type: DatabaseType

  constructor(type: DatabaseType, path: string, options: OpenEbookletOptions<V>, environment: Environment, lockTimeout: number, rollback: Rollback) {
    this.#type = type
    this.#path = path
    this.#options = options
    this.#environment = environment
    this.#lockTimeout = lockTimeout
    this.#rollback = rollback
    this.#indexFile = this.#inMemory ? indexFileInMemory() : indexFileBeside(path)
    this.#uploadRecord = this.#inMemory ? uploadRecordInMemory() : uploadRecordBeside(path)
    // A name that doesn't exist is refused before anything is opened.
    this.#asked = options.valueSerializer === undefined ? undefined : resolveSerializer<V>(options.valueSerializer)
  }

  get #inMemory(): boolean {
    return this.#path === ':memory:'
  }

  /** The state of the file that is there; undefined when there is none, or only what somebody left who was stopped while making it. */
  async openExisting(): Promise<SyncState | undefined> {
    if (this.#inMemory || !existsSync(this.#path)) return undefined
    return this.#isReader ? this.#openShared(this.#patience()) : this.#openAlone()
  }

  async #openAlone(): Promise<SyncState | undefined> {
    let file: Booklet<string, unknown>
    try {
      file = await this.#openFile({ flag: 'w' })
    } catch (error) {
      if (error instanceof WrongFileTypeError && holdsNothing(this.#path)) return undefined
      throw error
    }
    // It is taken for clean from now on: unless it was searched for what its journal lost.
    if (!file.openedClean) this.#rollback.add(() => (file.close(), markUnknown(this.#path)))
    if (overlaysBeside(this.#path).length > 0) settleInto(this.#shared, file)
    return this.#loaded(file, this.#indexFile)
  }

  /* A reader keeps what it fetches, but not in the file that it shares. */
  async #openShared(patience: Patience): Promise<SyncState | undefined> {
    const file = await openShared(this.#shared, (flag) => this.#openNow({ flag }), patience)
    if (!file) return undefined
    this.#rollback.add(() => file.close())
    return this.#loaded(file, file.indexFile)
  }

  #loaded(file: LocalFile, indexFile: IndexFile): SyncState {
    const state = SyncState.load(file, indexFile, this.#type, this.#uploadRecord)
    this.#checkSerializer(file.valueSerializerCode)
    return state
  }

  get #isReader(): boolean {
    return (this.#options.flag ?? 'r') === 'r'
  }

  get #shared(): SharedFile {
    const { bufferSize = DEFAULT_BUFFER, cacheBytes = DEFAULT_CACHE } = this.#options
    return { path: this.#path, type: this.#type, environment: this.#environment, bufferSize, cacheBytes }
  }

  /** A new file: a copy of the remote's database, or a database of its own. A file that appeared meanwhile is not touched. */
  async create(snapshot: RemoteSnapshot | undefined): Promise<SyncState> {
    if (snapshot) this.#checkSerializer(snapshot.header.valueSerializer)
    if (snapshot && this.#isReader && !this.#inMemory) return this.#createShared(snapshot)
    return this.#newState(await this.#openFile({ flag: 'c', ...this.#shape(snapshot) }))
  }

  async #createShared(snapshot: RemoteSnapshot): Promise<SyncState> {
    for (const patience = this.#patience(); ; ) {
      const locked = this.#tryToCreate(snapshot)
      const state = await this.#openShared(patience)
      if (state) return state
      if (locked) await patience.wait(locked)
    }
  }

  /* Where another reader is making the file, or has made it, that one is as good. */
  #tryToCreate(snapshot: RemoteSnapshot): FileLockedError | undefined {
    try {
      const file = this.#openNow({ flag: 'c', ...this.#shape(snapshot) })
      if (file.size === 0 && !file.reserved.get(2)) takeIn(this.#newState(file), snapshot)
      file.close()
    } catch (error) {
      if (error instanceof FileLockedError) return error
      throw error
    }
    return undefined
  }

  /**
   * A new file in the place of whatever is there (flag `n`). It keeps the remote's uuid where local copies stay
   * readable, Python's too: those of a grouped database would go on in groups when the remote has none any more.
   */
  async createAnew(snapshot: RemoteSnapshot | undefined): Promise<SyncState> {
    const sameValues = snapshot && (!this.#asked || this.#asked.code === snapshot.header.valueSerializer)
    const leavesGroups = this.#options.numGroups === null && snapshot?.metadata.numGroups !== undefined
    const file = await this.#openFile({ flag: 'n', ...this.#shape(sameValues && !leavesGroups ? snapshot : undefined, snapshot) })
    this.#indexFile.remove()
    return this.#newState(file)
  }

  valuesOf(state: SyncState): ValueCodec<V> {
    const serializer = this.#asked ?? (serializerByCode(state.local.valueSerializerCode) as NamedSerializer<V>)
    return new ValueCodec(serializer, this.#options)
  }

  warn(message: string): void {
    if (this.#options.onWarning) this.#options.onWarning(message)
    else process.emitWarning(message, 'EbookletWarning')
  }

  #newState(local: LocalFile): SyncState {
    return new SyncState({ type: this.#type, local, indexFile: this.#indexFile, uploadRecord: this.#uploadRecord, pending: new PendingChanges(), index: RemoteIndex.empty(), remote: noRemoteYet() })
  }

  /** @param previous what the new file replaces without being its copy */
  #shape(snapshot: RemoteSnapshot | undefined, previous?: RemoteSnapshot): LocalOptions {
    if (snapshot) return { initBytes: initBytesOf(snapshot) }
    const { buckets } = this.#options
    const valueSerializer = this.#asked ?? (previous ? serializerByCode(previous.header.valueSerializer) : resolveSerializer<unknown>('json'))
    return { valueSerializer, ...(buckets === undefined ? {} : { buckets }) }
  }

  #checkSerializer(found: number): void {
    const asked = this.#asked
    // One's own serializer may stand in for any: it gets the bytes as they are.
    if (!asked || asked.code === 0) return
    const same = asked.code === found || (isRawBytes(asked.code) && isRawBytes(found))
    if (!same) {
      throw new ConflictingOptionError('valueSerializer', asked.name, serializerByCode(found).name)
    }
  }

  async #openFile(options: LocalOptions): Promise<Booklet<string, unknown>> {
    for (const patience = this.#patience(); ; ) {
      try {
        return this.#openNow(options)
      } catch (error) {
        if (!(error instanceof FileLockedError)) throw error
        await patience.wait(error)
      }
    }
  }

  #patience(): Patience {
    return new Patience(this.#environment, this.#lockTimeout, this.#options.signal)
  }

  #openNow(options: LocalOptions): Booklet<string, unknown> {
    const { bufferSize = DEFAULT_BUFFER, cacheBytes = DEFAULT_CACHE } = this.#options
    const all: LocalOptions = { ...options, keySerializer: 'str', lockTimeout: 0, environment: this.#environment, bufferSize, cacheBytes }
    const file = openBooklet<string, unknown>(this.#inMemory ? null : this.#path, all)
    if (!file.hasTimestamps) {
      file.close()
      throw new ConflictingOptionError('the local file', 'without timestamps', 'a timestamp for each value')
    }
    this.#rollback.add(() => file.close())
    return file
  }
}

/** `None` and `bytes` are two codes for the same thing. */
function isRawBytes(code: number): boolean {
  return code === 1 || code === 32
}
