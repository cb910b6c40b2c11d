import type { ResolvedConflict } from './conflict.js'

/** A part of a push that failed and stays pending. */
export interface PushFailure {
  /** The group that was not written; undefined in per-key mode. */
  group: number | undefined
  /** The keys whose changes are still pending because of it. */
  keys: readonly string[]
  error: Error
}

/** A write whose clock was behind the remote's entry of the same key, and got a timestamp just after it. */
export interface AdjustedTimestamp {
  key: string
  /** µs, as it was written locally. */
  from: number
  /** µs, as it was pushed. */
  to: number
}

export interface PushResult {
  /** True when the remote changed, that is, when a commit was made. */
  updated: boolean
  /** True when nothing failed. */
  ok: boolean
  /** Keys whose new values are now on the remote. */
  written: readonly string[]
  /** Keys that are now deleted on the remote. */
  deleted: readonly string[]
  /** Group objects (per-key mode: value objects) of which something was uploaded. */
  objectsUploaded: number
  /** Bytes of values and groups that were uploaded, without the db object. */
  bytesUploaded: number
  /** Bytes that were not uploaded, because an earlier push that failed had done it. */
  bytesResumed: number
  failures: readonly PushFailure[]
  adjusted: readonly AdjustedTimestamp[]
  /** What was changed on both sides, and which side it was decided for. Empty where nobody was to look (`onConflict`). */
  conflicts: readonly ResolvedConflict[]
  /** Keys that were set to the same bytes here and on the remote: the remote's write counts, with its timestamp. */
  adopted: readonly string[]
  /** µs of the commit; undefined when there was none. */
  timestamp: number | undefined
  /** Objects that were replaced and could not be deleted. Harmless; a later sweep takes them. */
  leftovers: readonly string[]
}

export const nothingPushed: PushResult = {
  updated: false,
  ok: true,
  written: [],
  deleted: [],
  objectsUploaded: 0,
  bytesUploaded: 0,
  bytesResumed: 0,
  failures: [],
  adjusted: [],
  conflicts: [],
  adopted: [],
  timestamp: undefined,
  leftovers: [],
}
