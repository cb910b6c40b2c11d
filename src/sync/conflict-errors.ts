import { EbookletError } from '../base/error.js'
import type { ConflictKind } from './plan-merge.js'

/** A conflict as an error tells it. */
export interface ConflictSummary {
  readonly kind: ConflictKind
  /** Undefined for metadata and a replacement. */
  readonly key: string | undefined
  /** µs of what the remote had when the change was made here; undefined when there was nothing, or nobody knows. */
  readonly baseTimestamp: number | undefined
  /** µs of the pending change; undefined for a delete, which has none. */
  readonly localTimestamp: number | undefined
  /** µs of what the remote has now; undefined when there is nothing. */
  readonly remoteTimestamp: number | undefined
}

/**
 * Something was changed here and by somebody else. Nothing was uploaded and everything is still pending; what the others did
 * was taken in. Push with `onConflict`, or drop changes with `discard(keys)`.
 */
export class PushConflictError extends EbookletError {
  readonly code = 'PUSH_CONFLICT'
  readonly conflicts: readonly ConflictSummary[]
  constructor(conflicts: readonly ConflictSummary[]) {
    const named = conflicts.slice(0, 5).map(describe).join(', ')
    const more = conflicts.length > 5 ? ` and ${conflicts.length - 5} more` : ''
    super(
      `changed here and on the remote: ${named}${more}. Nothing was sent and every change is still pending: ` +
        "push({ onConflict }) with 'local', 'remote' or a function decides, discard(keys) takes theirs",
    )
    this.conflicts = conflicts
  }
}

function describe({ kind, key }: ConflictSummary): string {
  switch (kind) {
    case 'both-changed':
      return JSON.stringify(key)
    case 'changed-deleted':
      return `${JSON.stringify(key)} (deleted there)`
    case 'deleted-changed':
      return `${JSON.stringify(key)} (deleted here)`
    case 'metadata':
      return 'the metadata'
    case 'replacement':
      return 'the database that is to be replaced'
  }
}
