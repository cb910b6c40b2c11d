import { S3Error } from './errors.js'

/** The query of a request, decoded, in the order sent. */
export type Query = ReadonlyMap<string, string>

/** Where a request is aimed at, taken from the raw request line and the Host header. */
export interface Target {
  /** The path as sent, percent-decoded to bytes and encoded again as RFC 3986 says: what gets signed. */
  readonly canonicalPath: string
  /** The query as sent, without `?`. */
  readonly rawQuery: string
  readonly query: Query
  /** Empty for the service itself. */
  readonly bucket: string
  /** Empty for the bucket itself. Never normalised: `..`, `//` and `.` are ordinary characters of a key. */
  readonly key: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses the request target exactly as sent.
 * @param virtualHosts Names under which `<bucket>.<name>` addresses a bucket.
 * @throws S3Error InvalidURI, InvalidArgument (a query name given twice), KeyTooLongError
 */
export function parseTarget(rawUrl: string, host: string | undefined, virtualHosts: readonly string[]): Target {
  if (!rawUrl.startsWith('/')) throw new S3Error('InvalidURI')
  const question = rawUrl.indexOf('?')
  const pathBytes = percentDecode(question < 0 ? rawUrl : rawUrl.slice(0, question), false)
  const rawQuery = question < 0 ? '' : rawUrl.slice(question + 1)
  const path = toText(pathBytes).slice(1)
  const virtual = bucketOfHost(host, virtualHosts)
  const slash = path.indexOf('/')
  const bucket = virtual ?? (slash < 0 ? path : path.slice(0, slash))
  const key = virtual === undefined ? (slash < 0 ? '' : path.slice(slash + 1)) : path
  if (bucket === '' && key !== '') throw new S3Error('InvalidBucketName')
  if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError', undefined, { details: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: '1024' } })
  return { canonicalPath: uriEncodeBytes(pathBytes, true), rawQuery, query: parseQuery(rawQuery), bucket, key }
}

function bucketOfHost(host: string | undefined, virtualHosts: readonly string[]): string | undefined {
  if (host === undefined) return undefined
  const name = host.replace(/:\d+$/, '').toLowerCase()
  for (const base of virtualHosts) if (name.endsWith(`.${base}`)) return name.slice(0, -base.length - 1)
  return undefined
}

function parseQuery(raw: string): Query {
  const query = new Map<string, string>()
  if (raw === '') return query
  for (const pair of raw.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = toText(percentDecode(equals < 0 ? pair : pair.slice(0, equals), true))
    if (query.has(name)) throw new S3Error('InvalidArgument', `The query parameter ${name} is given more than once.`)
    query.set(name, equals < 0 ? '' : toText(percentDecode(pair.slice(equals + 1), true)))
  }
  return query
}

/** The key inside an `x-amz-copy-source` header, or any other percent-encoded text. */
export function decodeComponent(raw: string): string {
  return toText(percentDecode(raw, false))
}

/* node gives the target as latin1: one character per byte that came. */
function percentDecode(raw: string, plusIsSpace: boolean): Buffer {
  const out = Buffer.alloc(raw.length)
  let length = 0
  for (let i = 0; i < raw.length; i++) {
    let byte = raw.charCodeAt(i)
    if (byte === 0x25) {
      const hex = raw.slice(i + 1, i + 3)
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) throw new S3Error('InvalidURI')
      byte = Number.parseInt(hex, 16)
      i += 2
    } else if (byte === 0x2b && plusIsSpace) byte = 0x20
    out[length++] = byte
  }
  return out.subarray(0, length)
}

function toText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new S3Error('InvalidURI', 'The request target is not UTF-8.')
  }
}

const unreserved = /[A-Za-z0-9\-._~]/

/** Percent-encodes every byte but the unreserved ones of RFC 3986, and `/` where told to keep it. */
export function uriEncodeBytes(bytes: Uint8Array, keepSlash: boolean): string {
  let out = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    out += unreserved.test(char) || (keepSlash && byte === 0x2f) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

/** `encoding-type=url` of listings: as above, but a blank becomes `+`, and `/` and `*` stay. */
export function listingEncode(text: string): string {
  return uriEncodeBytes(Buffer.from(text), true).replaceAll('%20', '+').replaceAll('%2A', '*')
}
