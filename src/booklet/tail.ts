import { FormatError } from '../base/error.js'
import { type BlockLayout, fillerHead, longestFiller } from '../format/block.js'
import { writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'
import { PointerPatches } from './patches.js'

const FIRST_BUFFER = 0x4000

/* A stretch of appended bytes on disk. The head of a dead block stands over its first bytes. */
interface Segment {
  readonly start: number
  readonly length: number
  /** The bytes that belong where the head of the dead block stands. */
  hidden: Uint8Array
  /** Whether the bytes get uncovered by the commit (blocks, index) or stay dead (redo list). */
  readonly uncovered: boolean
}

/**
 * The part of a file behind the last synced byte: appended, but not yet valid.
 *
 * A reader that parses the file at any instant (after a kill) sees only dead blocks there: the file first
 * grows by zeros, in multiples of what zeros parse as; then the head of a dead block is written that
 * covers the new stretch; then the data goes inside. The bytes under that head wait in memory until the
 * commit uncovers them. Newest bytes wait in a buffer and are not on disk at all.
 *
 * One case isn't covered: in fixed files with values beyond 64 KiB, or keys close to it, a dead block can't
 * express every length, so a kill between growing the file and writing the head leaves a torn dead block
 * at its end, which the next open for writing cuts off.
 */
export class Tail {
  /** Position of the first byte: the end of the synced data. */
  readonly start: number
  readonly #file: RandomAccessFile
  readonly #layout: BlockLayout
  readonly #bufferSize: number
  readonly #segments: Segment[] = []
  #buffer = new Uint8Array(0)
  #fill = 0
  /* Where the buffer begins: everything before is on disk. */
  #flushed: number
  #fileLength: number

  constructor(file: RandomAccessFile, layout: BlockLayout, start: number, bufferSize: number) {
    this.#file = file
    this.#layout = layout
    this.start = start
    this.#flushed = start
    this.#fileLength = start
    // One dead block covers each flush; in fixed files those are short.
    this.#bufferSize = layout.fixed ? Math.min(bufferSize, 0x8000) : bufferSize
  }

  /** Position behind the last byte. */
  get end(): number {
    return this.#flushed + this.#fill
  }

  /** Length of the file on disk. */
  get fileLength(): number {
    return this.#fileLength
  }

  /** Makes room for a block of `length` bytes and returns where to write it: valid until the next call. */
  reserve(length: number): { bytes: Uint8Array; at: number } {
    if (this.#fill + length > this.#buffer.length) this.#makeRoom(length)
    const at = this.#fill
    this.#fill += length
    return { bytes: this.#buffer, at }
  }

  #makeRoom(length: number): void {
    if (this.#fill > 0 && this.#fill + length > this.#bufferSize) this.flush()
    const needed = this.#fill + length
    if (needed <= this.#buffer.length) return
    const room = Math.max(needed, Math.min(this.#bufferSize, Math.max(FIRST_BUFFER, this.#buffer.length * 2)))
    const grown = new Uint8Array(room)
    grown.set(this.#buffer.subarray(0, this.#fill))
    this.#buffer = grown
  }

  /** Fills `target` from `position` (not before `start`) on; returns how many bytes there were. */
  read(position: number, target: Uint8Array): number {
    const count = Math.min(target.length, this.end - position)
    if (count <= 0) return 0
    const fromDisk = Math.min(count, this.#flushed - position)
    if (fromDisk > 0) {
      if (this.#file.read(position, target.subarray(0, fromDisk)) < fromDisk) throw new FormatError('the file became shorter while it was open')
      this.#uncover(position, target.subarray(0, fromDisk))
    }
    const skip = Math.max(0, fromDisk)
    if (count > skip) {
      const at = position + skip - this.#flushed
      target.set(this.#buffer.subarray(at, at + count - skip), skip)
    }
    return count
  }

  /* Puts the bytes under the heads of dead blocks where those were read. */
  #uncover(position: number, target: Uint8Array): void {
    const end = position + target.length
    for (let i = this.#segmentAt(position); i < this.#segments.length; i++) {
      const { start, hidden } = this.#segments[i]!
      if (start >= end) return
      const from = Math.max(start, position)
      const to = Math.min(start + hidden.length, end)
      if (from < to) target.set(hidden.subarray(from - start, to - start), from - position)
    }
  }

  /* Index of the last segment that starts at or before a position. */
  #segmentAt(position: number): number {
    let low = 0
    let high = this.#segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#segments[middle]!.start <= position) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Overwrites bytes that were appended before. */
  overwrite(position: number, bytes: Uint8Array): void {
    if (position >= this.#flushed) {
      this.#buffer.set(bytes, position - this.#flushed)
      return
    }
    const segment = this.#segments[this.#segmentAt(position)]!
    const covered = Math.max(0, Math.min(bytes.length, segment.start + segment.hidden.length - position))
    if (covered > 0) segment.hidden.set(bytes.subarray(0, covered), position - segment.start)
    if (covered < bytes.length) this.#file.write(position + covered, bytes.subarray(covered))
  }

  /** Overwrites many pointers of appended blocks. */
  patch(patches: PointerPatches): void {
    const onDisk = new PointerPatches()
    const bytes = new Uint8Array(6)
    patches.forEach((position, value) => {
      const covered = position < this.#flushed && position < this.#coveredUntil(position)
      if (position >= this.#flushed || covered) {
        writeU48(bytes, 0, value)
        this.overwrite(position, bytes)
      } else onDisk.add(position, value)
    })
    onDisk.apply(this.#file)
  }

  #coveredUntil(position: number): number {
    const segment = this.#segments[this.#segmentAt(position)]!
    return segment.start + segment.hidden.length
  }

  /** Writes the buffer to disk, where nobody sees it yet. */
  flush(): void {
    if (this.#fill === 0) return
    this.#writeSegment(this.#buffer.subarray(0, this.#fill), true)
    this.#fill = 0
    if (this.#buffer.length > this.#bufferSize) this.#buffer = new Uint8Array(0)
  }

  /** Appends a bucket index on disk, covered like blocks. */
  appendIndex(bytes: Uint8Array): void {
    this.flush()
    const longest = this.#layout.fixed ? 0x8000 : 0x40000000
    for (let at = 0; at < bytes.length; ) {
      // Each piece, also the last, must be long enough to be covered by a dead block.
      const rest = bytes.length - at
      const length = rest <= longest ? rest : Math.min(longest, rest - this.#layout.zeroLength)
      this.#writeSegment(bytes.subarray(at, at + length), true)
      at += length
    }
  }

  /** Appends a list that stays inside dead blocks, and returns where. `readCovered` reads it again. */
  appendCovered(bytes: Uint8Array): number {
    this.flush()
    const position = this.#flushed
    const layout = this.#layout
    for (let at = 0; at < bytes.length; at += pieceLength(layout)) {
      const part = bytes.subarray(at, at + pieceLength(layout))
      const piece = new Uint8Array(Math.max(layout.headerLength + part.length, layout.zeroLength))
      piece.set(part, layout.headerLength)
      this.#writeSegment(piece, false)
    }
    return position
  }

  #writeSegment(bytes: Uint8Array, uncovered: boolean): void {
    const layout = this.#layout
    const start = this.#flushed
    const unit = layout.zeroLength
    const needed = start + bytes.length
    let length = this.#fileLength + Math.max(0, Math.ceil((needed - this.#fileLength) / unit)) * unit
    // The head of the next one must begin at the very end, or lie inside the covered stretch.
    if (length > needed && length - needed < layout.headerLength) length += unit
    if (length - start > longestFiller(layout)) length = needed
    const filler = fillerHead(layout, length - start)
    if (filler === undefined) throw new FormatError(`${bytes.length} bytes can't be appended at once`)
    if (length > this.#fileLength) this.#file.truncate(length)
    this.#file.write(start, filler)
    this.#shrinkLast(start)
    const covered = filler.length
    if (bytes.length > covered) this.#file.write(start + covered, bytes.subarray(covered))
    this.#segments.push({ start, length: bytes.length, hidden: bytes.slice(0, covered), uncovered })
    this.#fileLength = length
    this.#flushed = start + bytes.length
  }

  /* Lets the dead block before end where the new one begins. Until now it covered the new one's head. */
  #shrinkLast(end: number): void {
    const last = this.#segments.at(-1)
    if (last === undefined) return
    const filler = fillerHead(this.#layout, end - last.start)
    if (filler === undefined) throw new FormatError('a stretch of appended bytes is too short to be covered')
    this.#file.write(last.start, filler)
  }

  /** What the commit has to put back, in this order. */
  covered(): { position: number; bytes: Uint8Array }[] {
    return this.#segments.filter(({ uncovered }) => uncovered).map(({ start, hidden }) => ({ position: start, bytes: hidden }))
  }

  /** Turns what was written from a position on (it isn't blocks) into dead blocks for good. */
  abandon(position: number): void {
    for (const segment of this.#segments) {
      if (segment.start >= position) segment.hidden = fillerHead(this.#layout, segment.length) ?? segment.hidden
    }
  }
}

function pieceLength(layout: BlockLayout): number {
  return layout.fixed ? 0x4000 : 0x1000000
}

/** The bytes that `appendCovered` put at a position; undefined when the file ends before. */
export function readCovered(file: RandomAccessFile, layout: BlockLayout, position: number, length: number): Uint8Array | undefined {
  if (length > file.size()) return undefined
  const out = new Uint8Array(length)
  let from = position
  for (let at = 0; at < length; at += pieceLength(layout)) {
    const part = out.subarray(at, at + pieceLength(layout))
    if (file.read(from + layout.headerLength, part) < part.length) return undefined
    from += Math.max(layout.headerLength + part.length, layout.zeroLength)
  }
  return out
}
