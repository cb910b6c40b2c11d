import { EbookletError } from '../base/error.js'

/** A value can't be written by this serializer without loss. Nothing was changed. */
export class SerializationError extends EbookletError {
  readonly code = 'SERIALIZATION'
  /** The name of the serializer. */
  readonly serializer: string
  constructor(serializer: string, what: string, options?: { cause?: unknown }) {
    super(`The serializer ${serializer} can not write this value: ${what}`, options)
    this.serializer = serializer
  }
}

/** The bytes are not what this serializer writes: damaged, or written by another one. */
export class DeserializationError extends EbookletError {
  readonly code: string = 'DESERIALIZATION'
  /** The name of the serializer. */
  readonly serializer: string
  constructor(serializer: string, what: string, options?: { cause?: unknown }) {
    super(`The serializer ${serializer} can not read these bytes: ${what}`, options)
    this.serializer = serializer
  }
}

/**
 * The bytes are sound as far as they were looked at, but say what there is no value for here: an object of a Python class in
 * a pickle, a curve in WKB. They are reachable as raw bytes.
 */
export class UnsupportedValueError extends DeserializationError {
  override readonly code: string = 'UNSUPPORTED_VALUE'
}

/** This release has no such serializer, or can't run the one that the file names. */
export class UnsupportedSerializerError extends EbookletError {
  readonly code = 'UNSUPPORTED_SERIALIZER'
  /** The name or the code that was asked for. */
  readonly serializer: string
  constructor(serializer: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.serializer = serializer
  }
}
