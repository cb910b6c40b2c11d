import { createHash, randomBytes } from 'node:crypto'
import { attributeHeaders, readAttributes } from './attributes.js'
import { joined, type Body } from './body.js'
import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime, quoted } from './call.js'
import type { ChecksumName } from './checksums.js'
import { checksum, checksumElement, checksumNames, checksumOfAlgorithm } from './checksums.js'
import { checkWriteConditions } from './conditions.js'
import { copySource, copySourceHeaders } from './copy.js'
import { S3Error } from './errors.js'
import { readDocument } from './multi-delete.js'
import { maxPutBytes, writeHeaders } from './objects.js'
import { resolveCopyRange } from './ranges.js'
import type { Bucket, MultipartUpload, StoredChecksum, UploadPart } from './storage.js'
import type { XmlElement } from './xml.js'
import { all, document, expectShape, leaf, textOf } from './xml.js'

/** The smallest part but the last. */
export const minPartBytes = 5 * 1024 * 1024
const maxParts = 10_000

const owner = { access: 'owner', writes: true } as const

export const multipartOperations: readonly Operation[] = [
  { name: 'CreateMultipartUpload', method: 'POST', on: 'object', when: ['uploads'], headers: [...attributeHeaders, 'x-amz-checksum-algorithm', 'x-amz-checksum-type'], ...owner, run: create },
  { name: 'UploadPartCopy', method: 'PUT', on: 'object', when: ['uploadId', 'partNumber'], whenHeader: 'x-amz-copy-source', headers: [...copySourceHeaders, 'x-amz-copy-source-range'], ...owner, run: uploadPartCopy },
  { name: 'UploadPart', method: 'PUT', on: 'object', when: ['uploadId', 'partNumber'], ...owner, run: uploadPart },
  { name: 'CompleteMultipartUpload', method: 'POST', on: 'object', when: ['uploadId'], headers: ['x-amz-checksum-type', 'x-amz-mp-object-size'], ...owner, run: complete },
  { name: 'AbortMultipartUpload', method: 'DELETE', on: 'object', when: ['uploadId'], ...owner, run: abort },
]

/** The upload that a request names. @throws S3Error NoSuchUpload */
export function uploadOf(call: Call): { bucket: Bucket; upload: MultipartUpload } {
  const bucket = bucketOf(call)
  const id = call.target.query.get('uploadId') ?? ''
  const upload = bucket.uploads.get(id)
  if (upload?.key !== call.target.key) throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: id } })
  return { bucket, upload }
}

function create(call: Call): Answer {
  const bucket = bucketOf(call)
  const id = randomBytes(24).toString('base64url')
  const kind = readChecksumKind(call)
  bucket.uploads.set(id, { ...readAttributes(call.headers), id, key: call.target.key, initiated: call.storage.clock(), checksum: kind, parts: new Map() })
  return {
    status: 200,
    headers: kind === undefined ? {} : { 'x-amz-checksum-algorithm': kind.name.toUpperCase(), 'x-amz-checksum-type': kind.type },
    body: document('InitiateMultipartUploadResult', leaf('Bucket', bucket.name), leaf('Key', call.target.key), leaf('UploadId', id)),
  }
}

function readChecksumKind(call: Call): MultipartUpload['checksum'] {
  const algorithm = call.headers.get('x-amz-checksum-algorithm')
  const type = call.headers.get('x-amz-checksum-type')
  if (algorithm === undefined) {
    if (type !== undefined) throw new S3Error('InvalidRequest', 'x-amz-checksum-type needs x-amz-checksum-algorithm.')
    return undefined
  }
  const name = checksumOfAlgorithm(algorithm)
  if (name === undefined) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  const kind = type ?? (name === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE')
  const impossible = kind === 'COMPOSITE' ? name === 'crc64nvme' : name.startsWith('sha')
  if ((kind !== 'COMPOSITE' && kind !== 'FULL_OBJECT') || impossible) throw new S3Error('InvalidRequest', `The ${kind} checksum type cannot be used with the ${name} checksum algorithm.`)
  return { name, type: kind }
}

function partNumberOf(call: Call): number {
  const text = call.target.query.get('partNumber') ?? ''
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > maxParts) throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', { details: { ArgumentName: 'partNumber', ArgumentValue: text } })
  return Number(text)
}

async function uploadPart(call: Call): Promise<Answer> {
  uploadOf(call)
  const number = partNumberOf(call)
  const payload = await call.body(maxPutBytes)
  const part = storePart(call, number, payload.bytes, payload.checksum?.name, payload.checksum?.value)
  const headers: Record<string, string> = { ETag: quoted(part.etag) }
  if (payload.checksum !== undefined) headers[`x-amz-checksum-${payload.checksum.name}`] = payload.checksum.value
  return { status: 200, headers }
}

/* Asks for the upload again: it may have gone while the body came. */
function storePart(call: Call, number: number, body: Buffer, givenName: ChecksumName | undefined, givenValue: string | undefined): UploadPart {
  const { bucket, upload } = uploadOf(call)
  if (upload.checksum !== undefined && givenName !== undefined && upload.checksum.name !== givenName) {
    throw new S3Error('InvalidRequest', `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.name}, actual checksum Type: ${givenName}`)
  }
  const name = upload.checksum?.name ?? givenName
  const value = name === undefined ? undefined : (givenValue ?? checksum(name, body).toString('base64'))
  const part: UploadPart = {
    number,
    body: call.storage.bodies.keep(body),
    etag: createHash('md5').update(body).digest('hex'),
    checksum: name === undefined || value === undefined ? undefined : { name, value, type: 'FULL_OBJECT' },
    lastModified: call.storage.clock(),
  }
  bucket.putPart(upload, part)
  return part
}

