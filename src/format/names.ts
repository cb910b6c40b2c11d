import { toHex } from '../base/bytes.js'
import type { Environment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { groupFromText } from './manifest.js'

/*
 * Every object key and every sibling file name is made and taken apart here. With `db` the key of the
 * database:
 *
 *   db                              the db object
 *   db/<gid>.<generation>           one generation of a group
 *   db/<key>                        a value, in per-key mode
 *   db/_writable_probe_<id>         a probe that Python writes and deletes
 *   db.lock.<id>-0, db.lock.<id>-1  the two halves of a lock ticket
 *   db/<gid>                        a group of format 1, overwritten in place
 *   db/_metadata                    the metadata of format 1
 *
 * Names are exact: a parser accepts what its maker makes and nothing else, so group 1 is never group 10
 * and `mydb` never `mydb2`.
 */

/** The most bytes of an object key on S3. */
export const MAX_OBJECT_KEY_BYTES = 1024

/* What the longest name beside or below the db object adds: ".lock." + 13 + "-0", "/" + 10 digits + "." + 13. */
const longestSuffix = 25 + 32

const encoder = new TextEncoder()

/**
 * @throws InvalidArgumentError for a database key that is empty, holds a lone surrogate, or is
 *   so long that the names below it would not fit
 */
export function checkDbKey(db: string): void {
  const problem = dbKeyProblem(db)
  if (problem !== undefined) throw new InvalidArgumentError(`${JSON.stringify(db)} can not be the key of a database: ${problem}.`)
}

function dbKeyProblem(db: unknown): string | undefined {
  if (typeof db !== 'string') return 'it is not a string'
  if (db === '') return 'it is empty'
  if (!db.isWellFormed()) return 'it holds a lone surrogate'
  if (encoder.encode(db).length > MAX_OBJECT_KEY_BYTES - longestSuffix) return `it is longer than ${MAX_OBJECT_KEY_BYTES - longestSuffix} bytes`
  return undefined
}

/** The key of the db object, whose PUT is the commit. */
export function dbObjectKey(db: string): string {
  return db
}

/** What the keys of a database's groups and values start with; those of `mydb2` don't start with `mydb/`. */
export function childPrefix(db: string): string {
  return `${db}/`
}

export interface GroupGeneration {
  gid: number
  /** 13 characters, fresh for every repack. */
  generation: string
}

export function groupKey(db: string, gid: number, generation: string): string {
  return `${db}/${gid}.${generation}`
}

/** A group of format 1. */
export function format1GroupKey(db: string, gid: number): string {
  return `${db}/${gid}`
}

/** The group of format 1 that an object key names; undefined when it is none of this database. */
export function parseFormat1GroupKey(db: string, objectKey: string, numGroups: number): number | undefined {
  const name = objectKey.startsWith(childPrefix(db)) ? objectKey.slice(db.length + 1) : ''
  if (!/^(0|[1-9]\d{0,9})$/.test(name)) return undefined
  const gid = Number(name)
  return gid < numGroups ? gid : undefined
}

/** What format 1 calls the object of the metadata; in per-key mode the value of a key of this name lies there too. */
export const FORMAT_1_METADATA_NAME = '_metadata'

/** The metadata object of format 1. */
export function format1MetadataKey(db: string): string {
  return `${db}/${FORMAT_1_METADATA_NAME}`
}

/** The group and generation of an object key, or undefined when it names none of this database. */
export function parseGroupKey(db: string, objectKey: string): GroupGeneration | undefined {
  if (!objectKey.startsWith(childPrefix(db))) return undefined
  return groupFromText(objectKey.slice(db.length + 1))
}

/**
 * The object of a value in per-key mode.
 * @throws InvalidArgumentError when the key can't be stored so: reserved, not well-formed, or longer than S3 allows
 */
export function valueKey(db: string, key: string): string {
  if (isReservedValueName(key)) throw new InvalidArgumentError(`The key ${JSON.stringify(key)} is reserved: writers probe with objects of such names, and delete them.`)
  if (!key.isWellFormed()) throw new InvalidArgumentError(`The key ${JSON.stringify(key)} holds a lone surrogate.`)
  const objectKey = `${db}/${key}`
  const bytes = encoder.encode(objectKey).length
  if (bytes > MAX_OBJECT_KEY_BYTES) throw new InvalidArgumentError(`The object key of ${JSON.stringify(key.slice(0, 40))}… would have ${bytes} bytes; S3 allows ${MAX_OBJECT_KEY_BYTES}. Use groups (numGroups) for long keys.`)
  return objectKey
}

/** The key whose value this object holds in per-key mode, or undefined when it is no value of this database. */
export function parseValueKey(db: string, objectKey: string): string | undefined {
  if (!objectKey.startsWith(childPrefix(db))) return undefined
  const key = objectKey.slice(db.length + 1)
  return isReservedValueName(key) ? undefined : key
}

/**
 * True for a key that can't be stored in per-key mode, because its object would clash with another one:
 * a probe. (`_metadata` is an object of its own only in format 1, and group names only in grouped mode.)
 */
export function isReservedValueName(key: string): boolean {
  return /^_writable_probe_[0-9a-f]{13}$/.test(key)
}

/** The throw-away object on which writers try out what a store does; `id` as of `newId`. */
export function probeKey(db: string, id: string): string {
  return `${childPrefix(db)}_writable_probe_${id}`
}

/** True for an object with which a writer of the original tried out whether it may write. */
export function isProbeKey(db: string, objectKey: string): boolean {
  return objectKey.startsWith(childPrefix(db)) && isReservedValueName(objectKey.slice(db.length + 1))
}

export interface LockTicket {
  /** 13 hex characters, one per contender. */
  id: string
  /** A contender writes part 0, then part 1. */
  part: 0 | 1
}

/** What the keys of a database's lock tickets start with. */
export function lockPrefix(db: string): string {
  return `${db}.lock.`
}

export function lockKey(db: string, id: string, part: 0 | 1): string {
  return `${db}.lock.${id}-${part}`
}

/** The ticket that an object key names, or undefined when it is no lock ticket of this database. */
export function parseLockKey(db: string, objectKey: string): LockTicket | undefined {
  if (!objectKey.startsWith(lockPrefix(db))) return undefined
  const match = /^([0-9a-f]{13})-([01])$/.exec(objectKey.slice(lockPrefix(db).length))
  return match?.[1] === undefined ? undefined : { id: match[1], part: match[2] === '0' ? 0 : 1 }
}

/** True for a lock ticket of any database: such objects are never deleted as children of another one. */
export function isLockTicket(objectKey: string): boolean {
  return /^.+\.lock\.[0-9a-f]{13}-[01]$/s.test(objectKey)
}

/** A new generation or lock id: 13 hex characters, 52 random bits. */
export function newId(environment: Pick<Environment, 'randomBytes'>): string {
  return toHex(environment.randomBytes(7)).slice(0, 13)
}

/** The local copy of the remote index. */
export function remoteIndexPath(file: string): string {
  return `${file}.remote_index`
}

/** What a push has begun to send, until its commit. */
export function uploadRecordPath(file: string): string {
  return `${file}.uploads`
}

/** The transient list of changes that Python writes beside the local file. */
export function changelogPath(file: string): string {
  return `${file}.changelog`
}

/** Values that were overwritten and not pushed yet, as the remote had them. */
export function baseValuesPath(file: string): string {
  return `${file}.base`
}

/** What a reader keeps of its own beside a local file that it shares with others; `id` as of `newId`. */
export function overlayPath(file: string, id: string): string {
  return `${file}.reader-${id}`
}

/** Whether a name in a folder is that of an overlay of the file with another name in it. */
export function isOverlayName(fileName: string, name: string): boolean {
  return name.startsWith(`${fileName}.reader-`) && /^[0-9a-f]{13}$/.test(name.slice(fileName.length + '.reader-'.length))
}

/** The compacted image that a prune puts beside the file before it rewrites it. */
export function prunePath(file: string): string {
  return `${file}.prune`
}
