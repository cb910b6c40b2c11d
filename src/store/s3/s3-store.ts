import { systemEnvironment } from '../../base/environment.js'
import { checkEtag, checkGet, checkPut } from '../checks.js'
import { BucketNotFoundError, PreconditionFailedError, StoreRequestError } from '../errors.js'
import { bareEtag, objectInfo, rangeHeader, readObject } from '../http/answers.js'
import { checkKey, checkPrefix, percentEncode } from '../keys.js'
import type {
  BeginUploadOptions,
  CallOptions,
  CompleteUploadOptions,
  CopyOptions,
  CopyResult,
  DeleteResult,
  DeleteTarget,
  GetOptions,
  GetResult,
  HeadOptions,
  HeadResult,
  ListedObject,
  ListedVersion,
  ListOptions,
  ObjectStore,
  PutOptions,
  PutResult,
  StorePlace,
} from '../object-store.js'
import { S3Client, type S3ClientRequest } from './client.js'
import { CredentialsSource } from './credentials.js'
import { objectAdvances, objectPage, versionAdvances, versionPage, walkPages } from './listing.js'
import { deleteObjects } from './multi-delete.js'
import { contentMd5, S3PartUploads } from './part-uploads.js'
import { positive, realmOf, resolveAddress, resolveRegion, type S3StoreOptions } from './options.js'

/**
 * A bucket of AWS S3 or of a service that speaks its language. Keys go over the wire exactly as they are.
 * It makes each request once; `withRetry` makes it patient, `withLimit` bounds how many run side by side.
 */
export class S3Store implements ObjectStore {
  readonly name: string
  readonly writable = true
  readonly parts: S3PartUploads
  readonly #client: S3Client
  readonly #realm: string
  readonly #bucket: string
  readonly #bareEtags: boolean
  readonly #pageSize: number | undefined
  /** Whether an answer has shown that the bucket exists: a 404 to HEAD has no body that would tell. */
  #bucketSeen = false

