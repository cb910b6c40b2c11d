/** The databases that adapters are tested over, each with another way to get it. */
import { MemoryStore } from '../../src/store/index.js'
import { openBooklet } from '../../src/booklet/index.js'
import { openEbooklet, StoreConnection, type SerializerName } from '../../src/index.js'
import type { OpenDatabase } from '../../src/adapters/source.js'

export const lockTiming = { settle: 2, poll: 5 }

export interface AdaptedKind {
  name: string
  open(): Promise<OpenDatabase>
}

function booklet(valueSerializer: SerializerName): AdaptedKind {
  return { name: `a local file of ${valueSerializer}`, open: async () => openBooklet<string, unknown>(null, { flag: 'n', valueSerializer }) }
}

function ebooklet(valueSerializer: SerializerName, numGroups: number | null): AdaptedKind {
  return {
    name: `an Ebooklet of ${valueSerializer}, ${numGroups === null ? 'per key' : 'grouped'}`,
    open: () => openEbooklet(new StoreConnection(new MemoryStore(), 'db.blt'), ':memory:', { flag: 'c', valueSerializer, numGroups, lockTiming }),
  }
}

export const adaptedKinds: readonly AdaptedKind[] = [booklet('json'), booklet('str'), ebooklet('json', 3), ebooklet('msgpack', null)]
export const bytesKind = booklet('bytes')
