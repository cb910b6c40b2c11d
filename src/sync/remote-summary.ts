/** What a db object says of itself, read without its index. */
import { decodeDbMetadata, type DatabaseType } from '../format/db-metadata.js'
import { decodeMetaSection, locateMetaSection, PAYLOAD_HEAD_BYTES } from '../format/db-object.js'
import { FormatError } from '../base/error.js'
import { getDbObject, readRemote, type RemoteLocation } from './remote.js'

export interface RemoteSummary {
  type: DatabaseType
  uuid: string
  /** µs of the last commit. */
  timestamp: number
  /** The user's metadata; null when there is none. */
  metadata: unknown
}

/* Head, manifest and metadata of most databases. */
const firstBytes = 32 * 1024

/**
 * Reads the summary of a remote with one request, or two where the manifest is long. Undefined when there is no database.
 * @throws FormatError, UnsupportedVersionError, RemoteTooLargeError, StoreError
 */
export async function readSummary(remote: RemoteLocation, signal?: AbortSignal): Promise<RemoteSummary | undefined> {
  const first = await getDbObject(remote, { range: { offset: 0, length: firstBytes }, signal })
  if (first.status === 'missing') return undefined
  if (first.status !== 'ok') throw new FormatError(`${remote.store.name} ${remote.dbKey} is empty, and no EBooklet database.`)
  // The version stands in the metadata and is checked before anything else is parsed.
  const { type, uuid, timestamp, format } = decodeDbMetadata(first.info.metadata, { acceptFormat1: true })
  // Format 1 has its metadata in an object of its own.
  if (format === 1 || first.bytes.length < Math.min(PAYLOAD_HEAD_BYTES, first.info.size)) return readWhole(remote, signal)
  const { offset, length } = locateMetaSection(first.bytes, first.info.size)
  if (length === 0) return { type, uuid, timestamp, metadata: null }
  let section = first.bytes.subarray(offset, offset + length)
  if (section.length < length) {
    const rest = await getDbObject(remote, { range: { offset, length }, signal })
    const same = rest.status === 'ok' && rest.info.etag !== '' && rest.info.etag === first.info.etag
    section = same ? rest.bytes.subarray(offset - rest.offset, offset - rest.offset + length) : section.subarray(0, 0)
    // Somebody pushed in between, or the range came short: one answer says it all.
    if (section.length < length) return readWhole(remote, signal)
  }
  return { type, uuid, timestamp, metadata: decodeMetaSection(section).data }
}

async function readWhole(remote: RemoteLocation, signal: AbortSignal | undefined): Promise<RemoteSummary | undefined> {
  const result = await readRemote({ ...remote, acceptFormat1: true }, undefined, signal)
  if (result.status !== 'ok') return undefined
  const { metadata, state } = result.snapshot
  const { type, uuid, timestamp } = metadata
  return { type, uuid, timestamp, metadata: state.metaSection ? decodeMetaSection(state.metaSection).data : null }
}
