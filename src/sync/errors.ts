import { EbookletError } from '../base/error.js'

/** There is no database at this remote. Open with flag `c` or `n` to make one, or check bucket and key. */
export class RemoteNotFoundError extends EbookletError {
  readonly code = 'REMOTE_NOT_FOUND'
  readonly remote: string
  constructor(remote: string) {
    super(`there is no database at ${remote}: check the bucket and the key, or open it with flag 'c' to create one at the first push`)
    this.remote = remote
  }
}

/** The local file is a copy of another database than the one at the remote. */
export class UuidMismatchError extends EbookletError {
  readonly code = 'UUID_MISMATCH'
  readonly localUuid: string
  readonly remoteUuid: string
  constructor(path: string, localUuid: string, remote: string, remoteUuid: string) {
    super(
      `${path} belongs to database ${localUuid}, but ${remote} holds database ${remoteUuid}: ` +
        'give another local path, or move the local file away (its changes that were not pushed belong to the other database)',
    )
    this.localUuid = localUuid
    this.remoteUuid = remoteUuid
  }
}

/** The remote is something else than this call expects, such as a remote connection group. */
export class RemoteTypeError extends EbookletError {
  readonly code = 'REMOTE_TYPE'
  readonly found: string
  constructor(remote: string, found: string, expected: string) {
    super(`${remote} is a ${found}, not a ${expected}: open it with ${found === 'RemoteConnGroup' ? 'openRcg' : 'openEbooklet'}`)
    this.found = found
  }
}

/** An option contradicts what the database already is. Nothing was changed. */
export class ConflictingOptionError extends EbookletError {
  readonly code = 'CONFLICTING_OPTION'
  readonly option: string
  constructor(option: string, asked: string, found: string) {
    super(`${option} ${asked} contradicts the database, which has ${found}: leave the option out, or make a new database with flag 'n'`)
    this.option = option
  }
}

/**
 * The index names values whose object is missing or holds something else, also after the index was read
 * again. The remote is damaged, or somebody deletes objects by hand.
 */
export class IntegrityError extends EbookletError {
  readonly code = 'INTEGRITY'
  readonly keys: readonly string[]
  readonly object: string
  constructor(keys: readonly string[], object: string, why: string, options?: { cause?: unknown }) {
    super(`object ${object} ${why}, so ${keys.length === 0 ? 'the metadata' : `the value of ${namesOf(keys)}`} can't be read: restore the object, or ${keys.length === 0 ? 'set the metadata anew' : 'set or delete the keys'} and push`, options)
    this.keys = keys
    this.object = object
  }
}

/**
 * A replacement with another value serializer or without groups can't be turned back into a copy of what it was to
 * replace. Nothing was changed.
 */
export class DiscardRefusedError extends EbookletError {
  readonly code = 'DISCARD_REFUSED'
  readonly path: string
  constructor(path: string) {
    super(`${path} was made to replace the remote by another kind of database and can't become a copy of it: close it, delete the file and open another, or discard single keys`)
    this.path = path
  }
}

/** The remote holds something larger than this session accepts. Raise the option if you trust who published it. */
export class RemoteTooLargeError extends EbookletError {
  readonly code = 'REMOTE_TOO_LARGE'
  /** The option that sets the limit. */
  readonly option: 'maxIndexBytes' | 'maxValueBytes'
  /** What is too large: the db object, or a key. */
  readonly what: string
  /** Bytes. */
  readonly limit: number
  constructor(option: 'maxIndexBytes' | 'maxValueBytes', what: string, limit: number, options?: { cause?: unknown }) {
    super(`${what} is larger than the ${limit} bytes that are accepted: raise the option ${option} if you trust who published it`, options)
    this.option = option
    this.what = what
    this.limit = limit
  }
}

/** A push, prune or clear was asked for while a push is under way. Wait for it first. */
export class PushInProgressError extends EbookletError {
  readonly code = 'PUSH_IN_PROGRESS'
  constructor(operation: string) {
    super(`${operation} has to wait until the push that is under way has ended`)
  }
}

