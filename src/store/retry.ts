import { createHash } from 'node:crypto'
import { systemEnvironment, type Environment } from '../base/environment.js'
import { ClosedError, InvalidArgumentError } from '../base/error.js'
import { equalBytes } from '../base/bytes.js'
import { checkPut, readableMetadata } from './checks.js'
import { IncompleteResponseError, PreconditionFailedError, StoreRequestError, StoreUnreachableError } from './errors.js'
import { compareKeys } from './keys.js'
import { partsEtag } from './part-etag.js'
import type {
  CallOptions,
  CompleteUploadOptions,
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
  PartUpload,
  PartUploads,
  PutOptions,
  PutResult,
  StorePlace,
  UploadedPart,
} from './object-store.js'

export interface RetryOptions {
  /** How often a request is made at most. Default 5. */
  attempts?: number | undefined
  /** ms before the second attempt; doubled for each further one, then scattered between a half and the whole. Default 200. */
  baseDelay?: number | undefined
  /** The longest pause, in ms. A `Retry-After` of the server may ask for up to a minute. Default 10,000. */
  maxDelay?: number | undefined
  environment?: Environment | undefined
}

const RETRY_STATUS: ReadonlySet<number | undefined> = new Set([408, 425, 429, 500, 502, 503, 504])
const RETRY_REASON: ReadonlySet<string | undefined> = new Set([
  'InternalError', 'OperationAborted', 'RequestTimeout', 'ServiceUnavailable', 'SlowDown', 'Throttling', 'ThrottlingException', 'TooManyRequests',
])
const LONGEST_RETRY_AFTER = 60_000

/** Whether another try may help: the network failed, the server was busy or broke, or an answer came incomplete. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof StoreUnreachableError || error instanceof IncompleteResponseError) return true
  return error instanceof StoreRequestError && (RETRY_STATUS.has(error.status) || RETRY_REASON.has(error.reason))
}

/**
 * Makes a store patient: what fails in a way that may pass is tried again after a growing, scattered pause.
 *
 * A conditional PUT is not repeated blindly, for the repetition of one that did arrive would fail on itself. After
 * a failure that leaves it open, the object is read back: with the bytes and metadata of this PUT it was a success;
 * in the state before it is tried again; in any other state it is a conflict. (If someone has replaced what this PUT
 * wrote before it could be read back, that is reported as a conflict too.)
 */
export function withRetry(store: ObjectStore, options: RetryOptions = {}): ObjectStore {
  const { attempts = 5 } = options
  if (!Number.isSafeInteger(attempts) || attempts < 1) throw new InvalidArgumentError(`attempts must be a whole number from 1 on, not ${attempts}`)
  return new RetryingStore(store, options)
}

class RetryingStore implements ObjectStore {
  readonly name: string
  readonly writable: boolean
  readonly #inner: ObjectStore
  readonly parts: PartUploads | undefined
  readonly #pauses: Pauses

  constructor(inner: ObjectStore, options: RetryOptions) {
    this.#inner = inner
    this.name = inner.name
    this.writable = inner.writable
    this.#pauses = new Pauses(inner.name, options)
    this.parts = inner.parts && this.#patientParts(inner.parts)
  }

  get place(): StorePlace | undefined {
    return this.#inner.place
  }

  get(key: string, options?: GetOptions): Promise<GetResult> {
    return this.#pauses.retry(options, () => this.#inner.get(key, options))
  }

  head(key: string, options?: HeadOptions): Promise<HeadResult> {
    return this.#pauses.retry(options, () => this.#inner.head(key, options))
  }

