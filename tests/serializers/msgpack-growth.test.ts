import { expect, it } from 'vitest'
import { resolveSerializer } from '../../src/serializers/index.js'

it('writes every kind of value across every place where the buffer grows', () => {
  const msgpack = resolveSerializer<unknown>('msgpack')
  const values = [200, 60_000, 2 ** 31, 2 ** 40, -100, -30_000, -(2 ** 31), -(2 ** 40), 2n ** 63n, -(2n ** 63n), 1.5, 'x'.repeat(40), new Uint8Array(300)]
  for (const value of values) {
    for (let before = 230; before < 260; before++) {
      const whole = ['y'.repeat(before), value]
      expect(msgpack.decode(msgpack.encode(whole))).toEqual(whole)
    }
  }
})
