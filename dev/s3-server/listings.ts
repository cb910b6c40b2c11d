import type { Answer, Call, Operation } from './call.js'
import { bucketOf, isoTime, quoted } from './call.js'
import { S3Error } from './errors.js'
import { compareKeys } from './key-order.js'
import type { Bucket, ObjectVersion } from './storage.js'
import type { Query } from './target.js'
import { listingEncode } from './target.js'
import { document, leaf, node } from './xml.js'

const common = ['prefix', 'delimiter', 'max-keys', 'encoding-type']

export const listingOperations: readonly Operation[] = [
  { name: 'ListObjectsV2', method: 'GET', on: 'bucket', when: ['list-type'], query: [...common, 'start-after', 'continuation-token', 'fetch-owner'], access: 'list', writes: false, run: listV2 },
  { name: 'ListObjects', method: 'GET', on: 'bucket', query: [...common, 'marker'], access: 'list', writes: false, run: listV1 },
]

/** The parameters that all listings share. */
export interface ListRequest {
  readonly prefix: string
  readonly delimiter: string
  readonly maxKeys: number
  /** Encodes a key for the answer: URL-encoded where asked for. */
  readonly encode: (text: string) => string
  readonly urlEncoded: boolean
}

export function readListRequest(query: Query): ListRequest {
  const encoding = query.get('encoding-type')
  if (encoding !== undefined && encoding !== 'url') throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', { details: { ArgumentName: 'encoding-type', ArgumentValue: encoding } })
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: readCount(query, 'max-keys', 1000),
    encode: encoding === 'url' ? listingEncode : (text) => text,
    urlEncoded: encoding === 'url',
  }
}

/** A count from 0 to 1000; more counts as 1000. */
export function readCount(query: Query, name: string, most: number): number {
  const text = query.get(name)
  if (text === undefined || text === '') return most
  if (!/^\d{1,10}$/.test(text)) throw new S3Error('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`, { details: { ArgumentName: name, ArgumentValue: text } })
  return Math.min(most, Number(text))
}

export type ListedItem<T> = { readonly prefix: string } | { readonly key: string; readonly entry: T }

export interface Page<T> {
  readonly items: readonly ListedItem<T>[]
  readonly truncated: boolean
}

/**
 * Walks keys in order from behind `after`, rolling up what shares a prefix up to the delimiter.
 * @param entriesOf What a key contributes: nothing, or one or several entries.
 */
export function walk<T>(bucket: Bucket, request: ListRequest, after: string, inclusive: boolean, entriesOf: (key: string) => readonly T[]): Page<T> {
  const items: ListedItem<T>[] = []
  const { prefix, delimiter, maxKeys } = request
  // A page that ended with a common prefix goes on behind all of its keys.
  let rolled = delimiter !== '' && after.startsWith(prefix) && rollUp(after, request) === after ? after : undefined
  for (let i = bucket.keys.firstFrom(compareKeys(after, prefix) > 0 ? after : prefix); ; i++) {
    const key = bucket.keys.at(i)
    if (key?.startsWith(prefix) !== true) return { items, truncated: false }
    if (key === after && !inclusive) continue
    if (rolled !== undefined && !inclusive && key.startsWith(rolled)) continue
    const entries = entriesOf(key)
    if (entries.length === 0) continue
    const up = rollUp(key, request)
    if (up !== undefined) {
      if (items.length >= maxKeys) return { items, truncated: maxKeys > 0 }
      rolled = up
      items.push({ prefix: up })
      i = skipPrefix(bucket, rolled, i)
      continue
    }
    for (const entry of entries) {
      if (items.length >= maxKeys) return { items, truncated: maxKeys > 0 }
      items.push({ key, entry })
    }
  }
}

/* The common prefix that a key goes into; undefined when it stands for itself. */
function rollUp(key: string, { prefix, delimiter }: ListRequest): string | undefined {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return cut < 0 ? undefined : key.slice(0, cut + delimiter.length)
}

/* The index of the last key that starts with the prefix, given one that does. Keys of a prefix are neighbours. */
function skipPrefix(bucket: Bucket, prefix: string, from: number): number {
  let low = from
  let high = bucket.keys.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (bucket.keys.at(middle)?.startsWith(prefix) === true) low = middle
    else high = middle
  }
  return low
}

