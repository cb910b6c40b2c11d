/**
 * The changes that were made locally and not pushed yet, with the choices that wait for a push. Lives in
 * memory during a session; its JSON form is slot 1 of the local file.
 */
import { decodeJournal, encodeJournal, type Journal } from '../format/journal.js'
import { Bases } from './bases.js'

export class PendingChanges {
  readonly #written: Set<string>
  readonly #deletes: Set<string>
  #numGroups: number | null
  #numGroupsSet: boolean
  #replacePending: boolean
  #metaPending: boolean
  readonly #bases: Bases
  #sent: boolean
  #unsaved = false
  /** What was added to `written` since the journal was saved; undefined when more than that was changed. */
  #added: string[] | undefined = []
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
    this.#bases = new Bases(journal?.bases)
    this.#sent = journal?.sent ?? false
    // Of what isn't pending there is no base: somebody else wrote the journal, or damaged it.
    for (const key of this.#bases.keys.keys()) if (!this.has(key)) this.#bases.forgetKey(key)
    if (!this.#metaPending) this.#bases.forgetMeta()
    if (!this.#replacePending) this.#bases.forgetReplace()
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
      bases: this.#bases,
      sent: this.#sent,
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
  /** What the remote had where these changes began. To be changed by `noteBases` and what ends a change. */
  get bases(): Pick<Bases, 'keys' | 'meta' | 'replace' | 'isEmpty'> {
    return this.#bases
  }
  /** True while a push runs, and after one of which it isn't known whether its commit arrived, in an earlier process too. */
  get sent(): boolean {
    return this.#sent
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
  /** The keys that were added to `written` since `markSaved`; undefined when something else was changed, too. */
  get added(): readonly string[] | undefined {
    return this.#added
  }

  /** Whether a write or a delete of the key is pending. */
  has(key: string): boolean {
    return this.#written.has(key) || this.#deletes.has(key)
  }

  /** Notes what the remote had, before another state of it is taken in. */
  noteBases(note: (bases: Pick<Bases, 'noteKey' | 'noteMeta' | 'noteReplace'>) => void): void {
    note(this.#bases)
    this.#differs()
  }

  /** What the remote has now is what these changes are to be based on: somebody decided so. */
  rebase(what: { keys?: Iterable<string>; meta?: boolean; replace?: boolean }): void {
    for (const key of what.keys ?? []) this.#bases.forgetKey(key)
    if (what.meta) this.#bases.forgetMeta()
    if (what.replace) this.#bases.forgetReplace()
    this.#differs()
  }

  addWrite(key: string): void {
    const added = this.#deletes.has(key) ? undefined : this.#added
    if (!this.#written.has(key)) added?.push(key)
    this.#deletes.delete(key)
    this.#written.add(key)
    this.#changed(key)
    this.#added = added
  }

  addDelete(key: string): void {
    this.#written.delete(key)
    this.#deletes.add(key)
    this.#changed(key)
  }

  forget(key: string): void {
    this.#bases.forgetKey(key)
    this.#written.delete(key)
    this.#deletes.delete(key)
    this.#changed(key)
  }

  forgetAllKeys(): void {
    this.#bases.forgetAllKeys()
    this.#written.clear()
    this.#deletes.clear()
    this.#changed()
  }

  setNumGroups(choice: number | null): void {
    if (this.numGroups === choice) return
    this.#numGroups = choice
    this.#numGroupsSet = true
    this.#differs()
  }

  setReplacePending(pending: boolean): void {
    this.#replacePending = pending
    this.#bases.forgetReplace()
    this.#changed()
  }

  setMetaPending(pending: boolean): void {
    this.#metaPending = pending
    if (!pending) this.#bases.forgetMeta()
    this.#metaChangedInPush = true
    this.#differs()
  }

  setSent(sent: boolean): void {
    if (this.#sent === sent) return
    this.#sent = sent
    this.#differs()
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

  /** Whether one of these was changed since the push began. */
  changedInPush(keys: Iterable<string>, meta: boolean): boolean {
    if (meta && this.#metaChangedInPush) return true
    for (const key of keys) if (this.#changedInPush?.has(key)) return true
    return false
  }

  /** Takes out what a commit has made true, but for what was changed again meanwhile: that is based on the commit. */
  settle(keys: Iterable<string>): void {
    this.#bases.forgetMeta()
    this.#bases.forgetReplace()
    for (const key of keys) {
      this.#bases.forgetKey(key)
      if (this.#changedInPush?.has(key)) continue
      this.#written.delete(key)
      this.#deletes.delete(key)
    }
    this.#replacePending = false
    this.#sent = false
    if (!this.#metaChangedInPush) this.#metaPending = false
    this.#changed()
  }

  markSaved(): void {
    this.#unsaved = false
    this.#added = []
  }

  #changed(key?: string): void {
    if (key !== undefined) this.#changedInPush?.add(key)
    this.#version++
    this.#differs()
  }

  /* The journal has to be written anew. */
  #differs(): void {
    this.#unsaved = true
    this.#added = undefined
  }
}
