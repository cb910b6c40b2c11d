/** Entries of a connection group: what is stored, and what a reader gets. docs/format.md, section 7. */
import { FormatError, InvalidArgumentError } from '../../base/error.js'
import { isDatabaseType, type DatabaseType } from '../../format/db-metadata.js'
import { isPlainObject } from '../../format/json-write.js'
import { checkDbKey } from '../../format/names.js'
import { timestampFromJson } from '../../format/timestamp.js'
import { resolveSerializer } from '../../serializers/index.js'
import type { RemoteSummary } from '../../sync/remote-summary.js'
import { resolveAddress } from '../../store/index.js'
import type { RecordedConnection } from '../connection/connection.js'
import { GroupEntryError } from './errors.js'

/** What a connection group says of a member. Deep-frozen. */
export interface GroupEntry {
  /** The version of the stored entry; 0 for those that ebooklet wrote before 0.9, which state none. */
  readonly entryVersion: 0 | 1
  /** What kind of database the member is. */
  readonly type: DatabaseType
  /** µs of the member's last commit when it was added or refreshed. */
  readonly timestamp: number
  /** The member's metadata then; null when it had none. */
  readonly remoteMeta: unknown
  /** What whoever added it said of it, any JSON value; null when nothing was said. */
  readonly userMeta: unknown
  /** Where it is. Never credentials. */
  readonly remoteConn: RecordedConnection
  /** The entry as it is stored, with fields that this release doesn't know. */
  readonly stored: Readonly<Record<string, unknown>>
}

const serializer = resolveSerializer<unknown>('orjson')

const keyPattern = /^[A-Za-z0-9._-]+$/

/** @throws InvalidArgumentError for what can't be the key of an entry */
export function checkEntryKey(key: string): void {
  // Python makes URLs of keys, by rules that resolve `.` and `..`.
  if (typeof key === 'string' && keyPattern.test(key) && key !== '.' && key !== '..') return
  throw new InvalidArgumentError(`the key of an entry consists of letters, digits, ".", "_" and "-"; this is ${JSON.stringify(key)}`)
}

/** The fields of an entry that is made anew. */
export interface NewEntry {
  summary: RemoteSummary
  userMeta: unknown
  remoteConn: RecordedConnection
}

/** What is stored, in version 1. Fields that a later release put into the `previous` entry are kept. */
export function encodeEntry({ summary, userMeta, remoteConn }: NewEntry, previous?: GroupEntry): Record<string, unknown> {
  return {
    ...previous?.stored,
    entry_version: 1,
    type: summary.type,
    // Beyond 2^53 a number would be written as a float.
    timestamp: Number.isSafeInteger(summary.timestamp) ? summary.timestamp : BigInt(summary.timestamp),
    remote_meta: summary.metadata,
    user_meta: userMeta,
    remote_conn: { db_key: remoteConn.dbKey, bucket: remoteConn.bucket, endpoint_url: remoteConn.endpointUrl, db_url: remoteConn.dbUrl },
  }
}

/** The same place with fresh facts; what stands in `remote_conn` is left as it is. */
export function encodeRefreshed(entry: GroupEntry, summary: RemoteSummary): Record<string, unknown> {
  return { ...encodeEntry({ summary, userMeta: entry.userMeta, remoteConn: entry.remoteConn }, entry), remote_conn: entry.stored['remote_conn'] }
}

/**
 * Reads a stored entry, which anyone may have written.
 * @throws GroupEntryError
 */
export function decodeEntry(key: string, bytes: Uint8Array): GroupEntry {
  return readEntry(key, parse(key, bytes))
}

function parse(key: string, bytes: Uint8Array): unknown {
  try {
    return serializer.decode(bytes)
  } catch (cause) {
    throw new GroupEntryError(key, 'it is not JSON', { cause })
  }
}

function readEntry(key: string, value: unknown): GroupEntry {
  if (!keyPattern.test(key)) throw new GroupEntryError(key, 'its key holds other characters than letters, digits, ".", "_" and "-"')
  if (!isRecord(value)) throw new GroupEntryError(key, 'it is not an object')
  const fields = new Map(Object.entries(value))
  const entryVersion = readVersion(key, fields.get('entry_version'))
  const type = fields.get('type')
  if (!isDatabaseType(type)) throw new GroupEntryError(key, 'its type is neither EVariableLengthValue nor RemoteConnGroup')
  const userMeta = fields.get('user_meta') ?? null
  return deepFreeze({
    entryVersion,
    type,
    timestamp: readTimestamp(key, fields.get('timestamp')),
    remoteMeta: entryVersion === 0 ? userMeta : (fields.get('remote_meta') ?? null),
    userMeta: entryVersion === 0 ? null : userMeta,
    remoteConn: readConnection(key, fields.get('remote_conn')),
    stored: value,
  })
}

function readVersion(key: string, version: unknown): 0 | 1 {
  if (version === undefined) return 0
  if (version === 1) return 1
  const newer = typeof version === 'number' && Number.isInteger(version) && version > 1
  throw new GroupEntryError(key, newer ? `it is of version ${version}, and this release reads 1: upgrade` : 'it states no version that exists')
}

function readTimestamp(key: string, value: unknown): number {
  try {
    return timestampFromJson(value, 'its field timestamp')
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause
    throw new GroupEntryError(key, cause.message, { cause })
  }
}

function readConnection(key: string, value: unknown): RecordedConnection {
  if (!isRecord(value)) throw new GroupEntryError(key, 'its remote_conn is not an object')
  const fields = new Map(Object.entries(value))
  const text = (name: string): string | null => {
    const found = fields.get(name) ?? null
    if (found !== null && (typeof found !== 'string' || found === '')) throw new GroupEntryError(key, `${name} in its remote_conn is no text`)
    return found
  }
  const connection: RecordedConnection = { dbKey: text('db_key'), bucket: text('bucket'), endpointUrl: text('endpoint_url'), dbUrl: text('db_url') }
  try {
    checkConnection(connection)
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause
    throw new GroupEntryError(key, cause.message, { cause })
  }
  return connection
}

/** @throws InvalidArgumentError when it leads nowhere, or somewhere that is no bucket or URL */
export function checkConnection({ dbKey, bucket, endpointUrl, dbUrl }: RecordedConnection): void {
  if (dbKey !== null) checkDbKey(dbKey)
  if (bucket !== null) resolveAddress({ bucket, endpoint: endpointUrl ?? undefined }, 'us-east-1')
  if (dbUrl !== null) checkUrl(dbUrl)
  if ((dbKey === null || bucket === null) && dbUrl === null) throw new InvalidArgumentError('it names neither a bucket with a db_key nor a db_url')
}

function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new InvalidArgumentError('its db_url is no http or https URL')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && isPlainObject(value)
}

/** Freezes a value of JSON with all that is in it, however deep. */
function deepFreeze<T>(value: T): T {
  const waiting: unknown[] = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next !== 'object' || next === null || Object.isFrozen(next)) continue
    Object.freeze(next)
    for (const name of Object.keys(next)) waiting.push((next as Record<string, unknown>)[name])
  }
  return value
}
