/** Bringing one object from one store to another: by the store itself, or through here in pieces. */
import { AccessDeniedError, BucketNotFoundError, ObjectChangedError, StoreRequestError, UnsupportedOperationError } from '../store/errors.js'
import type { GetResult, ObjectInfo, ObjectStore } from '../store/object-store.js'
import { objectSource, putLarge, type ByteBudget } from '../store/transfer/index.js'

export interface CopyRoute {
  from: ObjectStore
  to: ObjectStore
  /** Bounds the bytes in memory. */
  budget: ByteBudget
  /** Bytes that are read and written at a time. */
  partSize: number
}

export type CopiedObject = { status: 'copied'; bytes: number; by: 'store' | 'stream' } | { status: 'missing' }

/** Copies objects; remembers when the store turns out not to copy by itself. */
export class ObjectCopier {
  readonly #route: CopyRoute
  #byStore: boolean

  constructor(route: CopyRoute) {
    const { from, to } = route
    this.#route = route
    this.#byStore = from.place !== undefined && from.place.realm === to.place?.realm
  }

  /**
   * @param size bytes of the source, where a listing told them
   * @param onSent told of bytes as they arrive
   */
  async copy(source: string, target: string, size: number | undefined, onSent: (bytes: number) => void, signal: AbortSignal | undefined): Promise<CopiedObject> {
    if (this.#byStore) {
      const done = await this.#letStoreCopy(source, target, size, onSent, signal)
      if (done !== undefined) return done
    }
    return this.#stream(source, target, size, onSent, signal)
  }

  async #letStoreCopy(source: string, target: string, size: number | undefined, onSent: (bytes: number) => void, signal: AbortSignal | undefined): Promise<CopiedObject | undefined> {
    const { from, to } = this.#route
    try {
      const result = await to.copy(source, target, { sourceBucket: from.place?.bucket, signal })
      if (result.status === 'missing') return result
      onSent(size ?? 0)
      return { status: 'copied', bytes: size ?? 0, by: 'store' }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isUnable(error)) throw error
      // It can't, or may not: the rest goes through here.
      this.#byStore = false
      return undefined
    }
  }

  async #stream(source: string, target: string, size: number | undefined, onSent: (bytes: number) => void, signal: AbortSignal | undefined): Promise<CopiedObject> {
    const { from, budget, partSize } = this.#route
    try {
      if (size !== undefined && size > partSize) {
        const head = await from.head(source, { signal })
        return head.status === 'ok' ? await this.#inParts(source, target, head.info, onSent, signal) : { status: 'missing' }
      }
      const whole = await budget.with(size ?? partSize, signal, () => this.#inOne(source, target, onSent, signal))
      return 'status' in whole ? whole : await this.#inParts(source, target, whole, onSent, signal)
    } catch (error) {
      // Deleted while it was read, or replaced: what is to be copied now, the db object tells.
      if (error instanceof ObjectChangedError) return { status: 'missing' }
      throw error
    }
  }

  /** One GET and one PUT; of a larger object only what is known of it. */
  async #inOne(source: string, target: string, onSent: (bytes: number) => void, signal: AbortSignal | undefined): Promise<CopiedObject | ObjectInfo> {
    const { from, to, partSize } = this.#route
    const got = await this.#first(source, signal)
    if (got.status !== 'ok') return { status: 'missing' }
    if (got.info.size > partSize) return got.info
    if (got.bytes.length !== got.info.size) throw new StoreRequestError(`${from.name}: ${source} came with ${got.bytes.length} of ${got.info.size} bytes`, { store: from.name, key: source })
    await to.put(target, got.bytes, { metadata: got.info.metadata, checksum: true, signal })
    onSent(got.bytes.length)
    return { status: 'copied', bytes: got.bytes.length, by: 'stream' }
  }

  async #first(source: string, signal: AbortSignal | undefined): Promise<GetResult> {
    const { from, partSize } = this.#route
    const got = await from.get(source, { range: { offset: 0, length: partSize }, maxBytes: partSize, signal })
    // An empty object has no range.
    return got.status === 'range-not-satisfiable' ? from.get(source, { maxBytes: partSize, signal }) : got
  }

  async #inParts(source: string, target: string, info: ObjectInfo, onSent: (bytes: number) => void, signal: AbortSignal | undefined): Promise<CopiedObject> {
    const { from, to, budget, partSize } = this.#route
    await putLarge(to, target, objectSource(from, source, info), { metadata: info.metadata, partSize, budget, onSent, signal })
    return { status: 'copied', bytes: info.size, by: 'stream' }
  }
}

function isUnable(error: unknown): boolean {
  return error instanceof AccessDeniedError || error instanceof UnsupportedOperationError || error instanceof BucketNotFoundError || (error instanceof StoreRequestError && error.status !== undefined && error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 408)
}
