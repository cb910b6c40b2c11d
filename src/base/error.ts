/**
 * The parent of every error that this package throws on purpose.
 *
 * `code` is stable and meant for programs; the message is for people and may change.
 * Subclasses carry the facts as fields, and the error that led here as `cause`.
 */
export abstract class EbookletError extends Error {
  abstract readonly code: string

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
  }
}

/** An argument or option is wrong. Nothing was changed. */
export class InvalidArgumentError extends EbookletError {
  readonly code = 'INVALID_ARGUMENT'
}

/** The object (file, session, store) was closed before this call. */
export class ClosedError extends EbookletError {
  readonly code = 'CLOSED'
}

/** A write was asked of something that was opened for reading. Nothing was changed. */
export class ReadOnlyError extends EbookletError {
  readonly code = 'READ_ONLY'
}

/** Bytes are not what the format says: damaged, cut short, foreign, or hostile. */
export class FormatError extends EbookletError {
  readonly code: string = 'FORMAT'
}

/** The format version is one that this release can't read. */
export class UnsupportedVersionError extends FormatError {
  override readonly code = 'UNSUPPORTED_VERSION'
  readonly found: number
  constructor(message: string, found: number, options?: { cause?: unknown }) {
    super(message, options)
    this.found = found
  }
}
