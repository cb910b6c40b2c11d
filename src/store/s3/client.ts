import { FormatError } from '../../base/error.js'
import type { Environment } from '../../base/environment.js'
import { StoreRequestError } from '../errors.js'
import { retryAfter } from '../http/answers.js'
import { HttpTransport, type HttpResponse, type TransportRequest } from '../http/transport.js'
import type { CredentialsSource } from './credentials.js'
import { errorDocument, EXPIRED_CODES, parseErrorDocument, s3Error, type S3Refusal } from './errors.js'
import type { S3Address } from './options.js'
import { queryString, RequestSigner, sha256Hex, UNSIGNED_PAYLOAD } from './signing.js'
import { parseXml, type XmlElement } from './xml.js'

const MAX_ERROR_BYTES = 256 * 1024
/** A page has at most 1000 keys of 1024 bytes, each up to 3 characters per byte, and facts beside. */
const MAX_XML_BYTES = 8 * 1024 * 1024

export interface S3ClientRequest {
  method: TransportRequest['method']
  /** What it is called in messages. Default: the method. */
  action?: string
  /** Undefined: a request to the bucket. */
  key?: string | undefined
  query?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array | undefined
  /** Leave the body out of the signature where TLS protects it. */
  mayLeaveUnsigned?: boolean
  /** A write or copy with a condition. */
  conditional?: boolean
  /** Statuses that are answers here; every other one throws. */
  accept: readonly number[]
  signal?: AbortSignal | undefined
}

export interface S3ClientOptions {
  address: S3Address
  bucket: string
  /** Undefined: unsigned requests. */
  credentials: CredentialsSource | undefined
  region: string
  environment: Environment
  idleTimeout: number
  connections: number
  signPayload: boolean
}

/** Signs and sends requests to one bucket, and turns refusals into typed errors. */
export class S3Client {
  readonly name: string
  readonly #options: S3ClientOptions
  readonly #transport: HttpTransport
  readonly #signer: RequestSigner | undefined

  constructor(options: S3ClientOptions) {
    const { address, credentials, region, environment, idleTimeout, connections } = options
    this.name = address.name
    this.#options = options
    this.#transport = new HttpTransport({ name: address.name, origin: address.origin, idleTimeout, connections })
    this.#signer = credentials === undefined ? undefined : new RequestSigner(credentials, region, environment)
  }

  /** @throws ClosedError, or the reason of the signal */
  checkOpen(signal?: AbortSignal): void {
    this.#transport.checkOpen(signal)
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  /** The answer, one of `accept`, with its body still to be read. */
  async send(request: S3ClientRequest): Promise<HttpResponse> {
    const response = await this.#sendOnce(request)
    if (request.accept.includes(response.status)) return response
    const refusal = await this.#refusal(response)
    const { credentials } = this.#options
    if (refusal.reason === undefined || !EXPIRED_CODES.has(refusal.reason) || !credentials?.renewable) throw this.#error(refusal, request)
    credentials.renew()
    const again = await this.#sendOnce(request)
    if (request.accept.includes(again.status)) return again
    throw this.#error(await this.#refusal(again), request)
  }

  /** The root element of an XML answer. An error document under a success status throws as the error that it is. */
  async sendForXml(request: S3ClientRequest): Promise<XmlElement> {
    return (await this.sendForXmlAnswer(request)).root
  }

  /** Like `sendForXml`, with the version that was written, where there is one. */
  async sendForXmlAnswer(request: S3ClientRequest): Promise<{ root: XmlElement; versionId: string | undefined }> {
    const response = await this.send(request)
    const text = new TextDecoder().decode(await response.read(this.name, MAX_XML_BYTES))
    const root = this.#parse(text, request, response.status)
    const said = errorDocument(root)
    // The status line went out before the work was done, so this is what 5xx is elsewhere.
    if (said !== undefined) throw this.#error({ ...said, status: 500, retryAfter: undefined }, request)
    return { root, versionId: response.header('x-amz-version-id') }
  }

  #parse(text: string, request: S3ClientRequest, status: number): XmlElement {
    try {
      return parseXml(text)
    } catch (cause) {
      const message = cause instanceof FormatError ? cause.message : String(cause)
      const facts = { store: this.name, key: request.key, status, reason: 'MalformedAnswer', cause }
      throw new StoreRequestError(`${this.name}: ${message}; is the endpoint an S3 service?`, facts)
    }
  }

  /**
   * Reads a 404 and returns when it only means that the object doesn't exist; anything else throws, as a missing bucket.
   */
  async failUnlessMissingKey(response: HttpResponse, request: S3ClientRequest): Promise<void> {
    const refusal = await this.#refusal(response)
    if (refusal.reason === undefined || /^NoSuch(?:Key|Version|Object)$|^NotFound$/.test(refusal.reason)) return
    throw this.#error(refusal, request)
  }

  /** What a refusal says. Reads the body, which is short. */
  async #refusal(response: HttpResponse): Promise<S3Refusal> {
    const body = await response.read(this.name, MAX_ERROR_BYTES)
    const said = parseErrorDocument(new TextDecoder().decode(body))
    return {
      status: response.status,
      reason: said?.reason,
      message: said?.message,
      region: response.header('x-amz-bucket-region') ?? said?.region,
      retryAfter: retryAfter(response, this.#options.environment.now() / 1000),
    }
  }

  #error(refusal: S3Refusal, request: S3ClientRequest): Error {
    return s3Error(
      { ...refusal, message: this.#withoutSecrets(refusal.message) },
      {
        store: this.name,
        bucket: this.#options.bucket,
        key: request.key,
        action: request.action ?? request.method,
        conditional: request.conditional ?? false,
      },
    )
  }

  /* A server may repeat in its message what was sent. */
  #withoutSecrets(message: string | undefined): string | undefined {
    let out = message
    for (const secret of this.#options.credentials?.secrets() ?? []) out = out?.replaceAll(secret, '***')
    return out
  }

  async #sendOnce(request: S3ClientRequest): Promise<HttpResponse> {
    this.#transport.checkOpen(request.signal)
    const { address } = this.#options
    const { method, key, query = {}, body, signal } = request
    const path = key === undefined ? address.bucketPath : address.objectPath(key)
    const headers = await this.#signed(request, path, query)
    return this.#transport.send({ method, path: path + queryString(query), headers, body, signal, key })
  }

  async #signed(request: S3ClientRequest, path: string, query: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    const { address, signPayload } = this.#options
    const headers: Record<string, string> = { host: address.host, ...request.headers }
    if (request.body !== undefined) headers['content-length'] = String(request.body.length)
    if (this.#signer === undefined) return headers
    const unsigned = request.mayLeaveUnsigned === true && address.secure && !signPayload
    headers['x-amz-content-sha256'] = unsigned ? UNSIGNED_PAYLOAD : sha256Hex(request.body ?? new Uint8Array())
    return this.#signer.sign({ method: request.method, host: address.host, path, query, headers })
  }
}
