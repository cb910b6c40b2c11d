import { createHash } from 'node:crypto'
import { ClosedError } from '../base/error.js'
import { systemEnvironment, type Environment } from '../base/environment.js'
import { checkEtag, checkGet, checkPut, checkSize, readableMetadata, resolveRange } from './checks.js'
import { PreconditionFailedError, UnsupportedOperationError } from './errors.js'
import { checkKey, checkPrefix, compareKeys } from './keys.js'
import { MemoryPartUploads, type MemoryUpload } from './memory-part-uploads.js'
import type {
  CallOptions,
  CopyOptions,
  CopyResult,
  DeleteResult,
  DeleteTarget,
  GetOptions,
  GetResult,
  HeadOptions,
  HeadResult,
  ListedObject,
  ListedVersion,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  PartUploads,
  PutOptions,
  PutResult,
  StorePlace,
} from './object-store.js'

interface Version {
  /** null = a delete marker */
  bytes: Uint8Array | null
  etag: string
  lastModified: number
  metadata: Readonly<Record<string, string>>
  versionId: string | undefined
}

export interface MemoryBucketOptions {
  /** Keep old versions and delete markers, as a versioned bucket. Default false. */
  versioned?: boolean | undefined
  /** `md5` (default): the MD5 of the body in hex, as most S3 stores. `opaque`: a counter, as some others. */
  etags?: 'md5' | 'opaque' | undefined
  environment?: Environment | undefined
}

let buckets = 0

/** What one or several memory stores hold: lives as long as someone refers to it. */
export class MemoryBucket {
  readonly versioned: boolean
  /** Tells this bucket from every other of the process. */
  readonly id = ++buckets
  readonly #environment: Environment
  readonly #opaque: boolean
  /** Uploads by parts that are under way, by id. */
  readonly uploads = new Map<string, MemoryUpload>()
  /** By key; the newest version last. */
  readonly #objects = new Map<string, Version[]>()
  #counter = 0

  constructor(options: MemoryBucketOptions = {}) {
    this.versioned = options.versioned ?? false
    this.#opaque = options.etags === 'opaque'
    this.#environment = options.environment ?? systemEnvironment()
  }

  /** ms since the Unix epoch */
  now(): number {
    return Math.floor(this.#environment.now() / 1000)
  }

  latest(key: string): Version | undefined {
    const version = this.#objects.get(key)?.at(-1)
    return version?.bytes === null ? undefined : version
  }

  write(key: string, bytes: Uint8Array | null, metadata: Readonly<Record<string, string>>, madeOf?: string): Version {
    this.#counter++
    const etag = bytes === null ? '' : this.#opaque ? `e${this.#counter}${madeOf?.slice(madeOf.indexOf('-')) ?? ''}` : (madeOf ?? createHash('md5').update(bytes).digest('hex'))
    const version: Version = {
      bytes,
      etag,
      lastModified: this.now(),
      metadata,
      versionId: this.versioned ? `v${this.#counter}` : undefined,
    }
    const old = this.#objects.get(key)
    if (this.versioned && old !== undefined) old.push(version)
    else this.#objects.set(key, [version])
    return version
  }

  remove(target: DeleteTarget): void {
    if (target.versionId !== undefined && this.versioned) {
      const kept = (this.#objects.get(target.key) ?? []).filter((version) => version.versionId !== target.versionId)
      if (kept.length === 0) this.#objects.delete(target.key)
      else this.#objects.set(target.key, kept)
    } else if (this.versioned) this.write(target.key, null, {})
    else this.#objects.delete(target.key)
  }

  /** Every key with its versions, in listing order: a snapshot of this moment. */
  snapshot(prefix: string, startAfter: string | undefined): [string, Version[]][] {
    return [...this.#objects]
      .filter(([key]) => key.startsWith(prefix) && (startAfter === undefined || compareKeys(key, startAfter) > 0))
      .map(([key, versions]): [string, Version[]] => [key, [...versions]])
      .sort(([a], [b]) => compareKeys(a, b))
  }
}

export interface MemoryStoreOptions extends MemoryBucketOptions {
  /** Share the contents of other memory stores. Default: a bucket of its own, made from the other options. */
  bucket?: MemoryBucket | undefined
  /** Default `memory`. */
  name?: string | undefined
}

/** An object store in memory: for tests, and for databases that needn't outlive the process. */
export class MemoryStore implements ObjectStore {
  readonly name: string
  readonly writable = true
  readonly parts: PartUploads
  readonly bucket: MemoryBucket
  #closed = false

  constructor(options: MemoryStoreOptions = {}) {
    this.name = options.name ?? 'memory'
    this.bucket = options.bucket ?? new MemoryBucket(options)
    const { bucket, name } = this
    this.parts = new MemoryPartUploads({
      name,
      uploads: bucket.uploads,
      now: () => bucket.now(),
      call: (call, action) => this.#call(call, action),
      check: (key, call) => {
        checkKey(name, key)
        checkPut(call)
      },
      place: (key, bytes, etag, call) => this.#place(key, bytes, call, etag),
    })
  }

  get place(): StorePlace {
    return { realm: `memory ${this.bucket.id}`, bucket: String(this.bucket.id) }
  }

  get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#call(options, (): GetResult => {
      checkKey(this.name, key)
      checkGet(options)
      const version = this.bucket.latest(key)
      if (!version?.bytes) return { status: 'missing' }
      if (options.ifNoneMatch === version.etag) return { status: 'not-modified' }
      const range = resolveRange(options.range, version.bytes.length)
      if (range === undefined) return { status: 'range-not-satisfiable' }
      checkSize(this.name, key, range.end - range.start, options.maxBytes)
      return { status: 'ok', info: infoOf(version), bytes: version.bytes.slice(range.start, range.end), offset: range.start }
    })
  }

