import { type Ebooklet, MemoryStore, openEbooklet, type OpenEbookletOptions, StoreConnection } from '../../src/index.js'
import { fromBase64, toBase64Url, utf8Encode } from '../../src/base/bytes.js'
import { encodeFixedBooklet } from '../../src/booklet/index.js'
import { encodeIndexEntry } from '../../src/format/index-entry.js'

export const dbKey = 'db.blt'

export interface StoredObject {
  key: string
  bytes: Uint8Array
  metadata: Readonly<Record<string, string>>
}

/** All objects of a store. */
export async function objectsOf(store: MemoryStore): Promise<StoredObject[]> {
  const out: StoredObject[] = []
  for await (const { key } of store.list('')) {
    const got = await store.get(key)
    if (got.status === 'ok') out.push({ key, bytes: got.bytes, metadata: got.info.metadata })
  }
  return out
}

/** A store that holds exactly these objects, without the checks that a put makes. */
export function storeOf(objects: readonly StoredObject[]): MemoryStore {
  const store = new MemoryStore()
  for (const { key, bytes, metadata } of objects) store.bucket.write(key, bytes, metadata)
  return store
}

export function open<V = unknown>(store: MemoryStore, options: OpenEbookletOptions<V> = {}, path = ':memory:'): Promise<Ebooklet<V>> {
  return openEbooklet<V>(new StoreConnection(store, dbKey), path, { lockTiming: { settle: 1, poll: 1 }, lockTimeout: 200, onWarning: () => undefined, ...options })
}

/** A small database as this library pushes it. */
export async function database(options: OpenEbookletOptions<unknown>, entries: Record<string, unknown>, metadata?: unknown): Promise<StoredObject[]> {
  const store = new MemoryStore()
  const db = await open(store, { flag: 'n', buckets: 13, ...options })
  db.update(Object.entries(entries))
  if (metadata !== undefined) db.metadata = metadata
  const { failures } = await db.push()
  if (failures.length > 0) throw failures[0]!.error
  await db.close()
  return objectsOf(store)
}

/** Reads everything that a remote offers, as a curious visitor does. Throws what that throws. */
export async function visit(store: MemoryStore, options: OpenEbookletOptions<unknown> = {}): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  await using db = await open(store, options)
  void db.metadata
  for (const key of [...db.keys()]) found.set(key, await db.get(key))
  return found
}

/** Parts of a db object, to be put together wrongly. */
export interface Parts {
  manifest: string
  meta: string
  index: Uint8Array
}

export function payload({ manifest, meta, index }: Parts, lengths?: (bigint | undefined)[]): Uint8Array<ArrayBuffer> {
  const sections = [utf8Encode(manifest), utf8Encode(meta), index]
  const out = new Uint8Array(40 + sections.reduce((sum, { length }) => sum + length, 0))
  out.set(utf8Encode('ebooklet-db\0'))
  const view = new DataView(out.buffer)
  view.setUint16(12, 2)
  let at = 40
  sections.forEach((section, i) => {
    view.setBigUint64(16 + 8 * i, lengths?.[i] ?? BigInt(section.length))
    out.set(section, at)
    at += section.length
  })
  return out
}

export function indexOf(entries: Iterable<readonly [string, { timestamp: number; offset: number; length: number }]>, buckets = 7): Uint8Array<ArrayBuffer> {
  return encodeFixedBooklet({ entries: [...entries].map(([key, entry]) => [key, encodeIndexEntry(entry)] as const), valueLength: 15, buckets, timestamp: 1 })
}

/** The same db object with other bytes or metadata. */
export function withDb(objects: readonly StoredObject[], change: (db: StoredObject) => Partial<StoredObject>): StoredObject[] {
  return objects.map((object) => (object.key === dbKey ? { ...object, ...change(object) } : object))
}

/** The db object with other init_bytes. */
export function withInitBytes(objects: readonly StoredObject[], change: (bytes: Uint8Array<ArrayBuffer>) => void): StoredObject[] {
  return withDb(objects, ({ metadata }) => {
    const bytes = fromBase64(metadata['init_bytes']!)
    change(bytes)
    return { metadata: { ...metadata, init_bytes: toBase64Url(bytes) } }
  })
}
