import type { Environment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import { DEFAULT_BUCKETS, MAX_NEW_BUCKETS } from '../format/booklet-header.js'
import { type NamedSerializer, resolveSerializer, type Serializer, serializerByCode, type SerializerName } from '../serializers/index.js'
import { checkSchemaOptions, type SchemaOptions } from '../values/index.js'
import type { OpenFlag } from './file-home.js'

export type { OpenFlag } from './file-home.js'

/** Options of both kinds of file. */
export interface CommonOptions<K> {
  /**
   * `r` existing, read only (default) · `w` existing, read and write · `c` read and write, created if
   * missing · `n` always new.
   */
  flag?: OpenFlag
  /** How keys become bytes: a name, or your own. New files: `str` by default; existing ones record it. */
  keySerializer?: SerializerName | Serializer<K>
  /** Buckets of the index of a new file, up to 2^28; it grows by itself. Default 12007. */
  buckets?: number
  /** Bytes that are collected before they are written to the file. Default 1 MiB. */
  bufferSize?: number
  /**
   * A file of at most so many bytes is kept in memory as far as it was read, so that reading again is faster; of a larger one only
   * the index is. Default 32 MiB.
   */
  cacheBytes?: number
  /** Milliseconds to wait for other processes to close the file; 0 = don't wait. Default: without limit. */
  lockTimeout?: number
  /** Clock and randomness; the real ones by default. */
  environment?: Environment
  /**
   * The 200 bytes of another file's header, from which a new file takes its uuid, file timestamp, serializers, number of
   * buckets and timestamps. Bytes 77 to 199 of it are ignored. Without effect on an existing file.
   */
  initBytes?: Uint8Array
}

/** Options of `openBooklet`. */
export interface BookletOptions<K = string, V = unknown> extends CommonOptions<K>, SchemaOptions<V> {
  /** How values become bytes: a name, or your own. New files: `json` by default; existing ones record it. */
  valueSerializer?: SerializerName | Serializer<V>
  /** Whether the entries of a new file carry timestamps. Default true. */
  timestamps?: boolean
  /**
   * The most bytes of a value that is read, as stored or unfolded; more gives a DeserializationError before memory is taken.
   * Give a small one for files of people you don't know. Default: 2^30 - 1 for compressed values, else no limit.
   */
  maxValueBytes?: number
}

/** Options of `openFixedBooklet`. */
export interface FixedBookletOptions<K = string> extends CommonOptions<K> {
  /** Bytes of each value, 1 or more. Needed for a new file; an existing one records it. */
  valueLength?: number
}

export const DEFAULT_BUFFER = 0x100000
export const DEFAULT_CACHE = 0x2000000

/** Checks what can be checked before a file is touched. */
export function checkOptions(options: CommonOptions<never> & SchemaOptions<unknown> & { valueLength?: number; maxValueBytes?: number }): void {
  const { flag, buckets, bufferSize, cacheBytes, lockTimeout, valueLength, maxValueBytes } = options
  if (flag !== undefined && !['r', 'w', 'c', 'n'].includes(flag)) {
    throw new InvalidArgumentError(`unknown flag ${JSON.stringify(flag)}; flags are 'r' (read), 'w' (write), 'c' (create if missing), 'n' (new)`)
  }
  whole('buckets', buckets, 1, MAX_NEW_BUCKETS)
  whole('maxValueBytes', maxValueBytes, 0, Number.MAX_SAFE_INTEGER)
  whole('bufferSize', bufferSize, 1, 0x40000000)
  whole('cacheBytes', cacheBytes, 0, 0xffffffff)
  whole('valueLength', valueLength, 1, 0xffffffff)
  checkSchemaOptions(options)
  if (lockTimeout !== undefined && !(lockTimeout >= 0)) throw new InvalidArgumentError(`lockTimeout is ${lockTimeout}; it takes milliseconds, 0 or more`)
}

function whole(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
  throw new InvalidArgumentError(`${name} is ${value}; it takes a whole number from ${least} to ${most}`)
}

export function bucketsOf(options: CommonOptions<never>): number {
  return options.buckets ?? DEFAULT_BUCKETS
}

type Given<T> = SerializerName | Serializer<T> | undefined

/** The serializer to use for a new file. */
export function serializerForNew<T>(given: Given<T>, usual: SerializerName): NamedSerializer<T> {
  return resolveSerializer<T>((given ?? usual))
}

/** The serializer for a file that records `code`. The caller's may not contradict it. */
export function serializerForExisting<T>(given: Given<T>, code: number, option: string): NamedSerializer<T> {
  if (given === undefined) return serializerByCode(code) as NamedSerializer<T>
  const wanted = resolveSerializer<T>(given)
  // Codes 1 and 32 both stand for raw bytes.
  const same = wanted.code === code || (isBytes(wanted.code) && isBytes(code))
  // A caller's own serializer may stand in for whatever the file records: raw bytes are the caller's business then.
  if (same || wanted.code === 0) return wanted
  throw new InvalidArgumentError(
    `${option} is ${wanted.name}, but the file was made with ${code === 0 ? 'a custom one' : serializerByCode(code).name}; leave the option out, or give the right one`,
  )
}

function isBytes(code: number): boolean {
  return code === 1 || code === 32
}
