import { HttpStore, withRetry } from '../../store/index.js'
import type { OpenedConnection, RecordedConnection, RemoteConnection } from './connection.js'

export interface HttpConnectionOptions {
  /** The most requests at a time. Default 16. */
  concurrency?: number
  /** ms of silence after which a request counts as dead. Default 30 000. */
  idleTimeout?: number
}

/** A database that anyone may read, by the URL of its db object. */
export class HttpConnection implements RemoteConnection {
  readonly dbKey: string
  readonly name: string
  readonly #url: string
  readonly #options: HttpConnectionOptions

  /** @throws InvalidArgumentError when it is no http or https URL of an object */
  constructor(url: string | URL, options: HttpConnectionOptions = {}) {
    this.#url = String(url)
    this.#options = options
    const store = this.#store()
    this.dbKey = store.dbKey
    this.name = store.name
    void store.close()
  }

  open(): OpenedConnection {
    const http = this.#store()
    const store = withRetry(http)
    return { store, dbKey: http.dbKey, close: () => store.close() }
  }

  record(): RecordedConnection {
    return { dbKey: null, bucket: null, endpointUrl: null, dbUrl: this.#url }
  }

  #store(): HttpStore {
    const { concurrency, idleTimeout } = this.#options
    return new HttpStore({ url: this.#url, connections: concurrency, idleTimeout })
  }
}
