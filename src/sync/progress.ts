import type { Environment } from '../base/environment.js'

/** Where a long call is. Totals may grow as more becomes known. */
export interface Progress {
  phase: 'fetch' | 'upload' | 'copy' | 'commit' | 'cleanup' | 'delete' | 'list' | 'check'
  bytesDone: number
  bytesTotal: number
  /** Groups, or values in per-key mode. */
  groupsDone: number
  groupsTotal: number
  /** Mean rate since the call began; 0 before anything moved. */
  bytesPerSecond: number
  /** Estimate of the seconds that are left in this phase; undefined while nothing is known. */
  secondsRemaining: number | undefined
}

export type ProgressListener = (progress: Progress) => void

/** Adds up what moved and tells the listener, if there is one. */
export class ProgressMeter {
  #phase: Progress['phase'] = 'fetch'
  #bytesDone = 0
  #bytesTotal = 0
  #groupsDone = 0
  #groupsTotal = 0
  #started: number
  readonly #environment: Environment
  readonly #listener: ProgressListener | undefined

  constructor(environment: Environment, listener: ProgressListener | undefined) {
    this.#environment = environment
    this.#listener = listener
    this.#started = environment.now()
  }

  /** Starts the counters of a phase anew. */
  begin(phase: Progress['phase'], totals: { bytes: number; groups: number }): void {
    this.#phase = phase
    this.#bytesDone = this.#groupsDone = 0
    this.#bytesTotal = totals.bytes
    this.#groupsTotal = totals.groups
    this.#started = this.#environment.now()
    this.#tell()
  }

  grow(totals: { bytes?: number; groups?: number }): void {
    this.#bytesTotal += totals.bytes ?? 0
    this.#groupsTotal += totals.groups ?? 0
  }

  done(what: { bytes?: number; groups?: number }): void {
    this.#bytesDone += what.bytes ?? 0
    this.#groupsDone += what.groups ?? 0
    this.#tell()
  }

  #tell(): void {
    if (!this.#listener) return
    const seconds = (this.#environment.now() - this.#started) / 1e6
    const bytesPerSecond = seconds > 0 ? this.#bytesDone / seconds : 0
    const left = Math.max(0, this.#bytesTotal - this.#bytesDone)
    this.#listener({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      groupsDone: this.#groupsDone,
      groupsTotal: this.#groupsTotal,
      bytesPerSecond,
      secondsRemaining: bytesPerSecond > 0 ? left / bytesPerSecond : undefined,
    })
  }
}
