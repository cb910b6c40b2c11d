/** What a remote of format 1 keeps elsewhere than one of format 2. */
import { concatBytes, utf8Decode, utf8Encode } from '../base/bytes.js'
import { FormatError } from '../base/error.js'
import { decodeMetaSection } from '../format/db-object.js'
import { parseJson } from '../format/json.js'
import { FORMAT_1_METADATA_NAME, format1MetadataKey } from '../format/names.js'
import type { RemoteState } from '../format/remote-state.js'
import type { RemoteIndex } from './remote-index.js'
import { getBounded, type RemoteLocation } from './remote-location.js'

/**
 * The metadata of a database of format 1, as the section that format 2 has for it; null when there is none. `gone`: the
 * object is not the one that the index was written after.
 */
export async function readFormat1Metadata(
  remote: RemoteLocation,
  { index }: { index: RemoteIndex },
  known: RemoteState | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array | null | 'gone'> {
  const entry = index.metadataEntry
  if (entry === undefined) return null
  const had = known?.format === 1 && known.metaSection ? known.metaSection : undefined
  if (had && decodeMetaSection(had).timestamp === entry.timestamp) return had
  const result = await getBounded(remote, format1MetadataKey(remote.dbKey), { signal })
  if (result.status !== 'ok') return 'gone'
  const stamp = Number(result.info.metadata['timestamp'] ?? entry.timestamp)
  // Where a key has the same name, the object may be its value.
  if (index.has(FORMAT_1_METADATA_NAME) ? stamp !== entry.timestamp : stamp < entry.timestamp) return 'gone'
  return metaSectionOf(result.bytes, entry.timestamp)
}

/* The JSON goes on as it is: nothing of it is changed by being read and written. */
function metaSectionOf(json: Uint8Array, timestamp: number): Uint8Array {
  try {
    parseJson(utf8Decode(json))
  } catch (cause) {
    throw new FormatError('The metadata object of the remote database is not JSON.', { cause })
  }
  return concatBytes([utf8Encode(`{"timestamp":${timestamp},"data":`), json, utf8Encode('}')])
}

/** Whether the object under a key of this name is surely the value, and not the metadata, which format 1 puts there too. */
export function isValueNotMetadata(index: RemoteIndex, key: string, stamp: number | undefined): boolean {
  return key !== FORMAT_1_METADATA_NAME || index.metadataEntry === undefined || stamp === index.get(key)?.timestamp
}
