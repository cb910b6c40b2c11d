import { systemEnvironment, type Environment } from '../../src/base/environment.js'

/** An environment in which sleeps of one certain length end only when the test says so. Everything else is real. */
export class HandClock implements Environment {
  readonly #real = systemEnvironment()
  readonly #ms: number
  readonly #sleepers = new Set<() => void>()
  /** Told when somebody begins to sleep. */
  #arrived: (() => void) | undefined

  /** @param ms the length of the sleeps; less, for what is left of one that was cut short, counts too */
  constructor(ms: number) {
    this.#ms = ms
  }

  get sleeping(): number {
    return this.#sleepers.size
  }

  now(): number {
    return this.#real.now()
  }

  randomBytes(length: number): Uint8Array<ArrayBuffer> {
    return this.#real.randomBytes(length)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms > this.#ms || ms < this.#ms / 2) return this.#real.sleep(ms, signal)
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const wake = () => {
        this.#sleepers.delete(wake)
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = () => {
        this.#sleepers.delete(wake)
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#sleepers.add(wake)
      this.#arrived?.()
    })
  }

  /** Resolves when so many sleep. */
  async untilAsleep(count = 1): Promise<void> {
    while (this.#sleepers.size < count) await new Promise<void>((resolve) => (this.#arrived = resolve))
  }

  /** Ends all sleeps, when so many sleep. */
  async tick(count = 1): Promise<void> {
    await this.untilAsleep(count)
    for (const wake of [...this.#sleepers]) wake()
  }
}
