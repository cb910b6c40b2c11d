/** Reading the db object: the one request that tells everything about a remote but its values. */
import type { GetOptions, GetResult } from '../store/object-store.js'
import { decodeHeader, type BookletHeader } from '../format/booklet-header.js'
import { decodeDbMetadata, type DbMetadata } from '../format/db-metadata.js'
import { decodeDbPayload } from '../format/db-object.js'
import { format1MetadataKey } from '../format/names.js'
import type { RemoteState } from '../format/remote-state.js'
import { IntegrityError } from './errors.js'
import { readFormat1Metadata } from './format-1.js'
import { getBounded, type RemoteLocation } from './remote-location.js'
import { RemoteIndex } from './remote-index.js'

export type { RemoteLimits, RemoteLocation } from './remote-location.js'

/** One committed state of a remote. */
export interface RemoteSnapshot {
  metadata: DbMetadata & { format: 1 | 2 }
  /** The header that a local copy starts with. */
  header: BookletHeader
  state: RemoteState
  index: RemoteIndex
}

/** What of a snapshot a local file takes in. */
export type TakenIn = Pick<RemoteSnapshot, 'state' | 'index'> & { metadata: Pick<DbMetadata, 'numGroups' | 'timestamp'> }

export type ReadRemoteResult = { status: 'ok'; snapshot: RemoteSnapshot } | { status: 'missing' } | { status: 'unchanged'; etag: string | undefined }

/**
 * Reads the committed state, or finds that it is still the one with `known`'s ETag (or, where only its
 * timestamp is known, as after Python wrote the local file, with its timestamp).
 */
export async function readRemote(
  remote: RemoteLocation,
  known: RemoteState | undefined,
  signal?: AbortSignal,
  again = 3,
): Promise<ReadRemoteResult> {
  const { store, dbKey, acceptFormat1 } = remote
  if (known?.format === 1 && !acceptFormat1) known = undefined
  if (known && known.etag === undefined && known.timestamp !== null) {
    const head = await store.head(dbKey, { signal })
    if (head.status === 'missing') return head
    if (head.status === 'ok' && decodeDbMetadata(head.info.metadata, { acceptFormat1 }).timestamp === known.timestamp) {
      return { status: 'unchanged', etag: head.info.etag === '' ? undefined : head.info.etag }
    }
  }
  const result = await getDbObject(remote, { ifNoneMatch: known?.etag, signal })
  if (result.status === 'not-modified') return { status: 'unchanged', etag: known?.etag }
  if (result.status !== 'ok') return { status: 'missing' }
  const { metadata, etag } = result.info
  const snapshot = decodeSnapshot(metadata, result.bytes, etag, acceptFormat1)
  if (snapshot.metadata.format === 1) {
    const metaSection = await readFormat1Metadata(remote, snapshot, known, signal)
    // It was there when the index was written: somebody has committed since.
    if (metaSection === 'gone') {
      if (again > 0) return readRemote(remote, known, signal, again - 1)
      throw new IntegrityError([], `${format1MetadataKey(dbKey)} of ${store.name}`, 'is missing or older than the index says')
    }
    snapshot.state.metaSection = metaSection
  }
  return { status: 'ok', snapshot }
}

/** The whole db object, unless it is larger than the limits allow. @throws RemoteTooLargeError */
export function getDbObject(remote: RemoteLocation, options: GetOptions): Promise<GetResult> {
  return getBounded(remote, remote.dbKey, options)
}

/**
 * Of format 1 everything but the metadata, which lies in an object of its own.
 * @throws FormatError, UnsupportedVersionError, Format1Error
 */
export function decodeSnapshot(userMetadata: Readonly<Record<string, string>>, body: Uint8Array, etag: string, acceptFormat1 = false): RemoteSnapshot {
  // The version stands in the metadata and is checked before anything else is parsed.
  const metadata = decodeDbMetadata(userMetadata, { acceptFormat1 })
  const known = { timestamp: metadata.timestamp, etag: etag === '' ? undefined : etag, numGroups: metadata.numGroups ?? null }
  const header = decodeHeader(metadata.initBytes)
  if (metadata.format === 1) {
    return { metadata, header, state: { ...known, manifest: new Map(), metaSection: null, format: 1 }, index: RemoteIndex.decode(body) }
  }
  const payload = decodeDbPayload(body)
  const state: RemoteState = { ...known, manifest: payload.manifest, metaSection: payload.metaSection ?? null }
  return { metadata, header, state, index: RemoteIndex.decode(payload.index) }
}
