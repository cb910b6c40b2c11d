/**
 * What the outside world gives: time, randomness, waiting. Handed in everywhere, so that tests can
 * replay a run; the linter bans the globals elsewhere.
 */
export interface Environment {
  /** Microseconds since the Unix epoch, UTC. Never goes backwards within one environment and never repeats. */
  now(): number
  /** `length` random bytes, fit for identifiers. */
  randomBytes(length: number): Uint8Array<ArrayBuffer>
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The real clock, randomness and timers of this process. */
export function systemEnvironment(): Environment {
  return { now: monotonicMicroseconds, randomBytes, sleep }
}

let last = 0

/* One counter for the whole process: two sessions on one file must not give one timestamp twice. */
function monotonicMicroseconds(): number {
  // performance.timeOrigin + performance.now() would be finer, but does not follow clock corrections.
  const now = Date.now() * 1000
  last = now > last ? now : last + 1
  return last
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', aborted, { once: true })
    function done() {
      signal?.removeEventListener('abort', aborted)
      resolve()
    }
    function aborted() {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
  })
}
