import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { systemEnvironment, type Environment } from '../../base/environment.js'
import { ClosedError, EbookletError, InvalidArgumentError } from '../../base/error.js'
import { checkEtag, checkGet, checkPut, checkSize, readableMetadata, resolveRange } from '../checks.js'
import { AccessDeniedError, BucketNotFoundError, PreconditionFailedError, StoreRequestError, UnsupportedKeyError, UnsupportedOperationError } from '../errors.js'
import { checkKey, checkPrefix, compareKeys } from '../keys.js'
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
  ObjectStore,
  PutOptions,
  PutResult,
  StorePlace,
} from '../object-store.js'
import { withKeyLock } from './key-lock.js'
import { keyPath } from './names.js'
import { encodeHead, etagOf, FILE_PIECE, readExactly, readHead, writeAll, type ObjectFile } from './object-file.js'
import { DirectoryPartUploads } from './part-uploads.js'
import { walkKeys } from './walk.js'

export interface DirectoryStoreOptions {
  /** The folder that plays the bucket. */
  root: string
  /** Make the folder if it is missing, instead of a BucketNotFoundError. Default false. */
  create?: boolean | undefined
  environment?: Environment | undefined
}

/** ms after which a temporary file counts as left behind by a crash. */
const STALE_TEMPORARY = 24 * 60 * 60 * 1000
/** Objects of a listing whose facts are read side by side. */
const SIDE_BY_SIDE = 16
/** How often a folder is made anew that a deleter of its last object takes away at the same time. */
const FOLDER_ATTEMPTS = 100

/**
 * A folder as object store, as on a shared disk. Each object is a file of its own (see names.ts and object-file.ts);
 * it is written beside, fsynced and renamed into place, so readers see the old one or the new one, also after a crash.
 * Conditional writes are atomic between processes and machines as far as the file system's flock reaches.
 */
export class DirectoryStore implements ObjectStore {
  readonly name: string
  readonly writable = true
  readonly parts: DirectoryPartUploads
  readonly #root: string
  readonly #temporary: string
  readonly #create: boolean
  readonly #environment: Environment
  #swept = false
  #closed = false

  constructor(options: DirectoryStoreOptions) {
    if (typeof options.root !== 'string' || options.root === '') throw new InvalidArgumentError('a directory store needs the path of a folder')
    this.#root = resolve(options.root)
    this.#temporary = join(this.#root, '.tmp')
    this.#create = options.create ?? false
    this.#environment = options.environment ?? systemEnvironment()
    this.name = this.#root
    this.parts = new DirectoryPartUploads({
      name: this.name,
      temporary: this.#temporary,
      call: (key, asked, action) => this.#call(key, asked, action),
      prepare: async (key, asked) => {
        checkPut(asked)
        this.#pathOf(key)
        await this.#checkRoot(asked)
        await this.#prepareTemporary()
      },
      check: (asked) => this.#checkOpen(asked),
      place: (key, temporary, asked) => this.#place(key, temporary, this.#pathOf(key), asked),
    })
  }

  get place(): StorePlace {
    return { realm: `directory ${this.#root}`, bucket: this.#root }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    checkGet(options)
    return this.#withObject<GetResult>(key, options, async (file, { info, bodyAt }, path) => {
      if (info.etag === options.ifNoneMatch) return { status: 'not-modified' }
      const range = resolveRange(options.range, info.size)
      if (range === undefined) return { status: 'range-not-satisfiable' }
      checkSize(this.name, key, range.end - range.start, options.maxBytes)
      const bytes = await readExactly(file, path, bodyAt + range.start, range.end - range.start, () => this.#checkOpen(options))
      return { status: 'ok', info, bytes, offset: range.start }
    })
  }

  async head(key: string, options: HeadOptions = {}): Promise<HeadResult> {
    checkEtag(options.ifNoneMatch)
    return this.#withObject<HeadResult>(key, options, (_, { info }) => Promise.resolve(info.etag === options.ifNoneMatch ? { status: 'not-modified' } : { status: 'ok', info }))
  }

