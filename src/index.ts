/** EBooklet: a key/value database in one local file that syncs with S3 and is read by anyone from a URL. */
export { openEbooklet } from './database/open.js'
export { Ebooklet, type CallOptions, type LoadOptions } from './database/ebooklet.js'
export { Changes, type Change } from './database/changes.js'
export type { OpenEbookletOptions, OpenFlag } from './database/options.js'
export {
  DirectoryConnection,
  HttpConnection,
  S3Connection,
  StoreConnection,
  type OpenedConnection,
  type RemoteConnection,
  type S3ConnectionOptions,
} from './database/connection/index.js'
export type { Progress, ProgressListener } from './sync/progress.js'
export type { PushOptions } from './sync/push.js'
export type { AdjustedTimestamp, PushFailure, PushResult } from './sync/push-result.js'
export type { Guarantee } from './sync/conditions.js'
export type { PullResult } from './sync/pull.js'
export * from './sync/errors.js'
export { ClosedError, EbookletError, FormatError, InvalidArgumentError, ReadOnlyError, UnsupportedVersionError } from './base/error.js'
export type { Environment } from './base/environment.js'
