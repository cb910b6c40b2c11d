import { checkSize, readableMetadata, resolveRange } from '../checks.js'
import { IncompleteResponseError } from '../errors.js'
import type { ByteRange, GetOptions, GetResult, ObjectInfo } from '../object-store.js'
import type { HttpResponse } from './transport.js'

/** An ETag without its quotes and without the mark of a weak one. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').trim().replace(/^W\//, '').replace(/^"(.*)"$/, '$1')
}

/** `Range` of RFC 9110 section 14.1.2: both ends included. */
export function rangeHeader(range: ByteRange): string {
  return `bytes=${range.offset}-${range.offset + range.length - 1}`
}

/** The facts of an object from the headers of a GET or HEAD. */
export function objectInfo(response: HttpResponse, size: number): ObjectInfo {
  const modified = Date.parse(response.header('last-modified') ?? '')
  const metadata: [string, string][] = []
  for (const [name, value] of response.headers()) if (name.startsWith('x-amz-meta-')) metadata.push([name.slice(11), value])
  return {
    size,
    etag: bareEtag(response.header('etag')),
    lastModified: Number.isNaN(modified) ? undefined : modified,
    metadata: readableMetadata(metadata),
    versionId: response.header('x-amz-version-id'),
  }
}

/**
 * Reads a 200 or 206 answer. A 200 to a ranged request holds the whole object, of which the range is cut out;
 * a 206 must be exactly what was asked for.
 * @throws IncompleteResponseError for an answer that is short or is another part
 */
export async function readObject(response: HttpResponse, store: string, key: string, options: GetOptions): Promise<GetResult> {
  const { range, maxBytes } = options
  if (range === undefined) {
    if (response.status !== 200) throw wrongPart(store, key, `status ${response.status} to a request for the whole object`)
    const bytes = await response.read(store, maxBytes)
    return { status: 'ok', info: objectInfo(response, bytes.length), bytes, offset: 0 }
  }
  return response.status === 206 ? readPartial(response, store, key, range, maxBytes) : readFromWhole(response, store, key, range, maxBytes)
}

async function readPartial(response: HttpResponse, store: string, key: string, range: ByteRange, maxBytes: number | undefined): Promise<GetResult> {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(response.header('content-range') ?? '')
  const [start, last, size] = match === null ? [] : match.slice(1).map(Number)
  if (start === undefined || last === undefined || size === undefined) {
    await response.discard()
    throw wrongPart(store, key, `Content-Range ${JSON.stringify(response.header('content-range') ?? null)}`)
  }
  const wanted = resolveRange(range, size)
  if (wanted === undefined || start !== wanted.start || last + 1 !== wanted.end) {
    await response.discard()
    throw wrongPart(store, key, `bytes ${start} to ${last} of ${size}, asked were ${range.length} bytes from ${range.offset} on`)
  }
  const bytes = await response.read(store, maxBytes)
  if (bytes.length !== wanted.end - wanted.start) throw wrongPart(store, key, `${bytes.length} bytes instead of ${wanted.end - wanted.start}`)
  return { status: 'ok', info: objectInfo(response, size), bytes, offset: range.offset }
}

async function readFromWhole(response: HttpResponse, store: string, key: string, range: ByteRange, maxBytes: number | undefined): Promise<GetResult> {
  // One byte more than accepted is enough to see that it is too much.
  const { bytes, total } = await response.readPart(store, range.offset, Math.min(range.length, (maxBytes ?? Infinity) + 1))
  checkSize(store, key, bytes.length, maxBytes)
  const size = total
  if (range.offset >= size) return { status: 'range-not-satisfiable' }
  return { status: 'ok', info: objectInfo(response, size), bytes, offset: range.offset }
}

function wrongPart(store: string, key: string, found: string): IncompleteResponseError {
  return new IncompleteResponseError(`${store}: a wrong answer for ${key}: ${found}`, { store, key })
}

/** ms of a `Retry-After` header (seconds or a date), as RFC 9110 section 10.2.3. `now` in ms. */
export function retryAfter(response: HttpResponse, now: number): number | undefined {
  const text = response.header('retry-after')
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
