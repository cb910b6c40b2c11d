import { attributeHeaders, describe, readAcl, readAttributes } from './attributes.js'
import type { Answer, Call, Operation } from './call.js'
import { bucketOf, quoted } from './call.js'
import { checkDeleteConditions, checkReadConditions, checkWriteConditions, rangeCounts } from './conditions.js'
import { S3Error } from './errors.js'
import { resolveRange } from './ranges.js'
import type { Bucket, ObjectVersion, StoredVersion } from './storage.js'

/** The largest body of one PUT or part, as at S3. */
export const maxPutBytes = 5 * 1024 ** 3

const overrides = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires']
const readQuery = ['versionId', ...overrides.map((name) => `response-${name}`)]
const readHeaders = ['x-amz-checksum-mode']

export const objectOperations: readonly Operation[] = [
  { name: 'GetObject', method: 'GET', on: 'object', query: readQuery, headers: readHeaders, access: 'object-read', writes: false, run: readObject },
  { name: 'HeadObject', method: 'HEAD', on: 'object', query: readQuery, headers: readHeaders, access: 'object-read', writes: false, run: readObject },
  { name: 'PutObjectAcl', method: 'PUT', on: 'object', when: ['acl'], query: ['versionId'], headers: ['x-amz-acl'], access: 'owner', writes: true, run: putObjectAcl },
  { name: 'PutObject', method: 'PUT', on: 'object', headers: attributeHeaders, access: 'owner', writes: true, run: putObject },
  { name: 'DeleteObject', method: 'DELETE', on: 'object', query: ['versionId'], access: 'owner', writes: true, run: deleteObject },
]

/** The version that a request names, or the latest. @throws S3Error NoSuchKey, NoSuchVersion, MethodNotAllowed (a delete marker by id) */
export function findVersion(bucket: Bucket, key: string, versionId: string | undefined): ObjectVersion {
  checkVersionId(versionId)
  const version = versionId === undefined ? bucket.latest(key) : bucket.version(key, versionId)
  if (version === undefined) {
    if (versionId === undefined) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } })
    throw new S3Error('NoSuchVersion', undefined, { details: { Key: key, VersionId: versionId } })
  }
  if (!version.isDeleteMarker) return version
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': version.versionId }
  if (versionId === undefined) throw new S3Error('NoSuchKey', undefined, { details: { Key: key }, headers })
  throw new S3Error('MethodNotAllowed', undefined, { details: { Method: 'GET', ResourceType: 'DeleteMarker' }, headers: { ...headers, Allow: 'DELETE' } })
}

export function checkVersionId(versionId: string | undefined): void {
  if (versionId === '') throw new S3Error('InvalidArgument', 'Version id cannot be the empty string')
}

function readObject(call: Call): Answer {
  const bucket = bucketOf(call)
  const { query, key } = call.target
  const version = findVersion(bucket, key, query.get('versionId'))
  const mode = call.headers.get('x-amz-checksum-mode')
  if (mode !== undefined && mode.toUpperCase() !== 'ENABLED') throw new S3Error('InvalidArgument', 'x-amz-checksum-mode must be ENABLED.')
  const headers = { ...describe(version, bucket.versioning !== undefined, false), ...overridden(call) }
  if (checkReadConditions(call.headers, version)) return { status: 304, headers }
  const size = version.body.length
  const span = rangeCounts(call.headers, version) ? resolveRange(call.headers.get('range'), size) : undefined
  const head = call.method === 'HEAD'
  if (span === undefined) {
    const whole = mode === undefined ? headers : { ...describe(version, bucket.versioning !== undefined, true), ...overridden(call) }
    return head ? { status: 200, headers: whole, contentLength: size } : { status: 200, headers: whole, body: version.body.read() }
  }
  const partial = { ...headers, 'Content-Range': `bytes ${span.start}-${span.end - 1}/${size}` }
  if (head) return { status: 206, headers: partial, contentLength: span.end - span.start }
  return { status: 206, headers: partial, body: version.body.read(span.start, span.end) }
}

/* `response-content-type` and the like, which only a signed request may use. */
function overridden(call: Call): Record<string, string> {
  const out: Record<string, string> = {}
  for (const name of overrides) {
    const value = call.target.query.get(`response-${name}`)
    if (value === undefined) continue
    if (call.identity.credential === undefined) throw new S3Error('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.')
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw new S3Error('InvalidArgument', `response-${name} is not a header value.`)
    out[name] = value
  }
  return out
}

async function putObject(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  const { key } = call.target
  const attributes = readAttributes(call.headers)
  // Once before the body is read, to spare the transfer; the answer that counts is the second one.
  checkWriteConditions(call.headers, key, bucket.latest(key))
  const { bytes, checksum } = await call.body(maxPutBytes)
  checkWriteConditions(call.headers, key, bucket.latest(key))
  const stored = checksum === undefined ? undefined : { ...checksum, type: 'FULL_OBJECT' as const }
  const version = bucket.put(key, { ...attributes, body: call.storage.bodies.keep(bytes), checksum: stored })
  return { status: 200, headers: writeHeaders(bucket, version) }
}

/** ETag, version id and checksum of what was written. */
export function writeHeaders(bucket: Bucket, version: ObjectVersion): Record<string, string> {
  const headers: Record<string, string> = { ETag: quoted(version.etag) }
  if (bucket.versioning !== undefined) headers['x-amz-version-id'] = version.versionId
  if (version.checksum !== undefined) {
    headers[`x-amz-checksum-${version.checksum.name}`] = version.checksum.value
    headers['x-amz-checksum-type'] = version.checksum.type
  }
  return headers
}

function deleteObject(call: Call): Answer {
  const bucket = bucketOf(call)
  const { key, query } = call.target
  const versionId = query.get('versionId')
  checkVersionId(versionId)
  if (versionId !== undefined && call.headers.has('if-match')) throw new S3Error('NotImplemented', 'If-Match together with versionId is not implemented.')
  checkDeleteConditions(call.headers, key, bucket.latest(key))
  return { status: 204, headers: deletionHeaders(versionId, deleteOne(bucket, key, versionId)) }
}

/** Deletes as DELETE does. Gives the version that was removed for good, or the marker that was made. */
export function deleteOne(bucket: Bucket, key: string, versionId: string | undefined): StoredVersion | undefined {
  return versionId === undefined ? bucket.remove(key) : bucket.removeVersion(key, versionId)
}

function deletionHeaders(versionId: string | undefined, affected: StoredVersion | undefined): Record<string, string> {
  const id = versionId ?? affected?.versionId
  return {
    ...(id === undefined ? {} : { 'x-amz-version-id': id }),
    ...(affected?.isDeleteMarker === true ? { 'x-amz-delete-marker': 'true' } : {}),
  }
}

async function putObjectAcl(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  const { key, query } = call.target
  const version = findVersion(bucket, key, query.get('versionId'))
  await expectCannedAcl(call)
  bucket.setPublicRead(version, readAcl(call.headers))
  return { status: 200 }
}

/** An ACL request must use the canned form: a document of grants is not implemented. */
export async function expectCannedAcl(call: Call): Promise<void> {
  const length = call.headers.get('content-length') ?? '0'
  if (length !== '0' && (await call.body(65_536)).bytes.length > 0) throw new S3Error('NotImplemented', 'Only canned ACLs (x-amz-acl) are implemented.')
  if (!call.headers.has('x-amz-acl')) throw new S3Error('InvalidRequest', 'x-amz-acl is missing.')
}
