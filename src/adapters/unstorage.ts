/** `ebooklet/unstorage`: a database as a driver of unstorage. */
import { fromBase64, toBase64, utf8Decode, utf8Encode } from '../base/bytes.js'
import { AdaptedDatabase, keysWith, type DatabaseSource, type OpenDatabase } from './source.js'

export type { DatabaseSource, FileSource, OpenDatabase, RemoteSource } from './source.js'

/** What `createStorage({ driver })` and `mount` take. */
export interface EbookletDriver {
  readonly name: 'ebooklet'
  readonly options: DatabaseSource
  /** The database, opened if it wasn't yet: to push it, for example. */
  getInstance(): Promise<OpenDatabase>
  hasItem(key: string): Promise<boolean>
  getItem(key: string): Promise<string | number | boolean | object | null>
  getItemRaw(key: string): Promise<unknown>
  setItem(key: string, value: string): Promise<void>
  setItemRaw(key: string, value: unknown): Promise<void>
  removeItem(key: string): Promise<void>
  /** `mtime`: when the value was written; absent when there is no such key. */
  getMeta(key: string): Promise<{ mtime: Date } | null>
  getKeys(base?: string): Promise<string[]>
  clear(base?: string): Promise<void>
  dispose(): Promise<void>
}

/**
 * Makes a driver: `createStorage({ driver: ebookletDriver({ path: './data.blt' }) })`.
 *
 * unstorage hands over text, which is stored as such (as its UTF-8 bytes where values are bytes). Raw bytes are
 * stored as they are where the value serializer is `bytes`, `None`, `zstd` or one of msgpack, and else as
 * `base64:…` text, which is how unstorage itself does it. Changes are local until the database is pushed.
 *
 * @param source an open `Ebooklet` or `Booklet`, or what to open at the first call
 */
export function ebookletDriver(source: DatabaseSource): EbookletDriver {
  const adapted = new AdaptedDatabase(source)
  const read = async (key: string): Promise<unknown> => {
    const database = await adapted.open()
    return database.get(key)
  }
  const write = async (key: string, encode: (serializer: string) => unknown): Promise<void> => {
    const database = await adapted.open()
    database.set(key, encode(database.valueSerializer))
  }
  return {
    name: 'ebooklet',
    options: source,
    getInstance: () => adapted.open(),
    async hasItem(key) {
      return (await adapted.open()).has(key)
    },
    async getItem(key) {
      return asItem(await read(key))
    },
    async getItemRaw(key) {
      return asRaw(await read(key))
    },
    setItem: (key, value) => write(key, (serializer) => (isBytesOnly(serializer) ? utf8Encode(value) : value)),
    setItemRaw: (key, value) => write(key, (serializer) => encodeRaw(serializer, value)),
    async removeItem(key) {
      const database = await adapted.open()
      database.delete(key)
    },
    async getMeta(key) {
      const timestamp = (await adapted.open()).getTimestamp(key)
      return timestamp === undefined ? null : { mtime: new Date(timestamp / 1000) }
    },
    async getKeys(base = '') {
      return keysWith(await adapted.open(), base)
    },
    async clear(base = '') {
      const database = await adapted.open()
      for (const key of keysWith(database, base)) database.delete(key)
    },
    dispose: () => adapted.close(),
  }
}

const rawMark = 'base64:'

function isBytesOnly(serializer: string): boolean {
  return serializer === 'bytes' || serializer === 'None' || serializer === 'zstd'
}

function encodeRaw(serializer: string, value: unknown): unknown {
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value instanceof Uint8Array ? value : undefined
  if (bytes === undefined) return isBytesOnly(serializer) && typeof value === 'string' ? utf8Encode(value) : value
  return isBytesOnly(serializer) || serializer.startsWith('msgpack') ? bytes : rawMark + toBase64(bytes)
}

/* Text in bytes is text again; other bytes are only got raw, and so given as unstorage would have stored them. */
function asItem(value: unknown): string | number | boolean | object | null {
  if (value === undefined || value === null) return null
  if (value instanceof Uint8Array) {
    try {
      return utf8Decode(value)
    } catch {
      return rawMark + toBase64(value)
    }
  }
  return typeof value === 'bigint' ? String(value) : value
}

function asRaw(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith(rawMark)) {
    try {
      return fromBase64(value.slice(rawMark.length))
    } catch {
      return value
    }
  }
  return value ?? null
}

export default ebookletDriver
