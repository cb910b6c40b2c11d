import type { RandomAccessFile } from './random-access-file.js'

const CHUNK = 0x10000

/**
 * A file that keeps in memory what was read of it, while it has at most `limit` bytes; of a longer one it keeps nothing. What
 * is written goes to the file and to what is kept. Nobody else may write to the file meanwhile.
 */
export class CachedFile implements RandomAccessFile {
  readonly #file: RandomAccessFile
  readonly #limit: number
  #size: number
  /* The bytes of the file at their own positions, as far as the chunks are loaded; beyond the end of the file, zeros. */
  #bytes = new Uint8Array(0)
  #loaded = new Uint8Array(0)

  constructor(file: RandomAccessFile, limit: number) {
    this.#file = file
    this.#limit = limit
    this.#size = file.size()
  }

  inMemory(position: number, length: number): Uint8Array | undefined {
    if (this.#size > this.#limit) return undefined
    const end = Math.min(position + length, this.#size)
    for (let chunk = Math.floor(position / CHUNK); chunk * CHUNK < end; chunk++) if (this.#loaded[chunk] !== 1) this.#load(chunk)
    return this.#bytes
  }

  read(position: number, target: Uint8Array): number {
    // Who reads much at once goes through the file, and not back and forth in it.
    const bytes = target.length > CHUNK ? undefined : this.inMemory(position, target.length)
    if (bytes === undefined) return this.#file.read(position, target)
    const count = Math.max(0, Math.min(target.length, this.#size - position))
    if (count > 0) target.set(bytes.subarray(position, position + count))
    return count
  }

  write(position: number, bytes: Uint8Array): void {
    this.#change(() => this.#file.write(position, bytes), Math.max(this.#size, position + bytes.length))
    for (let chunk = Math.floor(position / CHUNK); chunk * CHUNK < position + bytes.length; chunk++) {
      if (this.#loaded[chunk] !== 1) continue
      const from = Math.max(position, chunk * CHUNK)
      const to = Math.min(position + bytes.length, (chunk + 1) * CHUNK)
      this.#bytes.set(bytes.subarray(from - position, to - position), from)
    }
  }

  truncate(length: number): void {
    const before = this.#size
    this.#change(() => this.#file.truncate(length), length)
    if (length < before) this.#bytes.fill(0, length, before)
  }

  size(): number {
    return this.#file.size()
  }

  sync(): void {
    this.#file.sync()
  }

  modified(): number | undefined {
    return this.#file.modified()
  }

  setModified(microseconds: number): void {
    this.#file.setModified(microseconds)
  }

  close(): void {
    this.#forget()
    this.#file.close()
  }

  #change(change: () => void, size: number): void {
    try {
      change()
    } catch (error) {
      // Nobody knows what stands there now, nor how much.
      this.#size = Infinity
      this.#forget()
      throw error
    }
    this.#size = size
    if (size > this.#limit) this.#forget()
  }

  #forget(): void {
    this.#bytes = new Uint8Array(0)
    this.#loaded = new Uint8Array(0)
  }

  #load(chunk: number): void {
    if (chunk >= this.#loaded.length) this.#grow()
    const start = chunk * CHUNK
    this.#file.read(start, this.#bytes.subarray(start, Math.min(start + CHUNK, this.#size)))
    this.#loaded[chunk] = 1
  }

  /* Room for the whole file: memory is taken when chunks are loaded. */
  #grow(): void {
    const room = Math.max(this.#size, Math.min(this.#limit, this.#bytes.length * 2))
    const chunks = Math.ceil(room / CHUNK)
    const bytes = new Uint8Array(chunks * CHUNK)
    const loaded = new Uint8Array(chunks)
    for (let chunk = 0; chunk < this.#loaded.length; chunk++) {
      if (this.#loaded[chunk] === 1) bytes.set(this.#bytes.subarray(chunk * CHUNK, (chunk + 1) * CHUNK), chunk * CHUNK)
    }
    loaded.set(this.#loaded)
    this.#bytes = bytes
    this.#loaded = loaded
  }
}