function uploadPartCopy(call: Call): Answer {
  uploadOf(call)
  const number = partNumberOf(call)
  const { version, headers } = copySource(call)
  const { start, end } = resolveCopyRange(call.headers.get('x-amz-copy-source-range'), version.body.length)
  const part = storePart(call, number, version.body.read(start, end), undefined, undefined)
  const body = document('CopyPartResult', leaf('LastModified', isoTime(part.lastModified)), leaf('ETag', quoted(part.etag)), part.checksum === undefined ? '' : leaf(checksumElement(part.checksum.name), part.checksum.value))
  return { status: 200, headers, body }
}

function abort(call: Call): Answer {
  const { bucket, upload } = uploadOf(call)
  bucket.dropUpload(upload.id)
  return { status: 204 }
}

async function complete(call: Call): Promise<Answer> {
  uploadOf(call)
  // Here they would speak of the whole object, not of the document.
  if (checksumNames.some((name) => call.headers.has(`x-amz-checksum-${name}`))) throw new S3Error('NotImplemented', 'A checksum of the whole object is not implemented for CompleteMultipartUpload.')
  const root = await readDocument(call, false)
  const { bucket, upload } = uploadOf(call)
  const parts = chosenParts(root, upload)
  const key = call.target.key
  const body = joined(parts.map((part) => part.body))
  const total = call.headers.get('x-amz-mp-object-size')
  if (total !== undefined && total !== String(body.length)) throw new S3Error('InvalidRequest', 'The x-amz-mp-object-size header is not the size of the parts together.')
  const kind = call.headers.get('x-amz-checksum-type')
  if (kind !== undefined && kind !== upload.checksum?.type) throw new S3Error('InvalidRequest', 'The upload was created with another checksum type.')
  checkWriteConditions(call.headers, key, bucket.latest(key))
  bucket.dropUpload(upload.id)
  const etag = `${createHash('md5').update(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex')))).digest('hex')}-${parts.length}`
  const version = bucket.put(key, { headers: upload.headers, metadata: upload.metadata, publicRead: upload.publicRead, body, etag, checksum: wholeChecksum(upload, parts, body) })
  const { ETag: _, ...headers } = writeHeaders(bucket, version)
  const sum = version.checksum
  return {
    status: 200,
    headers,
    body: document('CompleteMultipartUploadResult', leaf('Location', `/${bucket.name}/${key}`), leaf('Bucket', bucket.name), leaf('Key', key), leaf('ETag', quoted(etag)), sum === undefined ? '' : leaf(checksumElement(sum.name), sum.value) + leaf('ChecksumType', sum.type)),
  }
}

/* The parts that the document names, in its order, each checked against what was uploaded. */
function chosenParts(root: XmlElement, upload: MultipartUpload): UploadPart[] {
  expectShape(root, 'CompleteMultipartUpload', ['Part'])
  const elements = all(root, 'Part')
  if (elements.length === 0 || elements.length > maxParts) throw new S3Error('MalformedXML', 'You must specify at least one part')
  let last = 0
  const parts = elements.map((element) => {
    const part = namedPart(element, upload)
    if (part.number <= last) throw new S3Error('InvalidPartOrder')
    last = part.number
    return part
  })
  for (const part of parts.slice(0, -1)) {
    if (part.body.length < minPartBytes) {
      throw new S3Error('EntityTooSmall', undefined, { details: { PartNumber: String(part.number), ProposedSize: String(part.body.length), MinSizeAllowed: String(minPartBytes), ETag: part.etag } })
    }
  }
  return parts
}

function namedPart(element: XmlElement, upload: MultipartUpload): UploadPart {
  expectShape(element, 'Part', ['PartNumber', 'ETag', ...checksumNames.map(checksumElement)])
  const number = textOf(element, 'PartNumber') ?? ''
  const etag = textOf(element, 'ETag')
  if (!/^\d{1,5}$/.test(number) || etag === undefined) throw new S3Error('MalformedXML')
  const part = upload.parts.get(Number(number))
  if (part?.etag !== etag.replace(/^"(.*)"$/, '$1')) throw new S3Error('InvalidPart', undefined, { details: { UploadId: upload.id, PartNumber: number, ETag: etag } })
  for (const name of checksumNames) {
    const given = textOf(element, checksumElement(name))
    if (given !== undefined && (part.checksum?.name !== name || part.checksum.value !== given)) throw new S3Error('InvalidPart', 'The checksum of a part does not match.', { details: { PartNumber: number } })
  }
  return part
}

function wholeChecksum(upload: MultipartUpload, parts: readonly UploadPart[], body: Body): StoredChecksum | undefined {
  if (upload.checksum === undefined) return undefined
  const { name, type } = upload.checksum
  if (type === 'FULL_OBJECT') return { name, type, value: checksum(name, body.read()).toString('base64') }
  const sums = Buffer.concat(parts.map((part) => checksum(name, part.body.read())))
  return { name, type, value: `${checksum(name, sums).toString('base64')}-${parts.length}` }
}
