/* Little-endian unsigned integers of the odd widths that the booklet file uses. */

export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function readI32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0
}

export function readU48(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + readU16(bytes, at + 4) * 0x100000000
}

/** Seven bytes. What a number can't hold exactly (above 2^53) is rounded down to one that it can. */
export function readU56(bytes: Uint8Array, at: number): number {
  const high = readU16(bytes, at + 4) | (bytes[at + 6]! << 16)
  const low = readU32(bytes, at)
  if (high < 0x200000) return high * 0x100000000 + low
  const step = high >= 0x800000 ? 8 : high >= 0x400000 ? 4 : 2
  return high * 0x100000000 + (low - (low % step))
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/* `| 0` takes the lower 32 bits of any whole number up to 2^53; `%` of doubles is a call. */
export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value | 0)
  writeU16(bytes, at + 4, (value / 0x100000000) | 0)
}

export function writeU56(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value | 0)
  const high = (value / 0x100000000) | 0
  writeU16(bytes, at + 4, high)
  bytes[at + 6] = high >>> 16
}
