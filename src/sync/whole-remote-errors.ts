import { EbookletError } from '../base/error.js'

/** There is something at the target of a copy already. Nothing was overwritten. */
export class TargetExistsError extends EbookletError {
  readonly code = 'TARGET_EXISTS'
  readonly target: string
  constructor(target: string, options?: { cause?: unknown }) {
    super(`there is a database (or another object) at ${target} already: copy to another key, or delete that first with deleteRemote`, options)
    this.target = target
  }
}

/** All values of a copy are at the target, but its db object could not be written. Copy again: what is there is not copied again. */
export class CopyCommitError extends EbookletError {
  readonly code = 'COPY_COMMIT'
  readonly target: string
  /** True when the store could not be asked either: the copy may be complete. */
  readonly inDoubt: boolean
  constructor(target: string, inDoubt: boolean, options: { cause: unknown }) {
    super(`the last write of the copy to ${target} failed${inDoubt ? ', or its acknowledgement was lost' : ''}: copy again, what is there already is not copied again`, options)
    this.target = target
    this.inDoubt = inDoubt
  }
}

/** A remote is no database any more, but some of its objects could not be deleted. Delete again. */
export class DeleteIncompleteError extends EbookletError {
  readonly code = 'DELETE_INCOMPLETE'
  readonly remote: string
  /** Keys of the objects that are still there. */
  readonly left: readonly string[]
  constructor(remote: string, left: readonly string[], options?: { cause?: unknown }) {
    const names = left.slice(0, 5).map((key) => JSON.stringify(key)).join(', ')
    super(`${left.length} objects of ${remote} could not be deleted (${names}${left.length > 5 ? ', …' : ''}): call deleteRemote again`, options)
    this.remote = remote
    this.left = left
  }
}