function currentObjects(bucket: Bucket): (key: string) => readonly ObjectVersion[] {
  return (key) => {
    const current = bucket.current(key)
    return current === undefined ? [] : [current]
  }
}

function contents(request: ListRequest, page: Page<ObjectVersion>, owner: boolean): string {
  return page.items
    .map((item) =>
      'prefix' in item
        ? ''
        : node(
            'Contents',
            leaf('Key', request.encode(item.key)),
            leaf('LastModified', isoTime(item.entry.lastModified)),
            leaf('ETag', quoted(item.entry.etag)),
            item.entry.checksum === undefined ? '' : leaf('ChecksumAlgorithm', item.entry.checksum.name.toUpperCase()) + leaf('ChecksumType', item.entry.checksum.type),
            leaf('Size', item.entry.body.length),
            owner ? ownerElement : '',
            leaf('StorageClass', 'STANDARD'),
          ),
    )
    .join('')
}

/** Everything belongs to one owner. */
export const ownerElement = node('Owner', leaf('ID', 'owner'), leaf('DisplayName', 'owner'))

export function commonPrefixes(request: ListRequest, page: Page<unknown>): string {
  return page.items.map((item) => ('prefix' in item ? node('CommonPrefixes', leaf('Prefix', request.encode(item.prefix))) : '')).join('')
}

/** The key or common prefix with which a page ends. */
export function lastName(page: Page<unknown>): string | undefined {
  const last = page.items.at(-1)
  return last === undefined ? undefined : 'prefix' in last ? last.prefix : last.key
}

function listV2(call: Call): Answer {
  const bucket = bucketOf(call)
  const { query } = call.target
  if (query.get('list-type') !== '2') throw new S3Error('InvalidArgument', 'list-type must be 2.')
  const request = readListRequest(query)
  const startAfter = query.get('start-after')
  const token = query.get('continuation-token')
  const after = token === undefined ? (startAfter ?? '') : readToken(token)
  const page = walk(bucket, request, after, false, currentObjects(bucket))
  const last = lastName(page)
  const body = document(
    'ListBucketResult',
    leaf('Name', bucket.name),
    leaf('Prefix', request.encode(request.prefix)),
    leaf('Delimiter', request.delimiter === '' ? undefined : request.encode(request.delimiter)),
    leaf('StartAfter', startAfter === undefined ? undefined : request.encode(startAfter)),
    leaf('ContinuationToken', token),
    leaf('NextContinuationToken', page.truncated && last !== undefined ? writeToken(last) : undefined),
    leaf('KeyCount', page.items.length),
    leaf('MaxKeys', request.maxKeys),
    leaf('EncodingType', request.urlEncoded ? 'url' : undefined),
    leaf('IsTruncated', page.truncated),
    contents(request, page, query.get('fetch-owner') === 'true'),
    commonPrefixes(request, page),
  )
  return { status: 200, body }
}

/* Opaque to clients, as at S3: base64 of a mark and the last name of the page. */
function writeToken(last: string): string {
  return Buffer.from(`1:${last}`).toString('base64')
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString()
  if (!text.startsWith('1:') || writeToken(text.slice(2)) !== token) throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', { details: { ArgumentName: 'continuation-token' } })
  return text.slice(2)
}

function listV1(call: Call): Answer {
  const bucket = bucketOf(call)
  const request = readListRequest(call.target.query)
  const marker = call.target.query.get('marker') ?? ''
  const page = walk(bucket, request, marker, false, currentObjects(bucket))
  const last = lastName(page)
  const body = document(
    'ListBucketResult',
    leaf('Name', bucket.name),
    leaf('Prefix', request.encode(request.prefix)),
    leaf('Marker', request.encode(marker)),
    leaf('Delimiter', request.delimiter === '' ? undefined : request.encode(request.delimiter)),
    // Only with a delimiter, as at S3: else the last key is the marker.
    leaf('NextMarker', page.truncated && request.delimiter !== '' && last !== undefined ? request.encode(last) : undefined),
    leaf('MaxKeys', request.maxKeys),
    leaf('EncodingType', request.urlEncoded ? 'url' : undefined),
    leaf('IsTruncated', page.truncated),
    contents(request, page, true),
    commonPrefixes(request, page),
  )
  return { status: 200, body }
}
