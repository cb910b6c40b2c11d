import { FormatError } from '../../base/error.js'
import { utf8Decode, utf8Encode } from '../../base/bytes.js'
import { MAX_JSON_INTEGER_DIGITS } from '../../format/json.js'
import { UnsupportedValueError } from '../errors.js'

/*
 * Python's strings may hold lone surrogates, as JavaScript's. A pickle writes them in UTF-8's way though UTF-8 has none
 * ("surrogatepass"): ED, A0 to BF, 80 to BF.
 */

/** @throws FormatError for what is not UTF-8, and for a pair of surrogates, which JavaScript would take for one character */
export function decodePythonText(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes)
  } catch {
    return decodeWithSurrogates(bytes)
  }
}

function decodeWithSurrogates(bytes: Uint8Array): string {
  let text = ''
  let start = 0
  for (let at = 0; at + 2 < bytes.length; at++) {
    if (bytes[at] !== 0xed || (bytes[at + 1] ?? 0) < 0xa0) continue
    const unit = 0xd000 | (((bytes[at + 1] ?? 0) & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f)
    text += plainText(bytes.subarray(start, at))
    if (isHigh(text.charCodeAt(text.length - 1)) && start === at && unit >= 0xdc00) throw new UnsupportedValueError('pickle', 'a string holds two surrogates in a row, which JavaScript can not tell from one character.')
    text += String.fromCharCode(unit)
    at += 2
    start = at + 1
  }
  return text + plainText(bytes.subarray(start))
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}

function plainText(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes)
  } catch (cause) {
    throw new FormatError('a string is not UTF-8.', { cause })
  }
}

/** UTF-8, with lone surrogates in Python's way. */
export function encodePythonText(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8Encode(text)
  const parts: number[] = []
  for (const char of text) {
    const unit = char.charCodeAt(0)
    if (char.length === 1 && unit >= 0xd800 && unit < 0xe000) parts.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f))
    else parts.push(...utf8Encode(char))
  }
  return Uint8Array.from(parts)
}

/** A string of protocol 0: Latin-1, in which `\uXXXX` and `\UXXXXXXXX` stand for other characters. */
export function decodeRawEscapes(line: string): string {
  return line.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short: string | undefined, long: string | undefined) => {
    const code = Number.parseInt(short ?? long ?? '', 16)
    if (code > 0x10ffff) throw new FormatError('a string holds a character beyond Unicode.')
    return String.fromCodePoint(code)
  })
}

const named: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }

/** A string of Python 2: in quotes, with escapes; ASCII alone is known to be text. */
export function decodeQuoted(line: string): string {
  const quote = line[0] ?? ''
  if (line.length < 2 || !['"', "'"].includes(quote) || !line.endsWith(quote)) throw new FormatError('a string without its quotes.')
  const text = line.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|[^])/g, (_, escaped: string) => {
    if (escaped.length === 3) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    const char = named[escaped]
    if (char === undefined) throw new FormatError('a string with an unknown escape.')
    return char
  })
  return asciiOnly(text)
}

export function asciiOnly(text: string): string {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= 0x80) throw new FormatError('a string of Python 2 that is not ASCII.')
  return text
}

/** An integer in decimal digits, as Python's int() takes it. */
export function parseInteger(text: string): number | bigint {
  const digits = text.trim()
  if (digits.length > MAX_JSON_INTEGER_DIGITS + 1) throw new FormatError(`an integer of more than ${MAX_JSON_INTEGER_DIGITS} digits.`)
  if (!/^[+-]?\d+$/.test(digits)) throw new FormatError('an integer is not written in digits.')
  return exactInteger(BigInt(digits.startsWith('+') ? digits.slice(1) : digits))
}

/** A float as Python's repr() writes it. */
export function parseFloatText(text: string): number {
  const special: Record<string, number> = { nan: NaN, '-nan': NaN, inf: Infinity, '-inf': -Infinity }
  const found = special[text]
  if (found !== undefined) return found
  if (text.length > 100 || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) throw new FormatError('a float is not written as one.')
  return Number(text)
}

/** An integer in two's complement, LE. */
export function twosComplement(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0
  let hex = ''
  for (let at = bytes.length - 1; at >= 0; at--) hex += (bytes[at] ?? 0).toString(16).padStart(2, '0')
  return exactInteger(BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`)))
}

function exactInteger(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
