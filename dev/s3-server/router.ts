import { mayList, mayRead } from './access.js'
import type { Identity } from './auth.js'
import { presignedQueryNames } from './auth.js'
import { bucketOperations } from './buckets.js'
import type { Operation } from './call.js'
import { checksumNames } from './checksums.js'
import { copyOperations } from './copy.js'
import { S3Error } from './errors.js'
import { listingOperations } from './listings.js'
import { multiDeleteOperations } from './multi-delete.js'
import { multipartListingOperations } from './multipart-listings.js'
import { multipartOperations } from './multipart.js'
import { objectOperations } from './objects.js'
import type { Storage } from './storage.js'
import type { Target } from './target.js'
import { versionOperations } from './versions.js'

type Headers = ReadonlyMap<string, string>

/* The more specific ones of a method stand first. */
const operations: readonly Operation[] = [
  ...multipartOperations,
  ...multipartListingOperations,
  ...versionOperations,
  ...multiDeleteOperations,
  ...bucketOperations.filter((operation) => operation.when !== undefined),
  ...copyOperations,
  ...objectOperations.filter((operation) => operation.when !== undefined),
  ...objectOperations.filter((operation) => operation.when === undefined),
  ...listingOperations,
  ...bucketOperations.filter((operation) => operation.when === undefined),
]

/** Names of all operations that there are. */
export const operationNames: readonly string[] = operations.map((operation) => operation.name)

const everyQuery = new Set(['x-id', ...presignedQueryNames])
const everyHeader = new Set([
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
  'x-amz-user-agent',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-sdk-checksum-algorithm',
  ...checksumNames.map((name) => `x-amz-checksum-${name}`),
])
/* Operations that take user metadata. */
const withMetadata = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload'])

/** The operation that a request asks for. @throws S3Error MethodNotAllowed, NotImplemented */
export function findOperation(method: string, target: Target, headers: Headers): Operation {
  const level = target.key !== '' ? 'object' : target.bucket !== '' ? 'bucket' : 'service'
  const found = operations.find(
    (operation) =>
      operation.method === method &&
      operation.on === level &&
      (operation.when ?? []).every((name) => target.query.has(name)) &&
      (operation.whenHeader === undefined || headers.has(operation.whenHeader)),
  )
  if (found === undefined) {
    if (target.query.size > 0) throw new S3Error('NotImplemented', undefined, { details: { Query: target.rawQuery } })
    throw new S3Error('MethodNotAllowed', undefined, { details: { Method: method, ResourceType: level.toUpperCase() } })
  }
  return found
}

/** Refuses what the operation doesn't know: nothing that a client asks for is ignored silently. */
export function refuseUnknown(operation: Operation, target: Target, headers: Headers): void {
  for (const name of target.query.keys()) {
    if (everyQuery.has(name) || operation.when?.includes(name) === true || operation.query?.includes(name) === true) continue
    throw new S3Error('NotImplemented', `The query parameter ${name} is not implemented for ${operation.name}.`, { details: { Query: name } })
  }
  for (const name of headers.keys()) {
    if (!name.startsWith('x-amz-') || everyHeader.has(name) || operation.headers?.includes(name) === true) continue
    if (name.startsWith('x-amz-meta-') && withMetadata.has(operation.name)) continue
    throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented', { details: { Header: name } })
  }
}

/** Refuses whoever may not run the operation. @throws S3Error AccessDenied, NoSuchBucket */
export function authorize(operation: Operation, target: Target, identity: Identity, storage: Storage): void {
  const { credential } = identity
  if (credential !== undefined) {
    if (operation.writes && credential.readOnly === true) throw new S3Error('AccessDenied', 'These credentials may only read.')
    return
  }
  if (operation.access === 'owner') throw new S3Error('AccessDenied')
  const bucket = storage.bucket(target.bucket)
  if (operation.access === 'list') {
    if (!mayList(bucket)) throw new S3Error('AccessDenied')
    return
  }
  // Other versions than the current need a right of their own, which is never public here.
  if (target.query.has('versionId')) throw new S3Error('AccessDenied')
  const current = bucket.current(target.key)
  const readable = mayRead(bucket, target.key, current)
  // Whoever may not list is not told that a key is missing.
  if (current === undefined ? !mayList(bucket) : !readable) throw new S3Error('AccessDenied')
}
