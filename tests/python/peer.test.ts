/** The peer itself: that what the tests rest on reaches Python and comes back unchanged. */
import { expect, it } from 'vitest'
import { fromBase64 } from '../../src/base/bytes.js'
import { temporaryPath } from '../support/folder.js'
import { goldenBooklets, readGoldenBooklet } from '../support/golden.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonError, PythonPeer } from '../support/python.js'
import { fromTagged, isTagged, toTagged, type Tagged } from '../support/tagged.js'
import { writeFileSync } from 'node:fs'

const values: unknown[] = [
  null, true, '', 'é😀\u0000', 0, -1, 1.5, -0, 1e300, NaN, Infinity, -Infinity, 2 ** 53 - 1, 2n ** 80n, -(2n ** 63n),
  [], [1, [2, 'x']], {}, { a: { b: [null] } }, { $int: '1' }, { __proto__x: 1 }, Uint8Array.of(0, 255),
]

describeWithPeers(['python'], 'the Python peer', () => {
  it('is the release that the tests are about', async () => {
    expect(await PythonPeer.start().call('versions', {})).toMatchObject({ ebooklet: '0.10.3' })
  })

  it('gives back every kind of value', async () => {
    const python = PythonPeer.start()
    const { handle } = await python.call('booklet.open', { path: temporaryPath(), flag: 'n', keySerializer: 'str', valueSerializer: 'pickle' })
    const operations = values.map((value, at) => ({ op: 'set' as const, key: `k${String(at)}`, value: toTagged(value) }))
    await python.call('booklet.apply', { handle, operations: [...operations, { op: 'sync' }] })
    const found = await python.call('booklet.get', { handle, keys: operations.map(({ key }) => key) })
    values.forEach((value, at) => {
      const tagged = found[at]?.value as Tagged
      expect(isTagged(value, tagged), `${JSON.stringify(tagged)} at ${String(at)}`).toBe(true)
    })
  })

  it('reads golden files as their JSON says', async () => {
    const python = PythonPeer.start()
    for (const { file, expected, synthetic } of goldenBooklets()) {
      const { bytes, golden } = readGoldenBooklet(expected.slice('booklet/'.length, -'.json'.length))
      if (synthetic || golden.expected.items_in_iteration_order === undefined || golden.expected.open_error !== undefined) continue
      if (/wkb|quirk_|crash_/.test(file) || golden.expected.header.kind === 'fixed') continue
      const path = temporaryPath()
      writeFileSync(path, bytes)
      const dump = await python.dump({ path })
      expect(dump.items.map(({ key, timestamp, bytes: value }) => ({ key, timestamp, value })), file).toEqual(
        golden.expected.items_in_iteration_order.map(({ key, timestamp, value_bytes }) => ({ key, timestamp, value: value_bytes })),
      )
    }
  })

  it('answers an exception with its class and message', async () => {
    const python = PythonPeer.start()
    const error: unknown = await python.call('booklet.open', { path: temporaryPath(), flag: 'r' }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(PythonError)
    expect((error as PythonError).message).not.toBe('')
    expect(await python.call('versions', {})).toHaveProperty('booklet')
  })

  it('fails the call under way when it is killed', async () => {
    const python = PythonPeer.start()
    await python.call('versions', {})
    const path = temporaryPath()
    await python.call('booklet.open', { path, flag: 'n', keySerializer: 'str' })
    const waiting = PythonPeer.start()
    const opening = waiting.call('booklet.open', { path, flag: 'w' })
    const outcome = expect(opening).rejects.toThrow('ended with SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await waiting.kill()
    await outcome
  })
})

describeWithPeers(['python 0.8'], 'the Python peer of format 1', () => {
  it('is the release that writes format 1', async () => {
    expect(await PythonPeer.start('python 0.8').call('versions', {})).toMatchObject({ ebooklet: '0.8.3' })
  })
})

it('tells values apart that are not the same', () => {
  const pairs: [unknown, Tagged][] = [[1, '1'], [0, { $float: '-0.0' }], [[1], [1, 2]], [{ a: 1 }, { a: 2 }], [{}, []], [Uint8Array.of(1), { $bytes: 'AA==' }], [1n, 2], [1.5, { $int: '1' }], [Int8Array.of(1), { $ndarray: { dtype: 'int16', shape: [1], data: [1] } }]]
  for (const [value, tagged] of pairs) expect(isTagged(value, tagged), JSON.stringify(tagged)).toBe(false)
  expect(fromTagged({ $bytes: 'AP8=' })).toEqual(fromBase64('AP8='))
})
