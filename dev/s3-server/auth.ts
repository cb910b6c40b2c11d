import { S3Error } from './errors.js'
import type { CanonicalRequest, CredentialScope } from './sigv4.js'
import { canonicalText, formatAmzDate, parseAmzDate, sameText, scopeText, sha256Hex, signature, signingKey, stringToSign } from './sigv4.js'
import type { Query, Target } from './target.js'

/** A key pair that the server knows. */
export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Temporary credentials: every request must carry this token. */
  readonly sessionToken?: string | undefined
  /** ms since the epoch from which the credential answers ExpiredToken. */
  readonly expires?: number | undefined
  /** Refuse everything that changes something. Default: false. */
  readonly readOnly?: boolean | undefined
}

/** What signed chunks continue from. */
export interface ChunkSigning {
  readonly key: Buffer
  readonly scope: string
  readonly amzDate: string
  readonly seed: string
}

export interface Identity {
  /** Undefined: an anonymous request. */
  readonly credential: Credential | undefined
  /** The value of x-amz-content-sha256; undefined where the request has none. */
  readonly payloadHash: string | undefined
  readonly chunkSigning: ChunkSigning | undefined
}

export interface AuthContext {
  readonly credentials: ReadonlyMap<string, Credential>
  readonly region: string
  /** ms since the epoch. */
  readonly now: number
}

interface Claim {
  readonly accessKeyId: string
  readonly scope: CredentialScope
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly amzDate: string
  readonly token: string | undefined
  readonly request: Omit<CanonicalRequest, 'signedHeaders'>
}

type Headers = ReadonlyMap<string, string>

const maxSkew = 15 * 60_000
const queryNames = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Expires', 'X-Amz-SignedHeaders', 'X-Amz-Signature', 'X-Amz-Security-Token', 'X-Amz-Content-Sha256']

/** Names in the query that belong to the signature of a presigned URL. */
export const presignedQueryNames: ReadonlySet<string> = new Set(queryNames)

/**
 * Finds out who sends a request, and proves it.
 * @throws S3Error with the code that S3 gives for what is wrong
 */
export function authenticate(method: string, target: Target, headers: Headers, context: AuthContext): Identity {
  const header = headers.get('authorization')
  const presigned = [...target.query.keys()].some((name) => presignedQueryNames.has(name))
  if (header !== undefined && presigned) throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed; X-Amz-… query parameters and the Authorization header must not be mixed.')
  if (header !== undefined) return verify(headerClaim(method, target, headers, header, context), headers, context)
  if (presigned) return verify(queryClaim(method, target, headers, context), headers, context)
  for (const name of ['AWSAccessKeyId', 'Signature']) if (target.query.has(name)) throw unsupported()
  return { credential: undefined, payloadHash: headers.get('x-amz-content-sha256'), chunkSigning: undefined }
}

function unsupported(): S3Error {
  return new S3Error('InvalidRequest', 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.')
}

function headerClaim(method: string, target: Target, headers: Headers, authorization: string, context: AuthContext): Claim {
  if (/^AWS4-ECDSA/.test(authorization)) throw new S3Error('NotImplemented', 'Signature Version 4A is not implemented.')
  if (/^AWS /.test(authorization)) throw unsupported()
  if (!authorization.startsWith('AWS4-HMAC-SHA256')) throw new S3Error('InvalidArgument', 'Unsupported Authorization Type')
  const fields = new Map<string, string>()
  for (const part of authorization.slice('AWS4-HMAC-SHA256'.length).split(',')) {
    const equals = part.indexOf('=')
    if (equals < 0) throw new S3Error('AuthorizationHeaderMalformed')
    fields.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim())
  }
  const payloadHash = headers.get('x-amz-content-sha256')
  if (payloadHash === undefined) throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  const credential = parseCredential(fields.get('Credential'), context, 'AuthorizationHeaderMalformed')
  return {
    ...credential,
    signedHeaders: parseSignedHeaders(fields.get('SignedHeaders'), 'AuthorizationHeaderMalformed'),
    signature: required(fields.get('Signature'), 'Signature', 'AuthorizationHeaderMalformed'),
    amzDate: dateOf(headers),
    token: headers.get('x-amz-security-token'),
    request: { method, canonicalPath: target.canonicalPath, query: target.query, headers, payloadHash },
  }
}

function dateOf(headers: Headers): string {
  const amz = headers.get('x-amz-date')
  const plain = headers.get('date')
  if (amz !== undefined) {
    if (parseAmzDate(amz) !== undefined) return amz
  } else if (plain !== undefined) {
    const ms = parseAmzDate(plain) ?? Date.parse(plain)
    if (!Number.isNaN(ms)) return formatAmzDate(ms)
  }
  throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
}

