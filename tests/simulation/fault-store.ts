/**
 * A store that misbehaves on purpose, in two parts: `FaultStore` is the way to the server as one client has it
 * (failures, lost acknowledgements, cut bodies, delays); `OddServer` (odd-server.ts) is a server that is weaker than it should be
 * (stale listings, coarse or wrong clock, conditions that don't hold), the same for all its clients.
 */
import { IncompleteResponseError, StoreRequestError, StoreUnreachableError } from '../../src/store/errors.js'
import type {
  CallOptions, CopyOptions, CopyResult, DeleteResult, DeleteTarget, GetOptions, GetResult, HeadOptions, HeadResult,
  ListedObject, ListedVersion, ListOptions, ObjectStore, PartUploads, PutOptions, PutResult,
} from '../../src/store/object-store.js'
import { partsThrough } from './parts.js'

export const faultKinds = ['refused', 'busy', 'broken', 'lost', 'late', 'cut', 'short', 'whole', 'list-cut', 'undeleted', 'slow'] as const

/**
 * - `refused` the request never arrives: the connection fails
 * - `busy` 429 with Retry-After, or 503; nothing was done
 * - `broken` 500; it was done, or not
 * - `lost` it was done, and the connection breaks before the answer
 * - `late` the connection breaks, and the request is done some seconds later
 * - `cut` a body breaks off while it comes
 * - `short` a range is answered with fewer bytes than it has
 * - `whole` a request for a range is answered with the whole object
 * - `list-cut` a listing breaks off after some entries
 * - `undeleted` some of several objects can't be deleted
 * - `slow` the answer takes up to 20 s
 */
export type FaultKind = (typeof faultKinds)[number]

export type Operation = 'get' | 'head' | 'put' | 'delete' | 'list' | 'listVersions' | 'copy' | 'beginUpload' | 'putPart' | 'completeUpload' | 'abortUpload' | 'listUploads' | 'listParts'

export type FaultRates = Partial<Record<FaultKind, number>>

export interface FaultOptions {
  /** 0 ≤ n < 1, from a seed. */
  random: () => number
  sleep: (ms: number) => Promise<void>
  /** Chance of each kind, per call that it can happen to. Default 0. */
  rates: FaultRates | ((operation: Operation, key: string) => FaultRates)
  /** ms that a way to the server or back takes: up to this. Default 0, not even a turn. */
  latency?: number
  /** Calls of these keys are never disturbed. */
  exempt?: (key: string) => boolean
  /** Told when a request is about to reach the server. What it throws fails the call, and the server never sees it. */
  arriving?: (operation: Operation, key: string) => void
  /** Told when the server has done it, before the answer is on its way. */
  done?: (operation: Operation, key: string) => void
  /** Told of each fault that happened. */
  onFault?: (kind: FaultKind, operation: Operation, key: string) => void
}

const changing: ReadonlySet<Operation> = new Set(['put', 'delete', 'copy', 'beginUpload', 'putPart', 'completeUpload', 'abortUpload'])

export class FaultStore implements ObjectStore {
  readonly name: string
  readonly writable: boolean
  readonly parts: PartUploads | undefined
  readonly #inner: ObjectStore
  readonly #options: FaultOptions

  constructor(inner: ObjectStore, options: FaultOptions) {
    this.#inner = inner
    this.#options = options
    this.name = inner.name
    this.writable = inner.writable
    this.parts =
      inner.parts &&
      partsThrough(inner.parts, {
        call: (operation, key, call, act) => this.#call(operation, key, call, [], act),
        walk: (operation, key, call, open) => this.#listing(operation, key, call, open),
      })
  }

  get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const kinds: FaultKind[] = options.range ? ['cut', 'short', 'whole'] : ['cut']
    return this.#call('get', key, options, kinds, async (fault) => {
      if (fault === 'whole') {
        const { range: _range, maxBytes: _limit, ...rest } = options
        return this.#inner.get(key, rest)
      }
      const result = await this.#inner.get(key, options)
      if (result.status !== 'ok') return result
      if (fault === 'cut') throw new IncompleteResponseError(`${this.name}: GET ${key}: the connection broke off`, { store: this.name, key })
      if (fault === 'short') return { ...result, bytes: result.bytes.slice(0, Math.floor(result.bytes.length * this.#options.random())) }
      return result
    })
  }

  head(key: string, options?: HeadOptions): Promise<HeadResult> {
    return this.#call('head', key, options, [], () => this.#inner.head(key, options))
  }

  put(key: string, body: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return this.#call('put', key, options, [], () => this.#inner.put(key, body, options))
  }

