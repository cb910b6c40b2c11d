import { decode as otherDecode, encode as otherEncode } from '@msgpack/msgpack'
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/base/bytes.js'
import { DeserializationError, MsgpackExtension, resolveSerializer, SerializationError } from '../../src/serializers/index.js'

const msgpack = resolveSerializer<unknown>('msgpack')
const hex = (value: unknown) => toHex(msgpack.encode(value))
const read = (text: string) => msgpack.decode(fromHex(text))

describe('numbers', () => {
  it.each([
    [-0, 'cb8000000000000000'],
    [1.5, 'cb3ff8000000000000'],
    [2 ** 53 - 1, 'cf001fffffffffffff'],
    [-(2 ** 53 - 1), 'd3ffe0000000000001'],
    [2 ** 53, 'cb4340000000000000'],
    [5n, '05'],
    [-5n, 'fb'],
    [2n ** 32n, 'cf0000000100000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
    [NaN, 'cb7ff8000000000000'],
    [Infinity, 'cb7ff0000000000000'],
  ])('%s is written as %s', (value, written) => {
    expect(hex(value)).toBe(written)
  })

  it('of 64 bits are read as number where one holds them, else as bigint', () => {
    expect(read('cf0000000000000001')).toBe(1)
    expect(read('cf001fffffffffffff')).toBe(2 ** 53 - 1)
    expect(read('cf0020000000000000')).toBe(2n ** 53n)
    expect(read('d3ffdfffffffffffff')).toBe(-(2n ** 53n) - 1n)
    expect(read('d3ffffffffffffffff')).toBe(-1)
    expect(read('ca3fc00000')).toBe(1.5)
    expect(read('d0ff')).toBe(-1)
  })

  it('beyond 64 bits are refused', () => {
    for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) expect(() => msgpack.encode({ a: [value] })).toThrow(/value\.a\[0\] is an integer beyond 64 bits/)
  })
})

describe('what MessagePack or Python can not hold is refused', () => {
  it.each([
    [undefined, /undefined/],
    [{ a: undefined }, /value\.a is undefined/],
    [[() => 1], /value\[0\] is a function/],
    ['\ud800', /lone surrogate/],
    [{ '\ud800': 1 }, /lone surrogate/],
    [new Date(0), /an instance of Date/],
    [new Set([1]), /Set/],
    [new Uint16Array(1), /Uint16Array/],
    [new ArrayBuffer(1), /ArrayBuffer/],
    [new Map([[1, 2]]), /key that is a number/],
    [new Map([[null, 2]]), /key that is null/],
    [new MsgpackExtension(128, new Uint8Array(1)), /extension type 128/],
  ])('%s', (value, message) => {
    expect(() => msgpack.encode(value)).toThrow(message)
    expect(() => msgpack.encode(value)).toThrow(SerializationError)
  })

  it('also cycles and too deep nesting', () => {
    const cycle: unknown[] = []
    cycle.push({ cycle })
    expect(() => msgpack.encode(cycle)).toThrow(/value\[0\]\.cycle refers back/)
    let deep: unknown = 1
    for (let i = 0; i < 801; i++) deep = [deep]
    expect(() => msgpack.encode(deep)).toThrow(/deeper than 800/)
    expect(msgpack.decode(msgpack.encode((deep as unknown[])[0]))).toEqual((deep as unknown[])[0])
  })
})

describe('maps', () => {
  it('with keys that are not text come as Map, and the last of equal keys wins', () => {
    expect(read('8201a16102a162')).toEqual(new Map<unknown, unknown>([[1, 'a'], [2, 'b']]))
    expect(read('83a16101c4010202c4010203')).toEqual(new Map<unknown, unknown>([['a', 1], [Uint8Array.of(2), 3]]))
    expect(read('8301a16101a162a16101')).toEqual(new Map<unknown, unknown>([[1, 'b'], ['a', 1]]))
    expect(read('82a16101a16102')).toEqual({ a: 2 })
    expect(read('81c0c3')).toEqual(new Map([[null, true]]))
  })

  it('__proto__ is a key like any other', () => {
    const value = read('81a95f5f70726f746f5f5f81a876696374696d212101') as object
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(msgpack.decode(msgpack.encode(value))).toStrictEqual(value)
  })

  it('a Map with text or bytes as keys is written', () => {
    expect(hex(new Map<unknown, unknown>([['a', 1], [Uint8Array.of(2), 3]]))).toBe('82a16101c4010203')
  })
})

