/** A store that passes everything on, writes down each call, and lets a test step in before or after one. */
import type {
  CallOptions, CopyOptions, CopyResult, DeleteResult, DeleteTarget, GetOptions, GetResult, HeadOptions, HeadResult,
  ListedObject, ListedPart, ListedUpload, ListedVersion, ObjectStore, PartUpload, PartUploads, PutOptions, PutResult, StorePlace,
} from '../../src/store/object-store.js'

export interface RecordedCall {
  op: 'get' | 'head' | 'put' | 'delete' | 'list' | 'listVersions' | 'copy' | 'beginUpload' | 'putPart' | 'completeUpload' | 'abortUpload' | 'listUploads' | 'listParts'
  key: string
  bytesUp: number
  bytesDown: number
  /** The number of a part. */
  part: number | undefined
  /** Whether the store has acted, also when its answer was lost. */
  acted: boolean
  status: string
}

export interface Hooks {
  /** Runs before the store acts; throw to fail the call. */
  before?: (op: RecordedCall['op'], key: string) => void | Promise<void>
  /** May change what a get answers. */
  afterGet?: (key: string, options: GetOptions, result: GetResult) => GetResult | Promise<GetResult>
  /** Runs after the store acted; throw to lose the acknowledgement. */
  after?: (op: RecordedCall['op'], key: string) => void | Promise<void>
}

export class RecordingStore implements ObjectStore {
  readonly name: string
  readonly writable: boolean
  readonly parts: PartUploads | undefined
  calls: RecordedCall[] = []
  hooks: Hooks = {}
  readonly #inner: ObjectStore

  constructor(inner: ObjectStore) {
    this.#inner = inner
    this.name = inner.name
    this.writable = inner.writable
    this.parts = inner.parts && this.#recordedParts(inner.parts)
  }

  get place(): StorePlace | undefined {
    return this.#inner.place
  }

  /** Forgets the calls so far and returns them. */
  take(): RecordedCall[] {
    return this.calls.splice(0)
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#record('get', key, async (call) => {
      let result = await this.#inner.get(key, options)
      if (this.hooks.afterGet) result = await this.hooks.afterGet(key, options, result)
      call.status = result.status
      if (result.status === 'ok') call.bytesDown = result.bytes.length
      return result
    })
  }
  head(key: string, options?: HeadOptions): Promise<HeadResult> {
    return this.#record('head', key, () => this.#inner.head(key, options))
  }
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return this.#record('put', key, (call) => {
      call.bytesUp = body.length
      return this.#inner.put(key, body, options)
    })
  }
  delete(targets: readonly DeleteTarget[], options?: CallOptions): Promise<DeleteResult> {
    return this.#record('delete', targets.map((target) => target.key).join(' '), () => this.#inner.delete(targets, options))
  }
  async *list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    await this.#record('list', prefix, async () => undefined)
    yield* this.#inner.list(prefix, options)
  }
  async *listVersions(prefix: string, options?: CallOptions): AsyncIterable<ListedVersion> {
    await this.#record('listVersions', prefix, async () => undefined)
    yield* this.#inner.listVersions(prefix, options)
  }
  copy(sourceKey: string, targetKey: string, options?: CopyOptions): Promise<CopyResult> {
    return this.#record('copy', `${sourceKey} ${targetKey}`, () => this.#inner.copy(sourceKey, targetKey, options))
  }
  close(): Promise<void> {
    return this.#inner.close()
  }

  #recordedParts(parts: PartUploads): PartUploads {
    const list = async function* (this: RecordingStore, prefix: string, options?: CallOptions): AsyncGenerator<ListedUpload> {
      await this.#record('listUploads', prefix, async () => undefined)
      yield* parts.list(prefix, options)
    }
    const listParts = async function* (this: RecordingStore, upload: Pick<PartUpload, 'key' | 'id'>, options?: CallOptions): AsyncGenerator<ListedPart> {
      await this.#record('listParts', upload.key, async () => undefined)
      yield* parts.listParts(upload, options)
    }
    return {
      minPartSize: parts.minPartSize,
      maxParts: parts.maxParts,
      begin: (key, layout, options) => this.#record('beginUpload', key, () => parts.begin(key, layout, options)),
      put: (upload, part, bytes, options) =>
        this.#record('putPart', upload.key, (call) => {
          call.bytesUp = bytes.length
          call.part = part.number
          return parts.put(upload, part, bytes, options)
        }),
      complete: (upload, all, options) => this.#record('completeUpload', upload.key, () => parts.complete(upload, all, options)),
      abort: (upload, options) => this.#record('abortUpload', upload.key, () => parts.abort(upload, options)),
      list: list.bind(this),
      listParts: listParts.bind(this),
    }
  }

  async #record<T>(op: RecordedCall['op'], key: string, act: (call: RecordedCall) => Promise<T>): Promise<T> {
    const call: RecordedCall = { op, key, bytesUp: 0, bytesDown: 0, part: undefined, acted: false, status: 'ok' }
    this.calls.push(call)
    try {
      await this.hooks.before?.(op, key)
      const result = await act(call)
      call.acted = true
      await this.hooks.after?.(op, key)
      return result
    } catch (error) {
      call.status = 'error'
      throw error
    }
  }
}
