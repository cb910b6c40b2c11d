import { EbookletError } from '../base/error.js'

/** The parent of what an object store throws. `store` names the store, `key` the object where there is one. */
export abstract class StoreError extends EbookletError {
  readonly store: string
  readonly key: string | undefined
  constructor(message: string, facts: { store: string; key?: string | undefined; cause?: unknown }) {
    super(message, { cause: facts.cause })
    this.store = facts.store
    this.key = facts.key
  }
}

/** The store could not be reached at all: no such host, nothing listening, the connection broke, it fell silent. */
export class StoreUnreachableError extends StoreError {
  readonly code = 'STORE_UNREACHABLE'
}

/** An error and what led to it, outermost first; ends where a cause comes again. */
export function causesOf(error: unknown): Set<unknown> {
  const causes = new Set<unknown>()
  for (let cause = error; typeof cause === 'object' && cause !== null && !causes.has(cause); cause = (cause as { cause?: unknown }).cause) causes.add(cause)
  return causes
}

/** Whether somebody did answer, but not by a certificate that is trusted. */
export function isCertificateFailure(error: unknown): boolean {
  return [...causesOf(error)].some((cause) => {
    const { code } = cause as { code?: unknown }
    return typeof code === 'string' && /CERT|TLS|SSL|SELF_SIGNED/.test(code)
  })
}

/** The store refused: wrong or missing credentials, or not allowed. */
export class AccessDeniedError extends StoreError {
  readonly code = 'ACCESS_DENIED'
}

/** The bucket (for a directory store: the folder) doesn't exist. */
export class BucketNotFoundError extends StoreError {
  readonly code = 'BUCKET_NOT_FOUND'
}

/** A condition of a write didn't hold: another writer was there first. Nothing was written. */
export class PreconditionFailedError extends StoreError {
  readonly code = 'PRECONDITION_FAILED'
}

/** This store can't hold an object of this key. Nothing was written. */
export class UnsupportedKeyError extends StoreError {
  readonly code = 'UNSUPPORTED_KEY'
}

/** The store doesn't offer this operation (501, or a store that only reads). */
export class UnsupportedOperationError extends StoreError {
  readonly code = 'UNSUPPORTED_OPERATION'
}

/** The body is larger than the caller accepts. */
export class ResponseTooLargeError extends StoreError {
  readonly code = 'RESPONSE_TOO_LARGE'
}

/** Any other answer of the store that isn't success. `status` is the HTTP status, where there is one. */
export class StoreRequestError extends StoreError {
  readonly code = 'STORE_REQUEST'
  readonly status: number | undefined
  /** The store's own error code, as `InternalError` or `SlowDown`. */
  readonly reason: string | undefined
  /** ms that the store asks to wait before the next try (`Retry-After`), where it does. */
  readonly retryAfter: number | undefined
  constructor(
    message: string,
    facts: {
      store: string
      key?: string | undefined
      status?: number | undefined
      reason?: string | undefined
      retryAfter?: number | undefined
      cause?: unknown
    },
  ) {
    super(message, facts)
    this.status = facts.status
    this.reason = facts.reason
    this.retryAfter = facts.retryAfter
  }
}

/** An answer ended before its announced length, or was not the part of the object that was asked for. Worth another try. */
export class IncompleteResponseError extends StoreError {
  readonly code = 'INCOMPLETE_RESPONSE'
}

/** An object was deleted or replaced while it was read piece by piece, so the pieces are not of one object. */
export class ObjectChangedError extends StoreError {
  readonly code = 'OBJECT_CHANGED'
}

/** No usable credentials: none were found, they are malformed, or the package that looks for them is not installed. */
export class CredentialsError extends StoreError {
  readonly code = 'CREDENTIALS'
}
