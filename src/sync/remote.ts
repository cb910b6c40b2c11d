/** Reading the db object: the one request that tells everything about a remote but its values. */
import type { ObjectStore } from '../store/object-store.js'
import { decodeHeader, type BookletHeader } from '../format/booklet-header.js'
import { decodeDbMetadata, type DbMetadata } from '../format/db-metadata.js'
import { decodeDbPayload } from '../format/db-object.js'
import type { RemoteState } from '../format/remote-state.js'
import { RemoteIndex } from './remote-index.js'

/** A database on an object store. */
export interface RemoteLocation {
  store: ObjectStore
  /** The key of the db object; everything else of the database lies below it. */
  dbKey: string
}

/** One committed state of a remote. */
export interface RemoteSnapshot {
  metadata: DbMetadata
  /** The header that a local copy starts with. */
  header: BookletHeader
  state: RemoteState
  index: RemoteIndex
}

export type ReadRemoteResult = { status: 'ok'; snapshot: RemoteSnapshot } | { status: 'missing' } | { status: 'unchanged'; etag: string | undefined }

/**
 * Reads the committed state, or finds that it is still the one with `known`'s ETag (or, where only its
 * timestamp is known, as after Python wrote the local file, with its timestamp).
 */
export async function readRemote(
  remote: RemoteLocation,
  known: RemoteState | undefined,
  signal?: AbortSignal,
): Promise<ReadRemoteResult> {
  const { store, dbKey } = remote
  if (known && known.etag === undefined && known.timestamp !== null) {
    const head = await store.head(dbKey, { signal })
    if (head.status === 'missing') return head
    if (head.status === 'ok' && decodeDbMetadata(head.info.metadata).timestamp === known.timestamp) {
      return { status: 'unchanged', etag: head.info.etag === '' ? undefined : head.info.etag }
    }
  }
  const result = await store.get(dbKey, { ifNoneMatch: known?.etag, signal })
  if (result.status === 'not-modified') return { status: 'unchanged', etag: known?.etag }
  if (result.status !== 'ok') return { status: 'missing' }
  return { status: 'ok', snapshot: decodeSnapshot(result.info.metadata, result.bytes, result.info.etag) }
}

/** @throws FormatError, UnsupportedVersionError, Format1Error */
export function decodeSnapshot(userMetadata: Readonly<Record<string, string>>, body: Uint8Array, etag: string): RemoteSnapshot {
  // The version stands in the metadata and is checked before anything else is parsed.
  const metadata = decodeDbMetadata(userMetadata)
  const payload = decodeDbPayload(body)
  const state: RemoteState = {
    timestamp: metadata.timestamp,
    manifest: payload.manifest,
    metaSection: payload.metaSection ?? null,
    etag: etag === '' ? undefined : etag,
  }
  return { metadata, header: decodeHeader(metadata.initBytes), state, index: RemoteIndex.decode(payload.index) }
}
