/*
 * What a combined signal was made of. Node 20 holds neither a signal's dependants nor its sources: an `AbortSignal.timeout()` that nobody
 * else refers to is collected before its time, and what was combined from it never aborts. Kept as long as the combined one is.
 */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>()

/** A signal that aborts with the first of these, for its reason. */
export function anySignal(signals: readonly AbortSignal[]): AbortSignal {
  // eslint-disable-next-line no-restricted-properties -- the one place
  const combined = AbortSignal.any([...signals])
  sources.set(combined, signals)
  return combined
}
