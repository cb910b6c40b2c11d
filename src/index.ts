/** EBooklet: a key/value database in one local file that syncs with S3 and is read by anyone from a URL. */

export { openEbooklet } from './database/open.js'
export { upgradeRemote, type UpgradeOptions } from './database/upgrade-remote.js'
export type { UpgradeResult } from './sync/upgrade/upgrade.js'
export { Ebooklet } from './database/ebooklet.js'
export type { CallOptions, LoadOptions } from './database/session.js'
export { copyRemote, type CopyRemoteOptions } from './database/copy-remote.js'
export { deleteRemote, type DeleteRemoteOptions } from './database/delete-remote.js'
export type { WholeRemoteOptions } from './database/whole-remote.js'
export type { CopyRemoteResult } from './sync/copy-remote.js'
export type { DeleteRemoteResult } from './sync/delete-remote.js'
export {
  openRcg,
  RemoteConnGroup,
  type AddMemberOptions,
  type OpenMemberGroupOptions,
  type OpenMemberOptions,
  type OpenRcgOptions,
  type RefreshOptions,
} from './database/group/remote-conn-group.js'
export type { GroupEntry } from './database/group/entry.js'
export type { MemberConnectionOptions } from './database/group/member.js'
export type { RefreshResult } from './database/group/refresh.js'
export { Changes, type Change } from './database/changes.js'
export type { RemoteWatch, WatchOptions } from './database/watch.js'
export type { RemoteChange } from './sync/untold-changes.js'
export type { LockMode, OpenEbookletOptions, OpenFlag } from './database/options.js'
export type { MapFunction, MapModule, MapOptions, MapResult } from './map/index.js'
export type { SchemaOptions, WithSchema } from './values/index.js'
export type { Guarantee } from './sync/conditions.js'
export type {
  Conflict,
  ConflictKind,
  ConflictResolver,
  ConflictSide,
  KeyConflict,
  MetadataConflict,
  OnConflict,
  ReplacementConflict,
  Resolution,
  ResolvedConflict,
} from './sync/conflict.js'
export type { Progress, ProgressListener } from './sync/progress.js'
export type { PullResult } from './sync/pull.js'
export type { PushOptions } from './sync/push.js'
export type { DryRun, PlannedGroup, PlannedRequests, PushPlan } from './sync/push-plan.js'
export type { AdjustedTimestamp, PushFailure, PushResult } from './sync/push-result.js'
export { MsgpackExtension, type NamedSerializer, type NumpyArray, type Serializer, type SerializerName } from './serializers/index.js'
export { type ArrowModule, type ArrowTable, type GeometryOptions, readGeometry, useArrow, withGeometry } from './serializers/index.js'
export { PyByteArray, PyComplex, PyDate, PyDateTime, type PyDateTimeDetails, PyFrozenSet, PyTime, PyTimeDelta, PyTimezone, PyTuple } from './serializers/index.js'
export type {
  GeoJsonGeometry,
  GeoJsonGeometryCollection,
  GeoJsonLineString,
  GeoJsonMultiLineString,
  GeoJsonMultiPoint,
  GeoJsonMultiPolygon,
  GeoJsonPoint,
  GeoJsonPolygon,
  GeoJsonPosition,
} from './serializers/index.js'
export type { Environment } from './base/environment.js'

// Where a database lives
export {
  DirectoryConnection,
  HttpConnection,
  S3Connection,
  StoreConnection,
  type OpenedConnection,
  type RecordedConnection,
  type RemoteConnection,
  type S3ConnectionOptions,
} from './database/connection/index.js'
export { DirectoryStore, HttpStore, MemoryStore, S3Store, withLimit, withRetry } from './store/index.js'
export type { ObjectStore, S3CredentialProvider, S3Credentials, S3StoreOptions } from './store/index.js'

// The lock
export { breakLocks, listLocks, type LockHolder } from './lock/index.js'

// Checking and mending
export { fsckRemote, type FsckOptions } from './database/fsck.js'
export type { FsckReport } from './sync/fsck/fsck.js'
export type { EntryPlace, RemoteFinding, RemoteFindingKind, SweepOutcome } from './sync/fsck/finding.js'
export { checkBooklet, repairBooklet, type BookletFinding, type BookletFindingKind, type BookletRepair, type BookletReport, type CheckBookletOptions, type LostPiece, type NamedKey, type RepairBookletOptions, type Severity, type WrongTarget } from './booklet/index.js'

// Errors: each has a stable `code`
export { ClosedError, EbookletError, FormatError, InvalidArgumentError, ReadOnlyError, UnsupportedVersionError } from './base/error.js'
export { Format1Error, GroupTooLargeError } from './format/errors.js'
export * from './sync/errors.js'
export { PushConflictError, type ConflictSummary } from './sync/conflict-errors.js'
export * from './sync/whole-remote-errors.js'
export { ConnectionNotRecordableError, GroupEntryError, MemberNotFoundError } from './database/group/errors.js'
export { LockError, LockLostError, LockReleaseError, LockTimeoutError, LockUnavailableError, ForeignTicketError } from './lock/index.js'
export { DeserializationError, PickledClassError, SerializationError, UnsupportedSerializerError, UnsupportedValueError } from './serializers/index.js'
export { MapError, MapFunctionError, MapWorkerError } from './map/index.js'
export { AsyncSchemaError, SchemaError } from './values/index.js'
export { FileLockedError, FileNotClosedError, WrongFileTypeError } from './booklet/index.js'
export {
  AccessDeniedError,
  BucketNotFoundError,
  CredentialsError,
  ObjectChangedError,
  PreconditionFailedError,
  ResponseTooLargeError,
  StoreError,
  StoreRequestError,
  StoreUnreachableError,
  UnsupportedKeyError,
  UnsupportedOperationError,
} from './store/index.js'
