/** Virtual time: everything that takes time waits here, and is woken one at a time, in the order of its time. */
export class Timeline {
  /** µs since the Unix epoch. */
  now = 1_700_000_000_000_000
  /** How often somebody was woken. */
  turns = 0
  #order = 0
  readonly #waiting: { at: number; order: number; wake: () => void }[] = []

  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const entry = { at: this.now + Math.max(0, Math.round(ms * 1000)), order: this.#order++, wake: done }
      const aborted = () => {
        const place = this.#waiting.indexOf(entry)
        if (place >= 0) this.#waiting.splice(place, 1)
        reject(signal?.reason as Error)
      }
      function done() {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(entry)
    })
  }

  /** Lets time pass until the promise is settled. What is woken runs to its next wait before anybody else is woken. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => (settled = true)
    promise.then(mark, mark)
    for (;;) {
      // A turn of the event loop begins only when no microtask is left.
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (settled) return promise
      const next = this.#takeEarliest()
      if (next === undefined) throw new Error('everybody waits, and nobody for the time: a deadlock')
      this.now = Math.max(this.now, next.at)
      this.turns++
      next.wake()
    }
  }

  #takeEarliest() {
    let best = 0
    for (let i = 1; i < this.#waiting.length; i++) {
      const [a, b] = [this.#waiting[i]!, this.#waiting[best]!]
      if (a.at < b.at || (a.at === b.at && a.order < b.order)) best = i
    }
    return this.#waiting.splice(best, 1)[0]
  }
}
