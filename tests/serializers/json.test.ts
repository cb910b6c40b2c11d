import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { FormatError, InvalidArgumentError } from '../../src/base/error.js'
import { MAX_JSON_READ_DEPTH, parseJson } from '../../src/format/json.js'
import { MAX_WRITE_DEPTH, stringifyJson } from '../../src/format/json-write.js'
import { DeserializationError, resolveSerializer, SerializationError } from '../../src/serializers/index.js'

const json = resolveSerializer<unknown>('json')
const orjson = resolveSerializer<unknown>('orjson')
const text = (serializer: typeof json, value: unknown) => utf8Decode(serializer.encode(value))
const read = (serializer: typeof json, source: string) => serializer.decode(utf8Encode(source))

describe('numbers', () => {
  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['[1,9007199254740993 ]', [1, 9007199254740993n]],
    ['{"a":18446744073709551616}', { a: 18446744073709551616n }],
    ['0.12345678901234567', 0.12345678901234567],
    ['12345678901234567.5', 12345678901234568],
    ['1e16', 1e16],
    ['10000000000000000.0', 1e16],
    ['-0.0', -0],
    ['"9007199254740993"', '9007199254740993'],
    ['5e-324', 5e-324],
    ['1e-400', 0],
  ])('%s is read exactly', (source, value) => {
    expect(read(json, source)).toStrictEqual(value)
    expect(read(orjson, source)).toStrictEqual(value)
  })

  it.each([
    [1, '1'],
    [-0, '-0.0'],
    [2 ** 53 - 1, '9007199254740991'],
    [2 ** 53, '9.007199254740992e+15'],
    [1e16, '1e+16'],
    [1e21, '1e+21'],
    [1e-7, '1e-7'],
    [0.1, '0.1'],
    [2n ** 53n, '9007199254740992'],
    [-(2n ** 63n), '-9223372036854775808'],
    [2n ** 64n - 1n, '18446744073709551615'],
  ])('%s is written so that it keeps its kind: %s', (value, written) => {
    expect(text(json, value)).toBe(written)
    expect(text(orjson, value)).toBe(written)
    expect(text(orjson, [value])).toBe(`[${written}]`)
  })

  it('NaN and the infinities are Python\'s words in json, and refused by orjson', () => {
    expect(text(json, [NaN, Infinity, -Infinity])).toBe('[NaN,Infinity,-Infinity]')
    expect(read(json, '{"a": NaN, "b": [Infinity, -Infinity]}')).toStrictEqual({ a: NaN, b: [Infinity, -Infinity] })
    for (const value of [NaN, Infinity, -Infinity]) expect(() => orjson.encode({ a: [value] })).toThrow(/value\.a\[0\] is/)
    for (const source of ['NaN', '[Infinity]', '-Infinity', '1e400', '-1e999', '1'.repeat(310) + '.0']) expect(() => read(orjson, source)).toThrow(DeserializationError)
    expect(read(json, '1e400')).toBe(Infinity)
  })

  it('integers that the other side refuses are refused', () => {
    expect(() => orjson.encode(2n ** 64n)).toThrow(/beyond 64 bits/)
    expect(() => orjson.encode(-(2n ** 63n) - 1n)).toThrow(SerializationError)
    expect(json.decode(json.encode(2n ** 64n))).toBe(2n ** 64n)
    expect(() => json.encode(10n ** 4300n)).toThrow(/4300 digits/)
    expect(json.decode(json.encode(10n ** 4299n))).toBe(10n ** 4299n)
    expect(() => read(json, '1'.repeat(4301))).toThrow(/4300 digits/)
  })
})

describe('text', () => {
  it('json is pure ASCII and takes lone surrogates, orjson is UTF-8 and refuses them', () => {
    expect(text(json, 'é😀\u2028\ud800')).toBe('"\\u00e9\\ud83d\\ude00\\u2028\\ud800"')
    expect(read(json, '"\\ud800"')).toBe('\ud800')
    expect(text(orjson, 'é😀')).toBe('"é😀"')
    expect(() => orjson.encode(['\ud800'])).toThrow(/value\[0\] holds a lone surrogate/)
    expect(() => orjson.encode({ '\ud800': 1 })).toThrow(SerializationError)
    expect(read(json, text(json, { '\ud800': 1 }))).toStrictEqual({ '\ud800': 1 })
  })

  it.each([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x22, 0xe9, 0x22], [0xef, 0xbb, 0xbf, 0x31]])('bytes that are not UTF-8, or start with a mark, are refused: %s', (...bytes) => {
    expect(() => json.decode(Uint8Array.from(bytes))).toThrow(DeserializationError)
  })

  it.each(['', ' ', '[', '[1', '[1,', '[1,]', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{a:1}', '"', '"\\', '"\\"', '"\\x"', '"\u0001"', '01', '1.', '.1', '+1', '1e', '--1', 'nul', 'True', 'undefined', '1 2', '[1]]', '[1}', '{"a":1]', '-', '- 1', 'NaNN', '/*x*/1', "'a'", '\u00a01', '12345678901234567890,'])('%j is not JSON', source => {
    for (const serializer of [json, orjson]) expect(() => read(serializer, source)).toThrow(DeserializationError)
    // The slower reader agrees: the integer makes it take over.
    expect(() => parseJson(`{"a":12345678901234567890,"b":${source}`, 'python')).toThrow(FormatError)
  })
})

