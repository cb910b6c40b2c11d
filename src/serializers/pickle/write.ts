import { fromHex } from '../../base/bytes.js'
import { InvalidArgumentError } from '../../base/error.js'
import { describe, formatPath, isPlainObject, MAX_WRITE_DEPTH } from '../../format/json-write.js'
import { ByteWriter } from '../byte-writer.js'
import { keyIdentity } from './keys.js'
import { PyDate, PyTime, PyTimeDelta, PyTimezone, wallClockOf } from './temporal.js'
import { encodePythonText } from './text.js'
import { PyByteArray, PyComplex, PyFrozenSet, PyTuple } from './values.js'

/** How many items go together, as in Python. */
const BATCH = 1000

/** Python leaves the frame away below this many bytes. */
const MIN_FRAME = 4

/** Writes one value in protocol 5, byte for byte as Python does, but that there is one frame. */
export class PickleWriter {
  readonly #out = new ByteWriter()
  /** The slots of the memo in which objects and texts lie; each MEMOIZE takes the next one. */
  readonly #slots = new Map<unknown, number>()
  /** The same for modules and classes. */
  readonly #names = new Map<string, number>()
  #nextSlot = 0
  readonly #path: (string | number)[] = []

  write(value: unknown): Uint8Array {
    this.#any(value)
    this.#out.uint8(0x2e)
    const body = this.#out.finish()
    const whole = new ByteWriter()
    whole.raw([0x80, 5])
    if (body.length >= MIN_FRAME) {
      whole.uint8(0x95)
      whole.uint64(body.length)
    }
    whole.raw(body)
    return whole.finish()
  }

