/** What is pushed in the tests of every serializer. */
import type { PythonOperation } from '../support/python.js'
import { sampleValues, sharedSerializers, type SharedSerializer } from '../support/samples.js'
import { toTagged } from '../support/tagged.js'
import { nextTimestamp, set } from './history.js'
import type { BucketKind } from './meeting.js'

export interface SerializerCase {
  serializer: SharedSerializer
  mode: 'grouped' | 'per key'
  /** Undefined: one object per key. */
  numGroups: number | undefined
  bucket: BucketKind
}

const inBothModes: readonly SharedSerializer[] = ['bytes', 'json', 'orjson_zstd', 'numpy_int8', 'msgpack']

/** Every serializer, in one of the modes or in both; modes and buckets take turns. */
export const serializerCases: readonly SerializerCase[] = sharedSerializers.flatMap((serializer, at) => {
  const grouped: SerializerCase = { serializer, mode: 'grouped', numGroups: 5, bucket: at % 4 < 2 ? 'plain' : 'versioned' }
  const perKey: SerializerCase = { serializer, mode: 'per key', numGroups: undefined, bucket: at % 4 < 2 ? 'versioned' : 'plain' }
  if (inBothModes.includes(serializer)) return [grouped, perKey]
  return [at % 2 === 0 ? grouped : perKey]
})

/** Two pushes: the second changes, deletes, adds, and sets metadata. */
export function twoPushes(serializer: SharedSerializer): [PythonOperation[], PythonOperation[]] {
  const values = sampleValues(serializer, 9).map(toTagged)
  const key = (at: number) => (at % 2 === 0 ? `key ${String(at)}` : `schlüssel/${String(at)}+&=`)
  const first = values.slice(0, 6).map((value, at) => set(key(at), value))
  const second: PythonOperation[] = values.slice(6).map((value, at) => set(key(at + 4), value))
  second.push({ op: 'delete', key: key(1) }, { op: 'setMetadata', value: { title: 'é', list: [1, 2.5, null] }, timestamp: nextTimestamp() })
  return [first, second]
}
