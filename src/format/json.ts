import { FormatError } from '../base/error.js'

/*
 * Strict JSON without silent loss. `JSON.parse` and `JSON.stringify` do the work wherever they are
 * exact; the reader below and json-write.ts take over where they are not.
 */

/**
 * `python`: as Python's `json` module, which also writes NaN, Infinity and -Infinity.
 * `orjson`: JSON by RFC 8259, as orjson reads and writes it.
 */
export type JsonDialect = 'python' | 'orjson'

/** How deep arrays and objects may nest in a text that is read. */
export const MAX_JSON_READ_DEPTH = 10_000

/** The longest integer, in digits. Python neither reads nor writes longer ones. */
export const MAX_JSON_INTEGER_DIGITS = 4300

/* A number whose exponent may overflow to Infinity. Finding one inside a string only costs the slower reader. */
const largeExponent = /[eE]\+?\d{3}/

/**
 * Reads one JSON text. Integers beyond ±(2^53 - 1) come as bigint, all other numbers as number. Of
 * equal keys the last wins; `__proto__` is an ordinary own property.
 *
 * @throws FormatError when the text isn't JSON, nests deeper than 10,000 levels, or holds an integer of
 *   more than 4,300 digits
 */
export function parseJson(text: string, dialect: JsonDialect = 'orjson'): unknown {
  if (hasLongInteger(text) || (dialect === 'orjson' && largeExponent.test(text)) || mayBeTooDeep(text)) return new JsonReader(text, dialect).read()
  try {
    return JSON.parse(text) as unknown
  } catch {
    return new JsonReader(text, dialect).read()
  }
}

/*
 * True when an integer of 16 or more digits (2^53 has 16) may be there, or a number of so many digits that it may
 * overflow: what JSON.parse would change without a word. A run of 16 digits covers one of every 16 places,
 * so only those are looked at.
 */
function hasLongInteger(text: string): boolean {
  for (let at = 15; at < text.length; at += 16) {
    if (!isDigit(text.charCodeAt(at))) continue
    let start = at
    while (isDigit(text.charCodeAt(start - 1))) start--
    let end = at + 1
    while (isDigit(text.charCodeAt(end))) end++
    if (end - start >= 16 && !isHarmless(text, start, end)) return true
    at += Math.floor((end - 1 - at) / 16) * 16
  }
  return false
}

function isDigit(char: number): boolean {
  return char >= 0x30 && char <= 0x39
}

/* Digits of a fraction, or of a float before its point or exponent. */
function isHarmless(text: string, start: number, end: number): boolean {
  if (end - start >= 300) return false
  const next = text[end]
  return text[start - 1] === '.' || next === '.' || next === 'e' || next === 'E'
}

/* An upper bound of the nesting, without looking at strings; exact checking is the reader's. */
function mayBeTooDeep(text: string): boolean {
  if (text.length <= MAX_JSON_READ_DEPTH) return false
  let openers = 0
  for (let at = text.indexOf('['); at >= 0; at = text.indexOf('[', at + 1)) if (++openers > MAX_JSON_READ_DEPTH) return nestsTooDeep(text)
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at + 1)) if (++openers > MAX_JSON_READ_DEPTH) return nestsTooDeep(text)
  return false
}

function nestsTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === 0x22) at = endOfString(text, at) - 1
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > MAX_JSON_READ_DEPTH) return true
    } else if (char === 0x5d || char === 0x7d) depth--
  }
  return false
}

/* The position after the closing quote of the string that opens at `at`, or the end of the text. */
function endOfString(text: string, at: number): number {
  for (let from = at + 1; ; ) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return quote + 1
    from = quote + 1
  }
}

const numberToken = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const wordToken = /-?[A-Za-z]+/y
const words = new Map<string, boolean | null>([['true', true], ['false', false], ['null', null]])
const nonFinite = new Map([['NaN', Number.NaN], ['Infinity', Number.POSITIVE_INFINITY], ['-Infinity', Number.NEGATIVE_INFINITY]])

type Frame = { array: unknown[] } | { object: Record<string, unknown>; key: string }

