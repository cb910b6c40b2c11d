import { systemEnvironment, type Environment } from '../../base/environment.js'
import { InvalidArgumentError } from '../../base/error.js'
import { checkEtag, checkGet } from '../checks.js'
import { AccessDeniedError, BucketNotFoundError, StoreRequestError, UnsupportedKeyError, UnsupportedOperationError } from '../errors.js'
import { checkKey, percentEncode } from '../keys.js'
import type {
  CopyResult,
  DeleteResult,
  GetOptions,
  GetResult,
  HeadOptions,
  HeadResult,
  ListedObject,
  ListedVersion,
  ObjectStore,
  PutResult,
} from '../object-store.js'
import { objectInfo, rangeHeader, readObject, retryAfter } from './answers.js'
import { HttpTransport, type HttpResponse } from './transport.js'

export interface HttpStoreOptions {
  /**
   * URL of the db object. Objects beside it are found by appending to its path. A query (as a token of access) goes
   * with every request and is never shown; so do user and password, as Basic authorization to this origin only.
   */
  url: string | URL
  /** The key that `url` stands for. Default: the decoded last part of its path. */
  dbKey?: string | undefined
  /** ms without a sign of life after which a request fails. Default 30,000. */
  idleTimeout?: number | undefined
  /** The most connections at a time. Default 16. */
  connections?: number | undefined
  environment?: Environment | undefined
}

const MAX_REDIRECTS = 5

/** Origins that the user was warned of. */
const warned = new Set<string>()

/**
 * Public objects over HTTP(S), to read only. Keys are those of the database and what begins with its key: `dbKey` is
 * at the URL itself, `dbKey/x` at the path with `/x` behind. A key with a part `.` or `..` is refused, because
 * everything between here and the server may resolve such parts.
 */
export class HttpStore implements ObjectStore {
  readonly name: string
  readonly writable = false
  readonly place = undefined
  readonly parts = undefined
  readonly dbKey: string
  readonly #target: Target
  readonly #authorization: string | undefined
  readonly #options: HttpStoreOptions
  readonly #environment: Environment
  /** One per origin: redirects may lead to others. */
  readonly #transports = new Map<string, HttpTransport>()

  /** @throws InvalidArgumentError when it is no http or https URL of an object */
  constructor(options: HttpStoreOptions) {
    const url = parseUrl(options.url)
    this.dbKey = options.dbKey ?? lastPart(url.pathname)
    this.#target = { origin: url.origin, path: url.pathname, query: url.search }
    this.#authorization =
      url.username === '' && url.password === ''
        ? undefined
        : `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`
    this.#options = options
    this.#environment = options.environment ?? systemEnvironment()
    this.name = url.origin + url.pathname
    checkKey(this.name, this.dbKey)
    this.#transport(url.origin)
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    checkGet(options)
    const headers: Record<string, string> = {}
    if (options.range !== undefined) headers.range = rangeHeader(options.range)
    if (options.ifNoneMatch !== undefined) headers['if-none-match'] = `"${options.ifNoneMatch}"`
    const response = await this.#request('GET', key, headers, options.signal)
    if (response.status === 200 || response.status === 206) {
      await this.#refuseEncoded(response, key)
      return readObject(response, this.name, key, options)
    }
    if (response.status === 304 && options.ifNoneMatch !== undefined) return this.#without(response, { status: 'not-modified' })
    if (response.status === 416 && options.range !== undefined) return this.#without(response, { status: 'range-not-satisfiable' })
    if (response.status === 404 || response.status === 410) return this.#missing(response, key)
    throw await this.#failure(response, key)
  }

  async head(key: string, options: HeadOptions = {}): Promise<HeadResult> {
    checkEtag(options.ifNoneMatch)
    const headers: Record<string, string> = options.ifNoneMatch === undefined ? {} : { 'if-none-match': `"${options.ifNoneMatch}"` }
    const response = await this.#request('HEAD', key, headers, options.signal)
    await response.discard()
    if (response.status === 304 && options.ifNoneMatch !== undefined) return { status: 'not-modified' }
    if (response.status === 404 || response.status === 410) return { status: 'missing' }
    if (response.status !== 200) throw await this.#failure(response, key)
    await this.#refuseEncoded(response, key)
    const size = response.contentLength
    if (size === undefined) throw new StoreRequestError(`${this.name}: the server doesn't tell the size of ${key}`, { store: this.name, key, status: 200 })
    return { status: 'ok', info: objectInfo(response, size) }
  }

