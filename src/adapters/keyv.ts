/** `ebooklet/keyv`: a database as the store of a Keyv (5 and 6). */
import { EventEmitter } from 'node:events'
import { AdaptedDatabase, keysWith, valuesOf, type DatabaseSource, type OpenDatabase } from './source.js'

export type { DatabaseSource, FileSource, OpenDatabase, RemoteSource } from './source.js'

/* How many values are read ahead of an iteration. */
const batchKeys = 256

/**
 * Keeps the entries of a Keyv in a database: `new Keyv({ store: new KeyvEbooklet({ path: './cache.blt' }) })`.
 *
 * What Keyv gives is stored as it is: the text of its envelope, with the time of expiry, or with its serializer switched
 * off the object itself. (No `has`, `hasMany`, `deleteMany` here: Keyv makes them of `get` and `delete`, with the expiry looked at
 * and an answer in the form of its release.) Keyv looks at the expiry; what has expired stays until it is asked for, or iterated.
 * Changes are local until the database is pushed: `(await store.database()).push()`, where it has a remote.
 */
export class KeyvEbooklet extends EventEmitter {
  /**
   * Keyv 5 gives an `iterator` only to stores of databases that it knows by name; the contract that is kept here, as to
   * namespaces and keys, is that of its store for this one.
   */
  readonly opts = { dialect: 'sqlite', url: 'ebooklet' }
  /** Set by Keyv 5: whose keys `clear` deletes and `iterator` gives. */
  namespace: string | undefined
  readonly #adapted: AdaptedDatabase

  /** @param source an open `Ebooklet` or `Booklet`, or what to open at the first call */
  constructor(source: DatabaseSource) {
    super()
    this.#adapted = new AdaptedDatabase(source)
  }

  /** The database, opened if it wasn't yet. */
  database(): Promise<OpenDatabase> {
    return this.#adapted.open()
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const database = await this.database()
    return (await database.get(key)) as Value | undefined
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return (await valuesOf(await this.database(), keys)) as (Value | undefined)[]
  }

  /** @throws SerializationError, InvalidArgumentError, ReadOnlyError: Keyv tells them by its event `error` */
  async set(key: string, value: unknown): Promise<boolean> {
    const database = await this.database()
    if (value === undefined) database.delete(key)
    else database.set(key, value)
    return true
  }

  async delete(key: string): Promise<boolean> {
    const database = await this.database()
    return database.delete(key)
  }

  /** Deletes every key, or those of the namespace when one is set. */
  async clear(): Promise<void> {
    const database = await this.database()
    for (const key of keysWith(database, prefixOf(this.namespace))) database.delete(key)
  }

  /** Keys and values that are there when the iteration begins, of a namespace when one is given. */
  async *iterator<Value>(namespace?: string): AsyncGenerator<[string, Value], void> {
    const database = await this.database()
    const keys = keysWith(database, prefixOf(namespace))
    for (let at = 0; at < keys.length; at += batchKeys) {
      const batch = keys.slice(at, at + batchKeys)
      const values = await valuesOf(database, batch)
      for (const [i, key] of batch.entries()) if (values[i] !== undefined) yield [key, values[i] as Value]
    }
  }

  /** Closes the database if it was opened here; an open one that was given is made durable, and stays open. */
  async disconnect(): Promise<void> {
    await this.#adapted.close()
  }
}

function prefixOf(namespace: string | undefined): string {
  return namespace === undefined || namespace === '' ? '' : `${namespace}:`
}
