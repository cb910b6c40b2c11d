import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Query } from './target.js'
import { uriEncodeBytes } from './target.js'

/** AWS Signature Version 4, the parts of it that are pure functions. Source: the S3 API reference, "Authenticating Requests". */

export interface CanonicalRequest {
  readonly method: string
  /** Already encoded. */
  readonly canonicalPath: string
  /** Without the signature itself. */
  readonly query: Query
  /** Values by lower-case name, as latin1 text (one character per byte). */
  readonly headers: ReadonlyMap<string, string>
  readonly signedHeaders: readonly string[]
  /** The value of x-amz-content-sha256, or UNSIGNED-PAYLOAD. */
  readonly payloadHash: string
}

export interface CredentialScope {
  /** yyyymmdd */
  readonly date: string
  readonly region: string
  readonly service: string
}

/** The text that is hashed and signed; latin1, one character per byte. */
export function canonicalText(request: CanonicalRequest): string {
  const headers = request.signedHeaders.map((name) => `${name}:${(request.headers.get(name) ?? '').trim().replace(/ {2,}/g, ' ')}\n`)
  return [request.method, request.canonicalPath, canonicalQuery(request.query), headers.join(''), request.signedHeaders.join(';'), request.payloadHash].join('\n')
}

function canonicalQuery(query: Query): string {
  const encode = (text: string) => uriEncodeBytes(Buffer.from(text), false)
  return [...query]
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

export function scopeText(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`
}

export function stringToSign(request: CanonicalRequest, amzDate: string, scope: CredentialScope): string {
  return ['AWS4-HMAC-SHA256', amzDate, scopeText(scope), sha256Hex(Buffer.from(canonicalText(request), 'latin1'))].join('\n')
}

export function signingKey(secret: string, scope: CredentialScope): Buffer {
  return [scope.date, scope.region, scope.service, 'aws4_request'].reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`))
}

export function signature(key: Buffer, text: string): string {
  return hmac(key, text).toString('hex')
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Whether two texts are equal, in time that doesn't depend on where they differ. */
export function sameText(a: string, b: string): boolean {
  const x = createHash('sha256').update(a).digest()
  const y = createHash('sha256').update(b).digest()
  return timingSafeEqual(x, y)
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** Milliseconds since the epoch of `20240506T070809Z`; undefined when it isn't such a text. */
export function parseAmzDate(text: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(ms) ? undefined : ms
}

export function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
}