/** The commit of a push failed. Everything is still pending; push again. */
export class CommitFailedError extends EbookletError {
  readonly code = 'COMMIT_FAILED'
  readonly object: string
  /** True when the store could not be asked either: the commit may have arrived. The next push finds out. */
  readonly inDoubt: boolean
  constructor(object: string, cause: unknown, inDoubt: boolean) {
    const outcome = inDoubt ? 'failed, or its acknowledgement was lost' : 'failed'
    super(`the commit of the push to ${object} ${outcome} (${messageOf(cause)}); every change is still pending, so push again`, { cause })
    this.object = object
    this.inDoubt = inDoubt
  }
}

/**
 * Somebody else committed since this session last saw the remote, though it holds the lock: the lock was broken,
 * or a tool wrote without it. Nothing was overwritten and every change is still pending.
 */
export class CommitConflictError extends EbookletError {
  readonly code = 'COMMIT_CONFLICT'
  readonly object: string
  constructor(object: string, cause: unknown) {
    super(`somebody else committed to ${object} during this push; every change is still pending: pull() to take in theirs, then push again`, { cause })
    this.object = object
  }
}

/**
 * `upgradeRemote` could not commit. Readers see the database as it was, in format 1, unless `inDoubt`. Run it again: that
 * finds out, and finishes.
 */
export class UpgradeFailedError extends EbookletError {
  readonly code = 'UPGRADE_FAILED'
  readonly object: string
  /** True when the commit may have arrived. */
  readonly inDoubt: boolean
  constructor(object: string, why: string, options: { inDoubt?: boolean; cause?: unknown } = {}) {
    super(`${object} was not upgraded: ${why}; run upgradeRemote again`, options)
    this.object = object
    this.inDoubt = options.inDoubt === true
  }
}

/** What was asked for needs the remote, and the database was opened offline. Nothing was fetched or changed. */
export class OfflineError extends EbookletError {
  readonly code = 'OFFLINE'
  /** The keys whose values are not in the local file; none when something else needs the remote. */
  readonly keys: readonly string[]
  constructor(keys: readonly string[], operation?: string) {
    super(`${operation ?? `the ${valuesOf(keys)} not in the local file, and reading it`} needs the remote, but the database was opened offline: close it and open it without the option offline`)
    this.keys = keys
  }
}

/** There is no local file to be opened offline, or not enough of it. Nothing was changed. */
export class OfflineFileError extends EbookletError {
  readonly code = 'OFFLINE_FILE'
  readonly path: string
  /** `missing`: there is no file. `index`: the file that lists the keys of the remote is missing or damaged. */
  readonly reason: 'missing' | 'index'
  constructor(path: string, reason: 'missing' | 'index') {
    const found =
      reason === 'missing'
        ? "there is no such local file: open the database once without the option offline, and load() what you need"
        : "the index beside it (.remote_index) is missing or damaged, so nobody can tell which keys there are: open the database once without the option offline, which reads it again. What the file itself holds can be read with openBooklet"
    super(`${path} can't be opened offline: ${found}`)
    this.path = path
    this.reason = reason
  }
}

function valuesOf(keys: readonly string[]): string {
  return `${keys.length === 1 ? 'value' : 'values'} of ${namesOf(keys)} ${keys.length === 1 ? 'is' : 'are'}`
}

function namesOf(keys: readonly string[]): string {
  const names = keys.slice(0, 5).map((key) => JSON.stringify(key)).join(', ')
  return keys.length > 5 ? `${names} and ${keys.length - 5} more` : names
}


/** Somebody committed while a remote was being checked or swept, again and again or though the lock was held. Nothing that is referred to was deleted; run it again. */
export class RemoteChangedError extends EbookletError {
  readonly code = 'REMOTE_CHANGED'
  readonly object: string
  constructor(object: string) {
    super(`${object} was committed to while it was being checked; run the check again when nobody writes`)
    this.object = object
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
