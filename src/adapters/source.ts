/** What adapters work on: a database that is open, or one that they open when it is first needed. */
import { ClosedError } from '../base/error.js'
import { openBooklet, type BookletOptions } from '../booklet/index.js'
import type { RemoteConnection } from '../database/connection/index.js'
import { openEbooklet } from '../database/open.js'
import type { OpenEbookletOptions } from '../database/options.js'

/** An open database: an `Ebooklet`, or a `Booklet` with text as keys. */
export interface OpenDatabase {
  readonly valueSerializer: string
  has(key: string): boolean
  get(key: string): unknown
  /** Where values may have to be fetched: near ones together. */
  getMany?(keys: Iterable<string>): Promise<unknown[]>
  getTimestamp(key: string): number | undefined
  set(key: string, value: unknown): unknown
  delete(key: string): boolean
  keys(): Iterable<string>
  sync(): void
  close(): void | Promise<void>
}

/** A local file with a remote; `flag` is `r` by default, as for `openEbooklet`. */
export interface RemoteSource extends OpenEbookletOptions<unknown> {
  remote: RemoteConnection | string | URL
  path: string
}

/** A local file alone. Flag: default `c`. Value serializer of a new file: default `json`. */
export interface FileSource extends Pick<BookletOptions<string, unknown>, 'flag' | 'valueSerializer' | 'buckets' | 'bufferSize' | 'lockTimeout'> {
  path: string
}

/** An open database stays its owner's to close; another is opened at the first call, and closed with the adapter. */
export type DatabaseSource = OpenDatabase | RemoteSource | FileSource

export class AdaptedDatabase {
  readonly #source: DatabaseSource
  #opened: Promise<OpenDatabase> | undefined
  #closed: Promise<void> | undefined

  constructor(source: DatabaseSource) {
    this.#source = source
  }

  /** @throws what openEbooklet or openBooklet throws; the next call tries again. ClosedError */
  async open(): Promise<OpenDatabase> {
    if (this.#closed) throw new ClosedError('the adapter was closed: make a new one')
    if (isOpen(this.#source)) return this.#source
    this.#opened ??= openSource(this.#source)
    const opening = this.#opened
    try {
      return await opening
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined
      throw error
    }
  }

  /** Makes what was written durable, and closes what was opened here. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (isOpen(this.#source)) return saveIfOpen(this.#source)
    const database = await this.#opened?.catch(() => undefined)
    await database?.close()
  }
}

/* Its owner may have closed it already. */
function saveIfOpen(database: OpenDatabase): void {
  try {
    database.sync()
  } catch (error) {
    if (!(error instanceof ClosedError)) throw error
  }
}

function isOpen(source: DatabaseSource): source is OpenDatabase {
  return 'get' in source
}

async function openSource(source: RemoteSource | FileSource): Promise<OpenDatabase> {
  if ('remote' in source) {
    const { remote, path, ...options } = source
    return openEbooklet(remote, path, options)
  }
  const { path, ...options } = source
  return openBooklet<string, unknown>(path, { flag: 'c', ...options })
}

/** Values in the order of their keys, undefined where there is none. */
export async function valuesOf(database: OpenDatabase, keys: readonly string[]): Promise<unknown[]> {
  return database.getMany ? database.getMany(keys) : keys.map((key) => database.get(key))
}

/** Keys with a prefix, as they are now: what is done with them may change the database. */
export function keysWith(database: OpenDatabase, prefix: string): string[] {
  const keys: string[] = []
  for (const key of database.keys()) if (key.startsWith(prefix)) keys.push(key)
  return keys
}