  put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    return this.#call(key, options, async () => {
      const path = this.#pathOf(key)
      checkPut(options)
      await this.#checkRoot(options)
      const etag = etagOf(body)
      const bytes = encodeHead({ size: body.length, etag, metadata: readableMetadata(Object.entries(options.metadata ?? {})), contentType: options.contentType })
      const check = () => this.#checkOpen(options)
      await this.#replace(key, path, options, async (file) => {
        await writeAll(file, bytes, check)
        await writeAll(file, body, check)
      })
      return { etag, versionId: undefined }
    })
  }

  delete(targets: readonly DeleteTarget[], options: CallOptions = {}): Promise<DeleteResult> {
    return this.#call(undefined, options, async () => {
      const paths = targets.map(({ key }) => this.#pathOf(key))
      await this.#checkRoot(options)
      const failures: { target: DeleteTarget; error: Error }[] = []
      const folders = new Set<string>()
      for (const [i, target] of targets.entries()) {
        this.#checkOpen(options)
        try {
          await this.#remove(target.key, paths[i] ?? '', options)
          folders.add(dirname(paths[i] ?? ''))
        } catch (cause) {
          options.signal?.throwIfAborted()
          failures.push({ target, error: this.#failure(cause, target.key) })
        }
      }
      for (const folder of folders) await syncFolder(folder)
      return { failures }
    })
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    const keys = await this.#call(undefined, options, async () => {
      checkPrefix(this.name, prefix)
      await this.#checkRoot(options)
      return walkKeys(this.#root, prefix, () => this.#checkOpen(options))
    })
    const wanted = keys.filter((key) => options.startAfter === undefined || compareKeys(key, options.startAfter) > 0)
    for (let at = 0; at < wanted.length; at += SIDE_BY_SIDE) {
      const batch = wanted.slice(at, at + SIDE_BY_SIDE)
      const heads = await Promise.all(batch.map((key) => this.head(key, { signal: options.signal })))
      for (const [i, head] of heads.entries()) {
        this.#checkOpen(options)
        if (head.status !== 'ok') continue
        const { size, etag, lastModified } = head.info
        yield { key: batch[i] ?? '', size, etag, lastModified }
      }
    }
  }

  async *listVersions(prefix: string, options: ListOptions = {}): AsyncIterable<ListedVersion> {
    for await (const object of this.list(prefix, options)) yield { ...object, versionId: undefined, isLatest: true, isDeleteMarker: false }
  }

  async copy(sourceKey: string, targetKey: string, options: CopyOptions = {}): Promise<CopyResult> {
    checkEtag(options.ifSourceMatch)
    if (options.sourceBucket !== undefined && options.sourceBucket !== this.#root) throw new UnsupportedOperationError(`${this.name} copies only within itself`, { store: this.name, key: sourceKey })
    return this.#withObject<CopyResult>(sourceKey, options, async (source, { info, bodyAt }, path) => {
      const target = this.#pathOf(targetKey)
      if (options.ifSourceMatch !== undefined && options.ifSourceMatch !== info.etag) throw this.#conflict(sourceKey)
      await this.#replace(targetKey, target, { signal: options.signal }, async (file) => {
        const length = bodyAt + info.size
        for (let at = 0; at < length; at += FILE_PIECE) {
          this.#checkOpen(options)
          await writeAll(file, await readExactly(source, path, at, Math.min(FILE_PIECE, length - at)))
        }
      })
      return { status: 'ok', etag: info.etag }
    }, () => this.#pathOf(targetKey))
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  /** Opens the object, runs `action` on it, closes it. `missing` where there is none. */
  #withObject<T>(key: string, options: CallOptions, action: (file: FileHandle, object: ObjectFile, path: string) => Promise<T>, precheck?: () => void): Promise<T | { status: 'missing' }> {
    return this.#call(key, options, async () => {
      const path = this.#pathOf(key)
      precheck?.()
      let file: FileHandle
      try {
        file = await open(path, 'r')
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
        await this.#checkRoot(options)
        return { status: 'missing' }
      }
      try {
        return await action(file, await readHead(file, path), path)
      } finally {
        await file.close()
      }
    })
  }

  /** Writes a file beside, and puts it in the place of the object where the condition holds. */
  async #replace(key: string, path: string, options: PutOptions, write: (file: FileHandle) => Promise<void>): Promise<void> {
    const temporary = join(this.#temporary, randomUUID())
    await this.#prepareTemporary()
    try {
      const file = await open(temporary, 'wx')
      try {
        await write(file)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#place(key, temporary, path, options)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #prepareTemporary(): Promise<void> {
    await mkdir(this.#temporary, { recursive: true })
    await this.#sweep()
  }

  /** Puts a durable file in the place of the object where the condition holds. */
  #place(key: string, temporary: string, path: string, options: PutOptions): Promise<void> {
    return withKeyLock(join(this.#root, '.locks'), key, this.#environment, options.signal, async (locked) => {
      await this.#checkCondition(key, path, options, locked)
      this.#checkOpen(options)
      await this.#moveInto(key, temporary, path, options.ifNoneMatch !== undefined)
    })
  }

  async #checkCondition(key: string, path: string, options: PutOptions, locked: boolean): Promise<void> {
    if (options.ifMatch === undefined) return
    if (!locked) {
      throw new UnsupportedOperationError(`${this.name}: the file system has no locks, so a conditional write of ${key} can't be atomic`, { store: this.name, key })
    }
    if ((await this.#etagOf(path)) !== options.ifMatch) throw this.#conflict(key)
  }

  async #etagOf(path: string): Promise<string | undefined> {
    try {
      const file = await open(path, 'r')
      try {
        return (await readHead(file, path)).info.etag
      } finally {
        await file.close()
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #moveInto(key: string, temporary: string, path: string, onlyNew: boolean): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const made = await mkdir(dirname(path), { recursive: true })
        // link fails where the name exists, also without any lock.
        await (onlyNew ? link(temporary, path) : rename(temporary, path))
        await syncFolders(dirname(path), made)
        return
      } catch (error) {
        if (codeOf(error) === 'EEXIST' && onlyNew) throw this.#conflict(key)
        // A deleter of the last object took the folder away in between.
        if (codeOf(error) !== 'ENOENT' || attempt === FOLDER_ATTEMPTS) throw error
      }
    }
  }

  async #remove(key: string, path: string, options: CallOptions): Promise<void> {
    await withKeyLock(join(this.#root, '.locks'), key, this.#environment, options.signal, async () => {
      try {
        await unlink(path)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return
        throw error
      }
      let folder = dirname(path)
      for (; folder !== this.#root && folder.startsWith(this.#root); folder = dirname(folder)) {
        try {
          await rmdir(folder)
        } catch (error) {
          if (codeOf(error) !== 'ENOENT') return
        }
      }
    })
  }

  /** Once per store: removes what crashed writers left in the temporary folder. */
  async #sweep(): Promise<void> {
    if (this.#swept) return
    this.#swept = true
    const now = this.#environment.now() / 1000
    for (const name of await readdir(this.#temporary)) {
      const path = join(this.#temporary, name)
      try {
        if (now - (await stat(path)).mtimeMs > STALE_TEMPORARY) await rm(path, { force: true })
      } catch {
        // Gone meanwhile, or someone else's: it harms nothing.
      }
    }
  }

  async #checkRoot(options: CallOptions): Promise<void> {
    this.#checkOpen(options)
    const found = await stat(this.#root).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    })
    if (found?.isDirectory()) return
    if (found === undefined && this.#create) await mkdir(this.#root, { recursive: true })
    else throw new BucketNotFoundError(`the folder ${this.#root} ${found === undefined ? "doesn't exist; make it first" : 'is no folder'}`, { store: this.name })
  }

  #pathOf(key: string): string {
    checkKey(this.name, key)
    const path = join(this.#root, keyPath(key))
    // The limit of Linux; where the system has a lower one, its own error tells.
    if (path.length > 4095) throw new UnsupportedKeyError(`the path of the object would be too long: ${key.slice(0, 80)}…`, { store: this.name, key })
    return path
  }

  async #call<T>(key: string | undefined, options: CallOptions, action: () => Promise<T>): Promise<T> {
    this.#checkOpen(options)
    try {
      return await action()
    } catch (cause) {
      if (cause === options.signal?.reason && options.signal?.aborted) throw cause
      throw this.#failure(cause, key)
    }
  }

  #failure(cause: unknown, key: string | undefined): Error {
    if (cause instanceof EbookletError) return cause
    const code = codeOf(cause)
    const what = `${this.name}: ${key ?? 'the folder'}: ${cause instanceof Error ? cause.message : String(cause)}`
    const facts = { store: this.name, key, cause }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return new AccessDeniedError(what, facts)
    if (code === 'ENAMETOOLONG') return new UnsupportedKeyError(what, facts)
    return new StoreRequestError(what, { ...facts, reason: code })
  }

  #conflict(key: string): PreconditionFailedError {
    return new PreconditionFailedError(`${this.name}: ${key} is not in the state that the condition asks for`, { store: this.name, key })
  }

  #checkOpen(options: CallOptions): void {
    if (this.#closed) throw new ClosedError(`the store ${this.name} is closed`)
    options.signal?.throwIfAborted()
  }
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Makes names durable: of the folder, and of those that were made on the way to it, from `made` on. */
async function syncFolders(folder: string, made: string | undefined): Promise<void> {
  const last = made === undefined ? folder : dirname(made)
  for (let at = folder; ; at = dirname(at)) {
    await syncFolder(at)
    if (at === last || at === dirname(at)) return
  }
}

async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    // Windows can't open folders; a folder may be gone already with its last object.
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOENT'].includes(codeOf(error) ?? '')) throw error
  }
}
