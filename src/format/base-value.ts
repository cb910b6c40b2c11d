/**
 * An entry of the file of base values: a byte that says whether the value follows (1) or isn't held (0), then the value. The
 * entry's timestamp is that of the value.
 */
export function encodeBaseValue(value: Uint8Array | undefined): Uint8Array {
  if (!value) return Uint8Array.of(0)
  const out = new Uint8Array(value.length + 1)
  out[0] = 1
  out.set(value, 1)
  return out
}

/** Undefined where the value isn't held. */
export function decodeBaseValue(entry: Uint8Array): Uint8Array | undefined {
  return entry[0] === 1 ? entry.subarray(1) : undefined
}
