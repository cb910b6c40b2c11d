/** A watch in a session, and what it has to tell: everything that others commit, nothing of the session's own. */
import type { Ebooklet, RemoteChange } from '../../src/index.js'
import { metaName, Violation, type PushRecord, type World } from './world.js'

export class Watcher {
  readonly #db: Ebooklet<string>
  readonly #world: World
  /** Pushes of the same session. */
  readonly #own: readonly PushRecord[]
  /** µs by key, as told. */
  readonly #view: Map<string, number>
  readonly #changes: AsyncIterator<RemoteChange>
  #ended = false
  #violation: Violation | undefined
  told = 0

  /** @param interval ms */
  constructor(db: Ebooklet<string>, world: World, own: readonly PushRecord[], interval: number, onError: (error: unknown) => void) {
    this.#db = db
    this.#world = world
    this.#own = own
    this.#view = this.#timestamps()
    this.#changes = db.watch({ interval })[Symbol.asyncIterator]()
    void this.#listen(onError)
  }

  async #listen(onError: (error: unknown) => void): Promise<void> {
    try {
      for (let next = await this.#changes.next(); !next.done; next = await this.#changes.next()) this.#take(next.value)
    } catch (error) {
      if (error instanceof Violation) this.#violation = error
      else onError(error)
    }
    this.#ended = true
  }

  /** Waits until everything is told that the session knows. @throws Violation when that doesn't come to pass */
  async settle(sleep: (ms: number) => Promise<void>): Promise<void> {
    let missing = this.#missing()
    // Longer than any look can take.
    for (let wait = 0; wait < 200 && missing !== undefined; wait++) {
      await sleep(1000)
      missing = this.#missing()
    }
    if (missing !== undefined) throw new Violation(missing)
  }

  throwIfWrong(): void {
    if (this.#violation) throw this.#violation
  }

  /** What differs between what was told and the commit that the session is on. */
  #missing(): string | undefined {
    this.throwIfWrong()
    if (this.#ended) return undefined
    const now = this.#timestamps()
    for (const key of new Set([...now.keys(), ...this.#view.keys()])) {
      if (now.get(key) === this.#view.get(key)) continue
      // What the session did itself is not told.
      // Nor a delete that it tried to make: a delete tells not whose it is.
      const deleted = !now.has(key) && this.#own.some(({ candidates }) => candidates.get(key)?.has(null))
      if (this.#touched(key) || deleted) this.#set(key, now.get(key))
      else return `a watch has told ${key}@${this.#view.get(key)}, where the session has ${now.get(key)}`
    }
    return undefined
  }

  async end(): Promise<void> {
    await this.#changes.return?.()
  }

  #timestamps(): Map<string, number> {
    const commit = this.#world.commitAt(this.#db.remoteTimestamp)
    return new Map([...(commit?.content ?? [])].map(([key, { timestamp }]) => [key, timestamp]))
  }

  #touched(key: string): boolean {
    return this.#own.some(({ commits, candidates, replace }) => commits.length > 0 && (replace || candidates.has(key)))
  }

  #set(key: string, timestamp: number | undefined): void {
    if (timestamp === undefined) this.#view.delete(key)
    else this.#view.set(key, timestamp)
  }

  #take(change: RemoteChange): void {
    this.told++
    const key = change.type === 'metadata' ? metaName : change.key
    const before = this.#view.get(key)
    const touched = this.#touched(key)
    if (change.type !== 'metadata' && !touched) {
      if ((change.type === 'added') !== (before === undefined)) throw new Violation(`a watch tells ${key} as ${change.type}, of which it had told ${before}`)
      if (change.type !== 'added' && change.previous !== before) throw new Violation(`a watch tells ${key} as ${change.type} from ${change.previous}, of which it had told ${before}`)
    }
    const timestamp = change.type === 'deleted' ? undefined : change.timestamp
    if (timestamp !== undefined && this.#isOwn(key, timestamp)) throw new Violation(`a watch tells ${key}, which the session itself has pushed`)
    this.#set(key, timestamp)
  }

  /** Whether the value came to the remote by the session, and by nobody else. */
  #isOwn(key: string, timestamp: number): boolean {
    const first = this.#world.commits.find(({ content }) => content.get(key)?.timestamp === timestamp)
    return first !== undefined && this.#own.some(({ commits, candidates }) => commits.includes(first) && candidates.has(key))
  }
}
