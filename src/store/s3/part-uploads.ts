import { createHash } from 'node:crypto'
import { fromHex, toBase64 } from '../../base/bytes.js'
import { StoreRequestError } from '../errors.js'
import { bareEtag } from '../http/answers.js'
import type { BeginUploadOptions, CallOptions, CompleteUploadOptions, ListedPart, ListedUpload, PartLayout, PartPlace, PartUpload, PartUploads, PutPartOptions, PutResult, UploadedPart } from '../object-store.js'
import { partsEtag } from '../part-etag.js'
import type { S3Client } from './client.js'
import { uploadPage, walkUploads } from './listing.js'
import { escapeXml, type XmlElement } from './xml.js'

export interface S3PartUploadsHost {
  client: S3Client
  /** Checks key and options, before anything is sent. */
  check: (key: string, options: BeginUploadOptions & CompleteUploadOptions) => void
  /** Headers of metadata and content type. */
  describe: (options: BeginUploadOptions) => Record<string, string>
  /** Headers of conditions. */
  conditions: (options: CompleteUploadOptions) => Record<string, string>
}

/** Multipart uploads of one bucket. */
export class S3PartUploads implements PartUploads {
  readonly minPartSize = 5 * 1024 * 1024
  readonly maxParts = 10_000
  readonly #host: S3PartUploadsHost

  constructor(host: S3PartUploadsHost) {
    this.#host = host
  }

  async begin(key: string, layout: PartLayout, options: BeginUploadOptions = {}): Promise<PartUpload> {
    const { client } = this.#host
    this.#host.check(key, options)
    const root = await client.sendForXml({ method: 'POST', action: 'begin upload of', key, query: { uploads: '' }, headers: this.#host.describe(options), accept: [200], signal: options.signal })
    const id = root.value('UploadId')
    if (id === undefined || id === '') throw new StoreRequestError(`${client.name}: the server began an upload of ${key} without naming it`, { store: client.name, key, reason: 'MalformedAnswer' })
    const { metadata, contentType } = options
    return { key, id, layout, options: { metadata, contentType } }
  }

  async put(upload: PartUpload, { number }: PartPlace, bytes: Uint8Array, options: PutPartOptions = {}): Promise<UploadedPart> {
    const { client } = this.#host
    this.#host.check(upload.key, options)
    const response = await client.send({
      method: 'PUT',
      action: `PUT part ${number} of`,
      key: upload.key,
      query: { partNumber: String(number), uploadId: upload.id },
      headers: { 'content-md5': contentMd5(bytes, options.md5) },
      body: bytes,
      mayLeaveUnsigned: true,
      accept: [200],
      signal: options.signal,
    })
    await response.discard()
    const etag = bareEtag(response.header('etag'))
    if (etag === '') throw new StoreRequestError(`${client.name}: the server took part ${number} of ${upload.key} without giving its ETag, which is needed to complete the upload`, { store: client.name, key: upload.key, reason: 'MalformedAnswer' })
    return { number, etag }
  }

  async complete(upload: PartUpload, parts: readonly UploadedPart[], options: CompleteUploadOptions = {}): Promise<PutResult> {
    this.#host.check(upload.key, options)
    const body = new TextEncoder().encode(completeDocument(parts))
    const { root, versionId } = await this.#host.client.sendForXmlAnswer({
      method: 'POST',
      action: 'complete upload of',
      key: upload.key,
      query: { uploadId: upload.id },
      headers: { 'content-type': 'application/xml', ...this.#host.conditions(options) },
      body,
      conditional: options.ifMatch !== undefined || options.ifNoneMatch !== undefined,
      accept: [200],
      signal: options.signal,
    })
    // Ceph's gateway 16 answers without it.
    const etag = bareEtag(root.value('ETag'))
    return { etag: etag === '' ? (partsEtag(parts) ?? '') : etag, versionId }
  }

  async abort({ key, id }: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): Promise<void> {
    this.#host.check(key, options)
    try {
      const response = await this.#host.client.send({ method: 'DELETE', action: 'abort upload of', key, query: { uploadId: id }, accept: [200, 204], signal: options.signal })
      await response.discard()
    } catch (error) {
      if (!(error instanceof StoreRequestError && error.reason === 'NoSuchUpload')) throw error
    }
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<ListedUpload> {
    const { client } = this.#host
    const ask = (query: Readonly<Record<string, string>>) =>
      client.sendForXml({ method: 'GET', action: 'list uploads', query: { uploads: '', prefix, ...query }, accept: [200], signal: options.signal })
    let encoded = true
    const fetchPage = async (next: Readonly<Record<string, string>>) => {
      let root = encoded ? await ask({ 'encoding-type': 'url', ...next }) : undefined
      // Ceph's gateway 16 encodes without saying so, others ignore the wish: asked without it, the keys are plain.
      if (root !== undefined && root.value('EncodingType') !== 'url' && root.child('Upload') !== undefined) {
        encoded = false
        root = undefined
      }
      return uploadPage(root ?? (await ask(next)), client.name)
    }
    for await (const upload of walkUploads(client.name, prefix, fetchPage)) {
      yield upload
      client.checkOpen(options.signal)
    }
  }

  async #partsPage(key: string, query: Record<string, string>, { signal }: CallOptions): Promise<XmlElement> {
    const { client } = this.#host
    try {
      return await client.sendForXml({ method: 'GET', action: 'list parts of', key, query, accept: [200], signal })
    } catch (error) {
      // Ceph's gateway 16 misses the key, which need not be there yet, where the upload is gone.
      if (!(error instanceof StoreRequestError && error.reason === 'NoSuchKey')) throw error
      throw new StoreRequestError(error.message, { store: client.name, key, status: error.status, reason: 'NoSuchUpload', cause: error })
    }
  }

  async *listParts({ key, id }: Pick<PartUpload, 'key' | 'id'>, options: CallOptions = {}): AsyncGenerator<ListedPart> {
    const { client } = this.#host
    this.#host.check(key, options)
    let marker = 0
    for (let more = true; more; ) {
      const query: Record<string, string> = { uploadId: id, ...(marker === 0 ? {} : { 'part-number-marker': String(marker) }) }
      const root = await this.#partsPage(key, query, options)
      const before = marker
      for (const element of root.all('Part')) {
        const part = listedPart(element)
        // Some servers begin a page with the marker itself.
        if (part.number <= marker) continue
        marker = part.number
        yield part
        client.checkOpen(options.signal)
      }
      more = root.value('IsTruncated') === 'true' && marker > before
    }
  }
}

/* What can't be read is no part: it is sent again. */
function listedPart(element: XmlElement): ListedPart {
  const number = (name: string) => Number(element.value(name) ?? NaN)
  return { number: number('PartNumber') || 0, etag: bareEtag(element.value('ETag')), size: number('Size') }
}

/**
 * Base64 MD5, as Content-MD5 has it: what every S3 server verifies.
 * @param known the MD5 in hexadecimal digits
 */
export function contentMd5(bytes: Uint8Array, known?: string): string {
  return known === undefined ? createHash('md5').update(bytes).digest('base64') : toBase64(fromHex(known))
}

function completeDocument(parts: readonly UploadedPart[]): string {
  const elements = parts.map(({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(`"${etag}"`)}</ETag></Part>`)
  return `<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${elements.join('')}</CompleteMultipartUpload>`
}
