import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { InvalidArgumentError } from '../../src/base/error.js'
import { DeserializationError, resolveSerializer, SerializationError, serializerByCode, UnsupportedSerializerError, type SerializerName } from '../../src/serializers/index.js'
import { sampleValues, sharedSerializers } from '../support/samples.js'

describe('the registry', () => {
  it('refuses unknown names and codes with advice', () => {
    expect(() => resolveSerializer('yaml' as SerializerName)).toThrow(/no serializer of the name "yaml".*msgpack_zstd/)
    for (const code of [-1, 33, 65535, 1.5, NaN]) expect(() => serializerByCode(code)).toThrow(UnsupportedSerializerError)
    for (const bad of [null, 5, {}, { encode: () => new Uint8Array() }, undefined]) expect(() => resolveSerializer(bad as never)).toThrow(InvalidArgumentError)
  })

  it('says for code 0 that the serializer has to be given', () => {
    expect(serializerByCode(0)).toMatchObject({ name: 'custom', code: 0 })
    expect(() => serializerByCode(0).decode(new Uint8Array(1))).toThrow(/\{ encode, decode \}/)
  })

  it('takes a custom one, and checks what it gives', () => {
    const reverse = resolveSerializer<string>({ encode: value => new TextEncoder().encode([...value].reverse().join('')), decode: bytes => [...new TextDecoder().decode(bytes)].reverse().join('') })
    expect(reverse).toMatchObject({ name: 'custom', code: 0 })
    expect(reverse.decode(reverse.encode('abc'))).toBe('abc')
    const cause = new Error('mine')
    const failing = resolveSerializer<unknown>({ encode: () => 'text' as unknown as Uint8Array, decode: () => { throw cause } })
    expect(() => failing.encode(1)).toThrow(/custom can not write.*bytes \(a Uint8Array\) are expected, this is a string/)
    expect(() => failing.decode(new Uint8Array())).toThrow(expect.objectContaining({ serializer: 'custom', code: 'DESERIALIZATION', cause }))
    expect(resolveSerializer(serializerByCode(4))).toBe(serializerByCode(4))
  })
})

describe('values read from memory that is used again', () => {
  it.each(sharedSerializers.filter((name) => !resolveSerializer(name).keepsBytes))('%s holds nothing of the bytes', (name) => {
    const serializer = resolveSerializer<unknown>(name)
    for (const value of sampleValues(name, 20)) {
      const bytes = serializer.encode(value).slice()
      const found = serializer.decode(bytes)
      const other = serializer.decode(bytes.slice())
      bytes.fill(0xff)
      expect(found).toEqual(other)
    }
  })

  it('those that give the bytes themselves say so, as do those of callers', () => {
    for (const name of ['bytes', 'None', 'msgpack', 'pickle', 'zstd'] as const) expect(resolveSerializer(name).keepsBytes).toBe(true)
    expect(resolveSerializer({ encode: (value: Uint8Array) => value, decode: (bytes) => bytes }).keepsBytes).toBe(true)
    const bytes = Uint8Array.of(1, 2)
    expect(resolveSerializer<Uint8Array>('bytes').decode(bytes).buffer).toBe(bytes.buffer)
  })
})

describe('bytes and text', () => {
  it('text of every length is that of the platform\'s encoder, and encoded texts don\'t share bytes', () => {
    const encoder = new TextEncoder()
    const characters = ['a', '\x7f', '\0', '\x80', 'é', '€', '😀', '\ufeff']
    const kept: [string, Uint8Array][] = []
    for (let length = 0; length <= 400; length += length < 80 ? 1 : 37) {
      for (const character of characters) {
        for (const text of ['x'.repeat(length) + character, character + 'x'.repeat(length), character.repeat(length)]) {
          kept.push([text, utf8Encode(text)])
          expect(utf8Decode(encoder.encode(text))).toBe(text)
        }
      }
    }
    for (const [text, bytes] of kept) expect(bytes).toEqual(encoder.encode(text))
    for (const length of [1, 8, 16, 31, 33, 400]) {
      const bad = new Uint8Array(length).fill(0x61)
      bad[length - 1] = 0xc3
      expect(() => utf8Decode(bad)).toThrow(TypeError)
      expect(() => utf8Encode('x'.repeat(length) + '\ud800')).toThrow(TypeError)
    }
  })

  it('bytes that are read are never a Buffer, and nothing but bytes is taken', () => {
    for (const name of ['bytes', 'None'] as const) {
      const serializer = resolveSerializer<Uint8Array>(name)
      const read = serializer.decode(serializer.encode(Buffer.from('abc')))
      expect(Object.getPrototypeOf(read)).toBe(Uint8Array.prototype)
      expect(read).toEqual(Uint8Array.of(97, 98, 99))
      for (const bad of ['abc', [1], new ArrayBuffer(2), null, new Uint16Array(2)]) expect(() => serializer.encode(bad as never)).toThrow(SerializationError)
    }
  })

  it('str refuses what is no text', () => {
    const str = resolveSerializer<string>('str')
    expect(str.decode(str.encode('\ufeffé😀\0'))).toBe('\ufeffé😀\0')
    expect(() => str.encode('\ud800')).toThrow(/lone surrogate/)
    expect(() => str.encode(5 as never)).toThrow(/a string is expected, this is a number/)
    expect(() => str.decode(Uint8Array.of(0xff))).toThrow(DeserializationError)
  })
})

