import { join } from 'node:path'
import type { JsonValue, Value } from '../data.js'
import { mark, type OpenStore, type Shape, type Store } from './store.js'

/** As much of better-sqlite3 as is used. */
export type Sqlite = new (path: string, options: { readonly: boolean }) => SqliteDatabase

interface SqliteDatabase {
  pragma: (text: string) => unknown
  exec: (sql: string) => void
  prepare: (sql: string) => SqliteStatement
  transaction: (work: () => void) => () => void
  close: () => void
}

interface SqliteStatement {
  run: (...values: unknown[]) => void
  get: (key: string) => { value: Uint8Array | string } | undefined
  iterate: () => Iterable<{ key: string; value: Uint8Array | string }>
}

/* With rows in the index itself, small values are faster; large ones are slower. */
const SMALL = 1000

export function sqlite(Database: Sqlite, version: string): Store {
  const openIn = (folder: string, { json = false, valueBytes }: Shape, access: 'new' | 'read' | 'write') => {
    const db = new Database(join(folder, 'peer.sqlite'), { readonly: access === 'read' })
    if (access !== 'read') db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    if (access === 'new') db.exec(`CREATE TABLE entries (key TEXT PRIMARY KEY, value ${json ? 'TEXT' : 'BLOB'})${valueBytes < SMALL ? ' WITHOUT ROWID' : ''}`)
    return use(db, json)
  }
  return {
    name: 'better-sqlite3',
    about: `better-sqlite3 ${version}: one transaction of prepared statements, journal_mode = WAL, synchronous = FULL; WITHOUT ROWID for values below ${SMALL} bytes, an ordinary table for others`,
    create: (folder, shape) => openIn(folder, shape, 'new'),
    open: (folder, shape, access) => openIn(folder, shape, access),
  }
}

function use(db: SqliteDatabase, json: boolean): OpenStore {
  const set = db.prepare('INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
  const get = db.prepare('SELECT value FROM entries WHERE key = ?')
  const all = db.prepare('SELECT key, value FROM entries')
  const read = (value: Uint8Array | string | undefined): Value | undefined => (json && value !== undefined ? (JSON.parse(value as string) as JsonValue) : (value as Uint8Array | undefined))
  return {
    write(keys, values) {
      db.transaction(() => {
        for (let i = 0; i < keys.length; i++) {
          const value = values[i % values.length]!
          set.run(keys[i]!, json ? JSON.stringify(value) : value)
        }
      })()
    },
    read(keys) {
      let sum = 0
      for (const key of keys) sum += mark(read(get.get(key)?.value))
      return sum
    },
    iterate() {
      let sum = 0
      for (const { key, value } of all.iterate()) sum += key.length + mark(read(value))
      return sum
    },
    close: () => db.close(),
  }
}