  delete(targets: readonly DeleteTarget[], options?: CallOptions): Promise<DeleteResult> {
    const key = targets.map((target) => target.key).join(' ')
    return this.#call('delete', key, options, ['undeleted'], async (fault) => {
      if (fault !== 'undeleted') return this.#inner.delete(targets, options)
      const spared = targets.filter(() => this.#options.random() < 0.5)
      const { failures } = await this.#inner.delete(targets.filter((target) => !spared.includes(target)), options)
      const error = this.#status(503, 'SlowDown', 'DELETE', key)
      return { failures: [...failures, ...spared.map((target) => ({ target, error }))] }
    })
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    return this.#listing('list', prefix, options, () => this.#inner.list(prefix, options))
  }

  listVersions(prefix: string, options?: ListOptions): AsyncIterable<ListedVersion> {
    return this.#listing('listVersions', prefix, options, () => this.#inner.listVersions(prefix, options))
  }

  copy(sourceKey: string, targetKey: string, options?: CopyOptions): Promise<CopyResult> {
    return this.#call('copy', targetKey, options, [], () => this.#inner.copy(sourceKey, targetKey, options))
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async *#listing<T>(operation: 'list' | 'listVersions' | 'listUploads' | 'listParts', prefix: string, options: ListOptions | undefined, open: () => AsyncIterable<T>): AsyncGenerator<T> {
    // The server looks once; what comes after travels.
    let cut = Infinity
    const found = await this.#call(operation, prefix, options, ['list-cut'], async (fault) => {
      const all: T[] = []
      for await (const item of open()) all.push(item)
      if (fault === 'list-cut') cut = Math.floor(this.#options.random() * (all.length + 1))
      return all
    })
    yield* found.slice(0, cut)
    if (cut <= found.length) throw new StoreUnreachableError(`${this.name}: the listing of ${prefix} broke off`, { store: this.name, key: prefix })
  }

  async #call<T>(operation: Operation, key: string, options: CallOptions | undefined, kinds: readonly FaultKind[], act: (fault: FaultKind | undefined) => Promise<T>): Promise<T> {
    const { sleep, random, latency = 0 } = this.#options
    options?.signal?.throwIfAborted()
    const fault = this.#draw(operation, key, kinds)
    if (fault) this.#options.onFault?.(fault, operation, key)
    await this.#travel(latency * random())
    if (fault === 'refused') throw this.#unreachable(operation, key, 'connection refused')
    if (fault === 'busy') throw this.#busy(operation, key)
    const before = random() < 0.5
    if (fault === 'broken' && before) throw this.#status(500, 'InternalError', operation, key)
    if (fault === 'late') {
      void sleep(1000 + 9000 * random()).then(() => this.#serve(operation, key, fault, act)).catch(() => undefined)
      throw this.#unreachable(operation, key, 'timed out')
    }
    if (fault === 'slow' && before) await sleep(20_000 * random())
    const result = await this.#serve(operation, key, fault, act)
    if (fault === 'slow' && !before) await sleep(20_000 * random())
    await this.#travel(latency * random())
    options?.signal?.throwIfAborted()
    if (fault === 'lost') throw this.#unreachable(operation, key, 'connection reset')
    if (fault === 'broken') throw this.#status(500, 'InternalError', operation, key)
    return result
  }

  async #serve<T>(operation: Operation, key: string, fault: FaultKind | undefined, act: (fault: FaultKind | undefined) => Promise<T>): Promise<T> {
    this.#options.arriving?.(operation, key)
    const result = await act(fault)
    this.#options.done?.(operation, key)
    return result
  }

  async #travel(ms: number): Promise<void> {
    if (this.#options.latency !== undefined) await this.#options.sleep(ms)
  }

  #draw(operation: Operation, key: string, kinds: readonly FaultKind[]): FaultKind | undefined {
    const { random, exempt } = this.#options
    let at = random()
    if (exempt?.(key)) return undefined
    const rates = typeof this.#options.rates === 'function' ? this.#options.rates(operation, key) : this.#options.rates
    const possible: FaultKind[] = ['refused', 'busy', 'broken', 'lost', 'slow', ...kinds, ...(changing.has(operation) ? (['late'] as const) : [])]
    for (const kind of possible) {
      const rate = rates[kind] ?? 0
      if (at < rate) return kind
      at -= rate
    }
    return undefined
  }

  #unreachable(operation: Operation, key: string, why: string): StoreUnreachableError {
    return new StoreUnreachableError(`${this.name}: ${operation} ${key}: ${why}`, { store: this.name, key })
  }

  #busy(operation: Operation, key: string): StoreRequestError {
    if (this.#options.random() < 0.5) return this.#status(503, 'SlowDown', operation, key)
    return new StoreRequestError(`${this.name}: ${operation} ${key}: 429`, { store: this.name, key, status: 429, reason: 'TooManyRequests', retryAfter: 2000 })
  }

  #status(status: number, reason: string, operation: string, key: string): StoreRequestError {
    return new StoreRequestError(`${this.name}: ${operation} ${key}: ${status} ${reason}`, { store: this.name, key, status, reason })
  }
}
