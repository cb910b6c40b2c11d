/** Reading an object of which nobody tells the size beforehand, within the memory that there is. */
import { ResponseTooLargeError } from '../store/errors.js'
import type { GetResult, ObjectStore } from '../store/object-store.js'
import type { Transfer } from './transfer.js'

export interface ReadObjectOptions {
  transfer: Transfer
  /** More throws a ResponseTooLargeError. */
  maxBytes: number
  signal: AbortSignal | undefined
}

/** Bytes that are asked for first: most values have no more, and come with this one request. */
const firstBytes = 1024 * 1024

/**
 * Reads a whole object in one request, or in two when it is larger than 1 MiB, and hands it over.
 * @param use the bytes count as held until it returns
 */
export async function useWholeObject<T>(store: ObjectStore, key: string, { transfer, maxBytes, signal }: ReadObjectOptions, use: (result: GetResult) => T): Promise<T> {
  const { budget, partSize } = transfer
  const length = Math.max(1, Math.min(firstBytes, partSize, maxBytes))
  const begun = await budget.with(length, signal, async () => {
    const result = await store.get(key, { range: { offset: 0, length }, maxBytes: length, signal })
    if (result.status === 'range-not-satisfiable') return { size: 0 }
    if (result.status !== 'ok' || (result.offset === 0 && result.bytes.length === result.info.size && result.info.size <= maxBytes)) return { used: use(result) }
    return { size: result.info.size }
  })
  if ('used' in begun) return begun.used
  const { size } = begun
  if (size > maxBytes) throw new ResponseTooLargeError(`${store.name}: ${key} has ${size} bytes, more than the ${maxBytes} accepted`, { store: store.name, key })
  return budget.with(size, signal, async () => use(await store.get(key, { maxBytes, signal })))
}
