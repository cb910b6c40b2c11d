import { StoreRequestError } from '../errors.js'
import { bareEtag } from '../http/answers.js'
import { compareKeys } from '../keys.js'
import type { ListedObject, ListedUpload, ListedVersion } from '../object-store.js'
import type { XmlElement } from './xml.js'

/** Where the next page of a listing starts: the query parameters that ask for it. */
export type Continuation = Readonly<Record<string, string>>

export interface Page<T> {
  items: T[]
  next: Continuation | undefined
}

/** Reads a page of ListObjectsV2. */
export function objectPage(root: XmlElement, store: string): Page<ListedObject> {
  const decode = keyDecoder(root, store)
  const items = root.all('Contents').map((element) => listedObject(element, decode, store))
  if (root.value('IsTruncated') !== 'true') return { items, next: undefined }
  const token = root.value('NextContinuationToken')
  if (token === undefined || token === '') throw malformed(store, 'it goes on but does not say where')
  return { items, next: { 'continuation-token': token } }
}

/** Reads a page of ListObjectVersions. */
export function versionPage(root: XmlElement, store: string): Page<ListedVersion> {
  const decode = keyDecoder(root, store)
  const items = root.children
    .filter((element) => element.name === 'Version' || element.name === 'DeleteMarker')
    .map((element) => ({
      ...listedObject(element, decode, store),
      versionId: element.value('VersionId'),
      isLatest: element.value('IsLatest') === 'true',
      isDeleteMarker: element.name === 'DeleteMarker',
    }))
  if (root.value('IsTruncated') !== 'true') return { items, next: undefined }
  const key = root.value('NextKeyMarker')
  if (key === undefined || key === '') throw malformed(store, 'it goes on but does not say where')
  const version = root.value('NextVersionIdMarker')
  return { items, next: { 'key-marker': decode(key), ...(version === undefined || version === '' ? {} : { 'version-id-marker': version }) } }
}

/** Reads a page of ListMultipartUploads. */
export function uploadPage(root: XmlElement, store: string): Page<ListedUpload> {
  const decode = keyDecoder(root, store)
  const items = root.all('Upload').map((element) => {
    const [key, id] = [element.value('Key'), element.value('UploadId')]
    if (key === undefined || id === undefined || id === '') throw malformed(store, 'an upload without key or id')
    const initiated = Date.parse(element.value('Initiated') ?? '')
    return { key: decode(key), id, initiated: Number.isNaN(initiated) ? undefined : initiated }
  })
  if (root.value('IsTruncated') !== 'true') return { items, next: undefined }
  const key = root.value('NextKeyMarker')
  if (key === undefined || key === '') throw malformed(store, 'it goes on but does not say where')
  return { items, next: { 'key-marker': decode(key), 'upload-id-marker': root.value('NextUploadIdMarker') ?? '' } }
}

function listedObject(element: XmlElement, decode: (key: string) => string, store: string): ListedObject {
  const key = element.value('Key')
  if (key === undefined) throw malformed(store, 'an entry without a key')
  const size = element.value('Size') ?? '0'
  if (!/^\d{1,15}$/.test(size)) throw malformed(store, 'an entry with a size that is no number')
  const modified = Date.parse(element.value('LastModified') ?? '')
  return { key: decode(key), size: Number(size), etag: bareEtag(element.value('ETag')), lastModified: Number.isNaN(modified) ? undefined : modified }
}

/* With encoding-type=url any key survives XML. A server that ignores the wish says so by leaving out EncodingType. */
function keyDecoder(root: XmlElement, store: string): (key: string) => string {
  if (root.value('EncodingType') !== 'url') return (key) => key
  return (key) => {
    try {
      return decodeURIComponent(key.replaceAll('+', '%20'))
    } catch (cause) {
      throw malformed(store, 'a key that is not percent-encoded UTF-8', cause)
    }
  }
}

/** More pages than this without anything new, one after the other, are no listing. A page may be empty where much was deleted. */
const MAX_STALE_PAGES = 100

/**
 * Walks the pages of a listing. Each entry must lie behind the one before and each page bring something new, so that
 * it ends even if a server runs in circles; and each must be under the prefix, so that no one acts on objects that
 * aren't meant. Entries at the start of a page that came before are passed over: some servers begin a page with the
 * marker itself.
 * @throws StoreRequestError otherwise
 */
export async function* walkPages<T extends ListedObject>(
  store: string,
  prefix: string,
  startAfter: string | undefined,
  fetchPage: (continuation: Continuation) => Promise<Page<T>>,
  advances: (previous: T, item: T) => boolean,
): AsyncGenerator<T> {
  let continuation: Continuation | undefined = {}
  let previous: T | undefined
  let stale = 0
  while (continuation !== undefined) {
    const page: Page<T> = await fetchPage(continuation)
    let fresh = false
    for (const item of page.items) {
      if (!item.key.startsWith(prefix)) throw malformed(store, `an entry outside of the prefix: ${item.key}`)
      const ahead: boolean = previous === undefined ? startAfter === undefined || compareKeys(startAfter, item.key) < 0 : advances(previous, item)
      if (!ahead && fresh) throw malformed(store, `it does not advance at ${item.key}`)
      if (!ahead) continue
      fresh = true
      previous = item
      yield item
    }
    stale = fresh ? 0 : stale + 1
    if (stale > MAX_STALE_PAGES) throw malformed(store, 'it goes on without anything new')
    continuation = page.next
  }
}

/**
 * Walks the pages of a listing of uploads. Each must be under the prefix and come once; pages without anything new end it.
 * Servers disagree on the order of uploads of one key, so that isn't relied on.
 * @throws StoreRequestError
 */
export async function* walkUploads(store: string, prefix: string, fetchPage: (continuation: Continuation) => Promise<Page<ListedUpload>>): AsyncGenerator<ListedUpload> {
  const seen = new Set<string>()
  let continuation: Continuation | undefined = {}
  while (continuation !== undefined) {
    const page: Page<ListedUpload> = await fetchPage(continuation)
    let fresh = false
    for (const upload of page.items) {
      if (!upload.key.startsWith(prefix)) throw malformed(store, `an upload outside of the prefix: ${upload.key}`)
      const name = `${upload.id} ${upload.key}`
      if (seen.has(name)) continue
      seen.add(name)
      fresh = true
      yield upload
    }
    if (!fresh && page.next !== undefined) throw malformed(store, 'it goes on without anything new')
    continuation = page.next
  }
}

/** Objects: keys rise strictly. */
export function objectAdvances(previous: ListedObject, item: ListedObject): boolean {
  return compareKeys(previous.key, item.key) < 0
}

/** Versions: keys rise, and the same version doesn't come twice in a row of one key. */
export function versionAdvances(): (previous: ListedVersion, item: ListedVersion) => boolean {
  let seen = new Set<string | undefined>()
  let key: string | undefined
  return (previous, item) => {
    if (key !== previous.key) seen = new Set()
    key = previous.key
    seen.add(previous.versionId)
    const order = compareKeys(previous.key, item.key)
    return order < 0 || (order === 0 && !seen.has(item.versionId))
  }
}

function malformed(store: string, what: string, cause?: unknown): StoreRequestError {
  return new StoreRequestError(`${store}: the listing is not usable: ${what}`, { store, reason: 'MalformedListing', cause })
}
