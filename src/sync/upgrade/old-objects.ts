/** The objects that format 1 has and format 2 hasn't, and what an upgrade that was stopped left. */
import { childPrefix, FORMAT_1_METADATA_NAME, format1GroupKey, format1MetadataKey, parseFormat1GroupKey, parseGroupKey } from '../../format/names.js'
import type { ObjectStore } from '../../store/object-store.js'
import { forEachConcurrent } from '../concurrency.js'
import type { RemoteSnapshot } from '../remote.js'
import type { RemoteLocation } from '../remote-location.js'

export interface Below {
  /** Groups of format 1. */
  groups: Set<number>
  /** Groups of format 2 below a database of format 1: copies of an upgrade that was stopped. */
  copies: string[]
  /** Keys of the index that have an object of their own (per-key mode). */
  values: Set<string>
  metadata: boolean
}

/** One listing of all that lies below the database. */
export async function listBelow({ store, dbKey }: RemoteLocation, { index, metadata }: RemoteSnapshot, signal: AbortSignal | undefined): Promise<Below> {
  const { numGroups, format } = metadata
  const below: Below = { groups: new Set(), copies: [], values: new Set(), metadata: false }
  const prefix = childPrefix(dbKey)
  for await (const { key: object } of store.list(prefix, { signal })) {
    if (object === format1MetadataKey(dbKey)) below.metadata = true
    if (numGroups === undefined) {
      const key = object.slice(prefix.length)
      // The metadata was found to be in this one, so that no value is.
      const isMetadata = key === FORMAT_1_METADATA_NAME && index.metadataEntry !== undefined
      if (index.has(key) && !isMetadata) below.values.add(key)
      continue
    }
    const gid = parseFormat1GroupKey(dbKey, object, numGroups)
    if (gid !== undefined) below.groups.add(gid)
    else if (format === 1 && (parseGroupKey(dbKey, object)?.gid ?? numGroups) < numGroups) below.copies.push(object)
  }
  return below
}

/**
 * What may go once the database is one of format 2. An object that was not seen to be a part of it may belong to another
 * database, whose key happens to look so: those tell by their user metadata.
 * @param known groups that were seen to be of this database
 */
export async function oldObjects(remote: RemoteLocation, below: Below, known: ReadonlySet<number>): Promise<string[]> {
  const { store, dbKey } = remote
  const sure: string[] = []
  const unsure = [...below.copies]
  for (const gid of below.groups) (known.has(gid) ? sure : unsure).push(format1GroupKey(dbKey, gid))
  if (below.metadata && !below.values.has(FORMAT_1_METADATA_NAME)) unsure.push(format1MetadataKey(dbKey))
  await forEachConcurrent(unsure, 16, async (object) => {
    if (await hasNoIdentity(store, object)) sure.push(object)
  })
  return sure
}

/** Groups have no user metadata, and the metadata object a timestamp; a db object has more. */
async function hasNoIdentity(store: ObjectStore, object: string): Promise<boolean> {
  const head = await store.head(object)
  return head.status === 'ok' && Object.keys(head.info.metadata).every((name) => name === 'timestamp')
}
