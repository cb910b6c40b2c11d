import { FormatError } from '../base/error.js'
import { toHex, utf8Decode } from '../base/bytes.js'
import { setOwn } from '../format/json.js'
import { MsgpackExtension } from './msgpack-extension.js'

/** How deep arrays and maps may nest; Python's msgpack writes and reads up to 1,024 levels. */
export const MAX_MSGPACK_READ_DEPTH = 1100

/** Reads one value that fills the bytes exactly. Lengths are believed only as far as there are bytes. */
export class MsgpackReader {
  private at = 0
  private depth = 0
  private readonly view: DataView

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  read(): unknown {
    const value = this.any()
    if (this.at !== this.bytes.length) this.fail(`${this.bytes.length - this.at} bytes follow the end of the value`)
    return value
  }

  private any(): unknown {
    const type = this.view.getUint8(this.take(1))
    if (type < 0x80) return type
    if (type < 0x90) return this.map(type & 0x0f)
    if (type < 0xa0) return this.array(type & 0x0f)
    if (type < 0xc0) return this.text(type & 0x1f)
    if (type >= 0xe0) return type - 0x100
    return type < 0xca ? this.simple(type) : type < 0xd4 ? this.number(type) : this.long(type)
  }

  private simple(type: number): unknown {
    switch (type) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.binary(this.uint(1))
      case 0xc5:
        return this.binary(this.uint(2))
      case 0xc6:
        return this.binary(this.uint(4))
      case 0xc7:
        return this.extension(this.uint(1))
      case 0xc8:
        return this.extension(this.uint(2))
      case 0xc9:
        return this.extension(this.uint(4))
      default:
        return this.fail(`the type byte ${type.toString(16)} is not in use`, this.at - 1)
    }
  }

  private number(type: number): number | bigint {
    switch (type) {
      case 0xca:
        return this.view.getFloat32(this.take(4))
      case 0xcb:
        return this.view.getFloat64(this.take(8))
      case 0xcf:
        return exact(this.view.getBigUint64(this.take(8)))
      case 0xd0:
        return this.view.getInt8(this.take(1))
      case 0xd1:
        return this.view.getInt16(this.take(2))
      case 0xd2:
        return this.view.getInt32(this.take(4))
      case 0xd3:
        return exact(this.view.getBigInt64(this.take(8)))
      default:
        return this.uint(type === 0xcc ? 1 : type === 0xcd ? 2 : 4)
    }
  }

  private long(type: number): unknown {
    if (type <= 0xd8) return this.extension(1 << (type - 0xd4))
    switch (type) {
      case 0xd9:
        return this.text(this.uint(1))
      case 0xda:
        return this.text(this.uint(2))
      case 0xdb:
        return this.text(this.uint(4))
      case 0xdc:
        return this.array(this.uint(2))
      case 0xdd:
        return this.array(this.uint(4))
      case 0xde:
        return this.map(this.uint(2))
      default:
        return this.map(this.uint(4))
    }
  }

  private array(length: number): unknown[] {
    this.enter(length)
    const out: unknown[] = []
    for (let i = 0; i < length; i++) out.push(this.any())
    this.depth--
    return out
  }

  private map(size: number): unknown {
    this.enter(size * 2)
    const object: Record<string, unknown> = {}
    let others: KeyedMap | undefined
    for (let i = 0; i < size; i++) {
      const key = this.any()
      const value = this.any()
      if (typeof key !== 'string') others ??= new KeyedMap(object)
      if (others === undefined) setOwn(object, key as string, value)
      else others.set(key, value)
    }
    this.depth--
    return others?.map ?? object
  }

  /** Each of `items` takes a byte at least, so a length beyond the bytes left is refused at once. */
  private enter(items: number): void {
    if (items > this.bytes.length - this.at) this.fail('it is cut short, or a length is wrong')
    if (++this.depth > MAX_MSGPACK_READ_DEPTH) this.fail(`nested deeper than ${MAX_MSGPACK_READ_DEPTH} levels`)
  }

  private text(length: number): string {
    const start = this.take(length)
    try {
      return utf8Decode(this.bytes.subarray(start, start + length))
    } catch {
      return this.fail('a string that is not UTF-8', start)
    }
  }

  private binary(length: number): Uint8Array {
    const start = this.take(length)
    return new Uint8Array(this.bytes.subarray(start, start + length))
  }

  private extension(length: number): MsgpackExtension {
    const type = this.view.getInt8(this.take(1))
    return new MsgpackExtension(type, this.binary(length))
  }

  private uint(width: 1 | 2 | 4): number {
    const at = this.take(width)
    return width === 1 ? this.view.getUint8(at) : width === 2 ? this.view.getUint16(at) : this.view.getUint32(at)
  }

  private take(length: number): number {
    const start = this.at
    if (length > this.bytes.length - start) this.fail('it is cut short, or a length is wrong')
    this.at = start + length
    return start
  }

  private fail(what: string, at = this.at): never {
    throw new FormatError(`not valid MessagePack at byte ${at}: ${what}.`)
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/* A map with a key that isn't a string. Keys that are bytes or arrays are compared by content, so that the last of two wins. */
class KeyedMap {
  readonly map = new Map<unknown, unknown>()
  private readonly byContent = new Map<string, unknown>()

  constructor(start: Record<string, unknown>) {
    for (const key of Object.keys(start)) this.map.set(key, start[key])
  }

  set(key: unknown, value: unknown): void {
    if (key instanceof Uint8Array) {
      const content = toHex(key)
      if (this.byContent.has(content)) this.map.set(this.byContent.get(content), value)
      else {
        this.byContent.set(content, key)
        this.map.set(key, value)
      }
    } else {
      this.map.set(key, value)
    }
  }
}
