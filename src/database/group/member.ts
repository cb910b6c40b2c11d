/** From connections to what a group records of them, and back. */
import { InvalidArgumentError } from '../../base/error.js'
import { HttpConnection, S3Connection, type RecordedConnection, type RemoteConnection, type S3ConnectionOptions } from '../connection/index.js'
import { checkConnection, type GroupEntry } from './entry.js'
import { ConnectionNotRecordableError, GroupEntryError } from './errors.js'

/**
 * What a group doesn't record of a member, above all credentials; or what shall hold instead of what it records
 * (`dbUrl: undefined` reads with credentials though the entry has a public URL).
 */
export type MemberConnectionOptions = { [Name in keyof S3ConnectionOptions]?: S3ConnectionOptions[Name] | undefined }

/**
 * @throws ConnectionNotRecordableError for a connection that isn't of S3 or a public URL, or that has a secret in a URL
 */
export function recordedConnection(connection: RemoteConnection): RecordedConnection {
  const recorded = connection.record?.()
  if (!recorded) throw new ConnectionNotRecordableError(connection.name, 'the format has a place for S3 and for public URLs only, not for a directory or a store of your own')
  try {
    checkConnection(recorded)
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause
    throw new ConnectionNotRecordableError(connection.name, cause.message)
  }
  if (recorded.dbUrl !== null) checkNoSecret(connection.name, new URL(recorded.dbUrl))
  return recorded
}

/* Everyone who reads the group would have them. */
function checkNoSecret(name: string, url: URL): void {
  if (url.username !== '' || url.password !== '') throw new ConnectionNotRecordableError(name, 'its public URL holds a user or password, and a group never holds credentials')
  if (url.search !== '') throw new ConnectionNotRecordableError(name, 'its public URL has a query, which may be a token of access, and a group never holds credentials')
}

/** The connection to a member. @throws GroupEntryError, InvalidArgumentError */
export function memberConnection(key: string, { remoteConn }: GroupEntry, given: MemberConnectionOptions = {}): RemoteConnection {
  const merged: MemberConnectionOptions = {
    bucket: remoteConn.bucket ?? undefined,
    dbKey: remoteConn.dbKey ?? undefined,
    endpoint: remoteConn.endpointUrl ?? undefined,
    dbUrl: remoteConn.dbUrl ?? undefined,
    ...given,
  }
  const options = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as Partial<S3ConnectionOptions>
  const { bucket, dbKey, dbUrl } = options
  if (bucket !== undefined && dbKey !== undefined) return new S3Connection({ ...options, bucket, dbKey })
  if (dbUrl !== undefined) return new HttpConnection(dbUrl, options)
  throw new GroupEntryError(key, 'its place is a public URL only: leave dbUrl as it is, or give bucket and dbKey')
}
