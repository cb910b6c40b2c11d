/** Python's pickles: what is read, what is refused, and that what was read is written as it was. */
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { concatBytes, utf8Encode } from '../../src/base/bytes.js'
import {
  PickledClassError, PyByteArray, PyComplex, PyDate, PyDateTime, PyFrozenSet, PyTime, PyTimeDelta, PyTimezone, PyTuple, resolveSerializer,
} from '../../src/serializers/index.js'
import { pythonValues } from '../support/python-values.js'
import { testSeed } from '../support/seed.js'

const pickle = resolveSerializer<unknown>('pickle')
const latin = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const read = (text: string) => pickle.decode(latin(text))
const again = (value: unknown) => pickle.decode(pickle.encode(value))

describe('reading pickles', () => {
  it.each([
    ['None', 'N.', null],
    ['booleans of protocol 0', '(I00\nI01\nt.', PyTuple.of(false, true)],
    ['integers', '(I-5\nL12345678901234567890L\nK\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x00\x8a\x01\x80l.', [-5, 12345678901234567890n, 255, 65535, -1, 0, -128]],
    ['an integer of four length bytes', '\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80.', -(2n ** 63n)],
    ['floats', '(F1.5\nFnan\nF-inf\nF-0.0\nG?\xf8\0\0\0\0\0\0l.', [1.5, NaN, -Infinity, -0, 1.5]],
    ['strings', "(S'a\\n\\x41\\''\nT\x01\0\0\0bU\x01cVd\\u20ac\\U0001f600\nX\x02\0\0\0\xc3\xa9\x8c\x01e\x8d\x01\0\0\0\0\0\0\0fl.", ["a\nA'", 'b', 'c', 'd€😀', 'é', 'e', 'f']],
    ['bytes', '(B\x01\0\0\0\xffC\x01\xfe\x8e\x01\0\0\0\0\0\0\0\xfdl.', [Uint8Array.of(255), Uint8Array.of(254), Uint8Array.of(253)]],
    ['a lone surrogate', 'X\x03\0\0\0\xed\xa0\x80.', '\ud800'],
    ['objects and a Map', ']((d(K\x01K\x02de.', [{}, new Map([[1, 2]])]],
    ['a dict that becomes a Map at its last key', '}q\x00(U\x01ah\x00K\x05NU\x01bNu.', undefined],
    ['__proto__ as a key', '}U\x09__proto__K\x01s.', JSON.parse('{"__proto__":1}')],
    ['tuples', '()K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87l.', [PyTuple.of(), PyTuple.from([1]), PyTuple.of(1, 2), PyTuple.of(1, 2, 3)]],
    ['sets', '\x8f(K\x01K\x02\x90(K\x03\x91\x86.', PyTuple.of(new Set([1, 2]), new PyFrozenSet([3]))],
    ['sets of protocol 2', 'c__builtin__\nset\n](K\x01K\x02e\x85R.', new Set([1, 2])],
    ['bytes of protocol 2', 'c_codecs\nencode\nX\x02\0\0\0\xc3\xbfX\x06\0\0\0latin1\x86R.', Uint8Array.of(255)],
    ['a bytearray of protocol 3', 'cbuiltins\nbytearray\nC\x01a\x85R.', PyByteArray.of(97)],
    ['the memo, in every form', "(]p5\nS'x'\nag5\nj\x05\0\0\0]r\x06\0\0\0h\x06l.", [['x'], ['x'], ['x'], [], []]],
    ['what is dropped', '(K\x01K\x020(K\x03K\x0412l.', undefined],
  ])('knows %s', (_, text, value) => {
    if (value === undefined) expect(read(text)).toBeDefined()
    else expect(read(text)).toStrictEqual(value)
  })

  it('takes a dict for a Map from the first on, wherever else it is', () => {
    const map = read('}q\x00(U\x01ah\x00K\x05NU\x01bNu.') as Map<unknown, unknown>
    expect([...map.keys()]).toEqual(['a', 5, 'b'])
    expect(map.get('a')).toBe(map)
  })

  it.each([
    ['os.system', "cos\nsystem\n(S'true'\ntR."],
    ['builtins.eval', "c__builtin__\neval\n(S'1'\ntR."],
    ['builtins.getattr', '\x8c\x08builtins\x8c\x07getattr\x93.'],
    ['collections.OrderedDict', 'ccollections\nOrderedDict\n)R.'],
    ['numpy._core.multiarray.scalar', 'cnumpy._core.multiarray\nscalar\n.'],
    ['os.system (an instance)', '(ios\nsystem\n.'],
    ['builtins.set', 'cbuiltins\nset\n.'],
    ['datetime.date', '](cdatetime\ndate\ne.'],
    ['a class (made by __new__)', 'N)\x81.'],
    ['a class (with a state)', 'N}b.'],
    ['a store outside of it (a persistent id)', 'Pid\n.'],
    ['the extension registry', '\x82\x01.'],
  ])('refuses %s, by name', (name, text) => {
    expect(() => read(text)).toThrow(PickledClassError)
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'PICKLED_CLASS', className: name }))
  })

  it.each([
    ['nothing', ''],
    ['no end', 'N'],
    ['what follows', 'N.N'],
    ['an unknown operation', '\xff.'],
    ['a later protocol', '\x80\x06N.'],
    ['no value', '.'],
    ['a value below the mark', '(N(t0a.'],
    ['a mark that is missing', 'Ne.'],
    ['a slot that is not there', 'h\x05.'],
    ['an item where there is no list', 'NNa.'],
    ['an item for a tuple', ')Na.'],
    ['an item where there is no dict', '](NNu.'],
    ['a key without a value', '}(Nu.'],
    ['a list as a key', '}]Ns.'],
    ['a dict in a set', '\x8f(}\x90.'],
    ['a length beyond the bytes', 'X\xff\xff\xff\x7fa.'],
    ['a huge length', '\x8e\xff\xff\xff\xff\xff\xff\xff\xffa.'],
    ['a frame beyond the bytes', '\x80\x04\x95\xff\0\0\0\0\0\0\0N.'],
    ['text that is no UTF-8', 'X\x01\0\0\0\xff.'],
    ['a date that does not exist', 'cdatetime\ndate\nC\x04\x07\xe4\x02\x1e\x85R.'],
    ['bytes of a length', 'cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.'],
    ['a call of what is no class', 'N)R.'],
    ['too many digits', `I${'9'.repeat(5000)}\n.`],
  ])('refuses %s', (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'DESERIALIZATION' }))
  })

  it('refuses text that JavaScript would take for another', () => {
    expect(() => read('X\x06\0\0\0\xed\xa0\xbd\xed\xb8\x80.')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_VALUE' }))
  })

  it('refuses to copy the same list without end, and to nest without end', () => {
    const list = `](${'N'.repeat(50_000)}eq\x00`
    expect(() => read(`${list}${'cbuiltins\nset\nh\x00\x85R'.repeat(50_000)}.`)).toThrow(/again and again/)
    expect(() => read(`${']'.repeat(20_000)}${'a'.repeat(19_999)}.`)).toThrow(/nested deeper/)
    // The same from the outside in, where each list is filled after it was put into another.
    expect(() => read(`]q\x00${']q\x01ah\x01'.repeat(20_000)}0h\x00.`)).toThrow(/nested deeper|value is missing/)
    expect(read(`${']'.repeat(5000)}${'a'.repeat(4999)}.`)).toHaveLength(1)
  })

  it('keeps what is shared shared, however much it would be unfolded', () => {
    let text = ']q\x00'
    for (let i = 1; i < 200; i++) text += `]q${String.fromCharCode(i)}(${`h${String.fromCharCode(i - 1)}`.repeat(10)}e`
    const value = read(`${text}.`) as unknown[][]
    expect(value[0]).toBe(value[9])
  })
})

