import type { Readable } from 'node:stream'
import { Pool, errors as undici, type Dispatcher } from 'undici'
import { ClosedError } from '../../base/error.js'
import { IncompleteResponseError, isCertificateFailure, ResponseTooLargeError, StoreUnreachableError } from '../errors.js'

/** Bodies above this are sent in pieces, so that each piece that got through counts as a sign of life. */
const UPLOAD_PIECE = 256 * 1024

/** Behind the part that is wanted, so much is read of an answer that doesn't tell its length; then it counts as endless. */
const MAX_REST = 1024 * 1024 * 1024

export interface TransportOptions {
  /** What messages call the other end; never with credentials. */
  name: string
  /** Scheme, host and port. */
  origin: string
  /** ms without a sign of life after which a request fails. A slow transfer that moves is never cut. */
  idleTimeout: number
  /** The most connections at a time. */
  connections: number
}

export interface TransportRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Path and query exactly as they go over the wire. */
  path: string
  headers: Record<string, string>
  body?: Uint8Array | undefined
  signal?: AbortSignal | undefined
  /** Which object an error is about. */
  key?: string | undefined
}

/** HTTP/1.1 to one origin with kept-alive connections. Paths are sent raw: no URL class ever normalises them. */
export class HttpTransport {
  readonly #pool: Pool
  readonly #options: TransportOptions
  #closed = false

  constructor(options: TransportOptions) {
    this.#options = options
    this.#pool = new Pool(options.origin, {
      connections: options.connections,
      headersTimeout: options.idleTimeout,
      bodyTimeout: options.idleTimeout,
      connect: { timeout: Math.min(options.idleTimeout, 10_000) },
    })
  }

  /**
   * Sends a request; resolves once the headers of the answer are there. The body must then be read or discarded.
   * @throws StoreUnreachableError, ClosedError, or the reason of the signal
   */
  async send(request: TransportRequest): Promise<HttpResponse> {
    this.checkOpen(request.signal)
    try {
      const answer: Dispatcher.ResponseData = await this.#pool.request({
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body === undefined ? null : requestBody(request.body),
        signal: request.signal ?? null,
      })
      return new HttpResponse(answer, request, (cause) => this.#failure(cause, request))
    } catch (cause) {
      throw this.#failure(cause, request)
    }
  }

  checkOpen(signal?: AbortSignal): void {
    if (this.#closed) throw new ClosedError(`the store ${this.#options.name} is closed`)
    signal?.throwIfAborted()
  }

  /** Ends every connection and every request under way. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pool.destroy(new ClosedError(`the store ${this.#options.name} is closed`))
  }

  #failure(cause: unknown, request: TransportRequest): unknown {
    if (this.#closed) return new ClosedError(`the store ${this.#options.name} was closed during the request`)
    if (request.signal?.aborted) return request.signal.reason
    const { name, idleTimeout } = this.#options
    return new StoreUnreachableError(`${name}: ${whatHappened(cause, idleTimeout)}`, { store: name, key: request.key, cause })
  }
}

function whatHappened(cause: unknown, idleTimeout: number): string {
  if (cause instanceof undici.ConnectTimeoutError) return 'could not connect in time; check the endpoint and the network'
  if (cause instanceof undici.HeadersTimeoutError || cause instanceof undici.BodyTimeoutError) {
    return `no sign of life for ${idleTimeout} ms`
  }
  const code = (cause as { code?: unknown }).code
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name of the endpoint can not be resolved; check the endpoint and the network'
  if (code === 'ECONNREFUSED') return 'nothing listens at the endpoint; check its host and port'
  const message = cause instanceof Error ? cause.message : String(cause)
  if (isCertificateFailure(cause)) return `no secure connection: ${message}`
  return `the connection failed: ${message}`
}

function requestBody(body: Uint8Array): Uint8Array | Readable {
  // undici waits for the headers of the answer from the moment the request starts. A buffer goes to the socket
  // in one call, without a sign of life until it is through; each piece of a stream restarts that timer.
  if (body.length <= UPLOAD_PIECE) return body
  // undici takes any async iterable, its types only know the usual one.
  return pieces(body) as unknown as Readable
}

/* eslint-disable-next-line @typescript-eslint/require-await -- undici takes async iterables */
async function* pieces(body: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += UPLOAD_PIECE) yield body.subarray(at, at + UPLOAD_PIECE)
}

/** The answer to a request: status and headers, the body still to come. */
export class HttpResponse {
  readonly status: number
  readonly #answer: Dispatcher.ResponseData
  readonly #request: TransportRequest
  readonly #failure: (cause: unknown) => unknown

