import type { Environment } from '../base/environment.js'

/** How long a file's lock is waited for, without blocking the event loop: the holder may live in this very process. */
export class Patience {
  readonly #environment: Environment
  readonly #signal: AbortSignal | undefined
  readonly #deadline: number
  #pause = 10

  /** @param timeout ms, from now on */
  constructor(environment: Environment, timeout: number, signal: AbortSignal | undefined) {
    this.#environment = environment
    this.#signal = signal
    this.#deadline = environment.now() + timeout * 1000
  }

  /** Pauses before the next attempt. @throws `error` when the time is over */
  async wait(error: Error): Promise<void> {
    if (this.#environment.now() >= this.#deadline) throw error
    await this.#environment.sleep(this.#pause, this.#signal)
    this.#pause = Math.min(this.#pause * 2, 500)
  }
}
