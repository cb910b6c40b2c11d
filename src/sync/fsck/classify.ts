/** Telling what an object below a database is that nothing refers to: left over, or none of ours. */
import { childPrefix, isLockTicket, isProbeKey, parseGroupKey } from '../../format/names.js'
import type { ObjectStore } from '../../store/object-store.js'
import { forEachConcurrent } from '../concurrency.js'
import type { Child } from './children.js'
import type { References } from './references.js'

export type Class =
  | { is: 'orphan'; what: 'group' | 'value' | 'probe' }
  | { is: 'hidden'; sweepable: boolean }
  | { is: 'foreign' }
  /** Another database, or something below one that was told of already. */
  | { is: 'nested'; root: string; first: boolean }

const asksAtOnce = 16

/**
 * Names alone don't tell: another database may live below this one, and its objects have names that would be keys of
 * this one. So the user metadata of what is to be judged is looked at, and of every object that it lies below.
 */
export class Classifier {
  readonly #store: ObjectStore
  readonly #dbKey: string
  readonly #references: References
  readonly #signal: AbortSignal | undefined
  /** Keys of other databases below this one. */
  readonly #roots = new Set<string>()
  /** Whether objects that this database refers to are another database's db object all the same. */
  readonly #asked = new Map<string, boolean>()

  constructor(store: ObjectStore, dbKey: string, references: References, signal: AbortSignal | undefined) {
    this.#store = store
    this.#dbKey = dbKey
    this.#references = references
    this.#signal = signal
  }

  /** Judges children in the order of their listing; each call goes on where the one before ended. */
  async classify(children: readonly Child[]): Promise<{ child: Child; found: Class }[]> {
    const metadata = new Map<Child, Readonly<Record<string, string>> | undefined>()
    const unclear = children.filter((child) => child.present && !isProbeKey(this.#dbKey, child.object) && this.#rootOf(child.object) === undefined)
    await forEachConcurrent(unclear, asksAtOnce, async (child) => {
      const head = await this.#store.head(child.object, { signal: this.#signal })
      metadata.set(child, head.status === 'ok' ? head.info.metadata : undefined)
    })
    const out: { child: Child; found: Class }[] = []
    for (const child of children) out.push({ child, found: await this.#judge(child, metadata.get(child)) })
    return out
  }

  async #judge(child: Child, metadata: Readonly<Record<string, string>> | undefined): Promise<Class> {
    const { object } = child
    const known = this.#rootOf(object) ?? (await this.#hiddenRootOf(object))
    if (known !== undefined) return { is: 'nested', root: known, first: this.#addRoot(known) }
    const own = metadata && isDatabase(metadata) ? object : isLockTicket(object) ? object.replace(/\.lock\.[0-9a-f]{13}-[01]$/, '') : undefined
    if (own !== undefined) return { is: 'nested', root: own, first: this.#addRoot(own) }
    const probe = isProbeKey(this.#dbKey, object)
    const group = parseGroupKey(this.#dbKey, object) !== undefined
    // What is hidden by a delete marker shows no metadata: only its name can tell.
    if (!child.present) return { is: 'hidden', sweepable: probe || group }
    if (probe) return { is: 'orphan', what: 'probe' }
    if (metadata === undefined) return { is: 'foreign' }
    if (isValue(metadata)) return { is: 'orphan', what: 'value' }
    return group && Object.keys(metadata).length === 0 ? { is: 'orphan', what: 'group' } : { is: 'foreign' }
  }

  #addRoot(root: string): boolean {
    if (this.#roots.has(root)) return false
    this.#roots.add(root)
    return true
  }

  /* A database that is known to live here and that the object is of. The db object of a database comes before its children in a listing, and so do its tickets. */
  #rootOf(object: string): string | undefined {
    if (this.#roots.size === 0) return undefined
    for (const root of this.#ancestors(object)) if (this.#roots.has(root)) return root
    const ticket = isLockTicket(object) ? object.replace(/\.lock\.[0-9a-f]{13}-[01]$/, '') : undefined
    return ticket !== undefined && this.#roots.has(ticket) ? ticket : undefined
  }

  /* The same for a db object that lies where this database has a value of its own. */
  async #hiddenRootOf(object: string): Promise<string | undefined> {
    for (const ancestor of this.#ancestors(object)) {
      if (!this.#references.refersTo(ancestor)) continue
      let database = this.#asked.get(ancestor)
      if (database === undefined) {
        const head = await this.#store.head(ancestor, { signal: this.#signal })
        database = head.status === 'ok' && isDatabase(head.info.metadata)
        this.#asked.set(ancestor, database)
      }
      if (database) return ancestor
    }
    return undefined
  }

  /* `db/a`, `db/a/b` for `db/a/b/c`. */
  *#ancestors(object: string): Generator<string> {
    const start = childPrefix(this.#dbKey).length
    for (let at = object.indexOf('/', start); at >= 0; at = object.indexOf('/', at + 1)) if (at > start) yield object.slice(0, at)
  }
}

/** Whether user metadata is that of a db object, of whichever format. */
export function isDatabase(metadata: Readonly<Record<string, string>>): boolean {
  return 'uuid' in metadata || 'format_version' in metadata || 'init_bytes' in metadata
}

/* A value has its timestamp and nothing else. */
function isValue(metadata: Readonly<Record<string, string>>): boolean {
  return Object.keys(metadata).length === 1 && /^\d{1,17}$/.test(metadata['timestamp'] ?? '')
}
