import type { Environment } from '../../base/environment.js'
import { EbookletError } from '../../base/error.js'
import { CredentialsError } from '../errors.js'

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  /** Of temporary credentials. */
  sessionToken?: string | undefined
  /** When they end. They are fetched anew some minutes before. */
  expiration?: Date | undefined
}

export type S3CredentialProvider = () => Promise<S3Credentials> | S3Credentials

export type S3CredentialsOption = S3Credentials | S3CredentialProvider | 'anonymous'

/** Credentials are renewed when less than this is left of them, in ms. */
const RENEW_BEFORE = 5 * 60_000

/** Holds credentials where inspection and JSON don't look, and fetches them when needed, once for all who wait. */
export class CredentialsSource {
  readonly #store: string
  readonly #environment: Environment
  readonly #provider: S3CredentialProvider | undefined
  #current: S3Credentials | undefined
  #pending: Promise<S3Credentials> | undefined

  constructor(option: S3Credentials | S3CredentialProvider | undefined, store: string, region: string, environment: Environment) {
    this.#store = store
    this.#environment = environment
    if (typeof option === 'object') this.#current = checked(option, store)
    else this.#provider = option ?? awsChain(store, region)
  }

  /** Whether `renew` can bring other credentials. */
  get renewable(): boolean {
    return this.#provider !== undefined
  }

  async get(): Promise<S3Credentials> {
    const current = this.#current
    if (current !== undefined && !this.#expiresSoon(current)) return current
    if (this.#provider === undefined) throw new CredentialsError('the credentials have expired; open again with new ones, or give a function', { store: this.#store })
    this.#pending ??= this.#fetch(this.#provider).finally(() => (this.#pending = undefined))
    return this.#pending
  }

  /** Forgets what a server refused as expired. */
  renew(): void {
    if (this.#provider !== undefined) this.#current = undefined
  }

  /** Secrets that must not show in any message. */
  secrets(): string[] {
    const { secretAccessKey, sessionToken } = this.#current ?? {}
    return [secretAccessKey, sessionToken].filter((secret) => secret !== undefined && secret !== '') as string[]
  }

  #expiresSoon(credentials: S3Credentials): boolean {
    if (credentials.expiration === undefined) return false
    const margin = this.#provider === undefined ? 0 : RENEW_BEFORE
    return credentials.expiration.getTime() - this.#environment.now() / 1000 <= margin
  }

  async #fetch(provider: S3CredentialProvider): Promise<S3Credentials> {
    let found: S3Credentials
    try {
      found = await provider()
    } catch (cause) {
      if (cause instanceof EbookletError) throw cause
      throw new CredentialsError(`${this.#store}: no credentials could be had: ${cause instanceof Error ? cause.message : String(cause)}`, { store: this.#store, cause })
    }
    this.#current = checked(found, this.#store)
    return this.#current
  }
}

/* A copy, so that later changes of the caller's object don't matter. The message never shows a value. */
function checked(found: S3Credentials, store: string): S3Credentials {
  for (const field of ['accessKeyId', 'secretAccessKey', 'sessionToken'] as const) {
    const value: unknown = found[field]
    if (field === 'sessionToken' && value === undefined) continue
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
      throw new CredentialsError(`${store}: ${field} must be a non-empty string of printable ASCII without spaces`, { store })
    }
  }
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = found
  return { accessKeyId, secretAccessKey, sessionToken, expiration }
}

function awsChain(store: string, region: string): S3CredentialProvider {
  let chain: S3CredentialProvider | undefined
  return async () => {
    chain ??= await loadChain(store, region)
    return chain()
  }
}

async function loadChain(store: string, region: string): Promise<S3CredentialProvider> {
  try {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
    return defaultProvider({ clientConfig: { region } })
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new CredentialsError(
      `${store}: no credentials were given. Pass accessKeyId and secretAccessKey, or install the optional package ` +
        '@aws-sdk/credential-provider-node, which looks for them as the tools of AWS do',
      { store, cause },
    )
  }
}
