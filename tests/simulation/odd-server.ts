import type {
  CallOptions, CopyOptions, CopyResult, DeleteResult, DeleteTarget, GetOptions, GetResult, HeadOptions, HeadResult,
  ListedObject, ListedVersion, ListOptions, ObjectStore, PartUploads, PutOptions, PutResult,
} from '../../src/store/object-store.js'
import { PreconditionFailedError } from '../../src/store/errors.js'
import { passedOn } from './parts.js'
import { compareKeys } from '../../src/store/keys.js'

export interface OddServerOptions {
  /** 0 ≤ n < 1, from a seed. */
  random: () => number
  /** µs of the server's clock. */
  now: () => number
  sleep: (ms: number) => Promise<void>
  /**
   * `honoured`: as the store below does it. `ignored`: accepted and not looked at. `racy`: looked at, and written
   * some ms later, whatever happened meanwhile. Default `honoured`.
   */
  conditions?: 'honoured' | 'ignored' | 'racy'
  /** ms by which dates in listings and answers are cut off. Default 1. */
  granularity?: number
  /** ms for which a listing may not show a change, each change by chance. Default 0. Not for versioned stores. */
  staleness?: number
  /** ms for which a listing may show what was deleted. Default: as `staleness`. */
  staleDeletes?: number
}

interface Change {
  /** µs until which it may be hidden. */
  until: number
  key: string
  before: ListedVersion | undefined
}

/** A server that is weaker than it should be. See `FaultStore` for the other half. */
export class OddServer implements ObjectStore {
  readonly name: string
  readonly writable: boolean
  readonly parts: PartUploads | undefined
  readonly #inner: ObjectStore
  readonly #options: OddServerOptions
  #changes: Change[] = []

  constructor(inner: ObjectStore, options: OddServerOptions) {
    this.#inner = inner
    this.#options = options
    this.name = inner.name
    this.writable = inner.writable
    this.parts = inner.parts && this.#oddParts(inner.parts)
  }

  async get(key: string, options?: GetOptions): Promise<GetResult> {
    const result = await this.#inner.get(key, options)
    return result.status === 'ok' ? { ...result, info: this.#dated(result.info) } : result
  }

  async head(key: string, options?: HeadOptions): Promise<HeadResult> {
    const result = await this.#inner.head(key, options)
    return result.status === 'ok' ? { ...result, info: this.#dated(result.info) } : result
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    const { conditions = 'honoured' } = this.#options
    if (conditions === 'racy') await this.#look(key, options)
    await this.#remember(key, 'staleness')
    if (conditions === 'honoured') return this.#inner.put(key, body, options)
    const { ifMatch: _match, ifNoneMatch: _none, etagForm: _form, ...rest } = options
    return this.#inner.put(key, body, rest)
  }

  async delete(targets: readonly DeleteTarget[], options?: CallOptions): Promise<DeleteResult> {
    for (const { key } of targets) await this.#remember(key, 'staleDeletes')
    return this.#inner.delete(targets, options)
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    const found: ListedVersion[] = []
    for await (const object of this.#inner.list(prefix, options)) found.push({ ...object, versionId: undefined, isLatest: true, isDeleteMarker: false })
    for (const { key, size, etag, lastModified } of this.#stale(prefix, options, found)) yield { key, size, etag, lastModified }
  }

  async *listVersions(prefix: string, options?: ListOptions): AsyncIterable<ListedVersion> {
    const found: ListedVersion[] = []
    for await (const object of this.#inner.listVersions(prefix, options)) found.push(object)
    yield* this.#stale(prefix, options, found)
  }

  async copy(sourceKey: string, targetKey: string, options?: CopyOptions): Promise<CopyResult> {
    await this.#remember(targetKey, 'staleness')
    return this.#inner.copy(sourceKey, targetKey, options)
  }

  #oddParts(parts: PartUploads): PartUploads {
    return {
      ...passedOn(parts),
      complete: async (upload, all, options) => {
        await this.#remember(upload.key, 'staleness')
        return parts.complete(upload, all, options)
      },
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  /* Looks at the condition, and gives others time to look too. */
  async #look(key: string, options: PutOptions): Promise<void> {
    if (options.ifMatch === undefined && options.ifNoneMatch === undefined) return
    const head = await this.#inner.head(key)
    const holds = options.ifNoneMatch ? head.status === 'missing' : head.status === 'ok' && head.info.etag === options.ifMatch
    if (!holds) throw new PreconditionFailedError(`${this.name}: ${key} is not in the state that the condition asks for`, { store: this.name, key })
    await this.#options.sleep(100)
  }

  /* What a listing that doesn't know of a change yet will show. */
  async #remember(key: string, kind: 'staleness' | 'staleDeletes'): Promise<void> {
    const { staleness = 0, staleDeletes = staleness, now } = this.#options
    const span = kind === 'staleness' ? staleness : staleDeletes
    if (span === 0) return
    const head = await this.#inner.head(key)
    const info = head.status === 'ok' ? head.info : undefined
    const before = info && { key, size: info.size, etag: info.etag, lastModified: info.lastModified, versionId: undefined, isLatest: true, isDeleteMarker: false }
    this.#changes = this.#changes.filter((change) => change.until >= now())
    this.#changes.push({ until: now() + span * 1000, key, before })
  }

  #stale(prefix: string, options: ListOptions | undefined, found: readonly ListedVersion[]): ListedVersion[] {
    const { now, random } = this.#options
    if (this.#changes.length === 0) return found.map((object) => this.#dated(object))
    const view = new Map(found.map((object) => [object.key, object]))
    const hidden = new Map<string, boolean>()
    // Newest first: what shows is the state before the oldest change that is still hidden. Who knows a change knows those before it.
    for (const change of this.#changes.toReversed()) {
      if (!change.key.startsWith(prefix) || change.until < now()) continue
      if (options?.startAfter !== undefined && compareKeys(change.key, options.startAfter) <= 0) continue
      if (hidden.get(change.key) !== false) hidden.set(change.key, random() < 0.5)
      if (!hidden.get(change.key)) continue
      if (change.before) view.set(change.key, change.before)
      else view.delete(change.key)
    }
    return [...view.values()].sort((a, b) => compareKeys(a.key, b.key)).map((object) => this.#dated(object))
  }

  #dated<T extends { lastModified: number | undefined }>(object: T): T {
    const { granularity = 1 } = this.#options
    const { lastModified } = object
    return lastModified === undefined ? object : { ...object, lastModified: Math.floor(lastModified / granularity) * granularity }
  }
}
