import type { ValueCodec } from '../values/index.js'
import { portable, type MapFunction, type MapModule } from './function.js'
import { checkMapOptions, type MapOptions } from './options.js'
import { type Entries, MapRun } from './run.js'

export { MapError, MapFunctionError, MapWorkerError } from './errors.js'
export type { MapFunction, MapModule, MapResult } from './function.js'
export type { MapOptions } from './options.js'

/** What has entries to map. */
export interface MapSource<K, V> {
  /** Keys with the bytes of their values; reading ends by the signal. */
  entries: (signal: AbortSignal) => Entries<K>
  values: Pick<ValueCodec<V, never>, 'elsewhere' | 'decode'>
}

/**
 * Runs a function on worker threads for each entry of a source.
 * @throws InvalidArgumentError, MapFunctionError at once; the iteration throws MapError, MapFunctionError, MapWorkerError,
 *   what reading throws, and the reason of the signal
 */
export function mapEntries<K, V, NK, NV>(source: MapSource<K, V>, fn: MapFunction<K, V, NK, NV> | MapModule, options: MapOptions<K>): AsyncGenerator<[NK, NV]> {
  const { workers } = checkMapOptions(options)
  const { elsewhere } = source.values
  const work = {
    fn: portable(fn),
    entries: source.entries,
    elsewhere,
    decode: (bytes: Uint8Array, key: K) => source.values.decode(bytes, key),
    workers,
    maxHeapBytes: options.maxHeapBytes,
    signal: options.signal,
  }
  return new MapRun<K, NK, NV>(work).results()
}
