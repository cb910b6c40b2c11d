import { EbookletError, FormatError } from '../base/error.js'

export { WrongFileTypeError } from '../format/booklet-header.js'
export { FileLockedError, FileLockUnavailableError } from '../platform/file-lock.js'

/** There is no file at the path, and the flag doesn't make one. */
export class FileNotFoundError extends EbookletError {
  readonly code = 'FILE_NOT_FOUND'
  readonly path: string
  constructor(path: string, options?: { cause?: unknown }) {
    super(`${path} doesn't exist; open it with flag 'c' to create it`, options)
    this.path = path
  }
}

/** The last writer didn't close the file. Opening it once for writing repairs it. */
export class FileNotClosedError extends EbookletError {
  readonly code = 'FILE_NOT_CLOSED'
  readonly path: string
  constructor(path: string) {
    super(`${path} was not closed by its last writer; open it once with flag 'w', which repairs it`)
    this.path = path
  }
}

/** The file was changed while an iteration over it was running. Start the iteration anew. */
export class ChangedWhileIteratingError extends EbookletError {
  readonly code = 'CHANGED_WHILE_ITERATING'
  constructor() {
    super('the booklet was changed while iterating over it; collect the keys first, or start the iteration anew')
  }
}

/**
 * A prune or clear was stopped half-way and can't be finished, because its side file is missing or
 * damaged. The entries are in neither file any more; restore a copy.
 */
export class UnfinishedRewriteError extends FormatError {
  override readonly code = 'UNFINISHED_REWRITE'
  readonly path: string
  readonly sidecar: string
  constructor(path: string, sidecar: string, problem: string) {
    super(`${path} was being rewritten when its writer stopped, and ${sidecar}, from which that would be finished, is ${problem}. Put that file back, or restore ${path} from a copy.`)
    this.path = path
    this.sidecar = sidecar
  }
}

/** Writing to the file failed half-way through a step. Close this handle and open the file anew, which repairs it. */
export class BrokenHandleError extends EbookletError {
  readonly code = 'BROKEN_HANDLE'
  readonly path: string
  constructor(path: string, cause: unknown) {
    super(`an earlier write to ${path} failed; close it and open it again, which finishes or undoes what was under way`, { cause })
    this.path = path
  }
}

/** What an open for writing found and put right. Counts are of blocks, in the terms of docs/format.md. */
export interface RepairReport {
  /** An interrupted `sync` was finished: everything that it had to write was safe already. */
  readonly finishedSync: boolean
  /** An interrupted prune or clear was finished. */
  readonly finishedRewrite: boolean
  /** Bytes cut off the end: writes that were never synced, or a block cut short. */
  readonly cutBytes: number
  /** Blocks that no lookup could reach (writes cut off by a crash), now marked dead. */
  readonly orphans: number
  /** Blocks that had dropped out of their chain through damage, linked again. */
  readonly relinked: number
  /** Pointers that led to no block, as in a file cut short: what lay there is lost, unless it was relinked. */
  readonly danglingPointers: number
  /** Buckets whose chain was damaged: a loop, a dead block within, a position outside the data. */
  readonly brokenChains: number
  /** Stretches between blocks that hold no blocks. They can be read around; `prune()` removes them. */
  readonly strayGaps: number
  /** What the header gave as the number of keys; undefined for "not closed". */
  readonly keysBefore: number | undefined
  /** The number of keys counted. */
  readonly keys: number
}
