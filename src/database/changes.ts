import type { PushOptions } from '../sync/push.js'
import type { PullResult } from '../sync/pull.js'
import type { PushResult } from '../sync/push-result.js'
import type { SyncState } from '../sync/state.js'

/** A local change that was not pushed yet. */
export interface Change {
  key: string
  type: 'added' | 'changed' | 'deleted'
  /** µs of the local write; undefined for a delete, which has none. */
  localTimestamp: number | undefined
  /** µs of the value that the remote has; undefined when it has none. */
  remoteTimestamp: number | undefined
}

/** What a `Changes` can ask of its session. */
export interface ChangesOwner {
  push(options?: PushOptions): Promise<PushResult>
  pull(options?: { signal?: AbortSignal }): Promise<PullResult>
  discard(keys?: Iterable<string>): void
}

/** The changes that wait for a push, as they are when you look. Iterate it with `for … of` or `for await`. */
export class Changes implements Iterable<Change>, AsyncIterable<Change> {
  readonly #state: SyncState
  readonly #owner: ChangesOwner

  /** @internal */
  constructor(state: SyncState, owner: ChangesOwner) {
    this.#state = state
    this.#owner = owner
  }

  /** How many keys wait. */
  get size(): number {
    return this.#state.pending.written.size + this.#state.pending.deletes.size
  }

  /** True when the metadata was edited and waits too. */
  get metadataChanged(): boolean {
    return this.#state.pending.metaPending
  }

  /** True when the next push replaces the whole remote (flag `n`). */
  get replacesRemote(): boolean {
    return this.#state.pending.replacePending
  }

  /** Keys that the next push deletes on the remote. */
  get pendingDeletes(): string[] {
    return [...this.#state.pending.deletes]
  }

  *[Symbol.iterator](): Generator<Change> {
    const { pending, local, visibleIndex } = this.#state
    for (const key of [...pending.written]) {
      const entry = visibleIndex.get(key)
      const type = entry ? 'changed' : 'added'
      yield { key, type, localTimestamp: local.getTimestamp(key), remoteTimestamp: entry?.timestamp }
    }
    for (const key of [...pending.deletes]) {
      yield { key, type: 'deleted', localTimestamp: undefined, remoteTimestamp: visibleIndex.get(key)?.timestamp }
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Change> {
    return eachOf(this[Symbol.iterator]())
  }

  /** Drops pending changes; see `Ebooklet.discard`. */
  discard(keys?: Iterable<string>): void {
    this.#owner.discard(keys)
  }

  /** See `Ebooklet.push`. */
  push(options?: PushOptions): Promise<PushResult> {
    return this.#owner.push(options)
  }

  /** See `Ebooklet.pull`. */
  pull(options?: { signal?: AbortSignal }): Promise<PullResult> {
    return this.#owner.pull(options)
  }
}

async function* eachOf<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item)
}
