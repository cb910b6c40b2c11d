/**
 * `conditional`: creating only and replacing only what was seen both work, so no commit can be lost even when the lock
 * is broken. `create-only`: the first works. `lock`: the lock alone protects, as in the original.
 */
export type Guarantee = 'conditional' | 'create-only' | 'lock'

/** What was seen to work. */
export interface ConditionalWrites {
  create: boolean
  /** The form in which an ETag has to be sent; undefined when If-Match doesn't work in any. */
  match: 'quoted' | 'bare' | undefined
}

export const lockOnly: ConditionalWrites = { create: false, match: undefined }

export function guaranteeOf({ create, match }: ConditionalWrites): Guarantee {
  return create ? (match ? 'conditional' : 'create-only') : 'lock'
}
