import type { Environment } from '../base/environment.js'
import type { ConflictRule, ConflictValues } from './conflict.js'
import type { ValueSource } from './fetch.js'
import type { ConditionalWrites, Guarantee } from './conditions.js'
import type { RemoteLocation } from './remote.js'
import type { SyncState } from './state.js'

/** What a push needs to know of the lock. */
export interface WriteLock {
  /** Throws when the lock isn't held any more. */
  verify(signal?: AbortSignal): Promise<void>
}

/** The right to push, for the time of one push. */
export interface PushPermit {
  lock: WriteLock
  /** Which conditions of the store were seen to work. */
  conditions: ConditionalWrites
  /** Whether the lock was taken for this push: then others may have committed since the remote was last read. */
  fresh: boolean
  /** Gives the right back. Does not throw: what became of the push is what counts. */
  end(): Promise<void>
}

/** How a session that writes comes by the lock of the remote. */
export interface WriterLock {
  /** What protects commits besides the lock; undefined until that was seen. */
  readonly guarantee: Guarantee | undefined
  /** Whether the lock is taken for each push, rather than held. */
  readonly perPush: boolean
  forPush(signal: AbortSignal | undefined): Promise<PushPermit>
  /** Takes back what an earlier push had to leave on the store. */
  tidy(): Promise<void>
  /** Gives back whatever is held. May be called again after a failure. */
  release(): Promise<void>
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

/** What a push begins with. */
export interface Pusher extends Omit<PushContext, 'lock' | 'conditions'> {
  writer: WriterLock
  values: ConflictValues
  /** What becomes of keys that both sides changed; undefined: nobody looks, and what is pending here wins. */
  onConflict: ConflictRule | undefined
}

/** The name by which the record of uploads knows a database. */
export function recordName({ store, dbKey }: RemoteLocation): string {
  return `${store.name}/${dbKey}`
}
