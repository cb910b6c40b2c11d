/** Sessions that never ask the network, and when one falls back to that. */
import { causesOf, CredentialsError, isCertificateFailure, StoreUnreachableError } from '../store/errors.js'
import { OfflineError } from './errors.js'
import type { ValueSource } from './fetch.js'
import type { WantedValue } from './plan-reads.js'

/** In the place of what fetches: there is nothing to be had but what is local. */
export class OfflineValues implements ValueSource {
  checkReachable(wanted: () => readonly WantedValue[]): void {
    const keys = wanted().map(({ key }) => key)
    if (keys.length > 0) throw new OfflineError(keys)
  }

  fetchOne(wanted: WantedValue): Promise<never> {
    return Promise.reject(new OfflineError([wanted.key]))
  }

  fetch(wanted: readonly WantedValue[]): Promise<void> {
    return this.readRemote(wanted)
  }

  readRemote(wanted: readonly WantedValue[]): Promise<void> {
    return wanted.length === 0 ? Promise.resolve() : Promise.reject(new OfflineError(wanted.map(({ key }) => key)))
  }
}

const networkCodes: ReadonlySet<unknown> = new Set(['EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETDOWN', 'ENETUNREACH', 'ENOTFOUND', 'ETIMEDOUT'])

/**
 * Whether an error says that nothing could be reached: the store, or the service that gives the credentials for it. An
 * answer, whatever it says, is none of these; neither is a server whose certificate isn't trusted.
 */
export function isUnreachable(error: unknown): boolean {
  if (error instanceof StoreUnreachableError) return !isCertificateFailure(error)
  return error instanceof CredentialsError && [...causesOf(error)].some((cause) => networkCodes.has((cause as { code?: unknown }).code))
}
