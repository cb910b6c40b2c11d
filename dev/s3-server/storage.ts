import { createHash, randomBytes } from 'node:crypto'
import type { Bodies, Body } from './body.js'
import type { ChecksumName } from './checksums.js'
import { S3Error } from './errors.js'
import { SortedKeys } from './key-order.js'

/** The checksum that an object keeps. */
export interface StoredChecksum {
  readonly name: ChecksumName
  /** base64; of a multipart upload possibly `base64-<parts>`. */
  readonly value: string
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
}

/** What a writer says about an object beside its bytes. */
export interface ObjectAttributes {
  /** User metadata by lower-case name without `x-amz-meta-`; values as latin1 text of the bytes sent. */
  readonly metadata: ReadonlyMap<string, string>
  /** Content-Type, Cache-Control …, by lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly publicRead: boolean
}

export interface ObjectDraft extends ObjectAttributes {
  readonly body: Body
  /** Without quotes. Default: the MD5 of the body. */
  readonly etag?: string | undefined
  readonly checksum: StoredChecksum | undefined
}

interface VersionBase {
  readonly key: string
  /** `null` (the text) for what was written without versioning. */
  readonly versionId: string
  /** Rises with every version of the bucket. */
  readonly sequence: number
  /** ms since the epoch. */
  readonly lastModified: number
}

/** One version with bytes. Immutable, body too: a reader under way keeps what it started with. */
export interface ObjectVersion extends VersionBase, Required<Omit<ObjectDraft, 'etag'>> {
  readonly isDeleteMarker: false
  readonly etag: string
}

export interface DeleteMarker extends VersionBase {
  readonly isDeleteMarker: true
}

export type StoredVersion = ObjectVersion | DeleteMarker

export interface CorsRule {
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly string[]
  readonly allowedHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  /** Seconds. */
  readonly maxAge?: number | undefined
}

/** What everybody may do without credentials. */
export interface PublicAccess {
  /** Keys that start with one of these may be read. `exact` keys only themselves. */
  readonly prefixes: readonly string[]
  readonly exact: readonly string[]
  /** May list; and is told that a missing key is missing (404) rather than refused (403). */
  readonly list: boolean
}

export interface UploadPart {
  readonly number: number
  readonly body: Body
  readonly etag: string
  readonly checksum: StoredChecksum | undefined
  readonly lastModified: number
}

export interface MultipartUpload extends ObjectAttributes {
  readonly id: string
  readonly key: string
  readonly initiated: number
  readonly checksum: { readonly name: ChecksumName; readonly type: StoredChecksum['type'] } | undefined
  readonly parts: Map<number, UploadPart>
}

export type VersioningStatus = 'Enabled' | 'Suspended' | undefined

/** The bytes that all buckets together may hold. */
export class Quota {
  readonly limit: number
  #used = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get used(): number {
    return this.#used
  }

  /** @throws S3Error QuotaExceeded when `bytes` more would not fit */
  check(bytes: number): void {
    if (this.#used + bytes > this.limit) throw new S3Error('QuotaExceeded')
  }

  take(bytes: number): void {
    this.check(bytes)
    this.#used += bytes
  }

  release(bytes: number): void {
    this.#used -= bytes
  }
}

/** One bucket in memory. Every method is synchronous: a check and the change after it are one step. */
export class Bucket {
  readonly name: string
  readonly created: number
  readonly keys = new SortedKeys()
  readonly uploads = new Map<string, MultipartUpload>()
  versioning: VersioningStatus = undefined
  cors: readonly CorsRule[] | undefined
  policy: { readonly text: string; readonly access: PublicAccess } | undefined
  publicAcl = false
  readonly granted: PublicAccess | undefined
  readonly #versions = new Map<string, StoredVersion[]>()
  readonly #quota: Quota
  readonly #clock: () => number
  #sequence = 0

  constructor(name: string, quota: Quota, clock: () => number, granted?: PublicAccess) {
    this.name = name
    this.created = clock()
    this.granted = granted
    this.#quota = quota
    this.#clock = clock
  }

  /** All versions of a key, the oldest first. */
  versionsOf(key: string): readonly StoredVersion[] {
    return this.#versions.get(key) ?? []
  }

  /** The latest version, which may be a delete marker. */
  latest(key: string): StoredVersion | undefined {
    return this.#versions.get(key)?.at(-1)
  }

  /** The object that a plain GET sees. */
  current(key: string): ObjectVersion | undefined {
    const latest = this.latest(key)
    return latest?.isDeleteMarker === false ? latest : undefined
  }

