/** Telling those who watch a session when it comes to know another state of the remote. */
import type { RemoteIndex } from './remote-index.js'

/** What a state of the remote is to somebody who compares. */
export interface SeenRemote {
  index: RemoteIndex
  metaSection: Uint8Array | null
  /** µs of the commit; null where there is no remote. */
  timestamp: number | null
}

/** A commit of this session. */
export interface OwnCommit {
  after: SeenRemote
  /** Keys that it wrote or deleted, or replaced. */
  keys: ReadonlySet<string>
  /** Whether it replaces everything. */
  replaces: boolean
  /** Whether it writes other metadata than it found. */
  metadata: boolean
}

export interface RemoteObserver {
  /**
   * Another state of the remote was taken in.
   * @param sent a commit of this session that is under way or in doubt: the state may hold it
   */
  takenIn(before: SeenRemote, now: SeenRemote, sent: OwnCommit | undefined): void
  /** A commit of this session was acknowledged. */
  committed(own: OwnCommit): void
}

export class RemoteObservers {
  readonly #observers = new Set<RemoteObserver>()
  #sent: OwnCommit | undefined

  /** A commit of this session that is under way, or of which nobody knows whether it arrived, or may still arrive. */
  get sent(): OwnCommit | undefined {
    return this.#sent
  }

  add(observer: RemoteObserver): void {
    this.#observers.add(observer)
  }

  remove(observer: RemoteObserver): void {
    this.#observers.delete(observer)
  }

  /** A commit is about to be sent. Readers beside the push may find it before its acknowledgement comes, or although none comes. */
  sending(own: OwnCommit): void {
    this.#sent = own
  }

  /** It is certain that the commit did not arrive. */
  refused(): void {
    this.#sent = undefined
  }

  committed(own: OwnCommit): void {
    this.#sent = undefined
    for (const observer of this.#observers) observer.committed(own)
  }

  takenIn(before: SeenRemote, now: SeenRemote): void {
    for (const observer of this.#observers) observer.takenIn(before, now, this.#sent)
  }
}
