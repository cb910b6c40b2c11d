import { InvalidArgumentError } from '../../base/error.js'
import { checkDbKey } from '../../format/names.js'
import { S3Store, withRetry, type S3CredentialProvider } from '../../store/index.js'
import type { OpenedConnection, RecordedConnection, RemoteConnection } from './connection.js'
import { HttpConnection } from './http-connection.js'

export interface S3ConnectionOptions {
  bucket: string
  /** Key of the db object in the bucket, for example `climate/stations.blt`. */
  dbKey: string
  /** Without keys and without `credentials`, the credential chain of the AWS SDK is asked (environment, profile, role). */
  accessKeyId?: string
  secretAccessKey?: string
  /** For temporary credentials. */
  sessionToken?: string
  /** A function that gives credentials, asked again before they expire. */
  credentials?: S3CredentialProvider
  /** URL of the service, for stores other than AWS. */
  endpoint?: string
  /** Default: AWS_REGION, else `us-east-1`. */
  region?: string
  /** Bucket in the path of the URL instead of the host name. Default: true with an endpoint of one's own. */
  forcePathStyle?: boolean
  /** Public URL of the db object: what read-only sessions use, without credentials. */
  dbUrl?: string
  /** The most requests at a time. Default 16. */
  concurrency?: number
  /** ms of silence after which a request counts as dead; a slow but living transfer isn't cut. Default 30 000. */
  idleTimeout?: number
  /** How the ETag is sent in conditions; `bare` for Ceph's gateway 16. Default `quoted`. */
  etagQuoting?: 'quoted' | 'bare'
}

/** A database in an S3 bucket. Its secrets show neither in JSON nor in inspection. */
export class S3Connection implements RemoteConnection {
  readonly dbKey: string
  readonly bucket: string
  readonly endpoint: string | undefined
  readonly dbUrl: string | undefined
  readonly #options: S3ConnectionOptions

  /** @throws InvalidArgumentError */
  constructor(options: S3ConnectionOptions) {
    const { dbKey, bucket, accessKeyId, secretAccessKey } = options
    if (typeof bucket !== 'string' || bucket === '') throw new InvalidArgumentError('an S3Connection needs a bucket')
    if (typeof dbKey !== 'string') throw new InvalidArgumentError("an S3Connection needs a dbKey, such as 'my_data.blt'")
    checkDbKey(dbKey)
    if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
      throw new InvalidArgumentError('accessKeyId and secretAccessKey go together: give both, or neither to use the credential chain of AWS')
    }
    this.dbKey = dbKey
    this.bucket = bucket
    this.endpoint = options.endpoint
    this.dbUrl = options.dbUrl
    this.#options = options
    // Says at once what is wrong with the rest.
    if (options.dbUrl !== undefined) new HttpConnection(options.dbUrl)
  }

  /** From `s3://bucket/key`, with the credentials, region and endpoint of the environment. */
  static fromUrl(url: string): S3Connection {
    const found = /^s3:\/\/([^/]+)\/(.+)$/is.exec(url)
    if (!found) throw new InvalidArgumentError('an S3 URL looks like s3://bucket/key')
    const [, bucket, dbKey] = found as unknown as [string, string, string]
    const endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']
    return new S3Connection({ bucket, dbKey, ...(endpoint ? { endpoint } : {}) })
  }

  get name(): string {
    return `s3://${this.bucket}/${this.dbKey}`
  }

  open(purpose: 'read' | 'write'): OpenedConnection {
    const { dbUrl } = this
    if (purpose === 'read' && dbUrl !== undefined) return new HttpConnection(dbUrl, this.#options).open()
    const { accessKeyId, secretAccessKey, sessionToken } = this.#options
    const keys = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, sessionToken } : undefined
    const store = withRetry(
      new S3Store({
        bucket: this.bucket,
        endpoint: this.endpoint,
        region: this.#options.region,
        credentials: this.#options.credentials ?? keys,
        forcePathStyle: this.#options.forcePathStyle,
        idleTimeout: this.#options.idleTimeout,
        connections: this.#options.concurrency,
        etagQuoting: this.#options.etagQuoting,
      }),
    )
    return { store, dbKey: this.dbKey, close: () => store.close() }
  }

  record(): RecordedConnection {
    return { dbKey: this.dbKey, bucket: this.bucket, endpointUrl: this.endpoint ?? null, dbUrl: this.dbUrl ?? null }
  }

  toJSON(): Record<string, string | undefined> {
    return { bucket: this.bucket, dbKey: this.dbKey, endpoint: this.endpoint, dbUrl: this.dbUrl }
  }
}
