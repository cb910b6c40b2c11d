/** Watching a remote for changes of others. */
import { waitFor } from '../base/concurrency.js'
import type { Environment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { isRetryable, StoreUnreachableError } from '../store/index.js'
import { isUnreachable } from '../sync/offline.js'
import type { SyncState } from '../sync/state.js'
import { UntoldChanges, type RemoteChange } from '../sync/untold-changes.js'

export interface WatchOptions {
  /** ms between a look at the remote and the next, from more than 0 to 2^31 - 1. Default 10,000. */
  interval?: number | undefined
  /** Ends the iteration with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Told when a look failed in a way that may pass (no network, a busy or broken server). The watch goes on. Default: nobody is told. */
  onError?: ((error: Error) => void) | undefined
}

/** Changes as they are found. Leaving a `for await` ends the watch; otherwise call `return()` or use `await using`. */
export type RemoteWatch = AsyncIterableIterator<RemoteChange, undefined> & AsyncDisposable

/** What a watch needs of its session. */
export interface WatchSource {
  state: SyncState
  environment: Environment
  /** Aborts when the session closes, or by the signal of the options. */
  signal: AbortSignal
  /** Aborts when the session closes. */
  closing: AbortSignal
  pull(signal: AbortSignal): Promise<unknown>
  /** The push that is under way. */
  pushing(): Promise<unknown> | undefined
}

const defaultInterval = 10_000
/** The most that a timer takes. */
const longestInterval = 2 ** 31 - 1

/** @throws InvalidArgumentError */
export function watchRemote(source: WatchSource, options: WatchOptions): RemoteWatch {
  const { interval = defaultInterval } = options
  if (!(interval > 0 && interval <= longestInterval)) throw new InvalidArgumentError(`interval has to be a number of milliseconds, more than 0 and at most ${longestInterval}, not ${interval}`)
  return new Watch(source, interval, options.onError)
}

class Watch implements RemoteWatch {
  readonly #source: WatchSource
  readonly #interval: number
  readonly #onError: ((error: Error) => void) | undefined
  readonly #untold = new UntoldChanges(() => this.#interrupt?.())
  readonly #changes: AsyncGenerator<RemoteChange, undefined>
  /** For requests: the watch has ended, for whatever reason. */
  readonly #end = new AbortController()
  /** Cuts short what is being waited for. */
  #interrupt: (() => void) | undefined

  constructor(source: WatchSource, interval: number, onError: ((error: Error) => void) | undefined) {
    this.#source = source
    this.#interval = interval
    this.#onError = onError
    this.#changes = this.#run()
    // From the call on, not from when the first change is asked for.
    source.state.observers.add(this.#untold)
    source.signal.addEventListener('abort', this.#stop, { once: true })
    if (source.signal.aborted) this.#stop()
  }

  next(): Promise<IteratorResult<RemoteChange, undefined>> {
    return this.#changes.next()
  }

  return(): Promise<IteratorResult<RemoteChange, undefined>> {
    this.#stop()
    return this.#changes.return(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /* Also while a change is being waited for: then the generator alone could not be left. */
  readonly #stop = (): void => {
    const { signal, state } = this.#source
    signal.removeEventListener('abort', this.#stop)
    state.observers.remove(this.#untold)
    this.#end.abort(signal.reason)
    this.#interrupt?.()
  }

  async *#run(): AsyncGenerator<RemoteChange, undefined> {
    const { state, environment } = this.#source
    /** ms until the next look. */
    let left = 0
    try {
      for (;;) {
        if (this.#hasEnded()) return undefined
        for (const change of this.#untold.take(state.seen)) {
          yield change
          if (this.#hasEnded()) return undefined
        }
        const pushing = this.#source.pushing()
        if (left > 0) {
          const began = environment.now()
          const slept = await this.#until((signal) => environment.sleep(left, signal))
          left = slept ? 0 : Math.min(left, Math.max(0, left - (environment.now() - began) / 1000))
        } else if (pushing) await this.#until((signal) => waitFor(pushing.catch(() => undefined), signal))
        else if (await this.#look()) left = this.#interval
      }
    } finally {
      this.#stop()
    }
  }

  /** @throws the reason of the signal of the options */
  #hasEnded(): boolean {
    const { signal, closing } = this.#source
    if (signal.aborted && signal.reason !== closing.reason) throw signal.reason
    return this.#end.signal.aborted
  }

  /** One request. False when the watch ended meanwhile. */
  async #look(): Promise<boolean> {
    try {
      await this.#source.pull(this.#end.signal)
    } catch (error) {
      if (this.#end.signal.aborted) return false
      if (!mayPass(error)) throw error
      this.#onError?.(error)
    }
    return true
  }

  /** Waits; false when there were news or the watch ended before. */
  async #until(wait: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    if (this.#untold.any) return false
    const controller = new AbortController()
    this.#interrupt = () => controller.abort()
    try {
      await wait(controller.signal)
      return true
    } catch (error) {
      if (controller.signal.aborted) return false
      throw error
    } finally {
      this.#interrupt = undefined
    }
  }
}

/** A watch lives for weeks: it outlasts a night without network and a server that is being repaired, not a refusal. */
function mayPass(error: unknown): error is Error {
  return isUnreachable(error) || (isRetryable(error) && !(error instanceof StoreUnreachableError))
}
