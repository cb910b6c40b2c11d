import { createHash } from 'node:crypto'
import { concatBytes } from '../base/bytes.js'
import { StoreRequestError } from './errors.js'
import type { BeginUploadOptions, CallOptions, CompleteUploadOptions, ListedPart, ListedUpload, PartLayout, PartPlace, PartUpload, PartUploads, PutResult, UploadedPart } from './object-store.js'
import { partsEtag } from './part-etag.js'

/** An upload under way, as a bucket keeps it. */
export interface MemoryUpload {
  readonly upload: PartUpload
  /** ms since the Unix epoch */
  readonly initiated: number
  readonly parts: Map<number, { etag: string; bytes: Uint8Array }>
}

export interface MemoryPartsHost {
  name: string
  /** Uploads of the bucket, by id. */
  uploads: Map<string, MemoryUpload>
  /** ms since the Unix epoch */
  now: () => number
  /** Runs an action in one turn, unless the store is closed or the call aborted. */
  call: <T>(options: CallOptions, action: () => T) => Promise<T>
  check: (key: string, options: BeginUploadOptions & CompleteUploadOptions) => void
  place: (key: string, bytes: Uint8Array, etag: string | undefined, options: CompleteUploadOptions & BeginUploadOptions) => PutResult
}

let uploadsBegun = 0

/** Uploads by parts to a bucket in memory: another store of the same bucket can go on with them. */
export class MemoryPartUploads implements PartUploads {
  readonly minPartSize = 1
  readonly maxParts = 1_000_000
  readonly #host: MemoryPartsHost

  constructor(host: MemoryPartsHost) {
    this.#host = host
  }

  begin(key: string, layout: PartLayout, options: BeginUploadOptions = {}): Promise<PartUpload> {
    return this.#host.call(options, () => {
      this.#host.check(key, options)
      const { metadata, contentType } = options
      const upload = { key, id: `u${++uploadsBegun}`, layout, options: { metadata, contentType } }
      this.#host.uploads.set(upload.id, { upload, initiated: this.#host.now(), parts: new Map() })
      return upload
    })
  }

  put(upload: PartUpload, { number }: PartPlace, bytes: Uint8Array, options: CallOptions = {}): Promise<UploadedPart> {
    return this.#host.call(options, () => {
      const etag = createHash('md5').update(bytes).digest('hex')
      this.#find(upload).parts.set(number, { etag, bytes: bytes.slice() })
      return { number, etag }
    })
  }

  complete(upload: PartUpload, parts: readonly UploadedPart[], options: CompleteUploadOptions = {}): Promise<PutResult> {
    return this.#host.call(options, () => {
      const found = this.#find(upload)
      this.#host.check(upload.key, options)
      const pieces = parts.map(({ number, etag }, i) => {
        const part = found.parts.get(number)
        if (number !== i + 1 || part?.etag !== etag) throw this.#refusal(upload.key, 'InvalidPart', 'not all of its parts are there')
        return part.bytes
      })
      if (pieces.length === 0) throw this.#refusal(upload.key, 'InvalidPart', 'an object is made of one part at least')
      const result = this.#host.place(upload.key, concatBytes(pieces), partsEtag(parts), { ...found.upload.options, ...options })
      this.#host.uploads.delete(upload.id)
      return result
    })
  }

  abort({ key, id }: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): Promise<void> {
    return this.#host.call(options, () => {
      if (this.#host.uploads.get(id)?.upload.key === key) this.#host.uploads.delete(id)
    })
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<ListedUpload> {
    const found = await this.#host.call(options, () => [...this.#host.uploads.values()].filter(({ upload }) => upload.key.startsWith(prefix)))
    for (const { upload, initiated } of found) yield { key: upload.key, id: upload.id, initiated }
  }

  async *listParts(upload: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): AsyncGenerator<ListedPart> {
    const found = await this.#host.call(options, () => [...this.#find(upload).parts])
    for (const [number, { etag, bytes }] of found.sort(([a], [b]) => a - b)) yield { number, etag, size: bytes.length }
  }

  #find({ key, id }: Pick<PartUpload, 'key' | 'id'>): MemoryUpload {
    const found = this.#host.uploads.get(id)
    if (found?.upload.key !== key) throw this.#refusal(key, 'NoSuchUpload', 'there is no such upload under way: it was completed or given up')
    return found
  }

  #refusal(key: string, reason: string, what: string): StoreRequestError {
    return new StoreRequestError(`${this.#host.name}: ${key}: ${what}`, { store: this.#host.name, key, reason })
  }
}
