import type { Answer, Call, Operation } from './call.js'
import { bucketOf } from './call.js'
import { checkDeleteMatch } from './conditions.js'
import { S3Error } from './errors.js'
import { deleteOne } from './objects.js'
import type { Bucket } from './storage.js'
import type { XmlElement } from './xml.js'
import { all, document, expectShape, leaf, node, parseXml, textOf } from './xml.js'

/** The largest request document. */
export const maxDocumentBytes = 8 * 1024 * 1024

export const multiDeleteOperations: readonly Operation[] = [
  { name: 'DeleteObjects', method: 'POST', on: 'bucket', when: ['delete'], access: 'owner', writes: true, run: deleteObjects },
]

/** A request document; refused without a digest of it where S3 demands one. */
export async function readDocument(call: Call, digestRequired: boolean): Promise<XmlElement> {
  const payload = await call.body(maxDocumentBytes)
  if (digestRequired && !payload.hasMd5 && payload.checksum === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
  }
  return parseXml(payload.bytes)
}

interface Target {
  readonly key: string
  readonly versionId: string | undefined
  readonly etag: string | undefined
}

async function deleteObjects(call: Call): Promise<Answer> {
  const bucket = bucketOf(call)
  const root = await readDocument(call, true)
  expectShape(root, 'Delete', ['Object', 'Quiet'])
  const quiet = textOf(root, 'Quiet') ?? 'false'
  if (quiet !== 'true' && quiet !== 'false') throw new S3Error('MalformedXML')
  const targets = all(root, 'Object').map(readTarget)
  if (targets.length === 0 || targets.length > 1000) throw new S3Error('MalformedXML', 'Delete takes 1 to 1000 objects.')
  const parts = targets.map((target) => deleteTarget(bucket, target, quiet === 'true'))
  return { status: 200, body: document('DeleteResult', ...parts) }
}

function readTarget(element: XmlElement): Target {
  expectShape(element, 'Object', ['Key', 'VersionId', 'ETag'])
  const key = textOf(element, 'Key')
  if (key === undefined || key === '') throw new S3Error('MalformedXML', 'An object to delete has no Key.')
  return { key, versionId: textOf(element, 'VersionId'), etag: textOf(element, 'ETag') }
}

function deleteTarget(bucket: Bucket, target: Target, quiet: boolean): string {
  const { key, versionId } = target
  try {
    if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError')
    if (versionId === '') throw new S3Error('InvalidArgument', 'Version id cannot be the empty string')
    if (target.etag !== undefined) checkDeleteMatch(target.etag, key, bucket.latest(key))
    const affected = deleteOne(bucket, key, versionId)
    if (quiet) return ''
    const marker = affected?.isDeleteMarker === true
    return node('Deleted', leaf('Key', key), leaf('VersionId', versionId), leaf('DeleteMarker', marker || undefined), leaf('DeleteMarkerVersionId', marker ? affected.versionId : undefined))
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return node('Error', leaf('Key', key), leaf('VersionId', versionId), leaf('Code', error.code), leaf('Message', error.message))
  }
}
