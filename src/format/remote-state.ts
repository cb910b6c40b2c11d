import { fromBase64, toBase64, utf8Encode } from '../base/bytes.js'
import { FormatError } from '../base/error.js'
import { isDatabaseType, type DatabaseType } from './db-metadata.js'
import { readSlot } from './journal.js'
import { manifestFromJson, manifestToJson, type Manifest } from './manifest.js'
import { MAX_GROUPS } from './primes.js'
import { checkTimestamp, timestampFromJson } from './timestamp.js'

/**
 * The db object that the local file is in sync with: reserved slot 2, compact JSON of `v` (1),
 * `remote_ts`, `manifest`, `meta_section` (base64), and our own `etag`, `conditions`, `replaces`,
 * `groups`, `format` and `type`, which the original ignores and drops when it rewrites the slot.
 */
export interface RemoteState {
  /** The timestamp of the db object, µs; null when there was no remote yet. */
  timestamp: number | null
  manifest: Manifest
  /** The raw metadata section; null when there was none. */
  metaSection: Uint8Array | null
  /** The ETag of the db object, where it is known. */
  etag?: string | undefined
  /** Which conditional writes were seen to work on which store. */
  conditions?: SeenConditions | undefined
  /** How many groups the remote has; null for per-key mode. Undefined where that isn't recorded. */
  numGroups?: number | null | undefined
  /** 1 for a remote of format 1, which has no manifest. */
  format?: 1 | undefined
  /** UUID of the database at the remote that a pending replacement is to replace, when the local file has another. */
  replaces?: string | undefined
  /** What kind of database the local file is; undefined where that isn't recorded. */
  type?: DatabaseType | undefined
}

export interface SeenConditions {
  /** The store's name: endpoint and bucket. */
  store: string
  create: boolean
  /** How an ETag has to be sent; undefined when If-Match doesn't work. */
  match: 'quoted' | 'bare' | undefined
}

const remoteStateVersion = 1

export function encodeRemoteState(state: RemoteState): Uint8Array<ArrayBuffer> {
  if (state.timestamp !== null) checkTimestamp(state.timestamp)
  const meta = state.metaSection === null ? 'null' : `"${toBase64(state.metaSection)}"`
  const etag = state.etag === undefined ? '' : `,"etag":${JSON.stringify(state.etag)}`
  const conditions = state.conditions === undefined ? '' : `,"conditions":${JSON.stringify(state.conditions)}`
  const replaces = state.replaces === undefined ? '' : `,"replaces":${JSON.stringify(state.replaces)}`
  const groups = state.numGroups === undefined ? '' : `,"groups":${state.numGroups}`
  const format = state.format === undefined ? '' : `,"format":${state.format}`
  const type = state.type === undefined ? '' : `,"type":${JSON.stringify(state.type)}`
  return utf8Encode(`{"v":${remoteStateVersion},"remote_ts":${state.timestamp},"manifest":${manifestToJson(state.manifest)},"meta_section":${meta}${etag}${conditions}${replaces}${groups}${format}${type}}`)
}

/**
 * Unknown fields are ignored.
 * @throws UnsupportedVersionError for a newer version
 * @throws FormatError
 */
export function decodeRemoteState(bytes: Uint8Array): RemoteState {
  const fields = readSlot(bytes, 'remote state', remoteStateVersion)
  const timestamp: unknown = fields.get('remote_ts') ?? null
  const etag: unknown = fields.get('etag')
  const replaces: unknown = fields.get('replaces')
  const groups: unknown = fields.get('groups')
  const type: unknown = fields.get('type')
  return {
    timestamp: timestamp === null ? null : timestampFromJson(timestamp, 'The remote state of the local file'),
    manifest: manifestFromJson(fields.get('manifest') ?? {}, 'The manifest in the remote state of the local file'),
    metaSection: readMetaSection(fields.get('meta_section') ?? null),
    ...(typeof etag === 'string' && etag !== '' ? { etag } : {}),
    ...readConditions(fields.get('conditions')),
    ...(typeof replaces === 'string' && /^[0-9a-f]{32}$/.test(replaces) ? { replaces } : {}),
    ...(groups === null || (typeof groups === 'number' && Number.isInteger(groups) && groups >= 1 && groups <= MAX_GROUPS) ? { numGroups: groups } : {}),
    ...(fields.get('format') === 1 ? { format: 1 } : {}),
    ...(isDatabaseType(type) ? { type } : {}),
  }
}

/* What isn't as we write it is forgotten: it can be seen again. */
function readConditions(value: unknown): { conditions?: SeenConditions } {
  if (typeof value !== 'object' || value === null || !('store' in value) || typeof value.store !== 'string') return {}
  const match = 'match' in value && (value.match === 'quoted' || value.match === 'bare') ? value.match : undefined
  return { conditions: { store: value.store, create: 'create' in value && value.create === true, match } }
}

function readMetaSection(value: unknown): Uint8Array | null {
  if (value === null) return null
  try {
    if (typeof value === 'string') return fromBase64(value)
  } catch (cause) {
    throw new FormatError('The meta_section in the remote state of the local file is not base64.', { cause })
  }
  throw new FormatError('The meta_section in the remote state of the local file is not base64.')
}
