/** One request, as it was answered. */
export interface LoggedRequest {
  readonly method: string
  /** The name in the S3 API reference (`GetObject`), `Preflight`, or `Unknown`. */
  readonly op: string
  readonly bucket: string
  readonly key: string
  /** As sent, without `?`. */
  readonly query: string
  /** The Range header; null without one. */
  readonly range: string | null
  readonly status: number
  /** The error code of an answer that isn't success; null otherwise. */
  readonly error: string | null
  /** Undefined: anonymous, or refused before the key was known to be right. */
  readonly accessKeyId: string | undefined
  /** Bytes of the body as it came over the wire. */
  readonly bytesUp: number
  /** Bytes of the body of the answer. */
  readonly bytesDown: number
}

/** Sums over requests. */
export interface OperationStats {
  requests: number
  bytesUp: number
  bytesDown: number
}

/** Counters and the log of what was asked since the last `reset()`. */
export class RequestStats {
  readonly #limit: number
  #log: LoggedRequest[] = []
  #operations = new Map<string, OperationStats>()
  #dropped = 0

  /** @param limit How many requests the log keeps; older ones fall out, the counters keep counting. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Requests in the order in which they were answered. */
  get log(): readonly LoggedRequest[] {
    return this.#log
  }

  /** How many requests fell out of the log. */
  get dropped(): number {
    return this.#dropped
  }

  /** Counters by operation. */
  get operations(): Readonly<Record<string, Readonly<OperationStats>>> {
    return Object.fromEntries([...this.#operations].map(([name, sums]) => [name, { ...sums }]))
  }

  /** Requests in all. */
  get requests(): number {
    return this.#sum('requests')
  }

  get bytesUp(): number {
    return this.#sum('bytesUp')
  }

  get bytesDown(): number {
    return this.#sum('bytesDown')
  }

  /** How many requests of one operation there were. */
  count(op: string): number {
    return this.#operations.get(op)?.requests ?? 0
  }

  /** Forgets everything counted and logged. */
  reset(): void {
    this.#log = []
    this.#operations = new Map()
    this.#dropped = 0
  }

  /** @internal */
  add(entry: LoggedRequest): void {
    const sums = this.#operations.get(entry.op) ?? { requests: 0, bytesUp: 0, bytesDown: 0 }
    this.#operations.set(entry.op, sums)
    sums.requests++
    sums.bytesUp += entry.bytesUp
    sums.bytesDown += entry.bytesDown
    this.#log.push(entry)
    if (this.#log.length > this.#limit) {
      this.#log.shift()
      this.#dropped++
    }
  }

  #sum(name: keyof OperationStats): number {
    let sum = 0
    for (const sums of this.#operations.values()) sum += sums[name]
    return sum
  }
}
