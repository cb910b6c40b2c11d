import { fromBase64, toBase64Url } from '../base/bytes.js'
import { FormatError, InvalidArgumentError, UnsupportedVersionError } from '../base/error.js'
import { Format1Error } from './errors.js'
import { MAX_GROUPS } from './primes.js'
import { checkTimestamp, timestampFromText } from './timestamp.js'

/** The newest remote format that this release reads and writes. */
export const REMOTE_FORMAT_VERSION = 2

/** How many bytes of a local file's header travel with the remote. */
export const INIT_BYTES = 200

/** `EVariableLengthValue`: an ordinary database. `RemoteConnGroup`: a list of other databases. */
export type DatabaseType = 'EVariableLengthValue' | 'RemoteConnGroup'

export function isDatabaseType(value: unknown): value is DatabaseType {
  return value === 'EVariableLengthValue' || value === 'RemoteConnGroup'
}

/** What the user metadata of the db object says. */
export interface DbMetadata {
  /** When the commit was made, µs since the Unix epoch. */
  timestamp: number
  /** 32 lower-case hex characters: the UUID in the header of every local copy. */
  uuid: string
  type: DatabaseType
  /** The 200 bytes of a local file's header, from which a new local copy is made. */
  initBytes: Uint8Array
  /** A prime; undefined in per-key mode. */
  numGroups: number | undefined
}

/** The user metadata of a db object, as name → value. @throws InvalidArgumentError for a field that doesn't fit */
export function encodeDbMetadata(metadata: DbMetadata): Record<string, string> {
  checkTimestamp(metadata.timestamp)
  if (!/^[0-9a-f]{32}$/.test(metadata.uuid)) throw new InvalidArgumentError('The UUID of a database is 32 lower-case hex characters.')
  if (metadata.initBytes.length !== INIT_BYTES) throw new InvalidArgumentError(`init_bytes are ${INIT_BYTES} bytes; these are ${metadata.initBytes.length}.`)
  const { numGroups } = metadata
  if (numGroups !== undefined && !(Number.isInteger(numGroups) && numGroups >= 1 && numGroups <= MAX_GROUPS)) throw new InvalidArgumentError(`numGroups can not be ${numGroups}.`)
  return {
    timestamp: String(metadata.timestamp),
    uuid: metadata.uuid,
    type: metadata.type,
    init_bytes: toBase64Url(metadata.initBytes),
    format_version: String(REMOTE_FORMAT_VERSION),
    ...(numGroups === undefined ? {} : { num_groups: String(numGroups) }),
  }
}

/**
 * Reads the user metadata of a db object; the version before anything else. Names are taken in any
 * case, and with `-` for `_`, as some servers give them.
 *
 * @param options acceptFormat1: format 1 has the same fields but for its version. Default false
 * @throws UnsupportedVersionError for a newer format
 * @throws Format1Error for a remote without a version that otherwise looks like one, unless that is accepted
 * @throws FormatError for an object that isn't a database, or a field that is wrong
 */
export function decodeDbMetadata(record: Readonly<Record<string, string>>, options: { acceptFormat1?: boolean | undefined } = {}): DbMetadata & { format: 1 | 2 } {
  const fields = new Map<string, string>()
  for (const [name, value] of Object.entries(record)) {
    const exact = name.toLowerCase().replaceAll('-', '_')
    if (name === exact || !fields.has(exact)) fields.set(exact, value)
  }
  const format = formatOf(fields)
  if (format === 1 && options.acceptFormat1 !== true) throw new Format1Error('The remote database')
  return {
    format,
    timestamp: timestampFromText(fields.get('timestamp'), 'The timestamp of the db object'),
    uuid: readUuid(fields.get('uuid')),
    type: readType(fields.get('type')),
    initBytes: readInitBytes(fields.get('init_bytes')),
    numGroups: readNumGroups(fields.get('num_groups')),
  }
}

function formatOf(fields: ReadonlyMap<string, string>): 1 | 2 {
  const text = fields.get('format_version')
  if (text === undefined) {
    if (fields.has('uuid') && fields.has('type')) return 1
    throw new FormatError('The object is no EBooklet database: its user metadata lacks format_version. (A proxy or a copy that drops the x-amz-meta-… headers has this effect, too.)')
  }
  if (!/^\d{1,9}$/.test(text)) throw new FormatError(`The db object states the format version ${JSON.stringify(text.slice(0, 40))}, which is no number.`)
  const version = Number(text)
  if (version > REMOTE_FORMAT_VERSION) throw new UnsupportedVersionError(`The remote database is of format ${version}; this release reads up to ${REMOTE_FORMAT_VERSION}. Upgrade to open it.`, version)
  return version < REMOTE_FORMAT_VERSION ? 1 : 2
}

function readUuid(text: string | undefined): string {
  if (text !== undefined && /^[0-9a-f]{32}$/.test(text)) return text
  throw new FormatError(`The db object has no valid uuid: ${shown(text)}.`)
}

function readType(text: string | undefined): DatabaseType {
  if (isDatabaseType(text)) return text
  throw new FormatError(`The db object is of the type ${shown(text)}; this release knows EVariableLengthValue and RemoteConnGroup.`)
}

function readInitBytes(text: string | undefined): Uint8Array {
  let bytes: Uint8Array | undefined
  try {
    bytes = text === undefined ? undefined : fromBase64(text)
  } catch (cause) {
    throw new FormatError('The init_bytes of the db object are not base64.', { cause })
  }
  if (bytes?.length === INIT_BYTES) return bytes
  throw new FormatError(`The init_bytes of the db object are not ${INIT_BYTES} bytes.`)
}

function readNumGroups(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= MAX_GROUPS) return number
  throw new FormatError(`The db object has no valid num_groups: ${shown(text)}.`)
}

function shown(text: string | undefined): string {
  return text === undefined ? 'it is missing' : JSON.stringify(text.slice(0, 80))
}