  constructor(answer: Dispatcher.ResponseData, request: TransportRequest, failure: (cause: unknown) => unknown) {
    this.status = answer.statusCode
    this.#answer = answer
    this.#request = request
    this.#failure = failure
  }

  /** One header, by its name in lower case. */
  header(name: string): string | undefined {
    const value = this.#answer.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** All headers, names in lower case. */
  *headers(): Iterable<[string, string]> {
    for (const name of Object.keys(this.#answer.headers)) yield [name, this.header(name) ?? '']
  }

  /** The announced length of the body, where there is one. */
  get contentLength(): number | undefined {
    const text = this.header('content-length')
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  /**
   * Reads the whole body.
   * @throws ResponseTooLargeError beyond `maxBytes`, before reading where the length is announced
   * @throws IncompleteResponseError when it ends before the announced length
   */
  async read(store: string, maxBytes = Infinity): Promise<Uint8Array<ArrayBuffer>> {
    const announced = this.contentLength
    if (announced !== undefined && announced > maxBytes && this.#request.method !== 'HEAD') throw this.#tooLarge(store, maxBytes)
    const body = new Collector(this.#request.method === 'HEAD' ? undefined : announced)
    try {
      for await (const chunk of this.#answer.body as AsyncIterable<Uint8Array>) {
        body.push(chunk)
        if (body.length > maxBytes) throw this.#tooLarge(store, maxBytes)
      }
    } catch (cause) {
      throw cause instanceof ResponseTooLargeError ? cause : this.#failure(cause)
    }
    this.#checkLength(store, body.length)
    return body.bytes()
  }

  /** Reads past `skip` bytes, keeps the next `length` at most, and lets go of the rest. `total`: how many there are in all. */
  async readPart(store: string, skip: number, length: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; total: number }> {
    const body = new Collector(undefined)
    let position = 0
    try {
      for await (const chunk of this.#answer.body as AsyncIterable<Uint8Array>) {
        const from = Math.max(0, skip - position)
        const to = Math.min(chunk.length, skip + length - position)
        if (to > from) body.push(chunk.subarray(from, to))
        position += chunk.length
        if (position > skip + length + MAX_REST) throw this.#tooLarge(store, skip + length + MAX_REST)
        if (position >= skip + length && this.contentLength !== undefined) return { bytes: body.bytes(), total: this.contentLength }
      }
    } catch (cause) {
      throw cause instanceof ResponseTooLargeError ? cause : this.#failure(cause)
    }
    this.#checkLength(store, position)
    return { bytes: body.bytes(), total: position }
  }

  /** Lets go of the body. A short one is read, so that the connection can be used again. */
  async discard(): Promise<void> {
    this.#answer.body.on('error', () => undefined)
    if ((this.contentLength ?? Infinity) > 64 * 1024 && this.#request.method !== 'HEAD') this.#answer.body.destroy()
    else await this.#answer.body.dump().catch(() => undefined)
  }

  #checkLength(store: string, found: number): void {
    const announced = this.contentLength
    // An answer to HEAD announces what GET would send, refusals too.
    if (announced === undefined || announced === found || this.#request.method === 'HEAD') return
    throw new IncompleteResponseError(`${store}: an answer ended after ${found} of ${announced} bytes`, { store, key: this.#request.key })
  }

  #tooLarge(store: string, maxBytes: number): ResponseTooLargeError {
    this.#answer.body.on('error', () => undefined)
    this.#answer.body.destroy()
    const what = this.#request.key ?? 'the answer'
    return new ResponseTooLargeError(`${store}: ${what} has more than the ${maxBytes} bytes accepted`, { store, key: this.#request.key })
  }
}

/** Gathers chunks, in one buffer of the right size where that is announced. */
class Collector {
  length = 0
  readonly #chunks: Uint8Array[] = []
  #whole: Uint8Array<ArrayBuffer> | undefined

  constructor(announced: number | undefined) {
    // A hostile announcement must not reserve memory that no bytes back up.
    if (announced !== undefined && announced <= 16 * 1024 * 1024) this.#whole = new Uint8Array(announced)
  }

  push(chunk: Uint8Array): void {
    const whole = this.#whole
    if (whole !== undefined && this.length + chunk.length <= whole.length) whole.set(chunk, this.length)
    else {
      if (whole !== undefined) this.#chunks.push(whole.subarray(0, this.length))
      this.#whole = undefined
      this.#chunks.push(chunk)
    }
    this.length += chunk.length
  }

  bytes(): Uint8Array<ArrayBuffer> {
    if (this.#whole !== undefined) return this.#whole.subarray(0, this.length)
    const out = new Uint8Array(this.length)
    let at = 0
    for (const chunk of this.#chunks) {
      out.set(chunk, at)
      at += chunk.length
    }
    return out
  }
}
