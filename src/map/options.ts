import { availableParallelism } from 'node:os'
import { InvalidArgumentError } from '../base/error.js'

/** Options of `map`. */
export interface MapOptions<K> {
  /** Keys whose values are mapped, each once; those that don't exist are left out. Default: all. */
  keys?: Iterable<K> | undefined
  /** Worker threads, 1 to 1024. Default: as many as this process may run at the same time. */
  workers?: number | undefined
  /**
   * Bytes of JavaScript heap that each worker may take; one that takes more ends the map with a MapWorkerError.
   * Default: Node's own limit.
   */
  maxHeapBytes?: number | undefined
  /** Ends the map, also amid a function that never returns; it throws the signal's reason. */
  signal?: AbortSignal | undefined
}

const mostWorkers = 1024

/** @throws InvalidArgumentError */
export function checkMapOptions<K>({ keys, workers, maxHeapBytes }: MapOptions<K>): { workers: number } {
  if (keys !== undefined && (typeof keys === 'string' || typeof (keys as Partial<Iterable<K>> | null)?.[Symbol.iterator] !== 'function')) {
    throw new InvalidArgumentError('the option keys of a map takes keys in an array or another iterable')
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= mostWorkers)) {
    throw new InvalidArgumentError(`workers is ${workers}; it takes a whole number from 1 to ${mostWorkers}`)
  }
  if (maxHeapBytes !== undefined && !(Number.isSafeInteger(maxHeapBytes) && maxHeapBytes >= 2 ** 24)) {
    throw new InvalidArgumentError(`maxHeapBytes is ${maxHeapBytes}; it takes a whole number of bytes from 2^24`)
  }
  return { workers: workers ?? availableParallelism() }
}
