/** Values that Python serialized, read by us, and ours read by Python: for every serializer that both have. */
import { describe, expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { resolveSerializer, serializerNames, type SerializerName } from '../../src/serializers/index.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { sampleValues, sharedSerializers } from '../support/samples.js'
import { replay } from '../support/seed.js'
import { isTagged, toTagged, type Tagged } from '../support/tagged.js'

const count = 60

const ofPickle: Tagged[] = [
  { $float: '1.0' }, { $float: '-0.0' }, { $float: 'nan' }, { $tuple: [] }, { $map: [[{ $tuple: [1, { $bytes: 'AA==' }] }, { $set: [] }]] }, { $frozenset: [1, 'a'] }, { $int: String(-(2n ** 4000n)) },
  { $datetime: '0001-01-01T00:00:00' }, { $datetime: '9999-12-31T23:59:59.999999-23:59:59.999999 fold [far-west]' }, { $datetime: '2020-01-02T03:04:05.006000+00:00' }, { $datetime: '2020-01-02T03:04:05.006000+00:00 [UTC]' },
]

/** What the generated values don't hold: whole floats, and what JSON can only say in Python's way. */
const ofPython: Partial<Record<SerializerName, Tagged[]>> = {
  json: [{ $float: '1.0' }, { $float: '-0.0' }, { $float: 'nan' }, { $float: '1e+22' }, { $tuple: [1, 2] }, { $int: String(2n ** 200n) }, ['__proto__', { __proto__: null, constructor: 1 }]],
  orjson: [{ $float: '1.0' }, { $float: '1e+22' }, { $tuple: [1, 2] }],
  msgpack: [{ $float: '1.0' }, { $float: '-0.0' }, { $float: 'inf' }, { $tuple: [1, 2] }, { $map: [['$x', 1]] }],
  pickle: ofPickle,
  pickle_zstd: ofPickle,
  numpy_int8: [{ $ndarray: { dtype: 'int64', shape: [0], data: [] } }],
}

async function pythonBytes(python: PythonPeer, serializer: SerializerName, values: readonly Tagged[]): Promise<Uint8Array[]> {
  const path = temporaryPath()
  await python.write({ path, flag: 'n', keySerializer: 'str', valueSerializer: serializer }, values.map((value, at) => ({ op: 'set', key: String(at), value })))
  return (await python.dump({ path })).items.map(({ bytes }) => fromBase64(bytes))
}

async function pythonValues(python: PythonPeer, serializer: SerializerName, values: readonly Uint8Array[]): Promise<Tagged[]> {
  const path = temporaryPath()
  await python.write({ path, flag: 'n', keySerializer: 'str', valueSerializer: serializer }, values.map((bytes, at) => ({ op: 'setBytes', key: String(at), bytes: toBase64(bytes) })))
  return (await python.dump({ path })).items.map(({ value }) => value)
}

it('leaves no serializer out; those of frames are met in frames.test.ts', () => {
  expect([...sharedSerializers, 'pd_zstd', 'gpd_zstd'].sort()).toEqual([...serializerNames].sort())
})

describeWithPeers(['python'], 'serializers met with Python', () => {
  const python = PythonPeer.forSuite()

  describe.each(sharedSerializers)('%s', (name) => {
    it('decodes what Python wrote', async () => {
      const values = [...sampleValues(name, count).map(toTagged), ...(ofPython[name] ?? [])]
      const written = await pythonBytes(python(), name, values)
      expect(written).toHaveLength(values.length)
      written.forEach((bytes, at) => {
        const ours: unknown = resolveSerializer(name).decode(bytes)
        expect(isTagged(ours, values[at] as Tagged), `${JSON.stringify(values[at])}; ${replay}`).toBe(true)
      })
    })

    it('writes what Python reads', async () => {
      const values = sampleValues(name, count)
      const read = await pythonValues(python(), name, values.map((value) => resolveSerializer<unknown>(name).encode(value)))
      expect(read).toHaveLength(values.length)
      read.forEach((tagged, at) => expect(isTagged(values[at], tagged), `${JSON.stringify(tagged)}; ${replay}`).toBe(true))
    })
  })
})