  put(key: string): Promise<PutResult> {
    return Promise.reject(this.#readOnly('written', key))
  }

  delete(): Promise<DeleteResult> {
    return Promise.reject(this.#readOnly('deleted'))
  }

  copy(_sourceKey: string, targetKey: string): Promise<CopyResult> {
    return Promise.reject(this.#readOnly('written', targetKey))
  }

  list(): AsyncIterable<ListedObject> {
    return failing(this.#readOnly('listed'))
  }

  listVersions(): AsyncIterable<ListedVersion> {
    return failing(this.#readOnly('listed'))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()))
  }

  #readOnly(what: string, key?: string): UnsupportedOperationError {
    return new UnsupportedOperationError(`${this.name} is a public URL: nothing can be ${what} over it; use an S3 connection with credentials`, { store: this.name, key })
  }

  /** Where the object of a key is. */
  #targetOf(key: string): Target {
    checkKey(this.name, key)
    if (!key.startsWith(this.dbKey)) throw new UnsupportedKeyError(`${this.name} holds no objects but those of ${this.dbKey}, not ${key}`, { store: this.name, key })
    const rest = key.slice(this.dbKey.length)
    if (rest.split('/').some((part) => part === '.' || part === '..')) {
      throw new UnsupportedKeyError(`${key} can't be read over a URL: a part . or .. would be resolved on the way`, { store: this.name, key })
    }
    return { ...this.#target, path: this.#target.path + percentEncode(rest, '/') }
  }

  async #request(method: 'GET' | 'HEAD', key: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<HttpResponse> {
    let target = this.#targetOf(key)
    for (let redirects = 0; ; redirects++) {
      this.#transport(this.#target.origin).checkOpen(signal)
      warnOfPlainHttp(target.origin)
      const authorization = target.origin === this.#target.origin ? this.#authorization : undefined
      const all = { ...headers, 'accept-encoding': 'identity', ...(authorization === undefined ? {} : { authorization }) }
      const response = await this.#transport(target.origin).send({ method, path: target.path + target.query, headers: all, signal, key })
      const location = [301, 302, 303, 307, 308].includes(response.status) ? response.header('location') : undefined
      if (location === undefined) return response
      await response.discard()
      if (redirects === MAX_REDIRECTS) throw this.#error(key, response.status, 'too many redirects')
      target = this.#redirect(target, location, key, response.status)
    }
  }

  #redirect(from: Target, location: string, key: string, status: number): Target {
    let url: URL
    try {
      url = new URL(location, from.origin + from.path)
    } catch {
      throw this.#error(key, status, 'a redirect to what is no URL')
    }
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && from.origin.startsWith('http:'))) {
      throw this.#error(key, status, `a redirect from ${from.origin.split(':')[0] ?? ''} to ${url.protocol.slice(0, -1)}, which is not followed`)
    }
    return { origin: url.origin, path: url.pathname, query: url.search }
  }

  #transport(origin: string): HttpTransport {
    let transport = this.#transports.get(origin)
    if (transport === undefined) {
      // Redirects to ever new hosts must not gather connections.
      if (this.#transports.size > 8) throw this.#error(this.dbKey, undefined, 'redirects to too many hosts')
      const { idleTimeout = 30_000, connections = 16 } = this.#options
      transport = new HttpTransport({ name: this.name, origin, idleTimeout, connections })
      this.#transports.set(origin, transport)
    }
    return transport
  }

  /* Offsets are those of the stored bytes; a compressed answer has others. */
  async #refuseEncoded(response: HttpResponse, key: string): Promise<void> {
    const encoding = response.header('content-encoding')
    if (encoding === undefined || encoding === '' || encoding === 'identity') return
    await response.discard()
    throw this.#error(key, response.status, `the answer is encoded (${encoding}) though that was not asked for; switch off compression for these objects`)
  }

  async #without<T>(response: HttpResponse, result: T): Promise<T> {
    await response.discard()
    return result
  }

  async #missing(response: HttpResponse, key: string): Promise<GetResult> {
    const body = new TextDecoder().decode((await response.readPart(this.name, 0, 4096)).bytes)
    if (!body.includes('<Code>NoSuchBucket</Code>')) return { status: 'missing' }
    throw new BucketNotFoundError(`${this.name}: the bucket doesn't exist; check the URL`, { store: this.name, key })
  }

  async #failure(response: HttpResponse, key: string): Promise<Error> {
    await response.discard()
    const { status } = response
    if (status === 401 || status === 403) {
      return new AccessDeniedError(`${this.name}: reading ${key} is not allowed (status ${status}); is it public? Where listing is not public, a missing object is refused too`, { store: this.name, key })
    }
    return this.#error(key, status, 'an unexpected answer', retryAfter(response, this.#environment.now() / 1000))
  }

  #error(key: string, status: number | undefined, what: string, after?: number): StoreRequestError {
    return new StoreRequestError(`${this.name}: ${key}: ${what}${status === undefined ? '' : ` (status ${status})`}`, { store: this.name, key, status, retryAfter: after })
  }
}

interface Target {
  origin: string
  /** Percent-encoded, exactly as sent. */
  path: string
  /** With its `?`, or empty. */
  query: string
}

/* Never shows the text: it may hold a password or a token. */
function parseUrl(given: string | URL): URL {
  const text = String(given)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new InvalidArgumentError('the URL of the database is not a URL; give one as https://example.org/my_data.blt')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new InvalidArgumentError(`the URL of the database must be of http or https, not ${url.protocol}`)
  const path = /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(text)?.[1] ?? ''
  if (path.split('/').some((part) => /^(?:\.|%2e){1,2}$/i.test(part))) {
    throw new InvalidArgumentError('the URL of the database has a part . or .., which would be resolved on the way')
  }
  if (/^\/*$/.test(url.pathname)) throw new InvalidArgumentError('the URL of the database must name an object, not only a host')
  return url
}

function lastPart(path: string): string {
  const part = path.split('/').findLast((candidate) => candidate !== '') ?? path
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function warnOfPlainHttp(origin: string): void {
  if (!origin.startsWith('http:') || warned.has(origin)) return
  warned.add(origin)
  process.emitWarning(`${origin} is read over plain http: anyone on the way can read and change what comes. Use https where you can.`, 'EbookletWarning')
}

/* eslint-disable-next-line @typescript-eslint/require-await -- the error is to come at the first step */
async function* failing<T>(error: Error): AsyncGenerator<T> {
  throw error
}
