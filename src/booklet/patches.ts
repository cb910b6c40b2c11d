import { writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

const POINTER = 6
/* With the pointer that begins at its last byte it has 64 KiB, as much as is read from memory where the file is there. */
const WINDOW = 0x10000 - POINTER
/* From this many patches within a window on, one read and one write of it are cheaper. */
const DENSE = 24

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

  /** Calls `visit` for each, by windows of the file; within one in the order of adding. */
  forEach(visit: (position: number, value: number) => void): void {
    this.#sort()
    for (let i = 0; i < this.#count; i++) visit(this.#positions[i]!, this.#values[i]!)
  }

  /** Writes them all. */
  apply(file: RandomAccessFile): void {
    this.#sort()
    const single = new Uint8Array(POINTER)
    const window = new Uint8Array(this.#count >= DENSE ? WINDOW + POINTER : 0)
    for (let i = 0; i < this.#count; ) {
      const number = windowOf(this.#positions[i]!)
      let end = i + 1
      while (end < this.#count && windowOf(this.#positions[end]!) === number) end++
      if (end - i >= DENSE) {
        const start = number * WINDOW
        const bytes = window.subarray(0, file.read(start, window))
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
    const positions = this.#positions.slice(0, this.#count)
    const values = this.#values.slice(0, this.#count)
    sortedByWindow(positions).forEach((from, to) => {
      this.#positions[to] = positions[from]!
      this.#values[to] = values[from]!
    })
    this.#sorted = true
  }
}

function windowOf(position: number): number {
  return Math.floor(position / WINDOW)
}

/* The numbers of the patches, by window and then as they came. Numbers without a function to compare them sort ten times as fast. */
function sortedByWindow(positions: Float64Array): Float64Array {
  const count = positions.length
  const last = windowOf(positions.reduce((a, b) => Math.max(a, b), 0))
  if ((last + 1) * count > Number.MAX_SAFE_INTEGER) return positions.map((_, i) => i).sort((a, b) => windowOf(positions[a]!) - windowOf(positions[b]!) || a - b)
  return positions.map((position, i) => windowOf(position) * count + i).sort().map((key) => key % count)
}
