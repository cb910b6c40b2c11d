/** The worker threads of one map. */
import { fileURLToPath } from 'node:url'
import type { Batch, BatchOutcome, WorkerSetup } from './protocol.js'

export interface WorkerPool {
  /** Runs a batch on the next free worker. Rejects when that worker dies. */
  run(batch: Batch): Promise<BatchOutcome>
  /** Ends all workers at once, whatever they are at. */
  end(): Promise<void>
}

export interface PoolOptions {
  workers: number
  /** Bytes of heap that each worker may take; undefined: Node's own limit. */
  maxHeapBytes: number | undefined
  setup: WorkerSetup
  /** Told of a worker that died while it had nothing to do, or could not start. */
  onError: (error: unknown) => void
}

/* Run from its sources, as in the tests of this package, the worker is TypeScript too, and comes with a loader. */
const worker = import.meta.url.endsWith('.ts') ? new URL('./worker-from-source.js', import.meta.url) : new URL('./worker.js', import.meta.url)

/** Loads the pool only when a map needs it; workers start with the first batches. */
export async function startPool({ workers, maxHeapBytes, setup, onError }: PoolOptions): Promise<WorkerPool> {
  const { Piscina } = await import('piscina')
  const pool = new Piscina<Batch, BatchOutcome>({
    filename: fileURLToPath(worker),
    minThreads: 0,
    maxThreads: workers,
    idleTimeout: Infinity,
    // Waiting by Atomics would stop timers and sockets that the function leaves open between two batches.
    atomics: 'disabled',
    workerData: setup,
    ...(maxHeapBytes === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(maxHeapBytes / 2 ** 20) } }),
  })
  pool.on('error', onError)
  return {
    run: (batch) => pool.run(batch, { transferList: 'bytes' in batch.values ? [batch.values.bytes.buffer] : [] }),
    end: () => pool.destroy(),
  }
}
