/** Python writes, we read: every kind of file, every serializer. */
import { describe, expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonDump } from '../support/python.js'
import { sampleValues, sharedSerializers } from '../support/samples.js'
import { toTagged } from '../support/tagged.js'
import { contentOf, fixedHistories, set, variableHistories, type History } from './history.js'
import { expectWeSee, isFixed, openOurs, type OurBooklet } from './ours.js'

async function writePython(python: PythonPeer, path: string, { options, sessions }: History): Promise<void> {
  const fixed = options.fixed === true
  for (const [at, session] of sessions.entries()) {
    await python.write(at === 0 ? { path, flag: 'n', ...options } : { path, flag: 'w', fixed }, [...session])
  }
}

/** The same bytes at the same places in the same order as Python sees them. */
function expectSamePlaces(booklet: OurBooklet, dump: PythonDump): void {
  const places = [...booklet.locations()].map(({ key, timestamp, offset, length }) => ({ key: toTagged(key), timestamp: timestamp ?? null, offset, length }))
  if (isFixed(booklet)) expect(places.map(({ key }) => key)).toEqual(dump.items.map(({ key }) => key))
  else expect(places).toEqual(dump.items.map(({ key, timestamp, offset, bytes }) => ({ key, timestamp, offset, length: fromBase64(bytes).length })))
}

describeWithPeers(['python'], 'booklet files that Python wrote', () => {
  const python = PythonPeer.forSuite()

  it.each([...variableHistories, ...fixedHistories])('$name', async (history) => {
    const path = temporaryPath()
    await writePython(python(), path, history)
    const dump = await python().dump({ path, fixed: history.options.fixed === true })
    for (const flag of ['r', 'w', 'r'] as const) {
      // Without options: the file says what it is.
      const booklet = openOurs(path, flag, { fixed: history.options.fixed === true })
      expectWeSee(booklet, contentOf(history))
      expectSamePlaces(booklet, dump)
      expect(booklet.uuid).toBe(Buffer.from(dump.header, 'base64').subarray(49, 65).toString('hex'))
      if (flag === 'w' && 'repair' in booklet) expect(booklet.repair).toBeUndefined()
      booklet.close()
    }
  })

  it('grown twice over the ladder of bucket numbers', async () => {
    const operations = Array.from({ length: 12_100 }, (_, at) => set(`key${String(at)}`, `value ${String(at)}`))
    const history: History = { name: '', options: { keySerializer: 'str', valueSerializer: 'str', buckets: 7 }, sessions: [operations.slice(0, 50), operations.slice(50), [set('late', 'y')]] }
    const path = temporaryPath()
    await writePython(python(), path, history)
    const booklet = openOurs(path, 'r', {})
    expect(booklet.nBuckets).toBe(144_013)
    expectWeSee(booklet, contentOf(history))
    booklet.close()
  })

  describe.each(sharedSerializers)('values of %s', (valueSerializer) => {
    it('come as what they are, and as bytes', async () => {
      const values = sampleValues(valueSerializer, 25).map(toTagged)
      const history: History = { name: '', options: { keySerializer: 'str', valueSerializer, buckets: 97 }, sessions: [values.map((value, at) => set(`k${String(at)}`, value))] }
      const path = temporaryPath()
      await writePython(python(), path, history)
      const dump = await python().dump({ path })
      const booklet = openOurs(path, 'r', {})
      if (isFixed(booklet)) throw new Error('not a variable-length file')
      expect(booklet.valueSerializer).toBe(valueSerializer === 'None' ? 'None' : valueSerializer)
      expectWeSee(booklet, contentOf(history))
      for (const { key, bytes } of dump.items) expect(toBase64(booklet.getBytes(key) ?? new Uint8Array())).toBe(bytes)
      booklet.close()
    })
  })

  /* Keys must be told apart by their value, so those of arrays and objects are left to the golden files. */
  it.each(['str', 'bytes', 'json', 'orjson', 'msgpack', 'uint1', 'int1', 'uint2', 'int2', 'uint4', 'int4', 'uint5', 'int5', 'uint8', 'int8'] as const)('keys of %s', async (keySerializer) => {
    const keys = sampleValues(keySerializer, 20).filter((key) => typeof key !== 'number' || Number.isInteger(key)).map(toTagged)
    const distinct = [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()].filter((key) => key === null || typeof key !== 'object' || '$bytes' in key || '$int' in key)
    expect(distinct.length).toBeGreaterThan(0)
    const history: History = { name: '', options: { keySerializer, valueSerializer: 'str', buckets: 97 }, sessions: [distinct.map((key, at) => set(key, String(at)))] }
    const path = temporaryPath()
    await writePython(python(), path, history)
    const booklet = openOurs(path, 'r', {})
    for (const { key, value } of contentOf(history).entries.values()) expect(booklet.get(keyOf(key))).toBe(value)
    expect(booklet.size).toBe(distinct.length)
    booklet.close()
  })
})

function keyOf(tagged: unknown): unknown {
  if (typeof tagged === 'object' && tagged !== null && '$bytes' in tagged) return fromBase64(tagged.$bytes as string)
  if (typeof tagged === 'object' && tagged !== null && '$int' in tagged) return BigInt(tagged.$int as string)
  return tagged
}
