/** What others changed on the remote and one who watches has not been told yet. */
import { decodeMetaSection } from '../format/db-object.js'
import { diffIndexes } from './diff-index.js'
import type { OwnCommit, RemoteObserver, SeenRemote } from './observe.js'

/** A change that somebody else made on the remote. Timestamps are µs since the Unix epoch. */
export type RemoteChange =
  | { type: 'added'; key: string; /** Of the value. */ timestamp: number }
  | { type: 'changed'; key: string; /** Of the value. */ timestamp: number; /** Of the value before. */ previous: number }
  | { type: 'deleted'; key: string; /** Of the commit in which the key is gone: the format keeps none of the delete itself. */ timestamp: number; /** Of the value before. */ previous: number }
  | { type: 'metadata'; /** Of the metadata; undefined when it was removed. */ timestamp: number | undefined }

/** What a key, or the metadata, was told to be last, or was made by the session itself. */
interface Told {
  /** µs; undefined: not there. */
  timestamp: number | undefined
}

/**
 * Remembers the oldest state that was not compared yet; the newest is the one that the session knows. So a slow consumer
 * costs two indexes and the keys that the session itself committed meanwhile, whatever happens on the remote.
 */
export class UntoldChanges implements RemoteObserver {
  readonly #onNews: () => void
  #before: SeenRemote | undefined
  /** Of keys that the session committed since, as they stand then. */
  #own = new Map<string, Told>()
  #ownMetadata: Told | undefined

  /** @param onNews called when there may be something to tell */
  constructor(onNews: () => void) {
    this.#onNews = onNews
  }

  get any(): boolean {
    return this.#before !== undefined
  }

  takenIn(before: SeenRemote, now: SeenRemote, sent: OwnCommit | undefined): void {
    this.#before ??= before
    if (sent) this.#note(sent, now)
    this.#onNews()
  }

  committed(own: OwnCommit): void {
    if (!this.#before) return
    // A replacement leaves nothing of what was before.
    if (own.replaces) {
      this.#clear()
      this.#before = own.after
    } else this.#note(own)
  }

  /** The differences between what was told last and now. They are found one by one; changes taken in meanwhile come with the next call. */
  take(now: SeenRemote): Iterable<RemoteChange> {
    const before = this.#before
    if (!before) return []
    const [own, ownMetadata] = [this.#own, this.#ownMetadata]
    this.#clear()
    return changesBetween(before, now, own, ownMetadata)
  }

  #clear(): void {
    this.#before = this.#ownMetadata = undefined
    this.#own = new Map()
  }

  /** @param now where it isn't certain that the commit was made: what counts is what is found there */
  #note({ after, keys, metadata }: OwnCommit, now: SeenRemote = after): void {
    for (const key of keys) {
      const timestamp = after.index.get(key)?.timestamp
      if (timestamp === now.index.get(key)?.timestamp) this.#own.set(key, { timestamp })
    }
    const timestamp = metadataTimestamp(after)
    if (metadata && timestamp === metadataTimestamp(now)) this.#ownMetadata = { timestamp }
  }
}

function* changesBetween(before: SeenRemote, now: SeenRemote, own: ReadonlyMap<string, Told>, ownMetadata: Told | undefined): Generator<RemoteChange> {
  const commit = now.timestamp ?? 0
  for (const change of diffIndexes(before.index, now.index)) {
    if (!own.has(change.key)) yield* keyChange(change.key, { timestamp: change.before }, change.after, commit)
  }
  for (const [key, told] of own) yield* keyChange(key, told, now.index.get(key)?.timestamp, commit)
  const timestamp = metadataTimestamp(now)
  if (timestamp !== (ownMetadata ? ownMetadata.timestamp : metadataTimestamp(before))) yield { type: 'metadata', timestamp }
}

function* keyChange(key: string, told: Told, timestamp: number | undefined, commit: number): Generator<RemoteChange> {
  const previous = told.timestamp
  if (timestamp === previous) return
  if (timestamp === undefined) yield { type: 'deleted', key, timestamp: commit, previous: previous! }
  else if (previous === undefined) yield { type: 'added', key, timestamp }
  else yield { type: 'changed', key, timestamp, previous }
}

/** Removed metadata is written as null with a timestamp; it is the same as none. */
function metadataTimestamp({ metaSection }: SeenRemote): number | undefined {
  const section = metaSection ? decodeMetaSection(metaSection) : undefined
  return section === undefined || section.data === null ? undefined : section.timestamp
}
