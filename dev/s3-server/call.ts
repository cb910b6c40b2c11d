import type { Identity } from './auth.js'
import type { Payload } from './payload.js'
import type { Bucket, Storage } from './storage.js'
import type { Target } from './target.js'

/** What a handler gets to see of one request, after it was authenticated and allowed. */
export interface Call {
  readonly storage: Storage
  readonly region: string
  readonly method: string
  readonly target: Target
  /** By lower-case name; repeated ones joined with commas; latin1 text of the bytes sent. */
  readonly headers: ReadonlyMap<string, string>
  readonly identity: Identity
  /** Reads and verifies the body. May be called once. */
  readonly body: (maxBytes: number) => Promise<Payload>
}

/** What a handler answers. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** Bytes of an object, or an XML document. */
  readonly body?: Buffer | string
  /** For HEAD and 304: the length that a GET would have. */
  readonly contentLength?: number
}

/** Who may run an operation without credentials. */
export type Access = 'owner' | 'object-read' | 'list'

/** One operation of the S3 API, as a row of the router's table. */
export interface Operation {
  /** The name in the S3 API reference. */
  readonly name: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly on: 'service' | 'bucket' | 'object'
  /** Query parameters that tell it from others of this method. */
  readonly when?: readonly string[]
  /** A header that tells it from others. */
  readonly whenHeader?: string
  /** Query parameters that it knows, beside those of `when`. Any other: 501. */
  readonly query?: readonly string[]
  /** `x-amz-` headers that it knows, beside those that every operation has. Any other: 501. */
  readonly headers?: readonly string[]
  readonly access: Access
  /** Changes something: refused to read-only credentials. */
  readonly writes: boolean
  readonly run: (call: Call) => Answer | Promise<Answer>
}

/** The bucket that a call names. @throws S3Error NoSuchBucket */
export function bucketOf(call: Call): Bucket {
  return call.storage.bucket(call.target.bucket)
}

export function quoted(etag: string): string {
  return `"${etag}"`
}

/** LastModified of XML documents, in ms. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
