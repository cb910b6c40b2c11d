import { InvalidArgumentError } from '../../base/error.js'
import type { RandomAccessFile } from '../../platform/random-access-file.js'

const PAGE = 0x1000

/** A file that can be written to without changing anything: writes stay in memory, in front of the file below. */
export class OverlayFile implements RandomAccessFile {
  readonly #below: RandomAccessFile
  readonly #pages = new Map<number, Uint8Array>()
  #size: number

  constructor(below: RandomAccessFile) {
    this.#below = below
    this.#size = below.size()
  }

  read(position: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.#size - position))
    const wanted = target.subarray(0, count)
    if (count === 0) return 0
    const found = this.#below.read(position, wanted)
    wanted.fill(0, found)
    if (this.#pages.size === 0) return count
    for (let number = Math.floor(position / PAGE); number * PAGE < position + count; number++) {
      const page = this.#pages.get(number)
      if (page === undefined) continue
      const from = Math.max(position, number * PAGE)
      const to = Math.min(position + count, (number + 1) * PAGE)
      wanted.set(page.subarray(from - number * PAGE, to - number * PAGE), from - position)
    }
    return count
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length
    this.#size = Math.max(this.#size, end)
    for (let at = position; at < end; ) {
      const number = Math.floor(at / PAGE)
      const to = Math.min(end, (number + 1) * PAGE)
      this.#page(number).set(bytes.subarray(at - position, to - position), at - number * PAGE)
      at = to
    }
  }

  #page(number: number): Uint8Array {
    let page = this.#pages.get(number)
    if (page === undefined) {
      page = new Uint8Array(PAGE)
      this.#below.read(number * PAGE, page)
      this.#pages.set(number, page)
    }
    return page
  }

  truncate(length: number): void {
    if (length > this.#size) throw new InvalidArgumentError('an overlay is only cut, never made longer')
    this.#size = length
  }

  size(): number {
    return this.#size
  }

  sync(): void {
    // Nothing here survives, and nothing has to.
  }

  modified(): number | undefined {
    return this.#below.modified()
  }

  setModified(): void {
    // The file below isn't touched.
  }

  close(): void {
    this.#pages.clear()
  }
}
