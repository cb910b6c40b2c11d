/** Writing an object of any size without holding it whole. */
import { forEachConcurrent } from '../../base/concurrency.js'
import { InvalidArgumentError } from '../../base/error.js'
import { anySignal } from '../../base/signals.js'
import type { ObjectStore, PartLayout, PartPlace, PartUpload, PartUploads, PutOptions, PutResult, UploadedPart } from '../object-store.js'
import type { ByteBudget } from './byte-budget.js'
import { md5Of } from './md5.js'

/** Bytes that can be read at any place, as often as wanted. */
export interface LargeSource {
  /** Bytes in all. */
  readonly size: number
  /** Exactly `length` bytes from `offset` on. Several reads may run side by side. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> | Uint8Array
  /** Told when nobody needs a piece any more that was sent, so that its memory can be used again. After a failure that isn't known. */
  release?(piece: Uint8Array): void
}

export interface PutLargeOptions extends Omit<PutOptions, 'checksum'> {
  /** Bytes of a part; what is not larger goes in one request. Default 8 MiB; more where the store wants more or takes only so many parts. */
  partSize?: number | undefined
  /** How many parts are read and sent side by side: so many times `partSize` is held in memory. Default 4. */
  concurrency?: number | undefined
  /** Shared by several uploads, bounds the memory of all together. */
  budget?: ByteBudget | undefined
  /** Told of the bytes of each part that the store has acknowledged. */
  onSent?: ((bytes: number) => void) | undefined
  /** Lets an upload go on where an earlier one ended, and be gone on with: with it a failure gives no upload up. */
  notes?: UploadNotes | undefined
}

/** What is known and remembered of an upload by parts. What goes in one request is not told. */
export interface UploadNotes {
  /** One that was begun before, of the same key, size and part size. */
  readonly upload?: PartUpload | undefined
  /** The part, if the store has the right bytes of it for sure: they are not even read. */
  has?(number: number): UploadedPart | undefined
  /** The part, if the store has the bytes with this MD5. */
  find?(number: number, md5: string): UploadedPart | undefined
  /** Told of the bytes of each part that is taken as it is there. */
  onFound?(bytes: number): void
  begun(upload: PartUpload): void
  sent(part: UploadedPart, md5: string): void
}

/** Bytes of a part, where nothing else is asked. */
export const DEFAULT_PART_SIZE = 8 * 1024 * 1024

const defaultConcurrency = 4
const mebibyte = 1024 * 1024

/**
 * Writes an object from a source that is read piece by piece, atomically, each piece with a checksum that the store
 * verifies. A failure or an abort leaves no object and, as far as the store can still be asked, no parts.
 * Where the store takes objects only whole, the whole is read.
 * @throws PreconditionFailedError, StoreError, InvalidArgumentError, and what the source throws
 */
export async function putLarge(store: ObjectStore, key: string, source: LargeSource, options: PutLargeOptions = {}): Promise<PutResult> {
  const { partSize: asked = DEFAULT_PART_SIZE, concurrency = defaultConcurrency } = options
  for (const [name, value] of Object.entries({ size: source.size, partSize: asked, concurrency })) {
    if (!Number.isSafeInteger(value) || value < (name === 'size' ? 0 : 1)) throw new InvalidArgumentError(`${name} must be a whole number, not ${value}`)
  }
  options.signal?.throwIfAborted()
  const layout = partLayout(store, source.size, asked)
  if (layout === undefined || store.parts === undefined) return putWhole(store, key, source, options)
  return new Upload(store.parts, key, source, layout, { ...options, concurrency }).run()
}

/** How an object is divided; undefined for one that goes in one piece. */
export function partLayout({ parts }: Pick<ObjectStore, 'parts'>, size: number, asked: number): PartLayout | undefined {
  const partSize = parts && fittingPartSize(size, asked, parts)
  return partSize === undefined || size <= partSize ? undefined : { size, partSize }
}

/** As small as asked, but as large as the store wants it, and with no more parts than it takes. */
export function fittingPartSize(size: number, asked: number, { minPartSize, maxParts }: PartUploads): number {
  const least = Math.ceil(size / maxParts)
  if (least <= Math.max(asked, minPartSize)) return Math.max(asked, minPartSize)
  return Math.ceil(least / mebibyte) * mebibyte
}

