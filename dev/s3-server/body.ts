import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** The bytes of an object or a part. Immutable. */
export interface Body {
  readonly length: number
  /** Some of the bytes; all of them by default. */
  read(start?: number, end?: number): Buffer
}

/** Keeps bodies: in memory, or the larger ones in one file, to which they are appended. */
export interface Bodies {
  keep(bytes: Buffer): Body
  close(): void
}

/** Smaller ones stay in memory in any case. */
const smallest = 65_536

export function bodiesIn(folder: string | undefined): Bodies {
  return folder === undefined ? { keep: inMemory, close: () => undefined } : new SpillFile(folder)
}

/** A body that is held in memory. */
export function inMemory(bytes: Buffer): Body {
  return { length: bytes.length, read: (start, end) => bytes.subarray(start, end) }
}

/** Several bodies, one after the other, as one; nothing is copied. */
export function joined(bodies: readonly Body[]): Body {
  const [only] = bodies
  if (only !== undefined && bodies.length === 1) return only
  const length = bodies.reduce((sum, body) => sum + body.length, 0)
  return {
    length,
    read(start = 0, end = length) {
      const pieces: Buffer[] = []
      let at = 0
      for (const body of bodies) {
        const from = Math.max(start - at, 0)
        const to = Math.min(end - at, body.length)
        if (from < to) pieces.push(body.read(from, to))
        at += body.length
      }
      return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    },
  }
}

/* What was deleted stays in the file until the server ends. */
class SpillFile implements Bodies {
  readonly #path: string
  readonly #descriptor: number
  #length = 0
  #closed = false

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#path = join(folder, 'bodies')
    this.#descriptor = openSync(this.#path, 'w+')
  }

  keep(bytes: Buffer): Body {
    if (bytes.length < smallest) return inMemory(bytes)
    const position = this.#length
    const { length } = bytes
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at, bytes.length - at, position + at)
    this.#length += bytes.length
    return { length, read: (start = 0, end = length) => this.#read(position + start, Math.min(end, length) - start) }
  }

  #read(position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; ) {
      const count = readSync(this.#descriptor, bytes, at, length - at, position + at)
      if (count === 0) throw new Error('the file of bodies became shorter')
      at += count
    }
    return bytes
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#descriptor)
    rmSync(this.#path, { force: true })
  }
}
