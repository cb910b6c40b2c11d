import { S3Error } from './errors.js'
import type { ObjectAttributes, ObjectVersion } from './storage.js'

type Headers = ReadonlyMap<string, string>

const kept = ['cache-control', 'content-disposition', 'content-language', 'content-type', 'expires']
const metadataPrefix = 'x-amz-meta-'
const maxMetadata = 2048

/** `x-amz-` headers that set attributes of an object. */
export const attributeHeaders: readonly string[] = ['x-amz-acl', 'x-amz-storage-class']

/** What the headers of a write say about the object. @throws S3Error MetadataTooLarge, NotImplemented */
export function readAttributes(headers: Headers): ObjectAttributes {
  const stored = new Map<string, string>()
  for (const name of kept) {
    const value = headers.get(name)
    if (value !== undefined) stored.set(name, value)
  }
  if (!stored.has('content-type')) stored.set('content-type', 'binary/octet-stream')
  // aws-chunked is how the body came, not what it is.
  const encoding = (headers.get('content-encoding') ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '' && part !== 'aws-chunked').join(',')
  if (encoding !== '') stored.set('content-encoding', encoding)
  checkStorageClass(headers)
  return { headers: stored, metadata: readMetadata(headers), publicRead: readAcl(headers) }
}

function readMetadata(headers: Headers): Map<string, string> {
  const metadata = new Map<string, string>()
  let size = 0
  for (const [name, value] of headers) {
    if (!name.startsWith(metadataPrefix)) continue
    const short = name.slice(metadataPrefix.length)
    metadata.set(short, value)
    size += short.length + value.length
  }
  if (size > maxMetadata) throw new S3Error('MetadataTooLarge', undefined, { details: { Size: String(size), MaxSizeAllowed: String(maxMetadata) } })
  return metadata
}

function checkStorageClass(headers: Headers): void {
  const storageClass = headers.get('x-amz-storage-class') ?? 'STANDARD'
  if (storageClass !== 'STANDARD') throw new S3Error('NotImplemented', 'Only the storage class STANDARD is implemented.')
}

/** The canned ACL of a request: whether everybody may read. @throws S3Error NotImplemented for the other canned ones */
export function readAcl(headers: Headers): boolean {
  const acl = headers.get('x-amz-acl') ?? 'private'
  if (acl === 'public-read') return true
  // With one owner for everything, these two mean private.
  if (acl === 'private' || acl === 'bucket-owner-full-control') return false
  throw new S3Error('NotImplemented', `The canned ACL ${acl} is not implemented.`)
}

/** The headers by which an answer describes an object. */
export function describe(version: ObjectVersion, versioned: boolean, checksumWanted: boolean): Record<string, string> {
  const out: Record<string, string> = {
    'Last-Modified': new Date(version.lastModified).toUTCString(),
    ETag: `"${version.etag}"`,
    'Accept-Ranges': 'bytes',
  }
  for (const [name, value] of version.headers) out[name] = value
  for (const [name, value] of version.metadata) out[metadataPrefix + name] = asciiHeader(value)
  if (versioned) out['x-amz-version-id'] = version.versionId
  if (checksumWanted && version.checksum !== undefined) {
    out[`x-amz-checksum-${version.checksum.name}`] = version.checksum.value
    out['x-amz-checksum-type'] = version.checksum.type
  }
  return out
}

/* S3 answers metadata that isn't ASCII as an encoded word of RFC 2047. */
function asciiHeader(latin1: string): string {
  return /^[\x20-\x7e\t]*$/.test(latin1) ? latin1 : `=?UTF-8?B?${Buffer.from(latin1, 'latin1').toString('base64')}?=`
}