  version(key: string, versionId: string): StoredVersion | undefined {
    return this.#versions.get(key)?.find((version) => version.versionId === versionId)
  }

  put(key: string, draft: ObjectDraft): ObjectVersion {
    const { body } = draft
    this.#quota.take(body.length)
    const version: ObjectVersion = {
      ...draft,
      ...this.#stamp(key),
      isDeleteMarker: false,
      etag: draft.etag ?? createHash('md5').update(body.read()).digest('hex'),
    }
    this.#append(version)
    return version
  }

  /** A delete without version id: a marker in a versioned bucket, else the object goes. Gives the marker. */
  remove(key: string): DeleteMarker | undefined {
    if (this.versioning === undefined) {
      this.removeVersion(key, 'null')
      return undefined
    }
    const marker: DeleteMarker = { ...this.#stamp(key), isDeleteMarker: true }
    this.#append(marker)
    return marker
  }

  /** Removes one version for good. Gives what it was; undefined when there was none. */
  removeVersion(key: string, versionId: string): StoredVersion | undefined {
    const versions = this.#versions.get(key)
    const index = versions?.findIndex((version) => version.versionId === versionId) ?? -1
    if (versions === undefined || index < 0) return undefined
    const [removed] = versions.splice(index, 1)
    if (removed?.isDeleteMarker === false) this.#quota.release(removed.body.length)
    if (versions.length === 0) {
      this.#versions.delete(key)
      this.keys.remove(key)
    }
    return removed
  }

  /** Changes who may read a version. Gives false when it is gone. */
  setPublicRead(version: ObjectVersion, publicRead: boolean): boolean {
    const versions = this.#versions.get(version.key) ?? []
    const index = versions.indexOf(version)
    if (index >= 0) versions[index] = { ...version, publicRead }
    return index >= 0
  }

  /** Forgets an upload and its parts. */
  dropUpload(id: string): void {
    for (const part of this.uploads.get(id)?.parts.values() ?? []) this.#quota.release(part.body.length)
    this.uploads.delete(id)
  }

  putPart(upload: MultipartUpload, part: UploadPart): void {
    this.#quota.take(part.body.length)
    this.#quota.release(upload.parts.get(part.number)?.body.length ?? 0)
    upload.parts.set(part.number, part)
  }

  #stamp(key: string): VersionBase {
    const sequence = ++this.#sequence
    return { key, sequence, lastModified: this.#clock(), versionId: this.versioning === 'Enabled' ? newVersionId(sequence) : 'null' }
  }

  #append(version: StoredVersion): void {
    if (version.versionId === 'null') this.removeVersion(version.key, 'null')
    const versions = this.#versions.get(version.key)
    if (versions === undefined) {
      this.#versions.set(version.key, [version])
      this.keys.add(version.key)
    } else versions.push(version)
  }
}

/* The sequence is inside, so that a listing can go on after a version that has been deleted meanwhile. */
function newVersionId(sequence: number): string {
  return `${sequence.toString(36).padStart(9, '0')}.${randomBytes(15).toString('base64url')}`
}

/** The sequence inside a version id; undefined for `null` and for ids that were not made here. */
export function sequenceOf(versionId: string): number | undefined {
  const match = /^([0-9a-z]{9})\.[\w-]{20}$/.exec(versionId)
  return match === null ? undefined : Number.parseInt(match[1] as string, 36)
}

/** All buckets. */
export class Storage {
  readonly quota: Quota
  readonly bodies: Bodies
  readonly clock: () => number
  readonly #buckets = new Map<string, Bucket>()

  constructor(maxBytes: number, clock: () => number, bodies: Bodies) {
    this.quota = new Quota(maxBytes)
    this.bodies = bodies
    this.clock = clock
  }

  find(name: string): Bucket | undefined {
    return this.#buckets.get(name)
  }

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } })
    return bucket
  }

  /** @throws S3Error InvalidBucketName */
  create(name: string, granted?: PublicAccess): Bucket {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || name.includes('..') || /^\d+\.\d+\.\d+\.\d+$/.test(name)) {
      throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: name } })
    }
    const bucket = new Bucket(name, this.quota, this.clock, granted)
    this.#buckets.set(name, bucket)
    return bucket
  }

  /** @throws S3Error BucketNotEmpty */
  delete(bucket: Bucket): void {
    if (bucket.keys.length > 0) throw new S3Error('BucketNotEmpty', undefined, { details: { BucketName: bucket.name } })
    for (const id of bucket.uploads.keys()) bucket.dropUpload(id)
    this.#buckets.delete(bucket.name)
  }

  names(): string[] {
    return [...this.#buckets.keys()].sort()
  }
}
