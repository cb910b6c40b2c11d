import { S3Error } from './errors.js'
import type { ObjectVersion, StoredVersion } from './storage.js'

type Headers = ReadonlyMap<string, string>

/** Whether one of the ETags of a header is this one. Quotes may be left out, as S3 allows. */
function etagListed(header: string, etag: string): boolean {
  return header.split(',').some((entry) => {
    const text = entry.trim().replace(/^W\//, '')
    return text === '*' || (text.startsWith('"') && text.endsWith('"') && text.length >= 2 ? text.slice(1, -1) : text) === etag
  })
}

/* Times of headers have seconds: the object's is cut to that. An unreadable time counts as no header (RFC 9110). */
function modifiedAfter(header: string | undefined, version: ObjectVersion): boolean | undefined {
  const time = header === undefined ? Number.NaN : Date.parse(header)
  return Number.isNaN(time) ? undefined : Math.floor(version.lastModified / 1000) * 1000 > time
}

/**
 * The conditions of a GET or HEAD, in the order of RFC 9110 section 13.2.2.
 * @returns true when the answer is 304
 * @throws S3Error PreconditionFailed
 */
export function checkReadConditions(headers: Headers, version: ObjectVersion): boolean {
  const ifMatch = headers.get('if-match')
  const ifNoneMatch = headers.get('if-none-match')
  if (ifMatch !== undefined) {
    if (!etagListed(ifMatch, version.etag)) throw failed('If-Match')
  } else if (modifiedAfter(headers.get('if-unmodified-since'), version) === true) throw failed('If-Unmodified-Since')
  if (ifNoneMatch !== undefined) return etagListed(ifNoneMatch, version.etag)
  return modifiedAfter(headers.get('if-modified-since'), version) === false
}

/** The conditions on the source of a copy: as of a read, but every one that doesn't hold is a 412. */
export function checkCopyConditions(headers: Headers, version: ObjectVersion): void {
  const prefix = 'x-amz-copy-source-if-'
  const own = new Map<string, string>()
  for (const [name, value] of headers) if (name.startsWith(prefix)) own.set(`if-${name.slice(prefix.length)}`, value)
  if (checkReadConditions(own, version)) throw failed('x-amz-copy-source-if-none-match')
}

/**
 * The conditions of a write, checked in the same step as the write itself.
 * @param latest The latest version of the key, a delete marker counting as no object.
 * @throws S3Error PreconditionFailed; NoSuchKey for If-Match where there is no object; NotImplemented for other forms
 */
export function checkWriteConditions(headers: Headers, key: string, latest: StoredVersion | undefined): void {
  const ifMatch = headers.get('if-match')
  const ifNoneMatch = headers.get('if-none-match')
  for (const name of ['if-modified-since', 'if-unmodified-since']) if (headers.has(name)) throw unknownForm(name)
  if (ifNoneMatch !== undefined && (ifNoneMatch.trim() !== '*' || ifMatch !== undefined)) throw unknownForm('If-None-Match')
  if (ifMatch !== undefined && (ifMatch.trim() === '*' || ifMatch.includes(','))) throw unknownForm('If-Match')
  const current = latest?.isDeleteMarker === false ? latest : undefined
  if (ifNoneMatch !== undefined && current !== undefined) throw failed('If-None-Match')
  if (ifMatch !== undefined) checkMatch(ifMatch, key, current)
}

/** The condition of a DELETE: If-Match with an ETag or `*`, on the current version only. */
export function checkDeleteConditions(headers: Headers, key: string, latest: StoredVersion | undefined): void {
  for (const name of ['if-none-match', 'if-modified-since', 'if-unmodified-since']) if (headers.has(name)) throw unknownForm(name)
  const ifMatch = headers.get('if-match')
  if (ifMatch !== undefined) checkDeleteMatch(ifMatch, key, latest)
}

/** As of a DELETE with If-Match. @throws S3Error PreconditionFailed, NoSuchKey */
export function checkDeleteMatch(ifMatch: string, key: string, latest: StoredVersion | undefined): void {
  if (latest?.isDeleteMarker === true) throw failed('If-Match')
  checkMatch(ifMatch, key, latest)
}

function checkMatch(ifMatch: string, key: string, current: ObjectVersion | undefined): void {
  if (current === undefined) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } })
  if (!etagListed(ifMatch, current.etag)) throw failed('If-Match')
}

/** Whether a Range header counts, given If-Range. */
export function rangeCounts(headers: Headers, version: ObjectVersion): boolean {
  const ifRange = headers.get('if-range')
  if (ifRange === undefined) return true
  if (ifRange.startsWith('"')) return ifRange === `"${version.etag}"`
  return modifiedAfter(ifRange, version) === false
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } })
}

function unknownForm(header: string): S3Error {
  return new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented', { details: { Header: header } })
}
