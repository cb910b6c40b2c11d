import { writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

const WINDOW = 0x10000
/* From this many patches within a window on, one read and one write of it are cheaper. */
const DENSE = 6

/** Many 6-byte overwrites (pointers) of a file, done in order of position with few calls. */
export class PointerPatches {
  #count = 0
  #positions = new Float64Array(64)
  #values = new Float64Array(64)
  #sorted = true

  get count(): number {
    return this.#count
  }

  add(position: number, value: number): void {
    if (this.#count === this.#positions.length) {
      const positions = new Float64Array(this.#count * 2)
      const values = new Float64Array(this.#count * 2)
      positions.set(this.#positions)
      values.set(this.#values)
      this.#positions = positions
      this.#values = values
    }
    if (this.#count > 0 && position < this.#positions[this.#count - 1]!) this.#sorted = false
    this.#positions[this.#count] = position
    this.#values[this.#count++] = value
  }

  /** Calls `visit` for each, by position. */
  forEach(visit: (position: number, value: number) => void): void {
    this.#sort()
    for (let i = 0; i < this.#count; i++) visit(this.#positions[i]!, this.#values[i]!)
  }

  /** Writes them all. */
  apply(file: RandomAccessFile): void {
    this.#sort()
    const single = new Uint8Array(6)
    let window: Uint8Array | undefined
    for (let i = 0; i < this.#count; ) {
      const start = this.#positions[i]!
      let end = i + 1
      while (end < this.#count && this.#positions[end]! + 6 - start <= WINDOW) end++
      if (end - i >= DENSE) {
        const length = this.#positions[end - 1]! + 6 - start
        window ??= new Uint8Array(WINDOW)
        const bytes = window.subarray(0, length)
        file.read(start, bytes)
        for (; i < end; i++) writeU48(bytes, this.#positions[i]! - start, this.#values[i]!)
        file.write(start, bytes)
      } else {
        for (; i < end; i++) {
          writeU48(single, 0, this.#values[i]!)
          file.write(this.#positions[i]!, single)
        }
      }
    }
  }

  #sort(): void {
    if (this.#sorted) return
    const order = new Uint32Array(this.#count)
    for (let i = 0; i < order.length; i++) order[i] = i
    const positions = this.#positions
    order.sort((a, b) => positions[a]! - positions[b]!)
    this.#positions = Float64Array.from(order, (i) => positions[i]!)
    const values = this.#values
    this.#values = Float64Array.from(order, (i) => values[i]!)
    this.#sorted = true
  }
}
