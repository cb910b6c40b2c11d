import type { StandardSchemaV1 } from '@standard-schema/spec'
import { EbookletError } from '../base/error.js'

/** A value that is to be stored, or one that was read with `validateReads`, doesn't fit the schema. Nothing was changed. */
export class SchemaError extends EbookletError {
  readonly code = 'SCHEMA'
  /** The key of the value. */
  readonly key: unknown
  /** What the schema found, as it says it: messages with the paths within the value. Empty when the schema threw. */
  readonly issues: readonly StandardSchemaV1.Issue[]
  readonly operation: 'write' | 'read'

  constructor(key: unknown, operation: 'write' | 'read', issues: readonly StandardSchemaV1.Issue[], options?: { cause?: unknown }) {
    const subject = operation === 'write' ? 'the value for' : 'the stored value of'
    super(`${subject} key ${shown(key)} does not fit the schema: ${summary(issues, options?.cause)}`, options)
    this.key = key
    this.operation = operation
    this.issues = issues
  }
}

/** The schema validates asynchronously, which synchronous reads and writes can't wait for. Nothing was changed. */
export class AsyncSchemaError extends EbookletError {
  readonly code = 'ASYNC_SCHEMA'
  /** The key of the value. */
  readonly key: unknown

  constructor(key: unknown) {
    super(
      `the schema answers for key ${shown(key)} with a promise, and values are set and read synchronously: ` +
        'give a schema without asynchronous checks or transforms, and make those before set()',
    )
    this.key = key
  }
}

const mostIssues = 5

function summary(issues: readonly StandardSchemaV1.Issue[], cause: unknown): string {
  if (issues.length === 0) return cause instanceof Error ? `the schema threw: ${cause.message}` : 'the schema gives no reason'
  const told = issues.slice(0, mostIssues).map((issue) => {
    const path = pathOf(issue)
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  return issues.length > mostIssues ? `${told.join('; ')}; and ${issues.length - mostIssues} more` : told.join('; ')
}

function pathOf({ path = [] }: StandardSchemaV1.Issue): string {
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}

/** A key as it is told in a message: quoted, never endless. */
export function shown(key: unknown): string {
  const text = typeof key === 'string' ? JSON.stringify(key) : String(key)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
