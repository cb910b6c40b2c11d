/**
 * The one interface of every object store. A store knows keys and bytes, never databases.
 * Retry, bounded concurrency, faults and the like are wrappers of it.
 *
 * Keys are exact: any non-empty, well-formed string of at most 1024 UTF-8 bytes names an object of its own
 * (`a//b`, `..`, `%41`, `q?x#y`, `/lead`). A store that can't hold a key refuses it with an
 * `UnsupportedKeyError`; it never maps two keys to one object.
 */
export interface ObjectStore {
  /** What to call the store in messages: a URL without credentials, a folder, or `memory`. */
  readonly name: string
  /** False where every write is refused, as over a public URL. */
  readonly writable: boolean
  /** Where the objects lie, so that a copy from one bucket to another needn't pass through here. Undefined: nowhere that could be told. */
  readonly place?: StorePlace | undefined
  /** Writing objects part by part; undefined where the store takes them only whole. `putLarge` (store/transfer) uses it. Wrappers pass both on. */
  readonly parts?: PartUploads | undefined

  /**
   * Reads an object, or one range of it. `missing` means only that no such object exists: a missing
   * bucket, a refusal or a network failure throws.
   */
  get(key: string, options?: GetOptions): Promise<GetResult>

  /** Like `get` without the bytes. */
  head(key: string, options?: HeadOptions): Promise<HeadResult>

  /**
   * Writes a whole object, atomically: a reader sees the old one or the new one.
   * @throws PreconditionFailedError when a condition doesn't hold (nothing was written)
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<PutResult>

  /**
   * Deletes objects; one that doesn't exist counts as deleted. More than one request where there are
   * many. What could not be deleted is in `failures`; only a failure of the whole call throws.
   */
  delete(targets: readonly DeleteTarget[], options?: CallOptions): Promise<DeleteResult>

  /** Objects whose key starts with `prefix`, in UTF-8 byte order of their keys, latest versions only. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>

  /**
   * All versions and delete markers under `prefix`, by key, the newest of a key first. A store
   * without versions gives each object once, as the latest.
   * @throws UnsupportedOperationError where the server can't list versions
   */
  listVersions(prefix: string, options?: ListOptions): AsyncIterable<ListedVersion>

  /**
   * Copies an object with its user metadata inside the store (server-side on S3), or from another bucket of the same
   * realm. Up to 5 GiB. `missing` when the source doesn't exist.
   */
  copy(sourceKey: string, targetKey: string, options?: CopyOptions): Promise<CopyResult>

  /** Lets go of connections. May be called twice. Calls under way are aborted. */
  close(): Promise<void>
}

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface ListOptions extends CallOptions {
  /** Only keys after this one, in UTF-8 byte order: where an interrupted listing goes on. */
  startAfter?: string | undefined
}

export interface ByteRange {
  /** First byte, from 0. */
  offset: number
  /** How many bytes are wanted, at least 1. Less may come when the object ends earlier. */
  length: number
}

export interface HeadOptions extends CallOptions {
  /** Answer `not-modified` when the object still has this ETag. */
  ifNoneMatch?: string | undefined
}

export interface GetOptions extends HeadOptions {
  range?: ByteRange | undefined
  /** The most bytes to accept; more throws `ResponseTooLargeError` before they are read. Default: no limit. */
  maxBytes?: number | undefined
}

export interface ObjectInfo {
  /** Bytes of the whole object. */
  size: number
  /** As the store gave it, without quotes and without a weak mark. Empty when the store gave none. */
  etag: string
  /** ms since the Unix epoch; undefined when the store gave none. */
  lastModified: number | undefined
  /**
   * User metadata, names in lower case. Every `-` of a name comes back as `_`: some servers answer
   * `init-bytes` for `init_bytes`, and what was meant can't be told apart afterwards.
   */
  metadata: Readonly<Record<string, string>>
  /** Undefined in a store or bucket without versions. */
  versionId: string | undefined
}

export type GetResult =
  | { status: 'ok'; info: ObjectInfo; bytes: Uint8Array; /** Where `bytes` start in the object: `range.offset`, or 0 when the whole object came. */ offset: number }
  | { status: 'missing' }
  | { status: 'not-modified' }
  /** The range starts at or after the end of the object (416). */
  | { status: 'range-not-satisfiable' }

export type HeadResult = { status: 'ok'; info: ObjectInfo } | { status: 'missing' } | { status: 'not-modified' }

