import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime, quoted } from './call.js'
import { S3Error } from './errors.js'
import type { ListRequest, Page } from './listings.js'
import { commonPrefixes, ownerElement, readListRequest, walk } from './listings.js'
import { readDocument } from './multi-delete.js'
import type { Bucket, StoredVersion } from './storage.js'
import { sequenceOf } from './storage.js'
import { document, expectShape, leaf, node, textOf } from './xml.js'

export const versionOperations: readonly Operation[] = [
  { name: 'GetBucketVersioning', method: 'GET', on: 'bucket', when: ['versioning'], access: 'owner', writes: false, run: getVersioning },
  { name: 'PutBucketVersioning', method: 'PUT', on: 'bucket', when: ['versioning'], access: 'owner', writes: true, run: putVersioning },
  {
    name: 'ListObjectVersions',
    method: 'GET',
    on: 'bucket',
    when: ['versions'],
    query: ['prefix', 'delimiter', 'max-keys', 'encoding-type', 'key-marker', 'version-id-marker'],
    access: 'owner',
    writes: false,
    run: listVersions,
  },
]

function getVersioning(call: Call): Answer {
  return { status: 200, body: document('VersioningConfiguration', leaf('Status', bucketOf(call).versioning)) }
}

async function putVersioning(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  const root = await readDocument(call, false)
  expectShape(root, 'VersioningConfiguration', ['Status', 'MfaDelete'])
  const status = textOf(root, 'Status')
  if ((textOf(root, 'MfaDelete') ?? 'Disabled') !== 'Disabled') throw new S3Error('NotImplemented', 'MFA delete is not implemented.')
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  bucket.versioning = status
  return { status: 200 }
}

function listVersions(call: Call): Answer {
  const bucket = bucketOf(call)
  const { query } = call.target
  const request = readListRequest(query)
  const keyMarker = query.get('key-marker')
  const idMarker = query.get('version-id-marker')
  if (idMarker !== undefined && keyMarker === undefined) throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.')
  if (idMarker === '') throw new S3Error('InvalidArgument', 'A version-id marker cannot be empty.')
  const page = walk(bucket, request, keyMarker ?? '', idMarker !== undefined, (key) => {
    const versions = [...bucket.versionsOf(key)].reverse()
    return key === keyMarker && idMarker !== undefined ? behind(versions, idMarker) : versions
  })
  const body = document(
    'ListVersionsResult',
    leaf('Name', bucket.name),
    leaf('Prefix', request.encode(request.prefix)),
    leaf('KeyMarker', request.encode(keyMarker ?? '')),
    leaf('VersionIdMarker', idMarker ?? ''),
    nextMarkers(request, page),
    leaf('Delimiter', request.delimiter === '' ? undefined : request.encode(request.delimiter)),
    leaf('MaxKeys', request.maxKeys),
    leaf('EncodingType', request.urlEncoded ? 'url' : undefined),
    leaf('IsTruncated', page.truncated),
    ...page.items.map((item) => ('prefix' in item ? '' : versionElement(bucket, request, item.entry))),
    commonPrefixes(request, page),
  )
  return { status: 200, body }
}

/*
 * The versions older than the marker's. The marker may have been deleted since; then its sequence tells the
 * place. An unknown one leaves all: a version seen twice does no harm, one not seen does.
 */
function behind(versions: readonly StoredVersion[], idMarker: string): readonly StoredVersion[] {
  const index = versions.findIndex((version) => version.versionId === idMarker)
  if (index >= 0) return versions.slice(index + 1)
  const sequence = sequenceOf(idMarker)
  return sequence === undefined ? versions : versions.filter((version) => version.sequence < sequence)
}

function nextMarkers(request: ListRequest, page: Page<StoredVersion>): string {
  const last = page.items.at(-1)
  if (!page.truncated || last === undefined) return ''
  if ('prefix' in last) return leaf('NextKeyMarker', request.encode(last.prefix))
  return leaf('NextKeyMarker', request.encode(last.key)) + leaf('NextVersionIdMarker', last.entry.versionId)
}

function versionElement(bucket: Bucket, request: ListRequest, version: StoredVersion): string {
  const head = leaf('Key', request.encode(version.key)) + leaf('VersionId', version.versionId) + leaf('IsLatest', bucket.latest(version.key) === version) + leaf('LastModified', isoTime(version.lastModified))
  if (version.isDeleteMarker) return node('DeleteMarker', head, ownerElement)
  return node('Version', head, leaf('ETag', quoted(version.etag)), leaf('Size', version.body.length), ownerElement, leaf('StorageClass', 'STANDARD'))
}
