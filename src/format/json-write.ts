import { utf8Encode } from '../base/bytes.js'
import { InvalidArgumentError } from '../base/error.js'
import { MAX_JSON_INTEGER_DIGITS, type JsonDialect } from './json.js'

/** How deep values may nest when they are written; Python's readers stop at 994 and 1,024. */
export const MAX_WRITE_DEPTH = 800

/**
 * Writes one JSON text that reads back as the same value here, and that Python reads.
 *
 * - bigint: a JSON integer (`orjson`: of 64 bits at most). A number that is a safe integer: a JSON
 *   integer; any other number, and -0, in the form of a float.
 * - `python`: pure ASCII, with NaN, Infinity and -Infinity; `orjson`: UTF-8, and those three are refused
 *   (orjson itself writes null for them).
 * - An object with a `toJSON` method (a Date for one) is written as what that returns.
 *
 * @throws InvalidArgumentError for what JSON can't hold: undefined, functions, symbols, holes in arrays, Map, Set,
 *   bytes, instances of classes, cycles, nesting beyond 800 levels; with `orjson`, also lone surrogates
 */
export function stringifyJson(value: unknown, dialect: JsonDialect = 'orjson'): string {
  const text = stringify(value, dialect)
  return dialect === 'python' ? escapeNonAscii(text) : text
}

/** The same as UTF-8 bytes. */
export function encodeJson(value: unknown, dialect: JsonDialect): Uint8Array<ArrayBuffer> {
  const text = stringify(value, dialect)
  const bytes = utf8Encode(text)
  // As many bytes as characters: there is nothing to escape, which takes longer to look for than to encode.
  return dialect === 'python' && bytes.length !== text.length ? utf8Encode(escapeNonAscii(text)) : bytes
}

function stringify(value: unknown, dialect: JsonDialect): string {
  return isPlain(value, dialect === 'python', 0) ? JSON.stringify(value) : new JsonWriter(dialect).write(value)
}

/* True when JSON.stringify writes exactly what is meant. */
function isPlain(value: unknown, surrogates: boolean, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return surrogates || value.isWellFormed()
    case 'boolean':
      return true
    case 'number':
      return isPlainNumber(value)
    case 'object':
      return value === null || isPlainContainer(value, surrogates, depth)
    default:
      return false
  }
}

function isPlainNumber(value: number): boolean {
  if (Number.isSafeInteger(value)) return !Object.is(value, -0)
  return Number.isFinite(value) && (!Number.isInteger(value) || Math.abs(value) >= 1e21)
}

function isPlainContainer(value: object, surrogates: boolean, depth: number): boolean {
  if (depth >= MAX_WRITE_DEPTH || 'toJSON' in value) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], surrogates, depth + 1)) return false
    return true
  }
  if (!isPlainObject(value)) return false
  for (const key of Object.keys(value)) {
    if (!surrogates && !key.isWellFormed()) return false
    if (!isPlain((value)[key], surrogates, depth + 1)) return false
  }
  return true
}

/** An object literal, one without a prototype, or one of another realm; without symbols as keys. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) return false
  const symbols = Object.getOwnPropertySymbols(value)
  return symbols.length === 0 || !symbols.some(symbol => Object.prototype.propertyIsEnumerable.call(value, symbol))
}

class JsonWriter {
  private readonly path: (string | number)[] = []
  private readonly ancestors = new Set<object>()

  constructor(private readonly dialect: JsonDialect) {}

  write(value: unknown): string {
    switch (typeof value) {
      case 'string':
        return this.string(value)
      case 'number':
        return this.number(value)
      case 'bigint':
        return this.bigint(value)
      case 'boolean':
        return value ? 'true' : 'false'
      case 'object':
        return value === null ? 'null' : this.object(value)
      default:
        return this.fail(`is ${describe(value)}, which JSON can not hold`)
    }
  }

  private object(value: object): string {
    if (this.ancestors.has(value)) this.fail('refers back to an object that contains it')
    if (this.ancestors.size >= MAX_WRITE_DEPTH) this.fail(`is nested deeper than ${MAX_WRITE_DEPTH} levels`)
    this.ancestors.add(value)
    const text = this.container(value)
    this.ancestors.delete(value)
    return text
  }

  private container(value: object): string {
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.fromToJson(value as { toJSON(key: string): unknown })
    if (Array.isArray(value)) return `[${Array.from(value, (item, i) => this.child(i, item)).join()}]`
    if (!isPlainObject(value)) this.fail(`is ${describe(value)}, which JSON can not hold without loss; give plain objects, or a toJSON method`)
    return `{${Object.keys(value).map(key => `${this.string(key)}:${this.child(key, value[key])}`).join()}}`
  }

  private fromToJson(value: { toJSON(key: string): unknown }): string {
    if (value instanceof Date && Number.isNaN(value.getTime())) this.fail('is an invalid Date')
    return this.write(value.toJSON(String(this.path.at(-1) ?? '')))
  }

  private child(step: string | number, value: unknown): string {
    this.path.push(step)
    const text = this.write(value)
    this.path.pop()
    return text
  }

  private string(value: string): string {
    if (this.dialect === 'orjson' && !value.isWellFormed()) this.fail('holds a lone surrogate, which UTF-8 can not express')
    return JSON.stringify(value)
  }

  private number(value: number): string {
    if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0.0' : String(value)
    if (Number.isFinite(value)) return Number.isInteger(value) ? value.toExponential() : String(value)
    if (this.dialect === 'orjson') this.fail(`is ${value}, which JSON does not know; write null where that is meant, or use the serializer json`)
    return String(value)
  }

  private bigint(value: bigint): string {
    if (this.dialect === 'orjson' && (value < -(2n ** 63n) || value >= 2n ** 64n)) this.fail('is an integer beyond 64 bits; the serializer json can hold it')
    const text = String(value)
    if (text.length - (value < 0n ? 1 : 0) > MAX_JSON_INTEGER_DIGITS) this.fail(`is an integer of more than ${MAX_JSON_INTEGER_DIGITS} digits`)
    return text
  }

  private fail(what: string): never {
    throw new InvalidArgumentError(`${formatPath(this.path)} ${what}.`)
  }
}

/** `value.a[3]["b c"]`, shortened where it is long. */
export function formatPath(path: readonly (string | number)[]): string {
  const shown = path.length > 12 ? path.slice(0, 12) : path
  const steps = shown.map(step => {
    if (typeof step === 'number') return `[${step}]`
    return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
  })
  return `value${steps.join('')}${path.length > shown.length ? '…' : ''}`
}

/** What a value is, in a few words, for messages. Never shows the value itself, which may be a secret. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return value === undefined ? 'undefined' : `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  const name = (value.constructor as { name?: unknown } | undefined)?.name
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
  return `an instance of ${name}`
}

const nonAscii = /[\u0080-\uffff]/g

function escapeNonAscii(text: string): string {
  return text.replace(nonAscii, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
