import { attributeHeaders, readAcl, readAttributes } from './attributes.js'
import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime, quoted } from './call.js'
import { checksum, checksumElement, checksumOfAlgorithm } from './checksums.js'
import { checkCopyConditions, checkWriteConditions } from './conditions.js'
import { S3Error } from './errors.js'
import { findVersion } from './objects.js'
import type { ObjectAttributes, ObjectVersion, StoredChecksum } from './storage.js'
import { decodeComponent } from './target.js'
import { document, leaf } from './xml.js'

/** `x-amz-` headers that name and condition the source of a copy. */
export const copySourceHeaders: readonly string[] = [
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-unmodified-since',
]

export const copyOperations: readonly Operation[] = [
  {
    name: 'CopyObject',
    method: 'PUT',
    on: 'object',
    whenHeader: 'x-amz-copy-source',
    headers: [...copySourceHeaders, ...attributeHeaders, 'x-amz-metadata-directive', 'x-amz-tagging-directive', 'x-amz-checksum-algorithm'],
    access: 'owner',
    writes: true,
    run: copyObject,
  },
]

/** The version that `x-amz-copy-source` names, with the conditions on it checked. */
export function copySource(call: Call): { version: ObjectVersion; headers: Record<string, string> } {
  const raw = call.headers.get('x-amz-copy-source') ?? ''
  const match = /^\/?([^/?]+)\/([^?]+)(?:\?versionId=([^?&]*))?$/.exec(raw)
  if (match === null) throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', { details: { ArgumentName: 'x-amz-copy-source' } })
  const bucket = call.storage.bucket(decodeComponent(match[1] as string))
  const versionId = match[3] === undefined ? undefined : decodeComponent(match[3])
  const version = findVersion(bucket, decodeComponent(match[2] as string), versionId)
  checkCopyConditions(call.headers, version)
  return { version, headers: bucket.versioning === undefined ? {} : { 'x-amz-copy-source-version-id': version.versionId } }
}

function copyObject(call: Call): Answer {
  const target = bucketOf(call)
  const { key } = call.target
  const { version: source, headers } = copySource(call)
  const replace = directive(call, 'x-amz-metadata-directive')
  if (directive(call, 'x-amz-tagging-directive')) throw new S3Error('NotImplemented', 'Tags are not implemented.')
  if (!replace && target.current(key) === source) {
    throw new S3Error('InvalidRequest', "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.")
  }
  const attributes = replace ? readAttributes(call.headers) : inherited(source, call)
  checkWriteConditions(call.headers, key, target.latest(key))
  // A part-wise ETag belongs to the upload, not to the bytes: the copy gets that of its bytes.
  const stored = target.put(key, { ...attributes, body: source.body, checksum: newChecksum(call, source) })
  const body = document(
    'CopyObjectResult',
    leaf('LastModified', isoTime(stored.lastModified)),
    leaf('ETag', quoted(stored.etag)),
    stored.checksum === undefined ? '' : leaf(checksumElement(stored.checksum.name), stored.checksum.value) + leaf('ChecksumType', stored.checksum.type),
  )
  return { status: 200, headers: { ...headers, 'x-amz-version-id': target.versioning === undefined ? undefined : stored.versionId }, body }
}

/* Metadata of the source; the ACL never travels with it. */
function inherited(source: ObjectVersion, call: Call): ObjectAttributes {
  return { headers: source.headers, metadata: source.metadata, publicRead: readAcl(call.headers) }
}

function newChecksum(call: Call, source: ObjectVersion): StoredChecksum | undefined {
  const asked = call.headers.get('x-amz-checksum-algorithm')
  const name = asked === undefined ? source.checksum?.name : checksumOfAlgorithm(asked)
  if (name === undefined && asked !== undefined) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  if (name === undefined) return undefined
  return { name, value: checksum(name, source.body.read()).toString('base64'), type: 'FULL_OBJECT' }
}

/* COPY (the default) or REPLACE. */
function directive(call: Call, header: string): boolean {
  const value = call.headers.get(header) ?? 'COPY'
  if (value !== 'COPY' && value !== 'REPLACE') throw new S3Error('InvalidArgument', `Unknown ${header}.`, { details: { ArgumentName: header, ArgumentValue: value } })
  return value === 'REPLACE'
}
