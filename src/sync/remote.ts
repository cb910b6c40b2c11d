/** Reading the db object: the one request that tells everything about a remote but its values. */
import { ResponseTooLargeError } from '../store/errors.js'
import type { GetOptions, GetResult, ObjectStore } from '../store/object-store.js'
import { decodeHeader, type BookletHeader } from '../format/booklet-header.js'
import { decodeDbMetadata, type DbMetadata } from '../format/db-metadata.js'
import { decodeDbPayload } from '../format/db-object.js'
import type { RemoteState } from '../format/remote-state.js'
import { RemoteTooLargeError } from './errors.js'
import { RemoteIndex } from './remote-index.js'

/** What is accepted from a remote: anyone may publish one. */
export interface RemoteLimits {
  /** Bytes of the db object. Default 2 GiB. */
  maxIndexBytes?: number | undefined
  /** Bytes of one value, as stored. Default 2^32 - 1, the most that the format holds. */
  maxValueBytes?: number | undefined
}

const defaultMaxIndexBytes = 2 ** 31

/** A database on an object store. */
export interface RemoteLocation {
  store: ObjectStore
  /** The key of the db object; everything else of the database lies below it. */
  dbKey: string
  limits?: RemoteLimits | undefined
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
  const result = await getDbObject(remote, { ifNoneMatch: known?.etag, signal })
  if (result.status === 'not-modified') return { status: 'unchanged', etag: known?.etag }
  if (result.status !== 'ok') return { status: 'missing' }
  return { status: 'ok', snapshot: decodeSnapshot(result.info.metadata, result.bytes, result.info.etag) }
}

/** The whole db object, unless it is larger than the limits allow. @throws RemoteTooLargeError */
export async function getDbObject({ store, dbKey, limits }: RemoteLocation, options: GetOptions): Promise<GetResult> {
  const maxBytes = limits?.maxIndexBytes ?? defaultMaxIndexBytes
  try {
    return await store.get(dbKey, { ...options, maxBytes })
  } catch (cause) {
    if (cause instanceof ResponseTooLargeError) throw new RemoteTooLargeError('maxIndexBytes', `${store.name} ${dbKey}`, maxBytes, { cause })
    throw cause
  }
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
    numGroups: metadata.numGroups ?? null,
  }
  return { metadata, header: decodeHeader(metadata.initBytes), state, index: RemoteIndex.decode(payload.index) }
}
