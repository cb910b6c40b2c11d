import type { EbookletError } from '../../base/error.js'
import {
  AccessDeniedError,
  BucketNotFoundError,
  PreconditionFailedError,
  StoreRequestError,
  UnsupportedKeyError,
  UnsupportedOperationError,
} from '../errors.js'
import { parseXml, type XmlElement } from './xml.js'

/** What a refusal of an S3 server says. */
export interface S3Refusal {
  status: number
  /** The code of the error document, as `NoSuchKey`; undefined where there is none, as in answers to HEAD. */
  reason: string | undefined
  message: string | undefined
  /** The region that the bucket is in, where the server says so. */
  region: string | undefined
  retryAfter: number | undefined
}

export interface S3Request {
  store: string
  bucket: string
  key: string | undefined
  /** What was tried, for messages: `PUT`, `list`. */
  action: string
  /** A write or copy with a condition: a conflict is then an answer, not a failure. */
  conditional: boolean
}

export type S3ErrorDocument = Pick<S3Refusal, 'reason' | 'message' | 'region'>

/** Reads an error document; undefined when the text isn't one. */
export function parseErrorDocument(text: string): S3ErrorDocument | undefined {
  try {
    return errorDocument(parseXml(text))
  } catch {
    return undefined
  }
}

/** What an error document says; undefined for any other. Only code, message and region are taken: the rest may repeat what was signed. */
export function errorDocument(root: XmlElement): S3ErrorDocument | undefined {
  // A multi-delete's answer has elements of this name too, below another root.
  const error = root.name === 'Error' ? root : root.name === 'ErrorResponse' ? root.child('Error') : undefined
  return error === undefined ? undefined : { reason: error.value('Code'), message: error.value('Message')?.slice(0, 500), region: error.value('Region') }
}

const DENIED: Readonly<Record<string, string>> = {
  AccessDenied: 'these credentials may not do this; check the policy of the bucket (reading a missing object is refused too where listing is not allowed)',
  AllAccessDisabled: 'all access to this bucket is switched off',
  AccountProblem: 'there is a problem with the account; ask its provider',
  ExpiredToken: 'the session token has expired; get new temporary credentials',
  InvalidAccessKeyId: 'the server does not know this access key; check accessKeyId and the endpoint',
  InvalidToken: 'the session token is not valid; get new temporary credentials',
  InvalidSecurity: 'the server refuses these credentials',
  RequestTimeTooSkewed: 'the clock of this machine differs too much from the server\'s; set it right',
  SignatureDoesNotMatch: 'the signature does not match; check secretAccessKey, and the region',
  TokenRefreshRequired: 'the session token must be renewed',
}

/** Codes after which a provider of credentials is asked for new ones. */
export const EXPIRED_CODES: ReadonlySet<string> = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired', 'ExpiredTokenException'])

/** A server that keeps objects in files refuses names that its file system wouldn't bear. */
const KEY_REFUSED: ReadonlySet<string> = new Set(['KeyTooLongError', 'XMinioInvalidObjectName', 'XMinioInvalidResourceName'])

const CONFLICTS: ReadonlySet<string> = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'OperationAborted'])

/** The typed error for an answer of an S3 server that isn't success. */
export function s3Error(refusal: S3Refusal, request: S3Request): EbookletError {
  const { status, reason } = refusal
  const facts = { store: request.store, key: request.key }
  const what = `${request.store}: ${request.action}${request.key === undefined ? '' : ` ${request.key}`}`
  const said = `${reason ?? `status ${status}`}${refusal.message === undefined ? '' : `: ${refusal.message}`}`
  if (reason === 'NoSuchBucket') return new BucketNotFoundError(`${what}: the bucket ${request.bucket} doesn't exist; check its name, the endpoint and the region`, facts)
  if (isConflict(refusal, request)) return new PreconditionFailedError(`${what}: another writer was there first (${said})`, facts)
  if (status === 301 || status === 307 || status === 308 || reason === 'PermanentRedirect' || reason === 'AuthorizationHeaderMalformed') {
    const advice = refusal.region === undefined ? 'check region and endpoint' : `the bucket is in the region ${refusal.region}: set region to that`
    return new StoreRequestError(`${what}: wrong region or endpoint; ${advice} (${said})`, { ...facts, status, reason })
  }
  const advice = reason === undefined ? undefined : Object.hasOwn(DENIED, reason) ? DENIED[reason] : undefined
  if (advice !== undefined || status === 401 || status === 403) {
    return new AccessDeniedError(`${what}: refused; ${advice ?? DENIED.AccessDenied ?? ''} (${said})`, facts)
  }
  if (reason !== undefined && KEY_REFUSED.has(reason)) return new UnsupportedKeyError(`${what}: the server can't hold an object of this name (${said})`, facts)
  if (status === 501 || reason === 'NotImplemented') return new UnsupportedOperationError(`${what}: the server doesn't offer this (${said})`, facts)
  return new StoreRequestError(`${what}: ${said}`, { ...facts, status, reason, retryAfter: refusal.retryAfter })
}

function isConflict(refusal: S3Refusal, request: S3Request): boolean {
  if (!request.conditional) return false
  const { status, reason } = refusal
  if (status === 412) return true
  // A 409 or 404 may have other grounds, which its code tells: 404 of the key is If-Match on a missing object.
  if (reason === undefined) return status === 409 || status === 404
  return CONFLICTS.has(reason) || (status === 404 && reason === 'NoSuchKey')
}
