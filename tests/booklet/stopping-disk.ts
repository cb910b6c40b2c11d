import type { FileHome } from '../../src/booklet/file-home.js'
import { MemoryFile, type RandomAccessFile } from '../../src/platform/random-access-file.js'

export class Stopped extends Error {}

/**
 * A disk with one booklet file and its side file, on which the process "dies" after a number of changing
 * calls: that call and all later ones throw, and what was written stays. Large writes may stop half-way.
 */
export class StoppingDisk implements FileHome {
  readonly path = 'made-up.blt'
  readonly sidecarPath = 'made-up.blt.prune'
  readonly file: RandomAccessFile
  #main: MemoryFile
  #side: MemoryFile | undefined
  /** Changing calls so far. */
  calls = 0
  /** Synced calls so far: how often sync was called on either file. */
  syncs = 0
  limit = Infinity
  /** Only the call at the limit fails; the disk works again afterwards. */
  once = false
  /** Of a call that is stopped and writes more than a page: how much of it gets through, 0 to 1. */
  part = 0

  constructor(bytes: Uint8Array = new Uint8Array(0), side?: Uint8Array) {
    this.#main = new MemoryFile(bytes.slice())
    this.#side = side && new MemoryFile(side.slice())
    this.file = this.#wrap(() => this.#main)
  }

  /** What would be found after the stop. */
  snapshot(): { main: Uint8Array; side: Uint8Array | undefined } {
    return { main: this.#main.contents().slice(), side: this.#side?.contents().slice() }
  }

  openSidecar(): RandomAccessFile | undefined {
    return this.#side && this.#wrap(() => this.#side!)
  }

  createSidecar(): RandomAccessFile {
    this.#change()
    this.#side = new MemoryFile()
    return this.#wrap(() => this.#side!)
  }

  removeSidecar(): void {
    if (this.#side === undefined) return
    this.#change()
    this.#side = undefined
  }

  syncFolder(): void {
    this.#change()
  }

  #change(partly?: (part: number) => void): void {
    if (this.once ? this.calls === this.limit : this.calls >= this.limit) {
      partly?.(this.part)
      if (this.once) this.limit = -1
      throw new Stopped(`stopped at call ${this.calls}`)
    }
    this.calls++
  }

  #wrap(target: () => MemoryFile): RandomAccessFile {
    return {
      read: (position, into) => target().read(position, into),
      write: (position, bytes) => {
        this.#change((part) => {
          // The kernel copies page by page; only what lies within one page goes in one piece.
          const pages = Math.floor((bytes.length * part) / 4096) * 4096
          if (pages > 0 && this.calls === this.limit) target().write(position, bytes.subarray(0, pages))
        })
        target().write(position, bytes)
      },
      truncate: (length) => {
        this.#change()
        target().truncate(length)
      },
      size: () => target().size(),
      sync: () => {
        this.#change()
        this.syncs++
      },
      modified: () => undefined,
      setModified: () => this.#change(),
      close: () => undefined,
    }
  }
}
