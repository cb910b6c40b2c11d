import { FormatError } from '../base/error.js'
import { BUCKET_LENGTH } from '../format/booklet-header.js'
import { readU48, writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

const PAGE_BUCKETS = 1024
const PAGE_LENGTH = PAGE_BUCKETS * BUCKET_LENGTH

/** The bucket index as of the last sync, read page by page when a page is first needed. */
export class IndexPages {
  readonly offset: number
  readonly count: number
  readonly #file: RandomAccessFile
  readonly #pages: (Uint8Array | undefined)[] = []

  constructor(file: RandomAccessFile, offset: number, count: number) {
    this.#file = file
    this.offset = offset
    this.count = count
  }

  /** Position of the first block of a bucket; 0 or 1 when it is empty. */
  head(bucket: number): number {
    const page = this.#pages[bucket >>> 10] ?? this.#load(bucket >>> 10)
    return readU48(page, (bucket & 1023) * BUCKET_LENGTH)
  }

  /** Where in the file the head of a bucket lies. */
  positionOf(bucket: number): number {
    return this.offset + bucket * BUCKET_LENGTH
  }

  /** Tells of a head that was written to the file. */
  update(bucket: number, head: number): void {
    const page = this.#pages[bucket >>> 10]
    if (page) writeU48(page, (bucket & 1023) * BUCKET_LENGTH, head)
  }

  #load(number: number): Uint8Array {
    const first = number * PAGE_LENGTH
    const page = new Uint8Array(Math.min(PAGE_LENGTH, this.count * BUCKET_LENGTH - first))
    const read = this.#file.read(this.offset + first, page)
    if (read < page.length) throw new FormatError(`the index of the booklet ends after ${first + read} of ${this.count * BUCKET_LENGTH} bytes: the file is cut short`)
    while (this.#pages.length < number) this.#pages.push(undefined)
    this.#pages[number] = page
    return page
  }
}
