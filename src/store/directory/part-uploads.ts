import { randomUUID } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { readableMetadata } from '../checks.js'
import { StoreRequestError } from '../errors.js'
import type { BeginUploadOptions, CallOptions, CompleteUploadOptions, ListedPart, ListedUpload, PartLayout, PartPlace, PartUpload, PartUploads, PutResult, UploadedPart } from '../object-store.js'
import { partsEtag } from '../part-etag.js'
import { encodeHead, etagOf, writeAll } from './object-file.js'

export interface DirectoryPartsHost {
  name: string
  /** The folder of files that are being written. */
  temporary: string
  /** Turns what the file system says into errors of the store. */
  call: <T>(key: string, options: CallOptions, action: () => Promise<T>) => Promise<T>
  /** Checks key and options, and makes the folders. */
  prepare: (key: string, options: BeginUploadOptions) => Promise<void>
  check: (options: CallOptions) => void
  /** Puts a durable file in the place of the object where the condition holds. */
  place: (key: string, temporary: string, options: CompleteUploadOptions) => Promise<void>
}

interface SentPart {
  etag: string
  /** Bytes. */
  size: number
}

/**
 * Uploads by parts into a file beside, which becomes the object when it is complete. What a crash leaves is swept away
 * with the other temporary files; so none are listed. An upload goes on only with the store that began it.
 */
export class DirectoryPartUploads implements PartUploads {
  readonly minPartSize = 1
  readonly maxParts = 1_000_000
  readonly #host: DirectoryPartsHost
  /** ETags of the parts that are there, by upload and number. */
  readonly #sent = new Map<string, Map<number, SentPart>>()

  constructor(host: DirectoryPartsHost) {
    this.#host = host
  }

  begin(key: string, layout: PartLayout, options: BeginUploadOptions = {}): Promise<PartUpload> {
    return this.#host.call(key, options, async () => {
      await this.#host.prepare(key, options)
      const { metadata, contentType } = options
      const upload = { key, id: randomUUID(), layout, options: { metadata, contentType } }
      const file = await open(this.#path(upload), 'wx')
      await file.close()
      this.#sent.set(upload.id, new Map())
      return upload
    })
  }

  put(upload: PartUpload, { number, offset }: PartPlace, bytes: Uint8Array, options: CallOptions = {}): Promise<UploadedPart> {
    return this.#withFile(upload, options, async (file, sent) => {
      await writeAll(file, bytes, () => this.#host.check(options), headOf(upload, undefined).length + offset)
      const etag = etagOf(bytes)
      sent.set(number, { etag, size: bytes.length })
      return { number, etag }
    })
  }

  complete(upload: PartUpload, parts: readonly UploadedPart[], options: CompleteUploadOptions = {}): Promise<PutResult> {
    return this.#withFile(upload, options, async (file, sent) => {
      const head = headOf(upload, parts)
      const { size } = await file.stat()
      const wrong = parts.some(({ number, etag }, i) => number !== i + 1 || sent.get(number)?.etag !== etag)
      if (wrong || parts.length !== countOf(upload.layout) || size !== head.length + upload.layout.size) {
        throw this.#refusal(upload.key, 'InvalidPart', 'not all of its parts are there')
      }
      await writeAll(file, head, undefined, 0)
      await file.sync()
      await this.#host.place(upload.key, this.#path(upload), options)
      await rm(this.#path(upload), { force: true })
      this.#sent.delete(upload.id)
      return { etag: partsEtag(parts) ?? '', versionId: undefined }
    })
  }

  abort(upload: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): Promise<void> {
    return this.#host.call(upload.key, options, async () => {
      await rm(this.#path(upload), { force: true })
      this.#sent.delete(upload.id)
    })
  }

  async *list(_prefix: string, options: CallOptions = {}): AsyncGenerator<ListedUpload> {
    await Promise.resolve()
    this.#host.check(options)
    yield* []
  }

  async *listParts({ key, id }: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): AsyncGenerator<ListedPart> {
    await Promise.resolve()
    this.#host.check(options)
    const sent = this.#sent.get(id)
    if (sent === undefined) throw this.#noSuchUpload(key)
    for (const [number, part] of [...sent].sort(([a], [b]) => a - b)) yield { number, ...part }
  }

  #withFile<T>(upload: PartUpload, options: CallOptions, action: (file: FileHandle, sent: Map<number, SentPart>) => Promise<T>): Promise<T> {
    return this.#host.call(upload.key, options, async () => {
      const sent = this.#sent.get(upload.id)
      if (sent === undefined) throw this.#noSuchUpload(upload.key)
      const file = await open(this.#path(upload), 'r+')
      try {
        return await action(file, sent)
      } finally {
        await file.close()
      }
    })
  }

  /* The id is a name in a folder: nothing else may be one. */
  #path({ key, id }: Pick<PartUpload, 'key' | 'id'>): string {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw this.#refusal(key, 'NoSuchUpload', 'this is not the id of an upload')
    return join(this.#host.temporary, id)
  }

  #noSuchUpload(key: string): StoreRequestError {
    return this.#refusal(key, 'NoSuchUpload', 'there is no such upload under way here: it was completed or given up')
  }

  #refusal(key: string, reason: string, what: string): StoreRequestError {
    return new StoreRequestError(`${this.#host.name}: ${key}: ${what}`, { store: this.#host.name, key, reason })
  }
}

function countOf({ size, partSize }: PartLayout): number {
  return Math.max(1, Math.ceil(size / partSize))
}

/** The head has the same length before the ETags of the parts are known as after. */
function headOf({ layout, options }: PartUpload, parts: readonly UploadedPart[] | undefined): Uint8Array {
  const etag = (parts && partsEtag(parts)) ?? `${'0'.repeat(32)}-${countOf(layout)}`
  return encodeHead({ size: layout.size, etag, metadata: readableMetadata(Object.entries(options.metadata ?? {})), contentType: options.contentType })
}
