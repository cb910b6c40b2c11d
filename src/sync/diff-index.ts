/** Which keys two states of a remote differ in, told from their indexes alone. */
import type { IndexEntry } from '../format/index-entry.js'

/** What of an index is looked at. A timestamp stands for a value, so what lies elsewhere now has not changed. */
export interface ComparableIndex {
  has(key: string): boolean
  get(key: string): Pick<IndexEntry, 'timestamp'> | undefined
  entries(): Iterable<readonly [string, Pick<IndexEntry, 'timestamp'>]>
  keys(): Iterable<string>
}

/** The µs of a key's value in the two states; undefined where there is none. */
export interface IndexChange {
  key: string
  before: number | undefined
  after: number | undefined
}

/**
 * The keys that were added, changed or deleted: first those that were there before, in their order, then the added ones.
 * Holds one bit for each key. Commits keep the order of what they don't change, so both indexes are walked side by side,
 * and only keys at other places are looked up.
 */
export function* diffIndexes(before: ComparableIndex, after: ComparableIndex): Generator<IndexChange> {
  const walk = new Walk(after, before)
  for (const [key, { timestamp }] of before.entries()) {
    const found = (walk.take(key) ?? after.get(key))?.timestamp
    if (found !== timestamp) yield { key, before: timestamp, after: found }
  }
  for (const key of walk.untaken()) {
    const added = before.has(key) ? undefined : after.get(key)
    if (added) yield { key, before: undefined, after: added.timestamp }
  }
}

/** Goes through one index in the order of another, and remembers which entries were met. */
class Walk {
  readonly #index: ComparableIndex
  readonly #other: ComparableIndex
  readonly #entries: Iterator<readonly [string, Pick<IndexEntry, 'timestamp'>]>
  #next: IteratorResult<readonly [string, Pick<IndexEntry, 'timestamp'>], unknown>
  #place = 0
  /** Whether the next entry is known to come later in the other index, or to have come. */
  #waits = false
  /** One bit for each place. */
  #taken = new Uint8Array(64)

  constructor(index: ComparableIndex, other: ComparableIndex) {
    this.#index = index
    this.#other = other
    this.#entries = index.entries()[Symbol.iterator]()
    this.#next = this.#entries.next()
  }

  /** The entry of this key, if it is the next one. What the other index doesn't have is passed over. */
  take(key: string): Pick<IndexEntry, 'timestamp'> | undefined {
    while (!this.#next.done) {
      const [name, entry] = this.#next.value
      if (name === key) {
        this.#mark()
        this.#advance()
        return entry
      }
      this.#waits ||= this.#other.has(name)
      if (this.#waits) return undefined
      this.#advance()
    }
    return undefined
  }

  /** Keys of the entries that were not taken. */
  *untaken(): Generator<string> {
    let place = 0
    for (const key of this.#index.keys()) {
      if (((this.#taken[place >> 3] ?? 0) & (1 << (place & 7))) === 0) yield key
      place++
    }
  }

  #advance(): void {
    this.#next = this.#entries.next()
    this.#place++
    this.#waits = false
  }

  #mark(): void {
    const at = this.#place >> 3
    if (at >= this.#taken.length) {
      const larger = new Uint8Array(this.#taken.length * 2)
      larger.set(this.#taken)
      this.#taken = larger
    }
    this.#taken[at]! |= 1 << (this.#place & 7)
  }
}
