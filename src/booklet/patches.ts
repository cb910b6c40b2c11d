import { writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

const POINTER = 6
/* With the pointer that begins at its last byte it has 64 KiB, as much as is read from memory where the file is there. */
const WINDOW = 0x10000 - POINTER
/* From this many patches within a window on, one read and one write of it are cheaper. */
const DENSE = 12

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
    let window: Uint8Array | undefined
    for (let i = 0; i < this.#count; ) {
      const number = windowOf(this.#positions[i]!)
      let end = i + 1
      while (end < this.#count && windowOf(this.#positions[end]!) === number) end++
      if (end - i >= DENSE) {
        window ??= new Uint8Array(WINDOW + POINTER)
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
    orderByWindow(positions).forEach((from, to) => {
      this.#positions[to] = positions[from]!
      this.#values[to] = values[from]!
    })
    this.#sorted = true
  }
}

function windowOf(position: number): number {
  return Math.floor(position / WINDOW)
}

/* The numbers of the patches, by window and then as they came: by counting, unless there are few in a large file. */
function orderByWindow(positions: Float64Array): Uint32Array {
  const count = positions.length
  const windows = windowOf(positions.reduce((a, b) => Math.max(a, b), 0)) + 1
  const order = new Uint32Array(count)
  if (windows > count * 64 + 4096) return order.map((_, i) => i).sort((a, b) => windowOf(positions[a]!) - windowOf(positions[b]!) || a - b)
  const next = new Uint32Array(windows + 1)
  for (let i = 0; i < count; i++) next[windowOf(positions[i]!) + 1]!++
  for (let window = 0; window < windows; window++) next[window + 1]! += next[window]!
  for (let i = 0; i < count; i++) order[next[windowOf(positions[i]!)]!++] = i
  return order
}
