/** Remotes of every kind, for suites that have to hold on all of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { DirectoryStore, MemoryStore, S3Store, type ObjectStore } from '../../src/store/index.js'
import { fsckRemote, openEbooklet, StoreConnection, type Ebooklet, type OpenEbookletOptions } from '../../src/index.js'
import { startS3Server } from '../../dev/s3-server/index.js'
import { newCephBucket } from '../support/real-servers.js'
import { RecordingStore } from './recording-store.js'

export interface RemoteKind {
  name: string
  /** ms for the lock to see its rivals; the true value where listings are those of a real server. */
  settle: number
  make(): Promise<{ store: ObjectStore; dispose: () => Promise<void> }>
}

export const memoryKind: RemoteKind = {
  name: 'memory',
  settle: 5,
  make: async () => ({ store: new MemoryStore(), dispose: async () => undefined }),
}

export const directoryKind: RemoteKind = {
  name: 'directory',
  settle: 20,
  async make() {
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-remote-'))
    return { store: new DirectoryStore({ root: folder }), dispose: () => rm(folder, { recursive: true, force: true }) }
  },
}

function embedded(versioned: boolean): RemoteKind {
  return {
    name: versioned ? 'embedded S3 server, versioned bucket' : 'embedded S3 server',
    settle: 50,
    async make() {
      const server = await startS3Server({ buckets: [{ name: 'bucket', versioned }] })
      const { endpoint, accessKeyId, secretAccessKey } = server
      const store = new S3Store({ endpoint, bucket: 'bucket', credentials: { accessKeyId, secretAccessKey } })
      return { store, dispose: () => server.close() }
    },
  }
}

export const embeddedKind = embedded(false)
export const versionedKind = embedded(true)

export const cephKind: RemoteKind = {
  name: "Ceph's object gateway",
  settle: 100,
  async make() {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = await newCephBucket()
    const store = new S3Store({ endpoint, bucket, credentials: { accessKeyId, secretAccessKey } })
    return { store, dispose: async () => undefined }
  },
}

/** One remote with a folder for local files, and sessions that are closed at the end whatever happens. */
export class Bench implements AsyncDisposable {
  readonly store: RecordingStore
  readonly settle: number
  readonly #dispose: () => Promise<void>
  readonly #folder: string
  readonly #sessions: Ebooklet<never>[] = []
  warnings: string[] = []
  /** Databases in which fsck finds nothing when all sessions are closed. */
  wholeAtTheEnd: string[] = []
  #files = 0

  private constructor(store: RecordingStore, settle: number, folder: string, dispose: () => Promise<void>) {
    this.store = store
    this.settle = settle
    this.#folder = folder
    this.#dispose = dispose
  }

  static async on(kind: RemoteKind): Promise<Bench> {
    const { store, dispose } = await kind.make()
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-local-'))
    return new Bench(new RecordingStore(store), kind.settle, folder, dispose)
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  freshPath(): string {
    return this.path(`file${this.#files++}.blt`)
  }

  async open<V = unknown>(path: string, options: OpenEbookletOptions<V> = {}, dbKey = 'db.blt'): Promise<Ebooklet<V>> {
    const lockTiming = { settle: this.settle, poll: this.settle }
    const db = await openEbooklet<V>(new StoreConnection(this.store, dbKey), path, {
      lockTiming,
      onWarning: (message) => this.warnings.push(message),
      ...options,
    })
    this.#sessions.push(db as unknown as Ebooklet<never>)
    return db
  }

  /** What a reader with nothing local sees. */
  async contents(dbKey = 'db.blt'): Promise<Record<string, unknown>> {
    await using db = await this.open(':memory:', {}, dbKey)
    const found: [string, unknown][] = []
    for await (const entry of db) found.push(entry)
    return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** Keys of every object, sorted. */
  async objects(prefix = ''): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.store.list(prefix)) keys.push(key)
    return keys
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.hooks = {}
    for (const session of this.#sessions) await session.close().catch(() => undefined)
    try {
      for (const dbKey of this.wholeAtTheEnd) await this.#expectWhole(dbKey)
    } finally {
      await this.#letGo()
    }
  }

  async #expectWhole(dbKey: string): Promise<void> {
    const { findings } = await fsckRemote(new StoreConnection(this.store, dbKey), { deep: true })
    expect(findings.filter(({ kind }) => kind !== 'nested-database')).toEqual([])
  }

  async #letGo(): Promise<void> {
    await this.store.close()
    await rm(this.#folder, { recursive: true, force: true })
    await this.#dispose()
  }
}