  #any(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? this.#integer(value) : this.#float(value)
      case 'bigint':
        return this.#bigint(value)
      case 'boolean':
        return this.#out.uint8(value ? 0x88 : 0x89)
      case 'object':
        return value === null ? this.#out.uint8(0x4e) : this.#object(value)
      default:
        return this.#fail(`is ${describe(value)}, which Python does not have`)
    }
  }

  #integer(value: number): void {
    if (value >= 0 && value < 0x100) this.#out.raw([0x4b, value])
    else if (value >= 0 && value < 0x10000) {
      this.#out.uint8(0x4d)
      this.#out.uint16(value)
    } else if (value >= -0x80000000 && value < 0x80000000) {
      this.#out.uint8(0x4a)
      this.#out.uint32(value >>> 0)
    } else this.#long(BigInt(value))
  }

  #bigint(value: bigint): void {
    if (value >= -0x80000000n && value < 0x80000000n) this.#integer(Number(value))
    else this.#long(value)
  }

  #long(value: bigint): void {
    const bytes = twosComplement(value)
    this.#head(bytes.length, 0x8a, 0x8b)
    this.#out.raw(bytes)
  }

  #float(value: number): void {
    this.#out.uint8(0x47)
    this.#out.float64(value, false)
  }

  #text(value: string): void {
    if (this.#recall(this.#slots.get(value))) return
    this.#newText(value)
    this.#slots.set(value, this.#memoize())
  }

  #newText(value: string): void {
    const bytes = encodePythonText(value)
    this.#head(bytes.length, 0x8c, 0x58, 0x8d)
    this.#out.raw(bytes)
  }

  #object(value: object): void {
    if (this.#recall(this.#slots.get(value))) return
    if (this.#path.length >= MAX_WRITE_DEPTH) this.#fail(`is nested deeper than ${MAX_WRITE_DEPTH} levels`)
    if (value instanceof Uint8Array) this.#bytes(value)
    else if (value instanceof PyTuple) this.#tuple(value)
    else if (Array.isArray(value)) this.#list(value)
    else if (value instanceof PyFrozenSet) this.#frozenSet(value)
    else if (value instanceof Set) this.#set(value)
    else if (value instanceof Map) this.#dict(value, [...(value as Map<unknown, unknown>)])
    else if (isPlainObject(value)) this.#dict(value, Object.entries(value))
    else this.#called(value)
  }

  #bytes(value: Uint8Array): void {
    if (value instanceof PyByteArray) {
      this.#out.uint8(0x96)
      this.#out.uint64(value.length)
    } else {
      this.#head(value.length, 0x43, 0x42, 0x8e)
    }
    this.#out.raw(value)
    this.#slots.set(value, this.#memoize())
  }

  #list(value: readonly unknown[]): void {
    this.#out.uint8(0x5d)
    this.#slots.set(value, this.#memoize())
    const one = value.length === 1
    for (let start = 0; start < value.length; start += BATCH) {
      if (!one) this.#out.uint8(0x28)
      for (let i = start; i < Math.min(start + BATCH, value.length); i++) this.#child(i, value[i])
      this.#out.uint8(one ? 0x61 : 0x65)
    }
  }

  #dict(value: object, entries: readonly (readonly [unknown, unknown])[]): void {
    if (value instanceof Map) this.#checkMembers([...(value as Map<unknown, unknown>).keys()], 'key')
    this.#out.uint8(0x7d)
    this.#slots.set(value, this.#memoize())
    const one = entries.length === 1
    for (let start = 0; start < entries.length; start += BATCH) {
      if (!one) this.#out.uint8(0x28)
      for (const [key, item] of entries.slice(start, start + BATCH)) {
        this.#child('<key>', key)
        this.#child(typeof key === 'string' ? key : `<${describeKey(key)}>`, item)
      }
      this.#out.uint8(one ? 0x73 : 0x75)
    }
  }

  #set(value: ReadonlySet<unknown>): void {
    const members = [...value]
    this.#checkMembers(members, 'member')
    this.#out.uint8(0x8f)
    this.#slots.set(value, this.#memoize())
    for (let start = 0; start < members.length; start += BATCH) {
      this.#out.uint8(0x28)
      members.slice(start, start + BATCH).forEach((member, i) => this.#child(start + i, member))
      this.#out.uint8(0x90)
    }
  }

  #frozenSet(value: ReadonlySet<unknown>): void {
    const members = [...value]
    this.#checkMembers(members, 'member')
    this.#out.uint8(0x28)
    members.forEach((member, i) => this.#child(i, member))
    this.#out.uint8(0x91)
    this.#slots.set(value, this.#memoize())
  }

  /** A tuple is made when its members are there; one of them may have made it already, by referring back to it. */
  #tuple(value: PyTuple): void {
    const { length } = value
    if (length === 0) return this.#out.uint8(0x29)
    if (length > 3) this.#out.uint8(0x28)
    for (let i = 0; i < length; i++) this.#child(i, value[i])
    if (this.#slots.has(value)) {
      if (length > 3) this.#out.uint8(0x31)
      else for (let i = 0; i < length; i++) this.#out.uint8(0x30)
      this.#recall(this.#slots.get(value))
    } else {
      this.#out.uint8(length > 3 ? 0x74 : 0x84 + length)
      this.#slots.set(value, this.#memoize())
    }
  }

  /** Python could not tell 1 from true, and has no lists as keys. */
  #checkMembers(members: readonly unknown[], what: string): void {
    const seen = new Set<string>()
    for (const member of members) {
      const identity = this.#identityOf(member)
      if (identity === undefined) this.#fail(`has a ${what} that is ${describe(member)}, which Python does not allow there; a PyTuple, PyFrozenSet or bytes would do`)
      if (seen.has(identity)) this.#fail(`has two ${what}s that are one for Python (${describeKey(member)})`)
      seen.add(identity)
    }
  }

  #identityOf(member: unknown): string | undefined {
    try {
      return keyIdentity(member)
    } catch (error) {
      if (error instanceof RangeError) return this.#fail('has a key that is nested too deep')
      throw error
    }
  }

  /** What Python writes as a call of its class. */
  #called(value: object): void {
    const call = this.#callOf(value)
    if (call === undefined) return this.#fail(`is ${describe(value)}, which a pickle can not hold without loss; give plain objects, arrays, Map, Set, Uint8Array, Date, or one of the Py… classes`)
    const [module, name, args] = call
    this.#global(module, name)
    for (const arg of args) {
      // The parts of a complex number are floats, whole or not.
      if (value instanceof PyComplex) this.#float(arg as number)
      else this.#any(arg)
    }
    this.#out.uint8(0x84 + args.length)
    this.#memoize()
    this.#out.uint8(0x52)
    this.#slots.set(value, this.#memoize())
  }

  #callOf(value: object): [module: string, name: string, args: unknown[]] | undefined {
    if (value instanceof Date) return ['datetime', 'datetime', this.#dateTime(value)]
    if (value instanceof PyDate) return ['datetime', 'date', [Uint8Array.of(value.year >> 8, value.year & 0xff, value.month, value.day)]]
    if (value instanceof PyTime) {
      const { hour, minute, second, microsecond, timezone, fold } = value
      const state = Uint8Array.of(hour | (fold << 7), minute, second, microsecond >> 16, (microsecond >> 8) & 0xff, microsecond & 0xff)
      return ['datetime', 'time', timezone === null ? [state] : [state, timezone]]
    }
    if (value instanceof PyTimeDelta) return ['datetime', 'timedelta', [value.days, value.seconds, value.microseconds]]
    if (value instanceof PyTimezone) return ['datetime', 'timezone', value.name === undefined ? [value.offset] : [value.offset, value.name]]
    return value instanceof PyComplex ? ['builtins', 'complex', [value.real, value.imaginary]] : undefined
  }

  #dateTime(value: Date): unknown[] {
    let wall
    try {
      wall = wallClockOf(value)
    } catch (error) {
      return this.#fail((error as Error).message)
    }
    const { year, month, day, hour, minute, second, microsecond, timezone, fold } = wall
    const state = Uint8Array.of(year >> 8, year & 0xff, month | (fold << 7), day, hour, minute, second, microsecond >> 16, (microsecond >> 8) & 0xff, microsecond & 0xff)
    return timezone === null ? [state] : [state, timezone]
  }

  #global(module: string, name: string): void {
    const full = `${module}.${name}`
    if (this.#recall(this.#names.get(full))) return
    if (!this.#recall(this.#names.get(module))) {
      this.#newText(module)
      this.#names.set(module, this.#memoize())
    }
    this.#newText(name)
    this.#memoize()
    this.#out.uint8(0x93)
    this.#names.set(full, this.#memoize())
  }

  /** Puts the value on top of the reader's stack into the next slot of its memo. */
  #memoize(): number {
    this.#out.uint8(0x94)
    return this.#nextSlot++
  }

  /** Lets the reader take a value from a slot; false where there is none. */
  #recall(slot: number | undefined): boolean {
    if (slot === undefined) return false
    if (slot < 0x100) this.#out.raw([0x68, slot])
    else {
      this.#out.uint8(0x6a)
      this.#out.uint32(slot)
    }
    return true
  }

  #child(step: string | number, value: unknown): void {
    this.#path.push(step)
    this.#any(value)
    this.#path.pop()
  }

  /** A length behind the code for one byte of it, four, or eight. */
  #head(length: number, small: number, medium: number, large?: number): void {
    if (length < 0x100) this.#out.raw([small, length])
    else if (length < 2 ** 32) {
      this.#out.uint8(medium)
      this.#out.uint32(length)
    } else if (large === undefined) {
      this.#fail('is longer than 2^32 - 1 bytes')
    } else {
      this.#out.uint8(large)
      this.#out.uint64(length)
    }
  }

  #fail(what: string): never {
    throw new InvalidArgumentError(`${formatPath(this.#path)} ${what}.`)
  }
}

function describeKey(key: unknown): string {
  return typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean' ? String(key).slice(0, 40) : describe(key)
}

/** The fewest bytes of two's complement, LE, that hold it. */
function twosComplement(value: bigint): Uint8Array {
  const magnitude = value < 0n ? ~value : value
  let hex = magnitude.toString(16)
  // The top bit is the sign's.
  hex = hex.length % 2 === 1 ? `0${hex}` : Number.parseInt(hex.slice(0, 2), 16) >= 0x80 ? `00${hex}` : hex
  const bytes = fromHex(hex).reverse()
  return value < 0n ? bytes.map(byte => ~byte & 0xff) : bytes
}