/* Keeps its own stack: nesting costs memory in step with the text, never the call stack. */
class JsonReader {
  private at = 0
  private readonly stack: Frame[] = []

  constructor(
    private readonly text: string,
    private readonly dialect: JsonDialect,
  ) {}

  read(): unknown {
    for (;;) {
      this.skipSpace()
      const value = this.openOrScalar()
      if (value === opened) continue
      const done = this.attach(value)
      if (done !== opened) return done
    }
  }

  /** Reads a scalar or an empty container; of a filled one only the start, and tells so. */
  private openOrScalar(): unknown {
    const char = this.text[this.at]
    if (char === '"') return this.string()
    if (char !== '[' && char !== '{') return this.numberOrWord()
    this.at++
    this.skipSpace()
    const empty = this.text[this.at] === (char === '[' ? ']' : '}')
    if (this.stack.length >= MAX_JSON_READ_DEPTH) this.fail(`nested deeper than ${MAX_JSON_READ_DEPTH} levels`)
    if (empty) {
      this.at++
      return char === '[' ? [] : {}
    }
    this.stack.push(char === '[' ? { array: [] } : { object: {}, key: this.key() })
    return opened
  }

  /** Puts a finished value where it belongs; gives the whole document when that was the last one. */
  private attach(finished: unknown): unknown {
    let value = finished
    for (;;) {
      this.skipSpace()
      const frame = this.stack.at(-1)
      if (frame === undefined) {
        if (this.at < this.text.length) this.fail('something follows the end of the value')
        return value
      }
      const isArray = 'array' in frame
      if (isArray) frame.array.push(value)
      else setOwn(frame.object, frame.key, value)
      const char = this.text[this.at++]
      if (char === ',') {
        this.skipSpace()
        if (!isArray) frame.key = this.key()
        return opened
      }
      if (char !== (isArray ? ']' : '}')) this.fail(`expected "," or "${isArray ? ']' : '}'}"`, this.at - 1)
      value = isArray ? frame.array : frame.object
      this.stack.pop()
    }
  }

  private key(): string {
    if (this.text[this.at] !== '"') this.fail('expected a key in double quotes')
    const key = this.string()
    this.skipSpace()
    if (this.text[this.at++] !== ':') this.fail('expected ":" after the key', this.at - 1)
    return key
  }

  private string(): string {
    const start = this.at
    this.at = endOfString(this.text, start)
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string
    } catch {
      return this.fail('a string that is not closed, or holds a bad escape or a control character', start)
    }
  }

  private numberOrWord(): unknown {
    numberToken.lastIndex = this.at
    const match = numberToken.exec(this.text)
    if (match !== null) {
      const start = this.at
      this.at = numberToken.lastIndex
      return this.number(match[0], match[1] === undefined && match[2] === undefined, start)
    }
    wordToken.lastIndex = this.at
    const word = wordToken.exec(this.text)?.[0] ?? ''
    const known = words.get(word) ?? (this.dialect === 'python' ? nonFinite.get(word) : undefined)
    if (known === undefined && word !== 'null') this.fail(this.at >= this.text.length ? 'it ends where a value is expected' : 'expected a value')
    this.at += word.length
    return known ?? null
  }

  private number(token: string, isInteger: boolean, start: number): number | bigint {
    if (isInteger) {
      const number = Number(token)
      if (Number.isSafeInteger(number)) return number
      if (token.length - (token.startsWith('-') ? 1 : 0) > MAX_JSON_INTEGER_DIGITS) this.fail(`an integer of more than ${MAX_JSON_INTEGER_DIGITS} digits`, start)
      return BigInt(token)
    }
    const number = Number(token)
    if (!Number.isFinite(number) && this.dialect === 'orjson') this.fail('a number too large for a float', start)
    return number
  }

  private skipSpace(): void {
    for (;;) {
      const char = this.text.charCodeAt(this.at)
      if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) return
      this.at++
    }
  }

  private fail(what: string, at = this.at): never {
    throw new FormatError(`Not valid JSON at character ${at}: ${what}.`)
  }
}

const opened = Symbol('opened')

/** Sets an own property, whatever its name. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  else object[key] = value
}
