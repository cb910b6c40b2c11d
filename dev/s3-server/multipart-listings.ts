import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime, quoted } from './call.js'
import { checksumElement } from './checksums.js'
import { S3Error } from './errors.js'
import { compareKeys } from './key-order.js'
import { ownerElement, readCount, readListRequest } from './listings.js'
import { uploadOf } from './multipart.js'
import { document, leaf, node } from './xml.js'

export const multipartListingOperations: readonly Operation[] = [
  { name: 'ListParts', method: 'GET', on: 'object', when: ['uploadId'], query: ['max-parts', 'part-number-marker', 'encoding-type'], access: 'owner', writes: false, run: listParts },
  { name: 'ListMultipartUploads', method: 'GET', on: 'bucket', when: ['uploads'], query: ['prefix', 'max-uploads', 'key-marker', 'upload-id-marker', 'encoding-type'], access: 'owner', writes: false, run: listUploads },
]

function listParts(call: Call): Answer {
  const { bucket, upload } = uploadOf(call)
  const { query } = call.target
  const request = readListRequest(query)
  const most = readCount(query, 'max-parts', 1000)
  const marker = query.get('part-number-marker') ?? '0'
  if (!/^\d{1,9}$/.test(marker)) throw new S3Error('InvalidArgument', 'part-number-marker must be an integer.')
  const left = [...upload.parts.values()].filter((part) => part.number > Number(marker)).sort((a, b) => a.number - b.number)
  const page = left.slice(0, most)
  const last = page.at(-1)
  const body = document(
    'ListPartsResult',
    leaf('Bucket', bucket.name),
    leaf('EncodingType', request.urlEncoded ? 'url' : undefined),
    leaf('Key', request.encode(upload.key)),
    leaf('UploadId', upload.id),
    node('Initiator', leaf('ID', 'owner'), leaf('DisplayName', 'owner')),
    ownerElement,
    leaf('StorageClass', 'STANDARD'),
    upload.checksum === undefined ? '' : leaf('ChecksumAlgorithm', upload.checksum.name.toUpperCase()) + leaf('ChecksumType', upload.checksum.type),
    leaf('PartNumberMarker', Number(marker)),
    leaf('NextPartNumberMarker', last?.number),
    leaf('MaxParts', most),
    leaf('IsTruncated', page.length < left.length && most > 0),
    ...page.map((part) =>
      node('Part', leaf('PartNumber', part.number), leaf('LastModified', isoTime(part.lastModified)), leaf('ETag', quoted(part.etag)), leaf('Size', part.body.length), part.checksum === undefined ? '' : leaf(checksumElement(part.checksum.name), part.checksum.value)),
    ),
  )
  return { status: 200, body }
}

function listUploads(call: Call): Answer {
  const bucket = bucketOf(call)
  const { query } = call.target
  const request = readListRequest(query)
  const most = readCount(query, 'max-uploads', 1000)
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = query.get('upload-id-marker')
  const left = [...bucket.uploads.values()]
    .filter((upload) => upload.key.startsWith(request.prefix))
    .sort((a, b) => compareKeys(a.key, b.key) || a.initiated - b.initiated || (a.id < b.id ? -1 : 1))
    .filter((upload, _, sorted) => {
      const order = compareKeys(upload.key, keyMarker)
      if (order !== 0 || idMarker === undefined) return order > 0
      // An upload that is gone leaves no place to go on from: then all of its key come again.
      return sorted.indexOf(upload) > sorted.findIndex((other) => other.id === idMarker)
    })
  const page = left.slice(0, most)
  const last = page.at(-1)
  const truncated = page.length < left.length && most > 0
  const body = document(
    'ListMultipartUploadsResult',
    leaf('Bucket', bucket.name),
    leaf('KeyMarker', request.encode(keyMarker)),
    leaf('UploadIdMarker', idMarker ?? ''),
    leaf('NextKeyMarker', truncated && last !== undefined ? request.encode(last.key) : undefined),
    leaf('NextUploadIdMarker', truncated ? last?.id : undefined),
    leaf('Prefix', request.encode(request.prefix)),
    leaf('EncodingType', request.urlEncoded ? 'url' : undefined),
    leaf('MaxUploads', most),
    leaf('IsTruncated', truncated),
    ...page.map((upload) => node('Upload', leaf('Key', request.encode(upload.key)), leaf('UploadId', upload.id), node('Initiator', leaf('ID', 'owner')), ownerElement, leaf('StorageClass', 'STANDARD'), leaf('Initiated', isoTime(upload.initiated)))),
  )
  return { status: 200, body }
}
