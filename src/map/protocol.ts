/** What travels between a map and its workers. */
import type { NamedDecoding } from '../values/index.js'
import type { PortableFunction } from './function.js'

/** What every worker of a map is given when it starts. */
export interface WorkerSetup {
  fn: PortableFunction
  /** Undefined when the values come decoded. */
  decoding: NamedDecoding | undefined
}

/** Some entries for one worker. */
export interface Batch {
  keys: unknown[]
  /** Bytes of all values, one after the other, with the length of each; or the decoded values. */
  values: { bytes: Uint8Array<ArrayBuffer>; lengths: number[] } | { decoded: unknown[] }
  /** Where the worker notes the number of the entry that it is about to begin. It is read when the worker dies. */
  position: Int32Array<SharedArrayBuffer>
}

/** What became of a batch. */
export interface BatchOutcome {
  results: [unknown, unknown][]
  /** What ended the batch early. */
  failure?: Failure
  /** ms that it took. */
  took: number
  /** Of the results, about. */
  bytes: number
}

export interface Failure {
  /** Where: loading the function (then no entry was begun), reading a value, the function, or sending its result. */
  during: 'load' | 'read' | 'function' | 'result'
  /** Number of the entry in the batch. */
  at: number
  error: SentError
}

/** An error as it travels: structured clones of errors lose their names and fields. */
export interface SentError {
  name: string
  message: string
  stack: string | undefined
  code: string | number | undefined
  cause: SentError | undefined
}

const deepestCause = 5

/** Anything that was thrown, in a form that can always be sent. */
export function packError(thrown: unknown, depth = 0): SentError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: textOf(thrown), stack: undefined, code: undefined, cause: undefined }
  const { code } = thrown as { code?: unknown }
  return {
    name: textOf(thrown.name),
    message: textOf(thrown.message),
    stack: typeof thrown.stack === 'string' ? thrown.stack : undefined,
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    cause: thrown.cause === undefined || depth >= deepestCause ? undefined : packError(thrown.cause, depth + 1),
  }
}

/** The error again, with name, message, stack, `code` and cause of the original. */
export function unpackError({ name, message, stack, code, cause }: SentError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: unpackError(cause) })
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  if (stack !== undefined) error.stack = stack
  if (code !== undefined) Object.assign(error, { code })
  return error
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'something that has no text'
  }
}
