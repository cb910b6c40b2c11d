import type { Environment } from '../base/environment.js'
import type { ValueSource } from './fetch.js'
import type { ConditionalWrites } from './conditions.js'
import type { RemoteLocation } from './remote.js'
import type { SyncState } from './state.js'

/** What a push needs to know of the lock. */
export interface WriteLock {
  /** Throws when the lock isn't held any more. */
  verify(signal?: AbortSignal): Promise<void>
}

export interface PushContext {
  remote: RemoteLocation
  state: SyncState
  fetcher: ValueSource
  lock: WriteLock
  /** Which conditions of the store were seen to work. */
  conditions: ConditionalWrites
  environment: Environment
}
