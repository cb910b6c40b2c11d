/** What a session is made of, and the options that its calls share. */
import type { Environment } from '../base/environment.js'
import type { OnConflict } from '../sync/conflict.js'
import type { ProgressListener } from '../sync/progress.js'
import type { WriterLock } from '../sync/push-context.js'
import type { RemoteLocation } from '../sync/remote.js'
import type { SyncState } from '../sync/state.js'
import type { ValueCodec } from '../values/index.js'

/** Options of calls that may ask the network. */
export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface LoadOptions extends CallOptions {
  onProgress?: ProgressListener | undefined
}

/** What `openEbooklet` hands over. */
export interface SessionParts<V, I = V> {
  state: SyncState
  /** Undefined in an offline session. */
  remote: RemoteLocation | undefined
  values: ValueCodec<V, I>
  environment: Environment
  /** Undefined in a read-only session. */
  writer: WriterLock | undefined
  onConflict: OnConflict<V, I> | undefined
  closeConnection: () => Promise<void>
}
