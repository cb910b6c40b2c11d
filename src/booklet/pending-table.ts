import type { Digest } from '../format/blake2s.js'

/** A synced block that is no longer valid, and its place in its chain on disk. */
export interface Replaced {
  position: number
  /** The block that leads to it; 0: the bucket itself does. */
  before: number
  /** Where it leads. */
  next: number
}

/**
 * What changed since the last sync, by key digest: where the new block lies (or that there is none any
 * more), and which synced block it replaces. An open-addressing hash table over typed arrays.
 */
export class PendingTable {
  /** Number of entries. They are numbered from 0 in the order in which their keys were first touched. */
  count = 0
  #room = 0
  #slots = new Int32Array(0)
  #mask = 0
  #w0 = new Int32Array(0)
  #w1 = new Int32Array(0)
  #w2 = new Int32Array(0)
  #w3 = new Uint8Array(0)
  #position = new Float64Array(0)
  #replaces = new Float64Array(0)
  #before = new Float64Array(0)
  #next = new Float64Array(0)

  /** The entry of a digest, or -1. */
  find(digest: Digest): number {
    if (this.count === 0) return -1
    const { w0, w1, w2, w3 } = digest
    const mask = this.#mask
    // The digest is uniform already: its first word is the hash.
    for (let slot = w0 & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1
      if (entry < 0) return -1
      if (this.#w0[entry] === w0 && this.#w1[entry] === w1 && this.#w2[entry] === w2 && this.#w3[entry] === w3) return entry
    }
  }

  /** Adds an entry for a digest that has none. */
  add(digest: Digest, position: number, replaced: Replaced | undefined): number {
    if (this.count === this.#room) this.#grow()
    const entry = this.count++
    this.#w0[entry] = digest.w0
    this.#w1[entry] = digest.w1
    this.#w2[entry] = digest.w2
    this.#w3[entry] = digest.w3
    this.#position[entry] = position
    this.#replaces[entry] = replaced?.position ?? 0
    this.#before[entry] = replaced?.before ?? 0
    this.#next[entry] = replaced?.next ?? 0
    this.#insert(entry)
    return entry
  }

  /** Position of the new block; 0 = the key was deleted. */
  position(entry: number): number {
    return this.#position[entry]!
  }

  setPosition(entry: number, position: number): void {
    this.#position[entry] = position
  }

  /** Position of the synced block that is no longer valid; 0 = the key had none. */
  replaces(entry: number): number {
    return this.#replaces[entry]!
  }

  /** The block that leads to the replaced one; 0: the bucket itself does. */
  before(entry: number): number {
    return this.#before[entry]!
  }

  /** Where the replaced block leads, on disk. */
  next(entry: number): number {
    return this.#next[entry]!
  }

  digest(entry: number, out: Digest): void {
    out.w0 = this.#w0[entry]!
    out.w1 = this.#w1[entry]!
    out.w2 = this.#w2[entry]!
    out.w3 = this.#w3[entry]!
  }

  clear(): void {
    this.count = 0
    if (this.#room > 4096) {
      // Give the memory of a bulk load back.
      this.#room = 0
      this.#slots = new Int32Array(0)
      this.#mask = 0
    } else this.#slots.fill(0)
  }

  #insert(entry: number): void {
    const mask = this.#mask
    let slot = this.#w0[entry]! & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry + 1
  }

  #grow(): void {
    const room = Math.max(64, this.#room * 2)
    this.#w0 = grown(this.#w0, new Int32Array(room), this.count)
    this.#w1 = grown(this.#w1, new Int32Array(room), this.count)
    this.#w2 = grown(this.#w2, new Int32Array(room), this.count)
    this.#w3 = grown(this.#w3, new Uint8Array(room), this.count)
    this.#position = grown(this.#position, new Float64Array(room), this.count)
    this.#replaces = grown(this.#replaces, new Float64Array(room), this.count)
    this.#before = grown(this.#before, new Float64Array(room), this.count)
    this.#next = grown(this.#next, new Float64Array(room), this.count)
    this.#room = room
    this.#slots = new Int32Array(room * 2)
    this.#mask = room * 2 - 1
    for (let entry = 0; entry < this.count; entry++) this.#insert(entry)
  }
}

function grown<T extends Int32Array | Uint8Array | Float64Array>(from: T, to: T, count: number): T {
  to.set(from.subarray(0, count))
  return to
}
