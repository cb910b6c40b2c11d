import { basename, dirname, resolve } from 'node:path'
import { checkDbKey } from '../../format/names.js'
import { DirectoryStore } from '../../store/index.js'
import type { OpenedConnection, RemoteConnection } from './connection.js'

/** A database in a folder, such as a shared disk: the folder plays the bucket, the last part of the path is the key. */
export class DirectoryConnection implements RemoteConnection {
  readonly dbKey: string
  readonly root: string

  /**
   * @param path of the database: `/mnt/shared/stations.blt` is the key `stations.blt` in `/mnt/shared`
   * @throws InvalidArgumentError
   */
  constructor(path: string) {
    const absolute = resolve(path)
    this.dbKey = basename(absolute)
    this.root = dirname(absolute)
    checkDbKey(this.dbKey)
  }

  get name(): string {
    return `${this.root}/${this.dbKey}`
  }

  open(): OpenedConnection {
    const store = new DirectoryStore({ root: this.root })
    return { store, dbKey: this.dbKey, close: () => store.close() }
  }
}