describe('objects', () => {
  it('__proto__ is a key like any other, and the last of equal keys wins, in both readers', () => {
    for (const big of ['1', '12345678901234567890']) {
      const value = read(json, `{"__proto__":{"polluted":1},"a":1,"a":2,"n":${big}}`) as Record<string, unknown>
      expect(Object.keys(value)).toEqual(['__proto__', 'a', 'n'])
      expect(value.a).toBe(2)
      expect('polluted' in value).toBe(false)
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(read(json, text(json, value))).toStrictEqual(value)
    }
    expect('polluted' in {}).toBe(false)
  })

  it('what JSON would drop or blur is refused, with its place', () => {
    class Point {
      x = 1
    }
    const holes = [1, , 3]  
    const cycle: { a: unknown[] } = { a: [] }
    cycle.a.push(cycle)
    const cases: [unknown, RegExp][] = [
      [undefined, /^.*: value is undefined/],
      [{ a: undefined }, /value\.a is undefined/],
      [holes, /value\[1\] is undefined/],
      [() => 1, /a function/],
      [{ 'b c': Symbol('x') }, /value\["b c"\] is a symbol/],
      [{ [Symbol('x')]: 1 }, /an object/],
      [new Map([[1, 2]]), /an instance of Map/],
      [new Set(), /Set/],
      [new Uint8Array(3), /Uint8Array/],
      [new ArrayBuffer(3), /ArrayBuffer/],
      [/x/, /RegExp/],
      [new Error('x'), /Error/],
      [new Point(), /Point/],
      [Object(1), /Number/],
      [new Date(NaN), /invalid Date/],
      [cycle, /value\.a\[0\] refers back/],
      [{ toJSON: () => new Map() }, /Map/],
    ]
    for (const [value, message] of cases) {
      for (const serializer of [json, orjson]) {
        expect(() => serializer.encode(value)).toThrow(message)
        expect(() => serializer.encode(value)).toThrow(SerializationError)
      }
    }
  })

  it('toJSON is honoured, also on a Date; an object that appears twice is no cycle', () => {
    const shared = { a: 1 }
    expect(text(orjson, [new Date(0), { toJSON: (key: string) => `key ${key}` }, shared, shared, Object.create(null)])).toBe('["1970-01-01T00:00:00.000Z","key 1",{"a":1},{"a":1},{}]')
  })
})

describe('depth', () => {
  const nest = (levels: number) => {
    let value: unknown = 1
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
    return value
  }

  it('is limited when writing, to what Python reads', () => {
    expect(read(json, text(json, nest(MAX_WRITE_DEPTH)))).toEqual(nest(MAX_WRITE_DEPTH))
    for (const levels of [MAX_WRITE_DEPTH + 1, 100_000]) {
      expect(() => stringifyJson(nest(levels))).toThrow(InvalidArgumentError)
      expect(() => stringifyJson([nest(levels), 2n ** 60n])).toThrow(/deeper than 800/)
    }
  })

  it.each([['[', ']'], ['{"a":', '}']])('is limited when reading: %s', (open, close) => {
    const source = (levels: number, inner: string) => open.repeat(levels) + inner + close.repeat(levels)
    for (const inner of ['1', '12345678901234567890']) {
      expect(() => parseJson(source(MAX_JSON_READ_DEPTH, inner))).not.toThrow()
      for (const levels of [MAX_JSON_READ_DEPTH + 1, 1_000_000]) expect(() => parseJson(source(levels, inner))).toThrow(/deeper than/)
    }
    expect(() => parseJson(open.repeat(2_000_000))).toThrow(FormatError)
  })

  it('does not count brackets inside strings', () => {
    const value = ['\\"['.repeat(MAX_JSON_READ_DEPTH + 5), Array.from({ length: MAX_JSON_READ_DEPTH + 5 }, () => [])]
    expect(parseJson(JSON.stringify(value))).toEqual(value)
  })
})

const jsonValue = fc.letrec(tie => ({
  value: fc.oneof({ depthSize: 'small' }, fc.constant(null), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), fc.string({ unit: 'binary' }), tie('list'), tie('record')),
  list: fc.array(tie('value')),
  record: fc.dictionary(fc.oneof(fc.string({ unit: 'binary' }), fc.constant('__proto__')), tie('value'), { noNullPrototype: true }),
})).value

it('every value comes back the same, in both dialects', () => {
  fc.assert(fc.property(jsonValue, value => {
    for (const serializer of [json, orjson]) expect(serializer.decode(serializer.encode(value))).toStrictEqual(value)
  }), { numRuns: 300 })
})

it('the slower reader agrees with JSON.parse on any text', () => {
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([source, at, extra]) => source.slice(0, at % (source.length + 1)) + extra + source.slice(at % (source.length + 1)))
  fc.assert(fc.property(fc.oneof(fc.json(), damaged), source => {
    let expected: unknown
    let valid = true
    try {
      expected = JSON.parse(source)
    } catch {
      valid = false
    }
    // The first element makes the exact reader take the text.
    const wrapped = `[12345678901234567890,${source}]`
    const whole = () => parseJson(wrapped, 'orjson')
    if (valid && /\d{16}|[eE]\+?\d{3}/.test(source)) return
    if (valid) expect(whole()).toStrictEqual([12345678901234567890n, expected])
    else if (!isJson(wrapped)) expect(whole).toThrow(FormatError)
  }), { numRuns: 1000 })
})

function isJson(source: string): boolean {
  try {
    JSON.parse(source)
    return true
  } catch {
    return false
  }
}
