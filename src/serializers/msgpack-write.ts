import { InvalidArgumentError } from '../base/error.js'
import { utf8Encode } from '../base/bytes.js'
import { describe, formatPath, isPlainObject, MAX_WRITE_DEPTH } from '../format/json-write.js'
import { MsgpackExtension } from './msgpack-extension.js'

const uint32 = 2 ** 32

/** The longest type byte with its number. Room is made before `this.view` is named, because making it replaces the view. */
const LONGEST_HEAD = 9

/* A buffer that is used again and again. Taken away while in use, as a getter of the value may write another one. */
const spareBytes = 64 * 1024
let spare: Uint8Array<ArrayBuffer> | undefined

function takeSpare(): Uint8Array<ArrayBuffer> {
  const taken = spare ?? new Uint8Array(spareBytes)
  spare = undefined
  return taken
}

/** Writes one value; every part in its shortest form, as Python's msgpack does. */
export class MsgpackWriter {
  private bytes = takeSpare()
  private view = new DataView(this.bytes.buffer)
  private at = 0
  private readonly path: (string | number)[] = []
  private readonly ancestors = new Set<object>()

  write(value: unknown): Uint8Array {
    this.any(value)
    const out = this.bytes.slice(0, this.at)
    if (this.bytes.length <= spareBytes) spare = this.bytes
    return out
  }

  private any(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.string(value)
      case 'number':
        return this.number(value)
      case 'bigint':
        return this.bigint(value)
      case 'boolean':
        return this.byte(value ? 0xc3 : 0xc2)
      case 'object':
        return value === null ? this.byte(0xc0) : this.object(value)
      default:
        return this.fail(`is ${describe(value)}, which MessagePack can not hold`)
    }
  }

  private number(value: number): void {
    this.reserve(LONGEST_HEAD)
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value >= 0 ? this.positive(value) : this.negative(value)
    const at = this.head(0xcb, 8)
    this.view.setFloat64(at, value)
  }

  private positive(value: number): void {
    if (value < 0x80) this.byte(value)
    else if (value < 0x100) this.view.setUint8(this.head(0xcc, 1), value)
    else if (value < 0x10000) this.view.setUint16(this.head(0xcd, 2), value)
    else if (value < uint32) this.view.setUint32(this.head(0xce, 4), value)
    else this.view.setBigUint64(this.head(0xcf, 8), BigInt(value))
  }

  private negative(value: number): void {
    if (value >= -0x20) this.byte(value + 0x100)
    else if (value >= -0x80) this.view.setInt8(this.head(0xd0, 1), value)
    else if (value >= -0x8000) this.view.setInt16(this.head(0xd1, 2), value)
    else if (value >= -0x80000000) this.view.setInt32(this.head(0xd2, 4), value)
    else this.view.setBigInt64(this.head(0xd3, 8), BigInt(value))
  }

  private bigint(value: bigint): void {
    if (value >= -0x80000000n && value < 0x100000000n) return this.number(Number(value))
    this.reserve(LONGEST_HEAD)
    if (value < -(2n ** 63n) || value >= 2n ** 64n) this.fail('is an integer beyond 64 bits')
    if (value >= 0n) this.view.setBigUint64(this.head(0xcf, 8), value)
    else this.view.setBigInt64(this.head(0xd3, 8), value)
  }

  private string(value: string): void {
    if (value.length < 32 && this.shortAscii(value)) return
    if (!value.isWellFormed()) this.fail('holds a lone surrogate, which UTF-8 can not express')
    const bytes = utf8Encode(value)
    if (bytes.length < 32) this.byte(0xa0 | bytes.length)
    else this.length(bytes.length, 0xd9, 0xda, 0xdb)
    this.raw(bytes)
  }

  /** Most strings are short and ASCII, and cheaper to write by hand. Writes nothing where they aren't. */
  private shortAscii(value: string): boolean {
    this.reserve(1 + value.length)
    const start = this.at + 1
    for (let i = 0; i < value.length; i++) {
      const char = value.charCodeAt(i)
      if (char >= 0x80) return false
      this.bytes[start + i] = char
    }
    this.bytes[this.at] = 0xa0 | value.length
    this.at = start + value.length
    return true
  }

  private object(value: object): void {
    if (value instanceof Uint8Array) {
      this.length(value.length, 0xc4, 0xc5, 0xc6)
      return this.raw(value)
    }
    if (value instanceof MsgpackExtension) return this.extension(value)
    if (this.ancestors.has(value)) this.fail('refers back to an object that contains it')
    if (this.ancestors.size >= MAX_WRITE_DEPTH) this.fail(`is nested deeper than ${MAX_WRITE_DEPTH} levels`)
    this.ancestors.add(value)
    if (Array.isArray(value)) this.array(value)
    else if (value instanceof Map) this.map(value)
    else if (isPlainObject(value)) this.record(value)
    else this.fail(`is ${describe(value)}, which MessagePack can not hold without loss; give plain objects, arrays, Map or Uint8Array`)
    this.ancestors.delete(value)
  }

  private array(value: readonly unknown[]): void {
    if (value.length < 16) this.byte(0x90 | value.length)
    else this.length(value.length, undefined, 0xdc, 0xdd)
    for (let i = 0; i < value.length; i++) this.child(i, value[i])
  }

  private record(value: Record<string, unknown>): void {
    const keys = Object.keys(value)
    this.mapHead(keys.length)
    for (const key of keys) {
      this.string(key)
      this.child(key, value[key])
    }
  }

  private map(value: ReadonlyMap<unknown, unknown>): void {
    this.mapHead(value.size)
    for (const [key, item] of value) {
      if (typeof key !== 'string' && !(key instanceof Uint8Array)) this.fail(`has a key that is ${describe(key)}; Python reads only strings and bytes as keys of a map`)
      this.any(key)
      this.child(typeof key === 'string' ? key : '<bytes>', item)
    }
  }

  private mapHead(size: number): void {
    if (size < 16) this.byte(0x80 | size)
    else this.length(size, undefined, 0xde, 0xdf)
  }

  private extension(value: MsgpackExtension): void {
    const { type, data } = value
    if (!Number.isInteger(type) || type < -128 || type > 127) this.fail(`has the extension type ${type}; -128 to 127 is possible`)
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length)
    if (fixed >= 0) this.byte(0xd4 + fixed)
    else this.length(data.length, 0xc7, 0xc8, 0xc9)
    this.byte(type & 0xff)
    this.raw(data)
  }

  private child(step: string | number, value: unknown): void {
    this.path.push(step)
    this.any(value)
    this.path.pop()
  }

  /** A length behind the smallest of the three type bytes that can hold it. */
  private length(length: number, small: number | undefined, medium: number, large: number): void {
    this.reserve(LONGEST_HEAD)
    if (small !== undefined && length < 0x100) this.view.setUint8(this.head(small, 1), length)
    else if (length < 0x10000) this.view.setUint16(this.head(medium, 2), length)
    else if (length < uint32) this.view.setUint32(this.head(large, 4), length)
    else this.fail('is longer than 2^32 - 1')
  }

  private byte(value: number): void {
    this.reserve(1)
    this.bytes[this.at++] = value
  }

  /** Writes a type byte and gives the position of the `length` bytes behind it. The caller has made room. */
  private head(type: number, length: number): number {
    this.bytes[this.at] = type
    const at = this.at + 1
    this.at = at + length
    return at
  }

  private raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  private reserve(length: number): void {
    const needed = this.at + length
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  private fail(what: string): never {
    throw new InvalidArgumentError(`${formatPath(this.path)} ${what}.`)
  }
}
