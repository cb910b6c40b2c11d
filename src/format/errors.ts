import { EbookletError, UnsupportedVersionError } from '../base/error.js'

/** The remote is of format 1, written by ebooklet 0.9 or older, which can only be read (flag `r`). `upgradeRemote` turns it into format 2. */
export class Format1Error extends UnsupportedVersionError {
  constructor(what: string) {
    super(`${what} is of remote format 1 (ebooklet 0.9 or older), which can only be read: open it with flag 'r', or turn it into format 2 with upgradeRemote(remote); ebooklet 0.10 and newer of Python then read and write it, older ones can't any more.`, 1)
  }
}

/** A group object would exceed 4 GiB. Nothing was built. */
export class GroupTooLargeError extends EbookletError {
  readonly code = 'GROUP_TOO_LARGE'
  /** How many bytes the group object would have. */
  readonly bytes: number
  constructor(bytes: number) {
    super(`A group of ${bytes} bytes is too large: a group object holds 4,294,967,295 at most. Use more groups: open the database with flag n and a larger numGroups, or store large values one object each (no numGroups).`)
    this.bytes = bytes
  }
}
