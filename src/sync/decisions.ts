/** What was decided about conflicts, and what became of them. */
import type { ResolvedConflict } from './conflict.js'
import type { KeyClash } from './plan-merge.js'

/** `same`: both sides wrote the same bytes. `value` without bytes: the key is deleted. */
export type KeyDecision = KeyClash & ({ how: 'local' | 'remote' | 'same' } | { how: 'value'; bytes: Uint8Array | undefined })

/** `earliest`: µs that the new metadata has at least. */
export type MetadataDecision = { how: 'local' | 'remote' | 'same' } | { how: 'value'; metadata: unknown; earliest: number }

export interface ReplacementDecision {
  how: 'local' | 'remote'
}

export interface Decisions {
  keys: KeyDecision[]
  meta: MetadataDecision | undefined
  replace: ReplacementDecision | undefined
}

export interface Merged {
  conflicts: ResolvedConflict[]
  /** Keys that were set to the same bytes on both sides: the remote's write counts, with its timestamp. */
  adopted: string[]
}