function putWhole(store: ObjectStore, key: string, source: LargeSource, options: PutLargeOptions): Promise<PutResult> {
  const { metadata, contentType, ifMatch, ifNoneMatch, etagForm, signal } = options
  return held(options.budget, source.size, signal, async () => {
    const body = source.size === 0 ? new Uint8Array() : await readExactly(source, 0, source.size, signal)
    const result = await store.put(key, body, { metadata, contentType, ifMatch, ifNoneMatch, etagForm, signal, checksum: true })
    options.onSent?.(body.length)
    return result
  })
}

class Upload {
  readonly #uploads: PartUploads
  readonly #key: string
  readonly #source: LargeSource
  readonly #layout: PartLayout
  readonly #options: PutLargeOptions & { concurrency: number }
  /** Stops the other parts when one has failed. */
  readonly #stop = new AbortController()

  constructor(uploads: PartUploads, key: string, source: LargeSource, layout: PartLayout, options: PutLargeOptions & { concurrency: number }) {
    this.#uploads = uploads
    this.#key = key
    this.#source = source
    this.#layout = layout
    this.#options = options
  }

  async run(): Promise<PutResult> {
    const { ifMatch, ifNoneMatch, etagForm, signal, notes } = this.#options
    const upload = notes?.upload ?? (await this.#begin())
    try {
      const parts: UploadedPart[] = []
      await forEachConcurrent(places(this.#layout), this.#options.concurrency, async (place) => {
        parts[place.number - 1] = this.#known(place) ?? (await this.#send(upload, place))
      })
      return await this.#uploads.complete(upload, parts, { ifMatch, ifNoneMatch, etagForm, signal })
    } catch (error) {
      if (notes !== undefined) throw error
      // Not by the signal, which may be what ended it. What stays nevertheless is found by listing uploads.
      await this.#uploads.abort(upload).catch(() => undefined)
      throw error
    }
  }

  async #begin(): Promise<PartUpload> {
    const { metadata, contentType, signal, notes } = this.#options
    const upload = await this.#uploads.begin(this.#key, this.#layout, { metadata, contentType, signal })
    notes?.begun(upload)
    return upload
  }

  #known(place: PartPlace): UploadedPart | undefined {
    const { notes } = this.#options
    const part = notes?.has?.(place.number)
    if (part) notes?.onFound?.(this.#lengthOf(place))
    return part
  }

  async #send(upload: PartUpload, place: PartPlace): Promise<UploadedPart> {
    const { signal, budget, onSent, notes } = this.#options
    const length = this.#lengthOf(place)
    const stop = signal === undefined ? this.#stop.signal : anySignal([signal, this.#stop.signal])
    try {
      return await held(budget, length, stop, async () => {
        const bytes = await readExactly(this.#source, place.offset, length, stop)
        const md5 = md5Of(bytes)
        const found = notes?.find?.(place.number, md5)
        if (found) {
          notes?.onFound?.(length)
          this.#source.release?.(bytes)
          return found
        }
        const part = await this.#uploads.put(upload, place, bytes, { signal: stop, md5 })
        this.#source.release?.(bytes)
        notes?.sent(part, md5)
        onSent?.(length)
        return part
      })
    } catch (error) {
      this.#stop.abort(error)
      throw error
    }
  }

  #lengthOf({ offset }: PartPlace): number {
    return Math.min(this.#layout.partSize, this.#layout.size - offset)
  }
}

function* places({ size, partSize }: PartLayout): Generator<PartPlace> {
  for (let offset = 0, number = 1; offset < size; offset += partSize, number++) yield { number, offset }
}

function held<T>(budget: ByteBudget | undefined, bytes: number, signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
  return budget === undefined ? action() : budget.with(bytes, signal, action)
}

/** @throws InvalidArgumentError when the source gives another number of bytes */
export async function readExactly(source: LargeSource, offset: number, length: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = await source.read(offset, length, signal)
  if (bytes.length !== length) throw new InvalidArgumentError(`the source gave ${bytes.length} bytes instead of ${length} from ${offset} on`)
  return bytes
}
