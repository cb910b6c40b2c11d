/**
 * `ebooklet/booklet`: a persistent `Map` in one local file, byte-compatible with the Python package
 * `booklet`.
 */
export { ClosedError, EbookletError, FormatError, InvalidArgumentError, ReadOnlyError, UnsupportedVersionError } from '../base/error.js'
export type { Environment } from '../base/environment.js'
export { DeserializationError, MsgpackExtension, PickledClassError, SerializationError, UnsupportedSerializerError, UnsupportedValueError } from '../serializers/index.js'
export { type ArrowModule, type ArrowTable, type GeometryOptions, readGeometry, useArrow, withGeometry } from '../serializers/index.js'
export { PyByteArray, PyComplex, PyDate, PyDateTime, type PyDateTimeDetails, PyFrozenSet, PyTime, PyTimeDelta, PyTimezone, PyTuple } from '../serializers/index.js'
export type { GeoJsonGeometry, NamedSerializer, NumpyArray, Serializer, SerializerName } from '../serializers/index.js'
export { MapError, MapFunctionError, MapWorkerError, type MapFunction, type MapModule, type MapOptions, type MapResult } from '../map/index.js'
export { AsyncSchemaError, SchemaError, type SchemaOptions, type WithSchema } from '../values/index.js'
export type { BookletBase, EntryLocation, RawEntry, TimestampOption } from './base.js'
export { Booklet, openBooklet, type ReservedSlots, type SlotContent } from './booklet.js'
export type { Severity } from '../base/findings.js'
export { checkBooklet, indexProblems, type BookletReport, type CheckBookletOptions } from './check/check.js'
export type { BookletFinding, BookletFindingKind, NamedKey, WrongTarget } from './check/finding.js'
export { repairBooklet, type BookletRepair, type LostPiece, type RepairBookletOptions } from './check/repair.js'
export { encodeFixedBooklet } from './encode-fixed.js'
export {
  BrokenHandleError,
  ChangedWhileIteratingError,
  FileLockedError,
  FileLockUnavailableError,
  FileNotClosedError,
  FileNotFoundError,
  type RepairReport,
  UnfinishedRewriteError,
  WrongFileTypeError,
} from './errors.js'
export { FixedBooklet, openFixedBooklet } from './fixed-booklet.js'
export type { BookletOptions, CommonOptions, FixedBookletOptions, OpenFlag } from './options.js'
