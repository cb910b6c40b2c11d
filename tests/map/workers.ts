/** Sees the worker threads that are started while a test runs. */
import type { Worker } from 'node:worker_threads'

export class Workers implements Disposable {
  started = 0
  readonly #alive = new Set<Worker>()
  readonly #onWorker = (worker: Worker) => {
    this.started++
    this.#alive.add(worker)
    worker.once('exit', () => this.#alive.delete(worker))
  }

  constructor() {
    process.on('worker', this.#onWorker)
  }

  get alive(): number {
    return this.#alive.size
  }

  [Symbol.dispose](): void {
    process.off('worker', this.#onWorker)
  }
}

/** What an iteration gives, in an array. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