function queryClaim(method: string, target: Target, headers: Headers, context: AuthContext): Claim {
  const { query } = target
  const malformed = 'AuthorizationQueryParametersError'
  if (required(query.get('X-Amz-Algorithm'), 'X-Amz-Algorithm', malformed) !== 'AWS4-HMAC-SHA256') {
    throw new S3Error(malformed, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".')
  }
  const amzDate = required(query.get('X-Amz-Date'), 'X-Amz-Date', malformed)
  const start = parseAmzDate(amzDate)
  if (start === undefined) throw new S3Error(malformed, 'X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd\'T\'HHmmss\'Z\'".')
  const expires = required(query.get('X-Amz-Expires'), 'X-Amz-Expires', malformed)
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > 604_800) throw new S3Error(malformed, 'X-Amz-Expires must be between 1 and 604800 seconds.')
  const credential = parseCredential(query.get('X-Amz-Credential'), context, malformed)
  if (start - maxSkew > context.now) throw new S3Error('AccessDenied', 'Request is not yet valid')
  if (start + Number(expires) * 1000 < context.now) throw new S3Error('AccessDenied', 'Request has expired', { details: { 'X-Amz-Expires': expires, Expires: new Date(start + Number(expires) * 1000).toISOString() } })
  const payloadHash = query.get('X-Amz-Content-Sha256') ?? headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD'
  return {
    ...credential,
    signedHeaders: parseSignedHeaders(query.get('X-Amz-SignedHeaders'), malformed),
    signature: required(query.get('X-Amz-Signature'), 'X-Amz-Signature', malformed),
    amzDate,
    token: query.get('X-Amz-Security-Token') ?? headers.get('x-amz-security-token'),
    request: { method, canonicalPath: target.canonicalPath, query: withoutSignature(query), headers, payloadHash },
  }
}

function withoutSignature(query: Query): Query {
  const rest = new Map(query)
  rest.delete('X-Amz-Signature')
  return rest
}

type MalformedCode = 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError'

function required(value: string | undefined, name: string, code: MalformedCode): string {
  if (value === undefined || value === '') throw new S3Error(code, `${name} is missing.`)
  return value
}

function parseCredential(text: string | undefined, context: AuthContext, code: MalformedCode): Pick<Claim, 'accessKeyId' | 'scope'> {
  const match = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/.exec(required(text, 'Credential', code))
  if (match === null) throw new S3Error(code, 'The credential is malformed; expecting "<access key>/YYYYMMDD/region/service/aws4_request".')
  const [, accessKeyId, date, region, service] = match as unknown as [string, string, string, string, string]
  if (service !== 's3') throw new S3Error(code, `incorrect service "${service}". This endpoint belongs to "s3".`)
  if (region !== context.region) throw new S3Error(code, `the region '${region}' is wrong; expecting '${context.region}'`, { details: { Region: context.region } })
  return { accessKeyId, scope: { date, region, service } }
}

function parseSignedHeaders(text: string | undefined, code: MalformedCode): string[] {
  const names = required(text, 'SignedHeaders', code).split(';')
  if (names.some((name, i) => name === '' || name !== name.toLowerCase() || (i > 0 && name <= (names[i - 1] ?? '')))) {
    throw new S3Error(code, 'SignedHeaders must be lower-case names, sorted, separated by semicolons.')
  }
  return names
}

function verify(claim: Claim, headers: Headers, context: AuthContext): Identity {
  const credential = context.credentials.get(claim.accessKeyId)
  if (credential === undefined) throw new S3Error('InvalidAccessKeyId', undefined, { details: { AWSAccessKeyId: claim.accessKeyId } })
  checkTime(claim, context)
  checkSignedHeaders(claim, headers)
  const request: CanonicalRequest = { ...claim.request, signedHeaders: claim.signedHeaders }
  const key = signingKey(credential.secretAccessKey, claim.scope)
  const text = stringToSign(request, claim.amzDate, claim.scope)
  if (!sameText(signature(key, text), claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: { AWSAccessKeyId: claim.accessKeyId, StringToSign: text, SignatureProvided: claim.signature, CanonicalRequest: canonicalText(request) },
    })
  }
  checkToken(claim, credential, context)
  return {
    credential,
    payloadHash: claim.request.payloadHash,
    chunkSigning: { key, scope: scopeText(claim.scope), amzDate: claim.amzDate, seed: claim.signature },
  }
}

function checkTime(claim: Claim, context: AuthContext): void {
  const time = parseAmzDate(claim.amzDate) as number
  if (claim.amzDate.slice(0, 8) !== claim.scope.date) throw new S3Error('SignatureDoesNotMatch', 'The date in the credential scope is not that of the request.')
  // A presigned URL has its own window, checked before.
  if (!claim.request.query.has('X-Amz-Date') && Math.abs(context.now - time) > maxSkew) {
    throw new S3Error('RequestTimeTooSkewed', undefined, {
      details: { RequestTime: claim.amzDate, ServerTime: new Date(context.now).toISOString(), MaxAllowedSkewMilliseconds: String(maxSkew) },
    })
  }
}

function checkSignedHeaders(claim: Claim, headers: Headers): void {
  if (!claim.signedHeaders.includes('host')) throw new S3Error('AccessDenied', 'The Host header must be signed.', { details: { HeadersNotSigned: 'host' } })
  const loose = [...headers.keys()].filter((name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name))
  if (loose.length > 0) throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', { details: { HeadersNotSigned: loose.join(', ') } })
}

function checkToken(claim: Claim, credential: Credential, context: AuthContext): void {
  if (!sameText(claim.token ?? '', credential.sessionToken ?? '')) throw new S3Error('InvalidToken')
  if (credential.expires !== undefined && context.now >= credential.expires) throw new S3Error('ExpiredToken')
}

/** The hash that an empty body has. */
export const emptySha256 = sha256Hex('')
