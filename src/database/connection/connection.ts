import type { ObjectStore } from '../../store/object-store.js'

/** Where a database is, without credentials: what an entry of a connection group says of it. */
export interface RecordedConnection {
  readonly dbKey: string | null
  readonly bucket: string | null
  /** Null for AWS. */
  readonly endpointUrl: string | null
  /** Public URL of the db object. */
  readonly dbUrl: string | null
}

/** What a session needs of a remote: a store and the key of the db object in it. */
export interface OpenedConnection {
  store: ObjectStore
  dbKey: string
  /** Lets go of what `open` made. A store that somebody else owns stays open. */
  close(): Promise<void>
}

/**
 * Where a database lives. Given to `openEbooklet`; may be used for many sessions, also at once. Holds
 * credentials, if any, where neither JSON nor inspection shows them.
 */
export interface RemoteConnection {
  /** The key of the db object. */
  readonly dbKey: string
  /** What to call it in messages; never holds a secret. */
  readonly name: string
  /** True when every `open` gives the caller's own store; its name need not be unique then. */
  readonly sharedStore?: boolean
  /** `read` may go another, public way than `write`. */
  open(purpose: 'read' | 'write'): OpenedConnection
  /** How a connection group records it. Absent where a group has no place for it. */
  record?(): RecordedConnection
}
