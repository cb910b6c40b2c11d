import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, futimesSync, readSync, writeSync } from 'node:fs'
import { ClosedError } from '../base/error.js'

/**
 * Bytes that can be read and written at any position: a file, memory, or a disk that tests make up.
 * Everything is synchronous. Positions and lengths are in bytes.
 */
export interface RandomAccessFile {
  /** Fills `target` from `position` on and returns how many bytes there were; fewer only at the end. */
  read(position: number, target: Uint8Array): number
  /**
   * An array in which the bytes from `position` on, as many of `length` as there are, stand at their own positions; undefined
   * where they are not held in memory. Valid until the file is changed.
   */
  inMemory?(position: number, length: number): Uint8Array | undefined
  /** Writes all of `bytes`; the file grows where needed. */
  write(position: number, bytes: Uint8Array): void
  /** Cuts the file, or makes it longer with zeros. */
  truncate(length: number): void
  size(): number
  /** Returns once everything written so far would survive a power cut. */
  sync(): void
  /** Last modification, µs since the epoch; undefined where there is no such thing. */
  modified(): number | undefined
  /** Sets the last modification, a multiple of 1000 µs, where that is allowed. */
  setModified(microseconds: number): void
  close(): void
}

/** An open file of the file system. Whoever opened the descriptor hands it over: close() closes it. */
export class DiskFile implements RandomAccessFile {
  readonly fd: number
  #closed = false

  constructor(fd: number) {
    this.fd = fd
  }

  read(position: number, target: Uint8Array): number {
    let done = readSync(this.fd, target, 0, target.length, position)
    if (done === target.length || done === 0) return done
    for (;;) {
      const count = readSync(this.fd, target, done, target.length - done, position + done)
      if (count === 0) return done
      done += count
    }
  }

  write(position: number, bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.length) done += writeSync(this.fd, bytes, done, bytes.length - done, position + done)
  }

  truncate(length: number): void {
    ftruncateSync(this.fd, length)
  }

  size(): number {
    return fstatSync(this.fd).size
  }

  sync(): void {
    fdatasyncSync(this.fd)
  }

  modified(): number {
    return Number(fstatSync(this.fd, { bigint: true }).mtimeNs / 1000n)
  }

  setModified(microseconds: number): void {
    const seconds = microseconds / 1e6
    try {
      futimesSync(this.fd, seconds, seconds)
    } catch (error) {
      // Only its owner may. Who opens the file next finds another time than recorded, and looks the file through.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.fd)
  }
}

/** The same in memory. Grows by doubling; `sync` has nothing to do. */
export class MemoryFile implements RandomAccessFile {
  #bytes: Uint8Array<ArrayBuffer>
  #length: number
  #shared: boolean
  #closed = false

  /** Takes the bytes as they are; with `shared` they belong to the caller, and a first write copies them. */
  constructor(bytes: Uint8Array = new Uint8Array(0), options: { shared?: boolean } = {}) {
    this.#bytes = bytes as Uint8Array<ArrayBuffer>
    this.#length = bytes.length
    this.#shared = options.shared ?? false
  }

  /** What the file holds now: valid until the next change. */
  contents(): Uint8Array<ArrayBuffer> {
    this.#check()
    return this.#bytes.subarray(0, this.#length)
  }

  inMemory(): Uint8Array {
    this.#check()
    return this.#bytes
  }

  read(position: number, target: Uint8Array): number {
    this.#check()
    const count = Math.max(0, Math.min(target.length, this.#length - position))
    if (count > 0) target.set(this.#bytes.subarray(position, position + count))
    return count
  }

  write(position: number, bytes: Uint8Array): void {
    this.#check()
    const end = position + bytes.length
    if (end > this.#length) this.truncate(end)
    this.#own(this.#length)
    this.#bytes.set(bytes, position)
  }

  truncate(length: number): void {
    this.#check()
    this.#own(length)
    if (length < this.#length) this.#bytes.fill(0, length, this.#length)
    this.#length = length
  }

  size(): number {
    this.#check()
    return this.#length
  }

  sync(): void {
    this.#check()
  }

  modified(): undefined {
    return undefined
  }

  setModified(): void {
    this.#check()
  }

  close(): void {
    this.#closed = true
    this.#bytes = new Uint8Array(0)
    this.#length = 0
  }

  /* Makes room for `length` bytes in an array of our own. */
  #own(length: number): void {
    if (!this.#shared && length <= this.#bytes.length) return
    const room = length <= this.#bytes.length ? this.#bytes.length : Math.max(length, Math.ceil(this.#bytes.length * 1.5), 1024)
    const grown = new Uint8Array(room)
    grown.set(this.#bytes.subarray(0, Math.min(this.#length, room)))
    this.#bytes = grown
    this.#shared = false
  }

  #check(): void {
    if (this.#closed) throw new ClosedError('the file in memory is closed')
  }
}
