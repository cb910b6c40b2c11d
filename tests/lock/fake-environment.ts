import type { Environment } from '../../src/base/environment.js'

/**
 * A clock that moves only when everyone sleeps: the earliest sleeper is woken once nothing else is left to do.
 * Fit for stores in memory, whose calls end within microtasks.
 */
export class FakeEnvironment implements Environment {
  #now = 1_700_000_000_000_000
  #seed: number
  #sleepers: { at: number; wake: () => void }[] = []
  #driving = false

  constructor(seed = 1) {
    this.#seed = seed
  }

  now(): number {
    return this.#now++
  }

  /** Moves the clock without waking anyone, in ms. */
  skip(ms: number): void {
    this.#now += ms * 1000
  }

  randomBytes(length: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0
      out[i] = this.#seed >>> 16
    }
    return out
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const sleeper = { at: this.#now + ms * 1000, wake: resolve }
      this.#sleepers.push(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal.reason as Error)
      })
      this.#drive()
    })
  }

  #drive(): void {
    if (this.#driving) return
    this.#driving = true
    setImmediate(() => {
      this.#driving = false
      const next = this.#sleepers.sort((a, b) => a.at - b.at).shift()
      if (next === undefined) return
      this.#now = Math.max(this.#now, next.at)
      next.wake()
      if (this.#sleepers.length > 0) this.#drive()
    })
  }
}
