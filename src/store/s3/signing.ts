import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Environment } from '../../base/environment.js'
import { percentEncode } from '../keys.js'
import type { CredentialsSource } from './credentials.js'

/** Declares that the signature doesn't cover the body. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

type SourceData = string | ArrayBuffer | ArrayBufferView

/** SHA-256 and its HMAC in the shape that @smithy/signature-v4 wants. */
class Sha256 {
  readonly #secret: Buffer | undefined
  #hash: Hash | Hmac

  constructor(secret?: SourceData) {
    this.#secret = secret === undefined ? undefined : toBuffer(secret)
    this.#hash = this.#start()
  }

  update(data: SourceData): void {
    this.#hash.update(toBuffer(data))
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }

  reset(): void {
    this.#hash = this.#start()
  }

  #start(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

function toBuffer(data: SourceData): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8')
  return data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export interface UnsignedRequest {
  method: string
  host: string
  /** Percent-encoded, without the query. Signed exactly as given. */
  path: string
  query: Readonly<Record<string, string>>
  /** Names in lower case. `x-amz-content-sha256` must be among them. */
  headers: Readonly<Record<string, string>>
}

/** Gives the headers with a signature of AWS version 4. Undefined signs nothing: anonymous requests. */
export class RequestSigner {
  readonly #signer: SignatureV4
  readonly #environment: Environment

  constructor(credentials: CredentialsSource, region: string, environment: Environment) {
    this.#environment = environment
    this.#signer = new SignatureV4({
      service: 's3',
      region,
      sha256: Sha256,
      uriEscapePath: false,
      applyChecksum: false,
      // The copy has an expiry only for us: the signer would cache by it.
      credentials: async () => {
        const { accessKeyId, secretAccessKey, sessionToken } = await credentials.get()
        return sessionToken === undefined ? { accessKeyId, secretAccessKey } : { accessKeyId, secretAccessKey, sessionToken }
      },
    })
  }

  async sign(request: UnsignedRequest): Promise<Record<string, string>> {
    const signed = await this.#signer.sign(
      {
        method: request.method,
        protocol: 'https:',
        hostname: request.host,
        path: request.path,
        query: { ...request.query },
        headers: { host: request.host, ...request.headers },
      },
      { signingDate: new Date(Math.floor(this.#environment.now() / 1000)) },
    )
    return signed.headers
  }
}

/** The query as it goes over the wire, sorted and encoded as the signature has it; with its `?`, or empty. */
export function queryString(query: Readonly<Record<string, string>>): string {
  const parts = Object.entries(query).map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
  return parts.length === 0 ? '' : `?${parts.sort().join('&')}`
}
