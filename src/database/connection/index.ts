import { fileURLToPath } from 'node:url'
import { InvalidArgumentError } from '../../base/error.js'
import type { RemoteConnection } from './connection.js'
import { DirectoryConnection } from './directory-connection.js'
import { HttpConnection } from './http-connection.js'
import { S3Connection } from './s3-connection.js'

export type { OpenedConnection, RecordedConnection, RemoteConnection } from './connection.js'
export { DirectoryConnection } from './directory-connection.js'
export { HttpConnection } from './http-connection.js'
export { S3Connection, type S3ConnectionOptions } from './s3-connection.js'
export { StoreConnection } from './store-connection.js'

/** @throws InvalidArgumentError when it is no connection and no URL of a known kind */
export function toConnection(remote: RemoteConnection | string | URL): RemoteConnection {
  if (typeof remote === 'object' && !(remote instanceof URL) && remote !== null && typeof remote.open === 'function') return remote
  const text = remote instanceof URL ? remote.href : typeof remote === 'string' ? remote : ''
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  switch (scheme) {
    case 's3':
      return S3Connection.fromUrl(text)
    case 'http':
    case 'https':
      return new HttpConnection(text)
    case 'file':
      return new DirectoryConnection(fileURLToPath(text))
    default:
      throw new InvalidArgumentError(
        'the remote has to be a connection such as an S3Connection, or a URL: s3://bucket/key, https://…, or file:///folder/key',
      )
  }
}
