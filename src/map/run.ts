import { BatchBuilder, BatchSize, type DecodeHere } from './batches.js'
import { MapError, MapFunctionError, MapWorkerError } from './errors.js'
import type { PortableFunction } from './function.js'
import { startPool, type WorkerPool } from './pool.js'
import { unpackError, type Batch, type BatchOutcome, type Failure } from './protocol.js'
import type { NamedDecoding } from '../values/index.js'

/** Keys with the bytes of their values, which may have to be waited for. */
export type Entries<K> = Iterable<readonly [K, Uint8Array]> | AsyncIterable<readonly [K, Uint8Array]>

/** What is mapped, and how. */
export interface MapWork<K> {
  fn: PortableFunction
  /** Keys with the bytes of their values; reading ends by the signal. */
  entries: (signal: AbortSignal) => Entries<K>
  /** How the workers decode values; undefined: `decode` does so here. */
  elsewhere: NamedDecoding | undefined
  decode: DecodeHere<K>
  workers: number
  maxHeapBytes: number | undefined
  signal: AbortSignal | undefined
}

interface Done<K> {
  keys: K[]
  outcome: BatchOutcome
}

/**
 * One map: reads entries, hands them to the workers in batches, gives results as they come. As many batches as there are
 * workers twice over are on their way at most, counting those whose results nobody took yet: who takes slowly slows the
 * reading down, and memory stays flat.
 */
export class MapRun<K, NK, NV> {
  readonly #work: MapWork<K>
  readonly #stop = new AbortController()
  readonly #source: Iterator<readonly [K, Uint8Array]> | AsyncIterator<readonly [K, Uint8Array]>
  readonly #size = new BatchSize()
  readonly #done: Done<K>[] = []
  #running = 0
  #reading = false
  #exhausted = false
  #failure: { error: unknown } | undefined
  #wake: () => void = () => undefined

  constructor(work: MapWork<K>) {
    this.#work = work
    const entries = work.entries(this.#stop.signal)
    this.#source = Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]()
  }

  async *results(): AsyncGenerator<[NK, NV], undefined> {
    const { signal, fn, elsewhere, workers, maxHeapBytes } = this.#work
    signal?.throwIfAborted()
    const onAbort = () => this.#fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const onError = (error: unknown) => this.#fail(new MapWorkerError(undefined, error))
    const pool = await startPool({ workers, maxHeapBytes, setup: { fn, decoding: elsewhere }, onError })
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => (this.#wake = resolve))
        if (this.#failure) throw this.#failure.error
        if (this.#mayRead()) void this.#readAhead(pool)
        const done = this.#done.shift()
        if (done) yield* this.#deliver(done)
        else if (this.#exhausted && this.#running === 0 && !this.#reading) return
        else await woken
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#stop.abort(new Error('the map has ended'))
      await Promise.all([pool.end(), this.#leaveSource()])
    }
  }

  /* What ends the map is known already, or nothing does. */
  async #leaveSource(): Promise<void> {
    try {
      await this.#source.return?.()
    } catch {
      // It was aborted amid a request, as it should.
    }
  }

  /** The first failure is the one to tell. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  #mayRead(): boolean {
    return !this.#reading && !this.#exhausted && this.#running + this.#done.length < this.#work.workers * 2
  }

  /** Reads one batch and sends it on its way. */
  async #readAhead(pool: WorkerPool): Promise<void> {
    this.#reading = true
    try {
      const { entries, batch } = await this.#nextBatch()
      if (entries > 0 && !this.#stop.signal.aborted) void this.#send(pool, batch)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#reading = false
      this.#wake()
    }
  }

  async #nextBatch(): Promise<{ entries: number; batch: Batch }> {
    const builder = new BatchBuilder<K>(this.#work.elsewhere === undefined ? this.#work.decode : undefined)
    while (builder.entries < this.#size.entries && !builder.isFull) {
      const next = await this.#source.next()
      if (next.done) {
        this.#exhausted = true
        break
      }
      builder.add(...next.value)
    }
    return { entries: builder.entries, batch: builder.batch() }
  }

  async #send(pool: WorkerPool, batch: Batch): Promise<void> {
    const keys = batch.keys as K[]
    this.#running++
    try {
      const outcome = await pool.run(batch)
      this.#size.learn(keys.length, outcome.took, outcome.bytes)
      this.#done.push({ keys, outcome })
    } catch (error) {
      this.#fail(new MapWorkerError(keys[Atomics.load(batch.position, 0)], error))
    } finally {
      this.#running--
      this.#wake()
    }
  }

  *#deliver({ keys, outcome }: Done<K>): Generator<[NK, NV]> {
    for (const result of outcome.results) {
      if (this.#failure) throw this.#failure.error
      yield result as [NK, NV]
    }
    if (outcome.failure) throw this.#errorOf(keys, outcome.failure)
  }

  #errorOf(keys: K[], { during, at, error }: Failure): Error {
    const cause = unpackError(error)
    if (during === 'load') return new MapFunctionError(`the function of the map can't be loaded in a worker: ${cause.message}`, { cause })
    const alone = cause.name === 'ReferenceError' && this.#work.fn.kind === 'source'
    const advice = alone ? ' (the function travels as its source and sees nothing of what surrounds it: move what it needs inside, or give a module)' : ''
    const what = during === 'read' ? `its value can not be read: ${cause.message}` : during === 'result' ? `its result can't be sent or is none: ${cause.message}` : `the function threw ${cause.name}: ${cause.message}${advice}`
    return new MapError(keys[at], what, { cause, workerStack: error.stack })
  }
}