export interface PutOptions extends CallOptions {
  /**
   * User metadata: names of `[a-z0-9_-]+` that don't differ only by `-` and `_`, values of printable ASCII
   * without spaces at either end, 2 KiB in all.
   */
  metadata?: Readonly<Record<string, string>> | undefined
  contentType?: string | undefined
  /**
   * Send a checksum (MD5) along, for the store to check what arrives; in hexadecimal digits, where it is known already.
   * Default false: the transport's own checks.
   */
  checksum?: boolean | string | undefined
  /** Write only if no such object exists. */
  ifNoneMatch?: '*' | undefined
  /** Write only if the object exists with this ETag. */
  ifMatch?: string | undefined
  /** How the ETag of `ifMatch` is sent over HTTP: in quotes, as it should be, or `bare`, as Ceph's gateway 16 wants it. Default: as the store was made. */
  etagForm?: 'quoted' | 'bare' | undefined
}

export interface PutResult {
  etag: string
  versionId: string | undefined
}

export interface DeleteTarget {
  key: string
  /** Removes this version for good; without it, the latest (a delete marker in a versioned bucket). */
  versionId?: string | undefined
}

export interface DeleteResult {
  failures: readonly { target: DeleteTarget; error: Error }[]
}

export interface ListedObject {
  key: string
  size: number
  etag: string
  /** ms since the Unix epoch. May be granular to a second. */
  lastModified: number | undefined
}

export interface ListedVersion extends ListedObject {
  versionId: string | undefined
  isLatest: boolean
  isDeleteMarker: boolean
}

/** Stores of one realm can copy from one another's buckets by themselves. */
export interface StorePlace {
  /** The same text means: the same service, seen with the same credentials. It tells neither. */
  readonly realm: string
  readonly bucket: string
}

export interface CopyOptions extends CallOptions {
  /** The bucket of the source, in the same realm (`ObjectStore.place`). Default: the store's own. */
  sourceBucket?: string | undefined
  /**
   * Copies only if the source still has this ETag; otherwise a PreconditionFailedError. A server that ignores the
   * condition may have written the target by then: the error says so.
   */
  ifSourceMatch?: string | undefined
}

export type CopyResult = { status: 'ok'; etag: string } | { status: 'missing' }

/** Uploads that put an object together from parts. Readers see nothing of it until it is completed. */
export interface PartUploads {
  /** Bytes that every part but the last must have at least. */
  readonly minPartSize: number
  readonly maxParts: number

  /** Begins an upload. What it leaves when it is never completed nor aborted is found by `list`. */
  begin(key: string, layout: PartLayout, options?: BeginUploadOptions): Promise<PartUpload>

  /** Sends one part, with a checksum that the store verifies. The same part may be sent again: the last one counts. */
  put(upload: PartUpload, part: PartPlace, bytes: Uint8Array, options?: PutPartOptions): Promise<UploadedPart>

  /**
   * Makes the object of all its parts, in their order, atomically. Conditions are those of `put`; a server that
   * ignores them on this call (Ceph's gateway 16) does so in silence.
   * @throws PreconditionFailedError
   */
  complete(upload: PartUpload, parts: readonly UploadedPart[], options?: CompleteUploadOptions): Promise<PutResult>

  /** Gives up an upload and frees its parts; one that is gone (completed or aborted) counts as aborted. */
  abort(upload: Pick<PartUpload, 'key' | 'id'>, options?: CallOptions): Promise<void>

  /** Uploads under way or left behind, by key. A store that sweeps them away by itself lists none. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedUpload>

  /**
   * The parts of an upload that the store has, by number.
   * @throws StoreRequestError with the reason `NoSuchUpload` when it was completed or given up, or can't be gone on with here
   */
  listParts(upload: Pick<PartUpload, 'key' | 'id'>, options?: CallOptions): AsyncIterable<ListedPart>
}

export interface PartLayout {
  /** Bytes of the whole object. */
  size: number
  /** Bytes of every part but the last, which may have fewer. */
  partSize: number
}

export type BeginUploadOptions = Pick<PutOptions, 'metadata' | 'contentType' | 'signal'>

export type CompleteUploadOptions = Pick<PutOptions, 'ifMatch' | 'ifNoneMatch' | 'etagForm' | 'signal'>

export interface PartUpload {
  readonly key: string
  /** The store's name for the upload. */
  readonly id: string
  readonly layout: PartLayout
  /** What `begin` was given: some stores write it only with `complete`. */
  readonly options: Pick<BeginUploadOptions, 'metadata' | 'contentType'>
}

export interface PartPlace {
  /** From 1 on. */
  number: number
  /** Where its bytes start in the object: (number - 1) · partSize. */
  offset: number
}

export interface PutPartOptions extends CallOptions {
  /** The MD5 of the bytes in hexadecimal digits, where it is known already: it is sent as it is. */
  md5?: string | undefined
}

export interface UploadedPart {
  number: number
  etag: string
}

export interface ListedPart extends UploadedPart {
  /** Bytes. */
  size: number
}

export interface ListedUpload {
  key: string
  id: string
  /** When it was begun, ms since the Unix epoch; undefined where the store doesn't tell. */
  initiated: number | undefined
}
