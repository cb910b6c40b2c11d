import { InvalidArgumentError } from '../../base/error.js'
import type { Environment } from '../../base/environment.js'
import { percentEncode } from '../keys.js'
import type { S3CredentialsOption } from './credentials.js'
import { sha256Hex } from './signing.js'

export interface S3StoreOptions {
  bucket: string
  /** URL of the service, for others than AWS. A path in it is kept in front of the bucket. Default: AWS in `region`. */
  endpoint?: string | undefined
  /** Default: the environment variables AWS_REGION or AWS_DEFAULT_REGION, else `us-east-1`. */
  region?: string | undefined
  /**
   * Keys, a function that gives them (called again before they expire), or `anonymous` for unsigned requests.
   * Default: the credential chain of AWS (environment, profiles, roles), through the optional package
   * `@aws-sdk/credential-provider-node`.
   */
  credentials?: S3CredentialsOption | undefined
  /** The bucket in the path rather than in the host name. Default: true with an `endpoint` that isn't of AWS. */
  forcePathStyle?: boolean | undefined
  /** ms without a sign of life after which a request fails; there is no limit to its whole time. Default 30,000. */
  idleTimeout?: number | undefined
  /** The most connections at a time. Default 16. */
  connections?: number | undefined
  /** How the ETag stands in If-Match: in quotes as HTTP wants it (default), or `bare` for Ceph's gateway 16. */
  etagQuoting?: 'quoted' | 'bare' | undefined
  /** Sign a hash of the body of a PUT over https too, where TLS protects it already. Over http always. Default false. */
  signPayload?: boolean | undefined
  /** The most entries that a page of a listing should have. Default: as the server likes, which is 1000. */
  pageSize?: number | undefined
  environment?: Environment | undefined
}

/** Where requests of a bucket go. Paths and host exactly as on the wire. */
export interface S3Address {
  origin: string
  host: string
  /** `/` or `/bucket`, behind the path of the endpoint. */
  bucketPath: string
  objectPath: (key: string) => string
  secure: boolean
  /** For messages. */
  name: string
}

/** The region that options and environment variables name. */
export function resolveRegion(options: S3StoreOptions): string {
  const region = options.region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION
  const found = region === undefined || region === '' ? 'us-east-1' : region
  if (!/^[A-Za-z0-9-]+$/.test(found)) throw new InvalidArgumentError(`not the name of a region: ${JSON.stringify(found)}`)
  return found
}

/** @throws InvalidArgumentError for a bucket or endpoint that can't be one */
export function resolveAddress(options: S3StoreOptions, region: string): S3Address {
  const { bucket } = options
  if (!/^[A-Za-z0-9_][A-Za-z0-9._:-]{0,254}$/.test(bucket)) throw new InvalidArgumentError(`not the name of a bucket: ${JSON.stringify(bucket)}`)
  const url = endpointUrl(options.endpoint ?? `https://s3.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`)
  const secure = url.protocol === 'https:'
  const aws = /(^|\.)amazonaws\.com(\.cn)?$/.test(url.hostname)
  // A dot in the bucket would leave the certificate's wildcard; other characters have no place in a host name.
  const hostable = /^[a-z0-9-]+$/.test(bucket) || (!secure && /^[a-z0-9.-]+$/.test(bucket))
  const pathStyle = options.forcePathStyle ?? (!aws || !hostable)
  if (!pathStyle && !hostable) throw new InvalidArgumentError(`the bucket ${bucket} can't stand in a host name; set forcePathStyle`)
  const base = url.pathname.replace(/\/+$/, '')
  const host = pathStyle ? url.host : `${bucket}.${url.host}`
  const prefix = pathStyle ? `${base}/${percentEncode(bucket)}` : base
  return {
    origin: `${url.protocol}//${host}`,
    host,
    bucketPath: prefix === '' ? '/' : prefix,
    objectPath: (key) => `${prefix}/${percentEncode(key, '/')}`,
    secure,
    name: options.endpoint === undefined ? `s3://${bucket}` : `s3://${bucket} at ${url.protocol}//${url.host}${base}`,
  }
}

const providers = new WeakMap<object, number>()
let providerCount = 0

/** The same text for stores of one service with the same credentials. A hash: it shows neither. */
export function realmOf({ endpoint, credentials }: S3StoreOptions): string {
  const service = endpoint === undefined ? 'aws' : endpointUrl(endpoint).href
  return sha256Hex(new TextEncoder().encode(JSON.stringify([service, identityOf(credentials)])))
}

function identityOf(credentials: S3CredentialsOption | undefined): unknown {
  if (credentials === undefined || credentials === 'anonymous') return credentials ?? 'chain'
  if (typeof credentials === 'object') return [credentials.accessKeyId]
  // What a function will give isn't known; the same function gives the same.
  const known = providers.get(credentials) ?? ++providerCount
  providers.set(credentials, known)
  return known
}

function endpointUrl(endpoint: string): URL {
  let url: URL
  try {
    url = new URL(endpoint)
  } catch {
    // Not the text itself: someone may have put a password in it.
    throw new InvalidArgumentError('the endpoint is not a URL; give one as https://s3.example.org')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new InvalidArgumentError(`the endpoint must be an http or https URL, not ${url.protocol}`)
  if (url.username !== '' || url.password !== '') throw new InvalidArgumentError('the endpoint must not hold credentials; give them as `credentials`')
  if (url.search !== '' || url.hash !== '') throw new InvalidArgumentError('the endpoint must not have a query or a fragment')
  return url
}

/** @throws InvalidArgumentError unless it is a positive whole number */
export function positive(name: string, value: number | undefined, byDefault: number): number {
  const found = value ?? byDefault
  if (!Number.isSafeInteger(found) || found < 1) throw new InvalidArgumentError(`${name} must be a whole number from 1 on, not ${found}`)
  return found
}
