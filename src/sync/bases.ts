/**
 * What the remote had where pending changes began. Mostly that is what the index says now, and nothing is noted. Only when
 * the remote is found to have something else is the old state noted here, for a push to see that both sides changed.
 */
import { NO_BASES, type Base, type BaseEntry, type JournalBases } from '../format/journal-bases.js'

export type { Base, BaseEntry } from '../format/journal-bases.js'

export class Bases {
  readonly #keys: Map<string, Base<BaseEntry>>
  #meta: JournalBases['meta']
  #replace: JournalBases['replace']

  constructor(noted: JournalBases = NO_BASES) {
    this.#keys = new Map(noted.keys)
    this.#meta = noted.meta
    this.#replace = noted.replace
  }

  /** Of pending keys, where the remote has something else by now. */
  get keys(): ReadonlyMap<string, Base<BaseEntry>> {
    return this.#keys
  }
  /** The metadata section where the metadata was edited; undefined while the remote still has it. */
  get meta(): JournalBases['meta'] {
    return this.#meta
  }
  /** µs of the commit that the pending replacement saw; undefined while the remote still has it. */
  get replace(): JournalBases['replace'] {
    return this.#replace
  }
  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.#meta === undefined && this.#replace === undefined
  }

  /** The first one noted counts: later states of the remote are no bases. */
  noteKey(key: string, base: Base<BaseEntry>): void {
    if (!this.#keys.has(key)) this.#keys.set(key, base)
  }

  noteMeta(base: Base<Uint8Array>): void {
    this.#meta ??= base
  }

  noteReplace(base: number | 'unknown'): void {
    this.#replace ??= base
  }

  /** The remote's state of now is the base: a change was taken back, pushed, or decided upon. */
  forgetKey(key: string): void {
    this.#keys.delete(key)
  }

  forgetAllKeys(): void {
    this.#keys.clear()
  }

  forgetMeta(): void {
    this.#meta = undefined
  }

  forgetReplace(): void {
    this.#replace = undefined
  }
}