describe('extensions', () => {
  it.each([0, 1, 2, 3, 4, 8, 16, 17, 255, 256, 65536])('of %i bytes keep type and bytes', length => {
    for (const type of [-128, -1, 0, 5, 127]) {
      const value = [new MsgpackExtension(type, new Uint8Array(length).fill(7)), 'after']
      expect(msgpack.decode(msgpack.encode(value))).toEqual(value)
    }
  })
})

describe('hostile input', () => {
  it.each(['', 'c1', 'a1', 'd9', 'd9ff61', 'dbffffffff61', 'c6ffffffff', 'c9ffffffff00', 'ddffffffff', 'dfffffffff', 'dcffff', '91', '81', '81a161', 'cf00', 'cb00', 'a1ff', 'a2c080', '0101', 'c0c0', 'd500', 'c7'])('%s is refused', text => {
    expect(() => read(text)).toThrow(DeserializationError)
  })

  it('nesting is limited, not the call stack\'s business', () => {
    expect(() => read(`${'91'.repeat(1024)}90`)).not.toThrow()
    for (const levels of [1101, 500_000]) {
      expect(() => read(`${'91'.repeat(levels)}90`)).toThrow(/deeper than 1100/)
      expect(() => read(`${'81a161'.repeat(levels)}90`)).toThrow(/deeper than 1100/)
    }
  })

  it('any bytes give a value or a typed error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      try {
        msgpack.decode(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(DeserializationError)
      }
    }), { numRuns: 2000 })
  })
})

const value = fc.letrec(tie => ({
  value: fc.oneof({ depthSize: 'small' }, fc.constant(null), fc.boolean(), fc.double(), fc.integer(), fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }), fc.string({ unit: 'binary' }), fc.uint8Array(), tie('list'), tie('record')),
  list: fc.array(tie('value'), { maxLength: 20 }),
  record: fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { noNullPrototype: true, maxKeys: 20 }),
})).value

it('every value comes back the same', () => {
  fc.assert(fc.property(value, given => {
    expect(msgpack.decode(msgpack.encode(given))).toStrictEqual(given)
  }), { numRuns: 300 })
})

it('another implementation reads what we write, and we what it writes', () => {
  // That one has no place for the key __proto__, and gives every integer of 64 bits as bigint.
  const plain = fc.letrec(tie => ({
    value: fc.oneof({ depthSize: 'small' }, fc.constant(null), fc.boolean(), fc.double().filter(number => !Object.is(number, -0)), fc.integer(), fc.string({ unit: 'grapheme', maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), tie('list'), tie('record')),
    list: fc.array(tie('value'), { maxLength: 20 }),
    record: fc.dictionary(fc.string({ unit: 'grapheme' }).filter(key => key !== '__proto__'), tie('value'), { noNullPrototype: true, maxKeys: 20 }),
  })).value
  fc.assert(fc.property(plain, given => {
    expect(otherDecode(msgpack.encode(given))).toStrictEqual(given)
    expect(msgpack.decode(otherEncode(given))).toStrictEqual(given)
    expect(toHex(msgpack.encode(given))).toBe(toHex(otherEncode(given)))
  }), { numRuns: 200 })
})

it('long strings, lists and bytes take the longer forms', () => {
  for (const length of [0, 15, 16, 31, 32, 255, 256, 65535, 65536]) {
    for (const given of ['x'.repeat(length), new Uint8Array(length), new Array<number>(length).fill(1), Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i]))]) {
      expect(toHex(msgpack.encode(given))).toBe(toHex(otherEncode(given)))
      expect(msgpack.decode(msgpack.encode(given))).toEqual(given)
    }
  }
})
