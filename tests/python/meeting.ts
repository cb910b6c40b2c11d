/** Where we and the Python original meet over S3: databases in buckets of an embedded or another real server, with sessions of both sides. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { openEbooklet, S3Connection, type Ebooklet, type OpenEbookletOptions, type RemoteConnection } from '../../src/index.js'
import type { Handle, PythonPeer, PythonRemote, PythonSessionOptions } from '../support/python.js'

export type BucketKind = 'plain' | 'versioned'

/** A bucket, and who may write there. */
export interface Place {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly bucket: string
}

/** One server for all tests of the `describe` that calls this. */
export function meetingForSuite(): { database(bucket?: BucketKind): SharedDatabase } {
  let server: S3Server | undefined
  let folder = ''
  let made = 0
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ebooklet-meeting-'))
    server = await startS3Server({
      buckets: [
        { name: 'plain', publicRead: true },
        { name: 'versioned', versioned: true, publicRead: true },
      ],
    })
  })
  afterAll(async () => {
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    database(bucket = 'plain') {
      if (server === undefined) throw new Error('the server runs only inside of tests')
      made += 1
      const { endpoint, accessKeyId, secretAccessKey } = server
      return new SharedDatabase({ endpoint, accessKeyId, secretAccessKey, bucket }, `folder/db-${String(made)}.blt`, join(folder, `db-${String(made)}`), server)
    },
  }
}

/** The same in buckets of a server that runs already. */
export function meetingOn(newBucket: (options: { versioned: boolean }) => Promise<Place>): { database(bucket?: BucketKind): Promise<SharedDatabase> } {
  let folder = ''
  let made = 0
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ebooklet-meeting-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    async database(bucket = 'plain') {
      made += 1
      const files = join(folder, `db-${String(made)}`)
      return new SharedDatabase(await newBucket({ versioned: bucket === 'versioned' }), 'folder/db.blt', files)
    },
  }
}

/** One database that nobody has made yet, with local files for both sides. Close it with `await using`. */
export class SharedDatabase implements AsyncDisposable {
  readonly place: Place
  readonly dbKey: string
  readonly #files: string
  readonly #server: S3Server | undefined
  readonly #sessions: Ebooklet<never>[] = []
  /** What our sessions warned of. */
  readonly warnings: string[] = []
  #fileCount = 0

  /** @param server the embedded server, where the place is on one */
  constructor(place: Place, dbKey: string, files: string, server?: S3Server) {
    this.place = place
    this.dbKey = dbKey
    this.#files = files
    this.#server = server
  }

  /** The embedded server, to look into it. */
  get server(): S3Server {
    if (this.#server === undefined) throw new Error(`${this.place.endpoint} is no embedded server`)
    return this.#server
  }

  get bucket(): string {
    return this.place.bucket
  }

  get url(): string {
    return `${this.place.endpoint}/${this.bucket}/${this.dbKey}`
  }

  get ours(): S3Connection {
    return new S3Connection({ ...this.place, dbKey: this.dbKey })
  }

  get theirs(): Exclude<PythonRemote, string> {
    const { endpoint, accessKeyId, secretAccessKey, bucket } = this.place
    return { access_key_id: accessKeyId, access_key: secretAccessKey, db_key: this.dbKey, bucket, endpoint_url: endpoint }
  }

  /** A path where no file is yet. */
  freshPath(): string {
    this.#fileCount += 1
    return `${this.#files}-${String(this.#fileCount)}.blt`
  }

  /** A session of ours. The lock doesn't wait for rivals as long as it should: tests that are about rivals ask for that. */
  async open(path: string, options: OpenEbookletOptions<unknown> = {}, remote: RemoteConnection | string = this.ours): Promise<Ebooklet> {
    const session = await openEbooklet(remote, path, { lockTiming: { settle: 10, poll: 50 }, onWarning: (message) => this.warnings.push(message), ...options })
    this.#sessions.push(session as unknown as Ebooklet<never>)
    return session
  }

  /** Keys of the objects that are there now, without the db object: generations, values, tickets, probes. */
  objects(): string[] {
    const bucket = this.server.storage.bucket(this.bucket)
    const found: string[] = []
    for (let at = bucket.keys.firstFrom(this.dbKey); at < bucket.keys.length; at++) {
      const key = bucket.keys.at(at)
      if (key === undefined || !key.startsWith(this.dbKey)) break
      if (key !== this.dbKey && bucket.current(key) !== undefined) found.push(key)
    }
    return found
  }

  /** Opens a session of Python, and closes it when `use` has ended well. */
  async inPython<T>(python: PythonPeer, options: Omit<PythonSessionOptions, 'remote'> & { remote?: PythonRemote }, use: (handle: Handle) => Promise<T>): Promise<T> {
    const { handle } = await python.call('ebooklet.open', { remote: this.theirs, ...options })
    let result
    try {
      result = await use(handle)
    } catch (error) {
      // The error tells more than a close that fails as well.
      await python.call('close', { handle }).catch(() => undefined)
      throw error
    }
    await python.call('close', { handle })
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) await session.close().catch(() => undefined)
  }
}
