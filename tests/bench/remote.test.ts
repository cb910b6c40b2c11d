/** The benchmark of remotes at tiny sizes: every row runs, and its contenders do the same work. */
import { createServer, connect, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { worksOf } from '../../bench/benches/remote.js'
import { measure } from '../../bench/harness.js'
import { placesIn, rangesOf } from '../../bench/remote/data.js'
import { startProxy } from '../../bench/remote/proxy.js'
import * as library from '../../src/index.js'
import { findPeer } from '../support/peers.js'

describe('the benchmark of remotes', () => {
  const contenders = ['floor', 'ours', ...(findPeer('python') === undefined ? [] : ['Python'])]

  it('runs every row, grouped and per key, directly and through the proxy', { timeout: 180_000 }, async () => {
    const seen: string[] = []
    const plans = [
      { shape: { keys: 300, bytes: 10, groups: 3 }, direct: ['first push', 'load', 'one key', 'random', 'pull', 'change 100', 'change 1'], slow: ['one key'] },
      { shape: { keys: 20, bytes: 10, groups: null }, direct: ['change 1'], slow: [] },
    ] as const
    for await (const work of worksOf(plans, library)) {
      const { figures } = await measure(work, 1)
      seen.push(work.title)
      expect(figures.map(({ contender }) => contender.split(',')[0]).filter((name, at, all) => all.indexOf(name) === at)).toEqual(contenders)
    }
    expect(seen.length).toBe(9)
    expect(new Set(seen).size).toBe(9)
  })
})

describe('the floor of random reads', () => {
  const entry = (key: string, length: number) => {
    const bytes = Buffer.alloc(2 + key.length + 11 + length)
    bytes.writeUInt16BE(key.length)
    bytes.write(key, 2)
    bytes.writeUInt32BE(length, 2 + key.length + 7)
    return bytes
  }
  const group = (...entries: Buffer[]) => Buffer.concat([Buffer.from([0, 0, 0, entries.length]), ...entries])

  it('finds where entries lie, and joins what is near', () => {
    const objects = [
      { key: 'db', body: Buffer.from('something else') },
      { key: 'db/0.a', body: group(entry('x', 10), entry('y', 20), entry('z', 30)) },
      { key: 'db/1.a', body: group(entry('w', 5)) },
    ]
    const places = placesIn(objects, 'db')
    expect(Object.fromEntries(places)).toEqual({
      x: { object: 'db/0.a', start: 4, end: 28 },
      y: { object: 'db/0.a', start: 28, end: 62 },
      z: { object: 'db/0.a', start: 62, end: 106 },
      w: { object: 'db/1.a', start: 4, end: 23 },
    })
    const x = { key: 'db/0.a', range: { offset: 4, length: 24 } }
    const z = { key: 'db/0.a', range: { offset: 62, length: 44 } }
    const w = { key: 'db/1.a', range: { offset: 4, length: 19 } }
    expect(rangesOf(['z', 'w', 'x'], places, 33)).toEqual([x, z, w])
    expect(rangesOf(['z', 'w', 'x'], places, 34)).toEqual([{ key: 'db/0.a', range: { offset: 4, length: 102 } }, w])
    expect(rangesOf(['z', 'w', 'x'], places, Infinity)).toEqual([{ key: 'db/0.a' }, { key: 'db/1.a' }])
  })
})

it('the proxy passes every byte in its order, both ways, and the end of a stream', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const proxy = await startProxy((echo.address() as AddressInfo).port, { delay: 3, bandwidth: 20e6 })
  const sent = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, i) => (i * i) % 251))
  const through = () =>
    new Promise<Buffer>((resolve, reject) => {
      const socket = connect(proxy.port, '127.0.0.1')
      const parts: Buffer[] = []
      socket.on('data', (part) => parts.push(part)).on('end', () => resolve(Buffer.concat(parts))).on('error', reject)
      for (let at = 0; at < sent.length; at += 1777) socket.write(sent.subarray(at, at + 1777))
      socket.end()
    })
  for (const back of await Promise.all([through(), through(), through()])) expect(back.equals(sent)).toBe(true)
  await proxy.close()
  await new Promise((resolve) => echo.close(resolve))
})
