import { EbookletError, FormatError } from '../../base/error.js'

/** An entry of a connection group is not what the format says. The other entries can be read. */
export class GroupEntryError extends FormatError {
  override readonly code = 'GROUP_ENTRY'
  readonly key: string
  constructor(key: string, why: string, options?: { cause?: unknown }) {
    super(`the entry ${JSON.stringify(key.slice(0, 100))} of the connection group can not be used: ${why}`, options)
    this.key = key
  }
}

/** There is no such entry in the connection group. */
export class MemberNotFoundError extends EbookletError {
  readonly code = 'MEMBER_NOT_FOUND'
  readonly key: string
  constructor(key: string) {
    super(`the connection group has no entry ${JSON.stringify(key.slice(0, 100))}: look at keys(), or pull() what others added`)
    this.key = key
  }
}

/** The format of connection groups has no place for a connection of this kind. Nothing was changed. */
export class ConnectionNotRecordableError extends EbookletError {
  readonly code = 'CONNECTION_NOT_RECORDABLE'
  constructor(name: string, why: string) {
    super(`the connection ${name} can not be recorded in a connection group: ${why}`)
  }
}