describe('times', () => {
  const utc = new PyTimezone()
  const wall = (date: Date) => pickle.decode(pickle.encode(date))

  it('a Date is a datetime in UTC, and comes back as a Date', () => {
    for (const date of [new Date(0), new Date('2020-02-29T23:59:59.999Z'), new Date('0001-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59.999Z')]) {
      expect(wall(date)).toStrictEqual(date)
    }
    for (const bad of [new Date(NaN), new Date('0000-12-31T00:00:00Z'), new Date('+010000-01-01T00:00:00Z')]) expect(() => pickle.encode({ at: [bad] })).toThrow(/value\.at\[0\] is/)
  })

  it('what a Date can not say is kept beside it', () => {
    const offset = new PyTimezone(new PyTimeDelta(-1, 86_399, 999_999), 'just west')
    for (const details of [{}, { microseconds: 7, timezone: utc }, { timezone: offset, microseconds: 999 }, { timezone: offset }, { fold: 1 as const }]) {
      const date = new PyDateTime(Date.UTC(2020, 1, 3, 4, 5, 6, 7), details)
      const back = wall(date) as PyDateTime
      expect(back).toBeInstanceOf(PyDateTime)
      expect(back).toStrictEqual(date)
      expect(back.getTime()).toBe(date.getTime())
    }
  })

  it('dates, times and lengths of time have classes of their own', () => {
    for (const value of [new PyDate(2020, 2, 29), new PyDate(1, 1, 1), new PyTime(23, 59, 59, 999_999, utc, 1), new PyTime(0), new PyTimeDelta(-5, 3, 1), utc, new PyTimezone(new PyTimeDelta(0, 3600, 0), 'CET')]) {
      expect(again(value)).toStrictEqual(value)
    }
    expect(new PyDate(2020, 2, 29).toDate()).toEqual(new Date('2020-02-29'))
    expect(String(new PyDate(33, 1, 2))).toBe('0033-01-02')
    expect(new PyTimeDelta(-1, 86_399, 500_000).toMilliseconds()).toBe(-500)
    for (const bad of [() => new PyDate(2021, 2, 29), () => new PyDate(0, 1, 1), () => new PyDate(2020, 13, 1), () => new PyTime(24), () => new PyTimeDelta(0, 86_400, 0), () => new PyTimezone(new PyTimeDelta(1, 0, 0)), () => new PyDateTime(0, { microseconds: 1000 })]) {
      expect(bad).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })
})

describe('writing pickles', () => {
  it('gives back every value', () => {
    fc.assert(fc.property(pythonValues, (value) => {
      expect(again(value)).toStrictEqual(value)
    }), { seed: testSeed })
  })

  it('keeps what is shared, and what contains itself', () => {
    const shared = [1]
    const record: Record<string, unknown> = { a: shared, b: shared }
    record['self'] = record
    const back = again(record) as typeof record
    expect(back['a']).toBe(back['b'])
    expect(back['self']).toBe(back)
    const tuples = [1, 4].map((length) => PyTuple.from<unknown>(Array.from({ length }, () => [])))
    for (const tuple of tuples) {
      (tuple[0] as unknown[]).push(tuple)
      const twin = again(tuple) as unknown[][]
      expect(twin[0]![0]).toBe(twin)
    }
  })

  it('writes many items in groups', () => {
    for (const length of [1, 999, 1000, 1001, 2500]) {
      const items = Array.from({ length }, (_, i) => i)
      expect(again(items)).toEqual(items)
      expect(again(new Set(items))).toEqual(new Set(items))
      const map = new Map(items.map((i) => [i, String(i)]))
      expect(again(map)).toEqual(map)
    }
  })

  it.each([
    ['undefined', { a: undefined }, /value\.a is undefined/],
    ['a function', [() => 1], /value\[0\] is a function/],
    ['a symbol', Symbol('x'), /is a symbol/],
    ['a hole', [1, , 2], /value\[1\] is undefined/],
    ['an instance', { 'x y': new URL('http://localhost') }, /value\["x y"\] is an instance of URL/],
    ['a typed array of numbers', new Float64Array(1), /instance of Float64Array/],
    ['an array as a key', new Map([[[1], 2]]), /key that is an array/],
    ['an object in a set', new Set([{}]), /member that is an object/],
    ['a list within a key', new Map([[PyTuple.from([[]]), 2]]), /a key that is an array, which Python does not allow/],
    ['keys that are one for Python', new Map<unknown, unknown>([[1, 'a'], [true, 'b']]), /two keys that are one/],
    ['moments that are one for Python', new Set([new Date(5), new PyDateTime(5, { timezone: new PyTimezone(new PyTimeDelta(0, 3600, 0)) })]), /two members/],
  ])('refuses %s', (_, value, message) => {
    expect(() => pickle.encode(value)).toThrow(expect.objectContaining({ code: 'SERIALIZATION', message: expect.stringMatching(message) as string }))
  })

  it('refuses to nest without end', () => {
    let deep: unknown = 1
    for (let i = 0; i < 900; i++) deep = [deep]
    expect(() => pickle.encode(deep)).toThrow(/nested deeper than 800/)
  })

  it('takes numbers for what they are in Python', () => {
    expect(pickle.encode(5)).toEqual(concatBytes([Uint8Array.of(0x80, 5), utf8Encode('K\x05.')]))
    expect(again([2 ** 53, -0, 1e300, 10n, 2n ** 64n, -(2n ** 200n), 127n, -128n, 2n ** 31n, -(2n ** 31n) - 1n])).toEqual([2 ** 53, -0, 1e300, 10, 2n ** 64n, -(2n ** 200n), 127, -128, 2 ** 31, -(2 ** 31) - 1])
    expect(again(new PyComplex(1, -0))).toStrictEqual(new PyComplex(1, -0))
    expect(PyTuple.of(1, 2).map((x) => x)).not.toBeInstanceOf(PyTuple)
    expect(PyByteArray.of(1, 2).slice()).not.toBeInstanceOf(PyByteArray)
  })
})
