/**
 * The changes that were made locally and not pushed yet, with the choices that wait for a push. Lives in
 * memory during a session; its JSON form is slot 1 of the local file.
 */
import { decodeJournal, encodeJournal, type Journal } from '../format/journal.js'

export class PendingChanges {
  readonly #written: Set<string>
  readonly #deletes: Set<string>
  #numGroups: number | null
  #numGroupsSet: boolean
  #replacePending: boolean
  #metaPending: boolean
  #unsaved = false
  #version = 0
  /** What was changed while a push runs: its keys must not be settled by that push. */
  #changedInPush: Set<string> | undefined
  #metaChangedInPush = false

  constructor(journal?: Journal) {
    this.#written = new Set(journal?.written)
    this.#deletes = new Set(journal?.deletes)
    this.#numGroups = journal?.numGroups ?? null
    this.#numGroupsSet = journal?.numGroupsSet ?? false
    this.#replacePending = journal?.replacePending ?? false
    this.#metaPending = journal?.metaPending ?? false
  }

  static decode(bytes: Uint8Array): PendingChanges {
    return new PendingChanges(decodeJournal(bytes))
  }

  encode(): Uint8Array {
    return encodeJournal({
      written: this.#written,
      deletes: this.#deletes,
      numGroups: this.#numGroups,
      numGroupsSet: this.#numGroupsSet,
      replacePending: this.#replacePending,
      metaPending: this.#metaPending,
    })
  }

  get written(): ReadonlySet<string> {
    return this.#written
  }
  get deletes(): ReadonlySet<string> {
    return this.#deletes
  }
  /** The recorded choice: a number of groups, or null for per-key mode. Undefined when none was made. */
  get numGroups(): number | null | undefined {
    return this.#numGroupsSet ? this.#numGroups : undefined
  }
  get replacePending(): boolean {
    return this.#replacePending
  }
  get metaPending(): boolean {
    return this.#metaPending
  }
  /** Rises with every change of `written` and `deletes`. */
  get version(): number {
    return this.#version
  }
  get isEmpty(): boolean {
    return this.#written.size === 0 && this.#deletes.size === 0 && !this.#metaPending && !this.#replacePending
  }
  /** True until `markSaved`: the journal in the local file is older than this. */
  get unsaved(): boolean {
    return this.#unsaved
  }

  addWrite(key: string): void {
    this.#deletes.delete(key)
    this.#written.add(key)
    this.#changed(key)
  }

  addDelete(key: string): void {
    this.#written.delete(key)
    this.#deletes.add(key)
    this.#changed(key)
  }

  forget(key: string): void {
    this.#written.delete(key)
    this.#deletes.delete(key)
    this.#changed(key)
  }

  forgetAllKeys(): void {
    this.#written.clear()
    this.#deletes.clear()
    this.#changed()
  }

  setNumGroups(choice: number | null): void {
    if (this.numGroups === choice) return
    this.#numGroups = choice
    this.#numGroupsSet = true
    this.#unsaved = true
  }

  setReplacePending(pending: boolean): void {
    this.#replacePending = pending
    this.#changed()
  }

  setMetaPending(pending: boolean): void {
    this.#metaPending = pending
    this.#metaChangedInPush = true
    this.#unsaved = true
  }

  beginPush(): void {
    this.#changedInPush = new Set()
    this.#metaChangedInPush = false
  }

  endPush(): void {
    this.#changedInPush = undefined
  }

  get pushRuns(): boolean {
    return this.#changedInPush !== undefined
  }

  /** Takes out what a commit has made true, but for what was changed again meanwhile. */
  settle(keys: Iterable<string>): void {
    for (const key of keys) {
      if (this.#changedInPush?.has(key)) continue
      this.#written.delete(key)
      this.#deletes.delete(key)
    }
    this.#replacePending = false
    if (!this.#metaChangedInPush) this.#metaPending = false
    this.#changed()
  }

  markSaved(): void {
    this.#unsaved = false
  }

  #changed(key?: string): void {
    if (key !== undefined) this.#changedInPush?.add(key)
    this.#version++
    this.#unsaved = true
  }
}
