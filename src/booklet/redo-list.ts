import { HEADER_LENGTH } from '../format/booklet-header.js'
import { readU48, writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'
import { PointerPatches } from './patches.js'

/*
 * What a commit overwrites, written down before it begins, so that it can be finished after a crash.
 * A list of entries, integers little-endian:
 *
 *    0 position 6 | 6 kind 1 | 7 length 1 | what stands there | what belongs there
 *
 * Entries without a check hold no "what stands there". They are applied in order of their kinds: first
 * the covered blocks appear, then chains lead to them, then replaced blocks die. So whoever finds the
 * file half-way sees each key in its old or its new state.
 */
export type RedoKind = 'uncover' | 'pointer' | 'bytes' | 'kill'

const KINDS: RedoKind[] = ['uncover', 'pointer', 'bytes', 'kill']
const UNCHECKED = 0x80
const HEAD = 8
/** The most bytes of one overwrite. */
export const MAX_REDO_LENGTH = 127

export class RedoList {
  #bytes = new Uint8Array(1024)
  #length = 0

  /** The list so far; valid until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Adds an overwrite of up to `MAX_REDO_LENGTH` bytes; without `before` it is done whatever stands there. */
  add(kind: RedoKind, position: number, before: Uint8Array | undefined, after: Uint8Array): void {
    const at = this.#grow(HEAD + (before ? before.length : 0) + after.length)
    const bytes = this.#bytes
    writeU48(bytes, at, position)
    bytes[at + 6] = KINDS.indexOf(kind)
    bytes[at + 7] = after.length | (before ? 0 : UNCHECKED)
    if (before) bytes.set(before, at + HEAD)
    bytes.set(after, at + HEAD + (before ? before.length : 0))
  }

  /** Adds an overwrite of a pointer. */
  addPointer(kind: 'pointer' | 'kill', position: number, before: number, after: number): void {
    const at = this.#grow(HEAD + 12)
    const bytes = this.#bytes
    writeU48(bytes, at, position)
    bytes[at + 6] = KINDS.indexOf(kind)
    bytes[at + 7] = 6
    writeU48(bytes, at + HEAD, before)
    writeU48(bytes, at + HEAD + 6, after)
  }

  #grow(length: number): number {
    const at = this.#length
    if (at + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, at + length))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
    }
    this.#length += length
    return at
  }
}

/** One overwrite, as places in the list. */
interface Entry {
  position: number
  kind: RedoKind
  /** Where "what stands there" begins; undefined: it isn't checked. */
  before: number | undefined
  /** Where "what belongs there" begins. */
  after: number
  length: number
}

/** Calls `visit` for each entry, which is valid during that call; false when the list isn't whole. */
function forEach(list: Uint8Array, visit: (entry: Entry) => void): boolean {
  const entry: Entry = { position: 0, kind: 'bytes', before: undefined, after: 0, length: 0 }
  for (let at = 0; at < list.length; ) {
    if (at + HEAD > list.length) return false
    const kind = KINDS[list[at + 6]!]
    const length = list[at + 7]! & ~UNCHECKED
    const checked = (list[at + 7]! & UNCHECKED) === 0
    const end = at + HEAD + length * (checked ? 2 : 1)
    if (kind === undefined || end > list.length) return false
    entry.position = readU48(list, at)
    entry.kind = kind
    entry.before = checked ? at + HEAD : undefined
    entry.after = end - length
    entry.length = length
    visit(entry)
    at = end
  }
  return true
}

/** Writes what the list says, in its order. */
export function applyRedo(file: RandomAccessFile, list: Uint8Array): void {
  let patches = new PointerPatches()
  let current: RedoKind | undefined
  forEach(list, ({ position, kind, after, length }) => {
    if (kind !== current) {
      patches.apply(file)
      patches = new PointerPatches()
      current = kind
    }
    if (kind === 'pointer' || kind === 'kill') patches.add(position, readU48(list, after))
    else file.write(position, list.subarray(after, after + length))
  })
  patches.apply(file)
}

/**
 * Whether at each place stands what did before the commit or what belongs there after it: nobody else wrote since. Byte
 * by byte, because a power cut may tear an overwrite where it crosses a sector of the disk.
 */
export function redoFits(file: RandomAccessFile, list: Uint8Array): boolean {
  let fits = true
  const size = file.size()
  const whole = forEach(list, ({ position, kind, before, after, length }) => {
    // A commit overwrites what is there already; whatever leads elsewhere isn't ours.
    if (position + length > size) fits = false
    if (!fits || before === undefined) return
    const found = new Uint8Array(length)
    fits = file.read(position, found) === length && found.every((byte, i) => byte === list[before + i] || byte === list[after + i])
    if ((kind === 'pointer' || kind === 'kill') && length !== 6) fits = false
  })
  return whole && fits
}

/** Whether the list changes the layout of the file, and not only chains: then no reader may see it half done. */
export function changesHeader(list: Uint8Array): boolean {
  let changes = false
  forEach(list, ({ position }) => (changes ||= position < HEADER_LENGTH))
  return changes
}