  put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    if (options.ifMatch === undefined && options.ifNoneMatch === undefined) return this.#pauses.retry(options, () => this.#inner.put(key, body, options))
    return this.#conditionalPut(key, body, options)
  }

  async delete(targets: readonly DeleteTarget[], options?: CallOptions): Promise<DeleteResult> {
    let left = targets
    const final: DeleteResult['failures'][number][] = []
    const result = await this.#pauses.retry(options, async (last) => {
      const { failures } = await this.#inner.delete(left, options)
      const passing = failures.filter((failure) => isRetryable(failure.error))
      final.push(...failures.filter((failure) => !passing.includes(failure)))
      const [first] = passing
      if (first === undefined || last) return passing
      left = passing.map((failure) => failure.target)
      throw first.error
    })
    return { failures: [...final, ...result] }
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    return this.#listing(options, (startAfter) => this.#inner.list(prefix, { ...options, startAfter }), () => undefined)
  }

  listVersions(prefix: string, options?: ListOptions): AsyncIterable<ListedVersion> {
    return this.#listing(options, (startAfter) => this.#inner.listVersions(prefix, { ...options, startAfter }), (version) => version.versionId)
  }

  copy(sourceKey: string, targetKey: string, options?: CopyOptions): Promise<CopyResult> {
    return this.#pauses.retry(options, () => this.#inner.copy(sourceKey, targetKey, options))
  }

  async close(): Promise<void> {
    this.#pauses.close()
    await this.#inner.close()
  }

  async #conditionalPut(key: string, body: Uint8Array, options: PutOptions): Promise<PutResult> {
    // Before the first try: what comes of a failure would hide that the call made no sense.
    checkPut(options)
    let doubt: unknown
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inner.put(key, body, options)
      } catch (error) {
        const conflict = error instanceof PreconditionFailedError
        if (conflict ? doubt === undefined : !isRetryable(error)) throw error
        if (!conflict) {
          doubt = error
          const last = attempt >= this.#pauses.attempts
          if (!last) await this.#pauses.pause(attempt, error, options.signal)
        }
        const outcome = await this.#readBack(key, body, options)
        if (typeof outcome === 'object') return outcome
        if (conflict) throw error
        if (outcome === 'foreign') {
          throw new PreconditionFailedError(`${this.name}: PUT ${key}: another writer was there first`, { store: this.name, key, cause: error })
        }
        if (attempt >= this.#pauses.attempts) throw error
      }
    }
  }

  /** What became of a conditional PUT: its result, the state before, or someone else's. */
  async #readBack(key: string, body: Uint8Array, options: PutOptions): Promise<PutResult | 'unchanged' | 'foreign'> {
    const { signal } = options
    const head = await this.head(key, { signal })
    if (head.status !== 'ok') return options.ifNoneMatch === undefined ? 'foreign' : 'unchanged'
    const { info } = head
    const state = info.etag === options.ifMatch ? 'unchanged' : 'foreign'
    if (info.size !== body.length) return state
    const metadata = readableMetadata(Object.entries(options.metadata ?? {}))
    if (Object.entries(metadata).some(([name, value]) => info.metadata[name] !== value)) return state
    const own = { etag: info.etag, versionId: info.versionId }
    // On most stores the ETag is the MD5 of the body; where it isn't, the body itself decides.
    if (info.etag === createHash('md5').update(body).digest('hex')) return own
    const got = await this.get(key, { signal, maxBytes: body.length })
    return got.status === 'ok' && got.info.etag === info.etag && equalBytes(got.bytes, body) ? own : state
  }

  #patientParts(parts: PartUploads): PartUploads {
    const pauses = this.#pauses
    return {
      minPartSize: parts.minPartSize,
      maxParts: parts.maxParts,
      // One whose answer is lost stays behind without parts, until listings of uploads find it.
      begin: (key, layout, options) => pauses.retry(options, () => parts.begin(key, layout, options)),
      put: (upload, part, bytes, options) => pauses.retry(options, () => parts.put(upload, part, bytes, options)),
      complete: (upload, all, options) => this.#complete(parts, upload, all, options),
      abort: (upload, options) => pauses.retry(options, () => parts.abort(upload, options)),
      // Short, and begun anew as a whole where it breaks off.
      list: (prefix, options) => anew(pauses, options, () => parts.list(prefix, options), ({ id, key }) => `${id} ${key}`),
      listParts: (upload, options) => anew(pauses, options, () => parts.listParts(upload, options), ({ number }) => String(number)),
    }
  }

  /* Not repeated blindly either: after the first try the upload may be gone because it succeeded. */
  async #complete(uploads: PartUploads, upload: PartUpload, parts: readonly UploadedPart[], options: CompleteUploadOptions = {}): Promise<PutResult> {
    let doubt: unknown
    for (let attempt = 1; ; attempt++) {
      try {
        return await uploads.complete(upload, parts, options)
      } catch (error) {
        const passing = isRetryable(error)
        if (!passing && doubt === undefined) throw error
        doubt = error
        if (passing && attempt < this.#pauses.attempts) await this.#pauses.pause(attempt, error, options.signal)
        const head = await this.head(upload.key, { signal: options.signal })
        if (head.status === 'ok' && head.info.size === upload.layout.size && head.info.etag === partsEtag(parts)) {
          return { etag: head.info.etag, versionId: head.info.versionId }
        }
        if (!passing || attempt >= this.#pauses.attempts) throw error
      }
    }
  }

  /* Goes on behind the last key that was given in full. The versions of the last key come again: they are passed over. */
  async *#listing<T extends ListedObject>(options: ListOptions | undefined, open: (startAfter: string | undefined) => AsyncIterable<T>, versionOf: (item: T) => string | undefined): AsyncGenerator<T> {
    let completed = options?.startAfter
    let current: string | undefined
    let given = new Set<string | undefined>()
    for (let attempt = 1; ; ) {
      try {
        for await (const item of open(completed)) {
          if (item.key === current && given.has(versionOf(item))) continue
          if (current !== undefined && compareKeys(item.key, current) < 0) continue
          if (item.key !== current) {
            if (current !== undefined) completed = current
            current = item.key
            given = new Set()
          }
          given.add(versionOf(item))
          attempt = 1
          yield item
        }
        return
      } catch (error) {
        if (!isRetryable(error) || attempt >= this.#pauses.attempts) throw error
        await this.#pauses.pause(attempt, error, options?.signal)
        attempt++
      }
    }
  }
}

