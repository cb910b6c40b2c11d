import { InvalidArgumentError } from '../base/error.js'
import type { CallOptions, ListOptions, ObjectStore, PartUploads } from './object-store.js'

/**
 * Bounds how many calls of a store run side by side; others wait for their turn, first come first served. The
 * pages of a listing take a turn each, so that a slow reader of one holds up nobody.
 * @param concurrency default 16
 */
export function withLimit(store: ObjectStore, concurrency = 16): ObjectStore {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) throw new InvalidArgumentError(`concurrency must be a whole number from 1 on, not ${concurrency}`)
  const turns = new Turns(concurrency)
  const walk = async function* <T>(items: AsyncIterable<T>, options: ListOptions | undefined): AsyncGenerator<T> {
    const iterator = items[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await turns.take(options?.signal, () => iterator.next())
        if (next.done) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  const take = <T>(options: CallOptions | undefined, call: () => Promise<T>) => turns.take(options?.signal, call)
  const { parts } = store
  const limitedParts: PartUploads | undefined = parts && {
    minPartSize: parts.minPartSize,
    maxParts: parts.maxParts,
    begin: (key, layout, options) => take(options, () => parts.begin(key, layout, options)),
    put: (upload, part, bytes, options) => take(options, () => parts.put(upload, part, bytes, options)),
    complete: (upload, all, options) => take(options, () => parts.complete(upload, all, options)),
    abort: (upload, options) => take(options, () => parts.abort(upload, options)),
    list: (prefix, options) => walk(parts.list(prefix, options), options),
    listParts: (upload, options) => walk(parts.listParts(upload, options), options),
  }
  return {
    name: store.name,
    writable: store.writable,
    place: store.place,
    parts: limitedParts,
    get: (key, options) => take(options, () => store.get(key, options)),
    head: (key, options) => take(options, () => store.head(key, options)),
    put: (key, body, options) => take(options, () => store.put(key, body, options)),
    delete: (targets, options) => take(options, () => store.delete(targets, options)),
    list: (prefix, options) => walk(store.list(prefix, options), options),
    listVersions: (prefix, options) => walk(store.listVersions(prefix, options), options),
    copy: (sourceKey, targetKey, options) => take(options, () => store.copy(sourceKey, targetKey, options)),
    close: () => store.close(),
  }
}

class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(signal)
    try {
      return await call()
    } finally {
      // The turn goes straight to the next in line, so that no newcomer can slip in.
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = () => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(start)
    })
  }
}