describe.each([1, 2, 4, 5, 8] as const)('integers of %i bytes', width => {
  const bits = BigInt(width * 8)
  it.each([true, false])('signed: %s', signed => {
    const [min, max] = signed ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] : [0n, 2n ** bits - 1n]
    const serializer = resolveSerializer<number | bigint>(`${signed ? 'int' : 'uint'}${width}` as SerializerName)
    for (const value of [min, max, 0n, 1n, signed ? -1n : 2n]) {
      const bytes = serializer.encode(value)
      expect(bytes.length).toBe(width)
      expect(serializer.decode(bytes)).toBe(width === 8 ? value : Number(value))
      if (Number.isSafeInteger(Number(value))) expect(serializer.encode(Number(value))).toEqual(bytes)
    }
    for (const value of [min - 1n, max + 1n]) {
      expect(() => serializer.encode(value)).toThrow(/out of range/)
      expect(() => serializer.encode(Number(value))).toThrow(SerializationError)
    }
    for (const bad of [1.5, NaN, Infinity, '1', null, true, undefined]) expect(() => serializer.encode(bad as never)).toThrow(SerializationError)
    for (const length of [0, width - 1, width + 1]) expect(() => serializer.decode(new Uint8Array(length))).toThrow(DeserializationError)
  })
})

describe.each([[1, Int8Array], [2, Int16Array], [4, Int32Array], [8, BigInt64Array]] as const)('numpy arrays of %i bytes', (width, type) => {
  const serializer = resolveSerializer<unknown>(`numpy_int${width}`)

  it('are little-endian, and their memory is their own', () => {
    const source = Uint8Array.from({ length: 3 * width + 1 }, (_, i) => i)
    const array = serializer.decode(source.subarray(1)) as Int8Array
    expect(array).toBeInstanceOf(type)
    expect(array.buffer.byteLength).toBe(3 * width)
    const copy = serializer.encode(array)
    expect(copy).toEqual(source.slice(1))
    source.fill(0)
    new Uint8Array(array.buffer).fill(0)
    expect(copy[0]).toBe(1)
    expect(serializer.decode(new Uint8Array(0))).toEqual(new type(0))
    if (width > 1) expect(() => serializer.decode(new Uint8Array(width + 1))).toThrow(DeserializationError)
  })

  it('are written from other arrays when every element fits', () => {
    for (const values of [[1, -2, 3], [1n, -2n, 3n], Int8Array.of(1, -2, 3), Int16Array.of(1, -2, 3), Float64Array.of(1, -2, 3), BigInt64Array.of(1n, -2n, 3n)]) {
      expect(Array.from(serializer.decode(serializer.encode(values)) as Int8Array, Number)).toEqual([1, -2, 3])
    }
    const limit = 2n ** BigInt(width * 8 - 1)
    for (const bad of [[limit], [-limit - 1n], [1.5], ['1'], [null], [NaN], [, 1], 'text', 5, null, { 0: 1, length: 1 }, new ArrayBuffer(8), new DataView(new ArrayBuffer(8))]) {  
      expect(() => serializer.encode(bad), JSON.stringify(typeof bad)).toThrow(SerializationError)
    }
    expect(serializer.encode([-limit, limit - 1n]).length).toBe(2 * width)
  })
})

it('random integers come back', () => {
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value => {
    for (const width of [1, 2, 4, 5, 8] as const) {
      const fits = BigInt.asIntN(width * 8, value)
      expect(BigInt(resolveSerializer<number | bigint>(`int${width}`).decode(resolveSerializer<bigint>(`int${width}`).encode(fits)))).toBe(fits)
    }
  }))
})
