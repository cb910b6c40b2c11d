import { join } from 'node:path'
import type { Value } from '../data.js'
import { mark, type OpenStore, type Shape, type Store } from './store.js'

/** As much of lmdb (its JavaScript package) as is used. */
export interface Lmdb {
  open: (options: { path: string; encoding: 'binary' | 'json'; overlappingSync: boolean; readOnly: boolean }) => LmdbDatabase
}

interface LmdbDatabase {
  transactionSync: (work: () => void) => void
  putSync: (key: string, value: Value) => void
  get: (key: string) => Value | undefined
  getBinary: (key: string) => Uint8Array | undefined
  getRange: () => Iterable<{ key: string; value: Value }>
  close: () => Promise<void>
}

export function lmdb({ open }: Lmdb, version: string): Store {
  const openIn = (folder: string, { json = false }: Shape, readOnly: boolean) =>
    use(open({ path: join(folder, 'peer.lmdb'), encoding: json ? 'json' : 'binary', overlappingSync: false, readOnly }), json)
  return {
    name: 'lmdb',
    about: `lmdb ${version}: one transactionSync, without overlappingSync, so that it returns when the commit is on disk; reads by getBinary, iteration by getRange`,
    create: (folder, shape) => openIn(folder, shape, false),
    open: (folder, shape, access) => openIn(folder, shape, access === 'read'),
  }
}

function use(db: LmdbDatabase, json: boolean): OpenStore {
  return {
    write(keys, values) {
      db.transactionSync(() => {
        for (let i = 0; i < keys.length; i++) db.putSync(keys[i]!, values[i % values.length]!)
      })
    },
    read(keys) {
      let sum = 0
      if (json) for (const key of keys) sum += mark(db.get(key))
      else for (const key of keys) sum += mark(db.getBinary(key))
      return sum
    },
    iterate() {
      let sum = 0
      for (const { key, value } of db.getRange()) sum += key.length + mark(value)
      return sum
    },
    close: () => db.close(),
  }
}