  /** @throws InvalidArgumentError, CredentialsError */
  constructor(options: S3StoreOptions) {
    const region = resolveRegion(options)
    const address = resolveAddress(options, region)
    const environment = options.environment ?? systemEnvironment()
    const { credentials } = options
    this.name = address.name
    this.#bucket = options.bucket
    this.#bareEtags = options.etagQuoting === 'bare'
    this.#pageSize = options.pageSize === undefined ? undefined : positive('pageSize', options.pageSize, 1000)
    this.#client = new S3Client({
      address,
      bucket: options.bucket,
      credentials: credentials === 'anonymous' ? undefined : new CredentialsSource(credentials, address.name, region, environment),
      region,
      environment,
      idleTimeout: positive('idleTimeout', options.idleTimeout, 30_000),
      connections: positive('connections', options.connections, 16),
      signPayload: options.signPayload ?? false,
    })
    this.#realm = realmOf(options)
    this.parts = new S3PartUploads({
      client: this.#client,
      check: (key, asked) => {
        this.#check(key, asked)
        checkPut(asked)
      },
      describe: (asked) => describe(asked),
      conditions: (asked) => this.#conditions(asked),
    })
  }

  get place(): StorePlace {
    return { realm: this.#realm, bucket: this.#bucket }
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    this.#check(key, options)
    checkGet(options)
    const headers: Record<string, string> = {}
    if (options.range !== undefined) headers.range = rangeHeader(options.range)
    if (options.ifNoneMatch !== undefined) headers['if-none-match'] = `"${options.ifNoneMatch}"`
    const request: S3ClientRequest = { method: 'GET', key, headers, accept: [200, 206, 304, 404, 416], signal: options.signal }
    const response = await this.#client.send(request)
    if (response.status === 404) {
      await this.#client.failUnlessMissingKey(response, request)
      this.#bucketSeen = true
      return { status: 'missing' }
    }
    this.#bucketSeen = true
    if (response.status === 200 || response.status === 206) return readObject(response, this.name, key, options)
    await response.discard()
    return { status: response.status === 304 ? 'not-modified' : 'range-not-satisfiable' }
  }

  async head(key: string, options: HeadOptions = {}): Promise<HeadResult> {
    this.#check(key, options)
    checkEtag(options.ifNoneMatch)
    const headers: Record<string, string> = options.ifNoneMatch === undefined ? {} : { 'if-none-match': `"${options.ifNoneMatch}"` }
    const response = await this.#client.send({ method: 'HEAD', key, headers, accept: [200, 304, 404], signal: options.signal })
    await response.discard()
    if (response.status === 404) {
      await this.#checkBucket(options)
      return { status: 'missing' }
    }
    this.#bucketSeen = true
    if (response.status === 304) return { status: 'not-modified' }
    const size = response.contentLength
    if (size === undefined) throw new StoreRequestError(`${this.name}: the server doesn't tell the size of ${key}`, { store: this.name, key, status: 200 })
    return { status: 'ok', info: objectInfo(response, size) }
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    this.#check(key, options)
    checkPut(options)
    const headers = { ...describe(options), ...this.#conditions(options) }
    const { checksum = false } = options
    if (checksum !== false) headers['content-md5'] = contentMd5(body, checksum === true ? undefined : checksum)
    const response = await this.#client.send({
      method: 'PUT',
      key,
      headers,
      body,
      mayLeaveUnsigned: true,
      conditional: options.ifNoneMatch !== undefined || options.ifMatch !== undefined,
      accept: [200, 201, 204],
      signal: options.signal,
    })
    await response.discard()
    this.#bucketSeen = true
    return { etag: bareEtag(response.header('etag')), versionId: response.header('x-amz-version-id') }
  }

  async delete(targets: readonly DeleteTarget[], options: CallOptions = {}): Promise<DeleteResult> {
    this.#client.checkOpen(options.signal)
    for (const { key } of targets) checkKey(this.name, key)
    return deleteObjects(this.#client, this.#bucket, targets, options)
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    checkPrefix(this.name, prefix)
    const query = { 'list-type': '2', 'encoding-type': 'url', prefix, ...(options.startAfter === undefined ? {} : { 'start-after': options.startAfter }) }
    const fetchPage = async (next: Readonly<Record<string, string>>) => objectPage(await this.#listRequest({ ...query, ...next }, options), this.name)
    for await (const object of walkPages(this.name, prefix, options.startAfter, fetchPage, objectAdvances)) {
      yield object
      this.#client.checkOpen(options.signal)
    }
  }

  async *listVersions(prefix: string, options: ListOptions = {}): AsyncIterable<ListedVersion> {
    checkPrefix(this.name, prefix)
    const query = { versions: '', 'encoding-type': 'url', prefix, ...(options.startAfter === undefined ? {} : { 'key-marker': options.startAfter }) }
    const fetchPage = async (next: Readonly<Record<string, string>>) => versionPage(await this.#listRequest({ ...query, ...next }, options), this.name)
    for await (const version of walkPages(this.name, prefix, options.startAfter, fetchPage, versionAdvances())) {
      yield version
      this.#client.checkOpen(options.signal)
    }
  }

  async copy(sourceKey: string, targetKey: string, options: CopyOptions = {}): Promise<CopyResult> {
    this.#check(sourceKey, options)
    checkKey(this.name, targetKey)
    checkEtag(options.ifSourceMatch)
    const headers: Record<string, string> = { 'x-amz-copy-source': `/${percentEncode(options.sourceBucket ?? this.#bucket)}/${percentEncode(sourceKey, '/')}` }
    if (options.ifSourceMatch !== undefined) headers['x-amz-copy-source-if-match'] = this.#bareEtags ? options.ifSourceMatch : `"${options.ifSourceMatch}"`
    const conditional = options.ifSourceMatch !== undefined
    try {
      const root = await this.#client.sendForXml({ method: 'PUT', action: 'copy to', key: targetKey, headers, conditional, accept: [200], signal: options.signal })
      const etag = bareEtag(root.value('ETag'))
      if (conditional && etag !== options.ifSourceMatch) await this.#checkSource(sourceKey, targetKey, options)
      return { status: 'ok', etag }
    } catch (error) {
      if (error instanceof StoreRequestError && error.reason === 'NoSuchKey') return { status: 'missing' }
      throw error
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  #check(key: string, options: CallOptions): void {
    this.#client.checkOpen(options.signal)
    checkKey(this.name, key)
  }

  #conditions(options: CompleteUploadOptions): Record<string, string> {
    const headers: Record<string, string> = {}
    if (options.ifNoneMatch !== undefined) headers['if-none-match'] = options.ifNoneMatch
    if (options.ifMatch !== undefined) {
      const bare = options.etagForm === undefined ? this.#bareEtags : options.etagForm === 'bare'
      headers['if-match'] = bare ? options.ifMatch : `"${options.ifMatch}"`
    }
    return headers
  }

  async #listRequest(query: Readonly<Record<string, string>>, options: ListOptions) {
    const paged = this.#pageSize === undefined ? query : { ...query, 'max-keys': String(this.#pageSize) }
    const root = await this.#client.sendForXml({ method: 'GET', action: 'list', query: paged, accept: [200], signal: options.signal })
    this.#bucketSeen = true
    return root
  }

  /* Ceph's gateway 16 ignores the condition of a copy. An ETag that differs may also come from a multipart source, so it is asked. */
  async #checkSource(sourceKey: string, targetKey: string, options: CopyOptions): Promise<void> {
    const { sourceBucket = this.#bucket, ifSourceMatch = '' } = options
    if (sourceBucket !== this.#bucket && ifSourceMatch.includes('-')) return
    const source = sourceBucket !== this.#bucket ? { status: 'missing' as const } : await this.head(sourceKey, { signal: options.signal })
    if (source.status === 'ok' && source.info.etag === options.ifSourceMatch) return
    throw new PreconditionFailedError(`${this.name}: ${sourceKey} has changed, and the server copied it to ${targetKey} nevertheless`, { store: this.name, key: sourceKey })
  }

  /* Asked once at most, since an answer shows that the bucket is there. Who may not ask is told nothing wrong: then it stays open. */
  async #checkBucket(options: CallOptions): Promise<void> {
    if (this.#bucketSeen) return
    const response = await this.#client.send({ method: 'HEAD', accept: [200, 301, 307, 400, 403, 404], signal: options.signal })
    await response.discard()
    if (response.status === 404) {
      throw new BucketNotFoundError(`${this.name}: the bucket ${this.#bucket} doesn't exist; check its name, the endpoint and the region`, { store: this.name })
    }
    this.#bucketSeen = true
  }
}

/** Headers of what is known of an object besides its bytes. */
function describe(options: BeginUploadOptions): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': options.contentType ?? 'application/octet-stream' }
  for (const [name, value] of Object.entries(options.metadata ?? {})) headers[`x-amz-meta-${name}`] = value
  return headers
}
