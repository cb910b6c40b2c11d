/** The parts of a map that decide by themselves: what can be sent, and how much at a time. */
import { describe, expect, it } from 'vitest'
import { BatchSize } from '../../src/map/batches.js'
import { packError, unpackError } from '../../src/map/protocol.js'
import { sizeToSend } from '../../src/map/sendable.js'
import { PyDate } from '../../src/index.js'

describe('what can be sent to another thread', () => {
  const cyclic: unknown[] = []
  cyclic.push(cyclic, cyclic, cyclic)
  let deep: unknown = 1
  for (let i = 0; i < 1000; i++) deep = [deep, deep]
  it.each([null, undefined, 1, 1n, 'text', { a: [1, { b: null }] }, new Map([[1, new Set(['x'])]]), new Date(0), /x/, new Error('e'), new Float64Array(2), Buffer.from('x'), new ArrayBuffer(3), cyclic, deep].map((value) => [typeof value, value]))('%s is', (_, value) => {
    expect(sizeToSend(value)).toBeGreaterThan(0)
    structuredClone(value)
  })

  it.each([[() => 1], [Symbol('x')], [{ a: { b: [() => 1] } }], [new Map([[1, Symbol('x')]])], [new (class Point {})()], [new Promise(() => undefined)], [new PyDate(2024, 1, 2)], [new (class Sub extends Map {})()]])('%s is not', (value) => {
    expect(() => sizeToSend(value)).toThrow(TypeError)
  })

  it('counts bytes, of a view all that it looks at', () => {
    expect(sizeToSend('x'.repeat(1000))).toBeGreaterThanOrEqual(1000)
    expect(sizeToSend([new Uint8Array(5000).subarray(3, 4)])).toBeGreaterThanOrEqual(5000)
    expect(sizeToSend(new ArrayBuffer(700))).toBeGreaterThanOrEqual(700)
  })
})

describe('the size of batches', () => {
  it('starts with one entry, grows while they are quick, at most fourfold at a time', () => {
    const size = new BatchSize()
    expect(size.entries).toBe(1)
    size.learn(1, 0.001, 10)
    expect(size.entries).toBe(4)
    for (let i = 0; i < 10; i++) size.learn(size.entries, 0.001 * size.entries, 10)
    expect(size.entries).toBe(512)
    size.learn(512, 512 * 4, 10)
    expect(size.entries).toBe(2)
    size.learn(2, 2000, 10)
    expect(size.entries).toBe(1)
  })

  it('stays small where results are large', () => {
    const size = new BatchSize()
    size.learn(1, 0.001, 10 * 2 ** 20)
    expect(size.entries).toBe(1)
    size.learn(1, 0.001, 2 ** 19)
    expect(size.entries).toBe(2)
  })
})

describe('an error that travels', () => {
  it('keeps name, message, stack, code and causes', () => {
    const thrown = Object.assign(new SyntaxError('outer', { cause: new Error('inner') }), { code: 42 })
    const error = unpackError(structuredClone(packError(thrown)))
    expect(error).toMatchObject({ name: 'SyntaxError', message: 'outer', code: 42, stack: thrown.stack, cause: { message: 'inner' } })
  })

  it('ends at causes without end, and has words for whatever was thrown', () => {
    const endless = new Error('endless')
    endless.cause = endless
    expect(structuredClone(packError(endless)).message).toBe('endless')
    expect(packError(Object.create(null))).toMatchObject({ message: 'something that has no text' })
    expect(packError(undefined)).toMatchObject({ message: 'undefined' })
  })
})
