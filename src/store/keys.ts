import { UnsupportedKeyError } from './errors.js'

/** The most UTF-8 bytes of a key, as on S3. */
export const MAX_KEY_BYTES = 1024

const encoder = new TextEncoder()

/**
 * Throws unless `key` is one that every store understands: not empty, well-formed, at most 1024 UTF-8 bytes.
 * @throws UnsupportedKeyError
 */
export function checkKey(store: string, key: string): void {
  if (key === '') throw new UnsupportedKeyError('an object key must not be empty', { store, key })
  checkKeyText(store, key)
}

/** Like `checkKey` for a prefix, which may be empty. */
export function checkPrefix(store: string, prefix: string): void {
  checkKeyText(store, prefix)
}

function checkKeyText(store: string, key: string): void {
  if (!key.isWellFormed()) throw new UnsupportedKeyError('an object key must not hold a lone surrogate: it has no UTF-8 form', { store, key })
  // A code unit is 1 to 3 bytes, so only keys in between need counting.
  if (key.length * 3 <= MAX_KEY_BYTES) return
  const length = encoder.encode(key).length
  if (length > MAX_KEY_BYTES) {
    throw new UnsupportedKeyError(`an object key has at most ${MAX_KEY_BYTES} UTF-8 bytes, this one ${length}: ${key.slice(0, 80)}…`, { store, key })
  }
}

/** Orders keys by their UTF-8 bytes, as listings do. JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/* Surrogates stand for code points above U+FFFF, so they sort after U+E000 to U+FFFF. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}

const UNRESERVED = new Set([...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'].map((c) => c.charCodeAt(0)))
const HEX = '0123456789ABCDEF'

/** Percent-encodes every UTF-8 byte but the unreserved characters of RFC 3986 section 2.3 and those of `keep`. */
export function percentEncode(text: string, keep = ''): string {
  let out = ''
  for (const byte of encoder.encode(text)) {
    if (UNRESERVED.has(byte) || (byte < 0x80 && keep.includes(String.fromCharCode(byte)))) out += String.fromCharCode(byte)
    else out += `%${HEX[byte >> 4]}${HEX[byte & 15]}`
  }
  return out
}