/** The attempts and the pauses between them. Closing ends those under way. */
class Pauses {
  readonly attempts: number
  readonly #name: string
  readonly #options: RetryOptions
  readonly #environment: Environment
  readonly #running = new Set<AbortController>()
  #closed = false

  constructor(name: string, options: RetryOptions) {
    this.#name = name
    this.#options = options
    this.attempts = options.attempts ?? 5
    this.#environment = options.environment ?? systemEnvironment()
  }

  /** `last`: no further attempt follows. */
  async retry<T>(options: CallOptions | undefined, action: (last: boolean) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action(attempt >= this.attempts)
      } catch (error) {
        if (attempt >= this.attempts || !isRetryable(error)) throw error
        await this.pause(attempt, error, options?.signal)
      }
    }
  }

  async pause(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#closed) throw this.#closedError()
    const { baseDelay = 200, maxDelay = 10_000 } = this.#options
    const longest = Math.min(maxDelay, baseDelay * 2 ** (attempt - 1))
    const scatter = (this.#environment.randomBytes(1)[0] ?? 0) / 255
    const asked = error instanceof StoreRequestError ? Math.min(error.retryAfter ?? 0, LONGEST_RETRY_AFTER) : 0
    const ending = new AbortController()
    const forward = () => ending.abort(signal?.reason)
    signal?.addEventListener('abort', forward, { once: true })
    this.#running.add(ending)
    try {
      await this.#environment.sleep(Math.max(asked, longest * (0.5 + scatter / 2)), ending.signal)
    } finally {
      this.#running.delete(ending)
      signal?.removeEventListener('abort', forward)
    }
  }

  close(): void {
    this.#closed = true
    for (const ending of this.#running) ending.abort(this.#closedError())
  }

  #closedError(): ClosedError {
    return new ClosedError(`the store ${this.#name} is closed`)
  }
}

/** A listing that can't go on from its middle: what was given already is passed over when it is made again. */
async function* anew<T>(pauses: Pauses, options: CallOptions | undefined, open: () => AsyncIterable<T>, nameOf: (item: T) => string): AsyncGenerator<T> {
  const given = new Set<string>()
  for (let attempt = 1; ; attempt++) {
    try {
      for await (const item of open()) {
        const name = nameOf(item)
        if (given.has(name)) continue
        given.add(name)
        attempt = 1
        yield item
      }
      return
    } catch (error) {
      if (!isRetryable(error) || attempt >= pauses.attempts) throw error
      await pauses.pause(attempt, error, options?.signal)
    }
  }
}
