import { EbookletError } from '../base/error.js'
import { shown } from '../values/index.js'

/** The function of a map failed for a key: it threw, gave no result, or the value could not be read or the result not be sent. */
export class MapError extends EbookletError {
  readonly code = 'MAP'
  /** The key whose value the function was given. */
  readonly key: unknown
  /** The stack of the failure in its worker. */
  readonly workerStack: string | undefined

  constructor(key: unknown, what: string, options: { cause?: unknown; workerStack?: string | undefined } = {}) {
    super(`the map failed at key ${shown(key)}: ${what}`, options)
    this.key = key
    this.workerStack = options.workerStack
  }
}

/** The function of a map can't be taken to a worker: it is native, bound or a method, or its module doesn't load. No value was mapped. */
export class MapFunctionError extends EbookletError {
  readonly code = 'MAP_FUNCTION'
}

/** A worker of a map ended amid its work: the function left the process, ran out of memory, or let an error escape. */
export class MapWorkerError extends EbookletError {
  readonly code = 'MAP_WORKER'
  /** The key that the worker had under way; undefined when it had none. */
  readonly key: unknown

  constructor(key: unknown, cause: unknown) {
    const at = key === undefined ? 'between two keys' : `at key ${shown(key)}`
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`a worker of the map ended ${at} (${why}): the function may not leave the process, must fit the worker's memory, and has to catch what it doesn't wait for`, { cause })
    this.key = key
  }
}
