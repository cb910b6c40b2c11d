/** Bounds the bytes that are held in memory at a time; who wants more than are left waits, first come first served. */
export class ByteBudget {
  readonly total: number
  #left: number
  readonly #waiting: { bytes: number; start: () => void }[] = []

  /** @param total bytes */
  constructor(total: number) {
    this.total = total
    this.#left = total
  }

  /**
   * Runs `action` with `bytes` taken from the budget. More than the whole budget is given when all of it is free.
   * An action must not take from the same budget again: it could wait for itself.
   */
  async with<T>(bytes: number, signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
    const taken = Math.min(bytes, this.total)
    signal?.throwIfAborted()
    if (this.#waiting.length === 0 && taken <= this.#left) this.#left -= taken
    else await this.#wait(taken, signal)
    try {
      return await action()
    } finally {
      this.#left += taken
      this.#next()
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && first.bytes <= this.#left; first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#left -= first.bytes
      first.start()
    }
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        bytes,
        start: () => {
          signal?.removeEventListener('abort', aborted)
          resolve()
        },
      }
      const aborted = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(signal?.reason as Error)
        this.#next()
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(waiter)
    })
  }
}