  head(key: string, options: HeadOptions = {}): Promise<HeadResult> {
    return this.#call(options, (): HeadResult => {
      checkKey(this.name, key)
      checkGet(options)
      const version = this.bucket.latest(key)
      if (version === undefined) return { status: 'missing' }
      if (options.ifNoneMatch === version.etag) return { status: 'not-modified' }
      return { status: 'ok', info: infoOf(version) }
    })
  }

  put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    return this.#call(options, () => {
      checkKey(this.name, key)
      checkPut(options)
      return this.#place(key, body.slice(), options)
    })
  }

  delete(targets: readonly DeleteTarget[], options: CallOptions = {}): Promise<DeleteResult> {
    return this.#call(options, () => {
      for (const { key } of targets) checkKey(this.name, key)
      for (const target of targets) this.bucket.remove(target)
      return { failures: [] }
    })
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    for (const [key, versions] of await this.#snapshot(prefix, options)) {
      const version = versions.at(-1)
      if (version?.bytes) yield listed(key, version)
      await this.#call(options, () => undefined)
    }
  }

  async *listVersions(prefix: string, options: ListOptions = {}): AsyncIterable<ListedVersion> {
    for (const [key, versions] of await this.#snapshot(prefix, options)) {
      const newest = versions.at(-1)
      for (const version of versions.reverse()) {
        yield {
          ...listed(key, version),
          versionId: version.versionId,
          isLatest: version === newest,
          isDeleteMarker: version.bytes === null,
        }
        await this.#call(options, () => undefined)
      }
    }
  }

  copy(sourceKey: string, targetKey: string, options: CopyOptions = {}): Promise<CopyResult> {
    return this.#call(options, (): CopyResult => {
      checkKey(this.name, sourceKey)
      checkKey(this.name, targetKey)
      checkEtag(options.ifSourceMatch)
      if (options.sourceBucket !== undefined && options.sourceBucket !== this.place.bucket) throw new UnsupportedOperationError(`${this.name} copies only within itself`, { store: this.name, key: sourceKey })
      const source = this.bucket.latest(sourceKey)
      if (!source?.bytes) return { status: 'missing' }
      if (options.ifSourceMatch !== undefined && options.ifSourceMatch !== source.etag) throw this.#conflict(sourceKey)
      return { status: 'ok', etag: this.bucket.write(targetKey, source.bytes, source.metadata).etag }
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #place(key: string, bytes: Uint8Array, options: PutOptions, madeOf?: string): PutResult {
    this.#checkCondition(key, options)
    const metadata = readableMetadata(Object.entries(options.metadata ?? {}))
    const { etag, versionId } = this.bucket.write(key, bytes, metadata, madeOf)
    return { etag, versionId }
  }

  #snapshot(prefix: string, options: ListOptions) {
    return this.#call(options, () => {
      checkPrefix(this.name, prefix)
      return this.bucket.snapshot(prefix, options.startAfter)
    })
  }

  #checkCondition(key: string, options: PutOptions): void {
    const old = this.bucket.latest(key)
    if (options.ifNoneMatch !== undefined && old !== undefined) throw this.#conflict(key)
    if (options.ifMatch !== undefined && old?.etag !== options.ifMatch) throw this.#conflict(key)
  }

  #conflict(key: string): PreconditionFailedError {
    return new PreconditionFailedError(`${this.name}: ${key} is not in the state that the condition asks for`, { store: this.name, key })
  }

  /* The action runs in one turn, so it is atomic; the turn before it lets others in, as a real store would. */
  async #call<T>(options: CallOptions, action: () => T): Promise<T> {
    this.#checkOpen(options)
    await Promise.resolve()
    this.#checkOpen(options)
    return action()
  }

  #checkOpen(options: CallOptions): void {
    if (this.#closed) throw new ClosedError(`the store ${this.name} is closed`)
    options.signal?.throwIfAborted()
  }
}

function infoOf(version: Version): ObjectInfo {
  const { etag, lastModified, metadata, versionId } = version
  return { size: version.bytes?.length ?? 0, etag, lastModified, metadata, versionId }
}

function listed(key: string, version: Version): ListedObject {
  return { key, size: version.bytes?.length ?? 0, etag: version.etag, lastModified: version.lastModified }
}
