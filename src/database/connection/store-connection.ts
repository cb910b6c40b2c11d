import type { ObjectStore } from '../../store/object-store.js'
import type { OpenedConnection, RemoteConnection } from './connection.js'
import { checkDbKey } from '../../format/names.js'

/** A database in any object store, for example a `MemoryStore` or one with wrappers. The store is the caller's to close. */
export class StoreConnection implements RemoteConnection {
  readonly dbKey: string
  readonly name: string
  readonly sharedStore = true
  readonly #store: ObjectStore

  constructor(store: ObjectStore, dbKey: string) {
    checkDbKey(dbKey)
    this.dbKey = dbKey
    this.#store = store
    this.name = `${store.name}/${dbKey}`
  }

  open(): OpenedConnection {
    return { store: this.#store, dbKey: this.dbKey, close: () => Promise.resolve() }
  }
}
