import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromBase64, fromHex } from '../../src/base/bytes.js'
import { DeserializationError, MAX_DECOMPRESSED_BYTES, resolveSerializer } from '../../src/serializers/index.js'
import { decompressedBound } from '../../src/serializers/zstd-frame.js'

const zstd = resolveSerializer<Uint8Array>('zstd')

/** A frame by RFC 8878 without a content size: a window descriptor and the given blocks. */
function frame(...blocks: Uint8Array[]): Uint8Array {
  return concatBytes([fromHex('28b52ffd'), Uint8Array.of(0x00, 0x58), ...blocks])
}

function block(type: 0 | 1 | 2 | 3, size: number, content: Uint8Array, last = false): Uint8Array {
  const header = (size << 3) | (type << 1) | (last ? 1 : 0)
  return concatBytes([Uint8Array.of(header & 0xff, (header >> 8) & 0xff, (header >> 16) & 0xff), content])
}

const raw = (text: string, last = false) => block(0, text.length, new TextEncoder().encode(text), last)
const run = (byte: number, count: number, last = false) => block(1, count, Uint8Array.of(byte), last)

describe('frames without a content size', () => {
  it('are read', () => {
    expect(zstd.decode(frame(raw('hello '), raw('world', true)))).toEqual(new TextEncoder().encode('hello world'))
    expect(zstd.decode(frame(run(7, 131072), run(8, 3, true)))).toEqual(concatBytes([new Uint8Array(131072).fill(7), Uint8Array.of(8, 8, 8)]))
    expect(zstd.decode(frame(raw('', true)))).toEqual(new Uint8Array(0))
  })

  it('as a stream writer of Python makes them: two compressed blocks, with and without a checksum', () => {
    const text = `${'hello '.repeat(3 * 40)}end`
    for (const streamed of ['KLUv/QRIbAAAMGhlbGxvIAEAI1FLEV0AACBoZW5kAQCgKhAC+0kEgQ==', 'KLUv/QBIbAAAMGhlbGxvIAEAI1FLEV0AACBoZW5kAQCgKhAC']) {
      expect(new TextDecoder().decode(zstd.decode(fromBase64(streamed)))).toBe(text)
    }
    const wrongChecksum = fromBase64('KLUv/QRIbAAAMGhlbGxvIAEAI1FLEV0AACBoZW5kAQCgKhAC+0kEgA==')
    expect(() => zstd.decode(wrongChecksum)).toThrow(DeserializationError)
  })
})

describe('what a frame unfolds to is bounded before memory is taken', () => {
  it('by its blocks, when it states no size', () => {
    const blocks = Array.from({ length: 9000 }, (_, i) => run(0, 131072, i === 8999))
    expect(decompressedBound(frame(...blocks))).toBe(9000 * 131072)
    expect(() => zstd.decode(frame(...blocks))).toThrow(/unfold to 1179648000 bytes, more than the limit/)
  })

  it('by the size it states', () => {
    const stated = (size: bigint, ...blocks: Uint8Array[]) => {
      const field = new Uint8Array(8)
      new DataView(field.buffer).setBigUint64(0, size, true)
      return concatBytes([fromHex('28b52ffd'), Uint8Array.of(0xc0, 0x58), field, ...blocks])
    }
    expect(zstd.decode(stated(3n, raw('abc', true)))).toEqual(new TextEncoder().encode('abc'))
    for (const size of [4n, 2n ** 30n, 2n ** 40n, 2n ** 64n - 1n]) expect(() => zstd.decode(stated(size, raw('abc', true)))).toThrow(/its blocks give 3 at most/)
    for (const size of [0n, 2n]) expect(() => zstd.decode(stated(size, raw('abc', true)))).toThrow(DeserializationError)
    expect(MAX_DECOMPRESSED_BYTES).toBe(2 ** 30 - 1)
  })
})

describe('frames', () => {
  it('one after another, and skippable ones, are read as one value', () => {
    const skippable = concatBytes([fromHex('502a4d18'), Uint8Array.of(2, 0, 0, 0, 9, 9)])
    const parts = [skippable, zstd.encode(Uint8Array.of(1, 2)), skippable, frame(raw('a', true))]
    expect(zstd.decode(concatBytes(parts))).toEqual(Uint8Array.of(1, 2, 97))
  })

  it('of other kinds, cut short or with something behind them are refused', () => {
    const good = zstd.encode(Uint8Array.from({ length: 1000 }, (_, i) => (i * i) % 251))
    for (let length = 0; length < good.length; length++) expect(() => zstd.decode(good.subarray(0, length))).toThrow(DeserializationError)
    expect(() => zstd.decode(concatBytes([good, Uint8Array.of(0)]))).toThrow(DeserializationError)
    for (const bad of ['', '00', '28b52ffd', '25b52ffd00000000', '1f8b0800', 'ffffffffffffffff']) expect(() => zstd.decode(fromHex(bad))).toThrow(DeserializationError)
    expect(() => zstd.decode(frame(block(3, 0, new Uint8Array(0), true)))).toThrow(/reserved type/)
  })

  it('with any bit flipped give an error or a value, never a crash', () => {
    const good = resolveSerializer<unknown>('msgpack_zstd').encode({ a: ['x'.repeat(300), 1, 2n ** 60n], b: null })
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.slice()
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        resolveSerializer<unknown>('msgpack_zstd').decode(bad)
      } catch (error) {
        expect(error).toBeInstanceOf(DeserializationError)
      }
    }
  })
})

it('any bytes come back, and what comes back is a plain Uint8Array', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000, size: 'max' }), bytes => {
    const read = zstd.decode(zstd.encode(bytes))
    expect(Object.getPrototypeOf(read)).toBe(Uint8Array.prototype)
    expect(read).toEqual(bytes)
  }), { numRuns: 100 })
  const large = new Uint8Array(3_000_000).map((_, i) => (i * 2654435761) >>> 13)
  expect(zstd.decode(zstd.encode(large)).length).toBe(large.length)
  expect(decompressedBound(zstd.encode(large))).toBe(large.length)
})
