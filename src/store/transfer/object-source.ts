/** Reading an object piece by piece, as one and the same. */
import { ObjectChangedError } from '../errors.js'
import type { ObjectInfo, ObjectStore } from '../object-store.js'
import { DEFAULT_PART_SIZE, type LargeSource } from './put-large.js'

/** What an object is known by: every piece must come from it. */
export type KnownObject = Pick<ObjectInfo, 'size' | 'etag' | 'lastModified'>

/**
 * An object of a store as a source. Each piece is checked to be of the object that is known; a store without ETags is
 * asked for size and date instead.
 * @param known as a `get` or `head` told it
 */
export function objectSource(store: ObjectStore, key: string, known: KnownObject): LargeSource {
  return {
    size: known.size,
    async read(offset, length, signal) {
      const result = await store.get(key, { range: { offset, length }, maxBytes: length, signal })
      if (result.status === 'ok' && isSame(result.info, known)) return result.bytes
      throw new ObjectChangedError(`${store.name}: ${key} ${result.status === 'missing' ? 'was deleted' : 'was replaced'} while it was read`, { store: store.name, key })
    },
  }
}

function isSame(found: ObjectInfo, known: KnownObject): boolean {
  if (found.size !== known.size) return false
  return known.etag === '' && found.etag === '' ? found.lastModified === known.lastModified : found.etag === known.etag
}

/**
 * The bytes of a source, one piece after the other; one piece is in memory at a time.
 * @param pieceSize bytes. Default 8 MiB
 */
export async function* readInPieces(source: LargeSource, pieceSize: number = DEFAULT_PART_SIZE, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < source.size; offset += pieceSize) {
    yield await source.read(offset, Math.min(pieceSize, source.size - offset), signal)
  }
}
