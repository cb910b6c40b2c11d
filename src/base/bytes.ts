import { SMALL, smallBytes } from './small-bytes.js'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of a string. A lone surrogate is a TypeError: it has no UTF-8 form and would be lost. */
export function utf8Encode(text: string): Uint8Array<ArrayBuffer> {
  // Keys are mostly this; for them the encoder takes longer.
  const ascii = text.length <= SHORT ? asciiBytes(text) : undefined
  if (ascii !== undefined) return ascii
  if (!text.isWellFormed()) throw new TypeError('the string holds a lone surrogate, which UTF-8 can not express')
  const most = text.length * 3
  return most <= SMALL ? smallBytes(most, (target) => encoder.encodeInto(text, target).written) : encoder.encode(text)
}

/* Up to here a loop is faster than the encoder and the decoder. */
const SHORT = 32

/* Undefined when there is another character in it. */
function asciiBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return undefined
    bytes[i] = code
  }
  return bytes
}

/** The string of UTF-8 bytes; throws a TypeError on invalid UTF-8. A byte order mark is kept. */
export function utf8Decode(bytes: Uint8Array): string {
  return shortAsciiText(bytes, 0, bytes.length) ?? strictDecoder.decode(bytes)
}

/**
 * The text of a part of `bytes`, which needs no array of its own for that; undefined when it is long, or holds anything but
 * ASCII. By pieces of sixteen, of eight, and the rest: a call for each character takes longer.
 */
export function shortAsciiText(bytes: Uint8Array, at: number, length: number): string | undefined {
  if (length > SHORT) return undefined
  const end = at + length
  for (let i = at; i < end; i++) if (bytes[i]! > 127) return undefined
  let text = ''
  let i = at
  for (; i + 16 <= end; i += 16) {
    text += String.fromCharCode(
      bytes[i]!, bytes[i + 1]!, bytes[i + 2]!, bytes[i + 3]!, bytes[i + 4]!, bytes[i + 5]!, bytes[i + 6]!, bytes[i + 7]!,
      bytes[i + 8]!, bytes[i + 9]!, bytes[i + 10]!, bytes[i + 11]!, bytes[i + 12]!, bytes[i + 13]!, bytes[i + 14]!, bytes[i + 15]!,
    )
  }
  if (i + 8 <= end) {
    text += String.fromCharCode(bytes[i]!, bytes[i + 1]!, bytes[i + 2]!, bytes[i + 3]!, bytes[i + 4]!, bytes[i + 5]!, bytes[i + 6]!, bytes[i + 7]!)
    i += 8
  }
  for (; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function toHex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0')
  return out
}

/** Bytes of a hexadecimal string of even length; throws a TypeError on anything else. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) throw new TypeError('not a hexadecimal string of even length')
  const out = new Uint8Array(hex.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)
  return out
}

/** Standard base64 with padding, as in RFC 4648 section 4. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(binary)
}

/** Reads standard and URL-safe base64 (RFC 4648 sections 4 and 5); throws a TypeError on anything else. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(standard)) throw new TypeError('not base64')
  let binary: string
  try {
    binary = atob(standard)
  } catch (cause) {
    throw new TypeError('not base64', { cause })
  }
  const out = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i)
  return out
}

/** URL-safe base64 with padding, as in RFC 4648 section 5. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_')
}
