import { InvalidArgumentError } from '../base/error.js'
import type { Environment } from '../base/environment.js'
import type { Serializer, SerializerName } from '../serializers/index.js'
import { checkOnConflict, type OnConflict } from '../sync/conflict.js'
import { SMALLEST_MEMORY } from '../sync/transfer.js'
import { checkSchemaOptions, type SchemaOptions } from '../values/index.js'

/** `r` existing, read only · `w` existing, read and write · `c` read and write, created if missing · `n` always new. */
export type OpenFlag = 'r' | 'w' | 'c' | 'n'

/** `session`: held for as long as the database is open. `push`: taken by each push, and given back at its end. */
export type LockMode = 'session' | 'push'

export interface OpenEbookletOptions<V, I = V> extends SchemaOptions<V> {
  /** Default `r`. */
  flag?: OpenFlag
  /**
   * When a writer holds the lock of the remote. `session` (default): from open to close, so that nobody else writes
   * meanwhile. `push`: only while it pushes. Then a local file that knows its keys is opened without asking anybody, also
   * where there is no network; others may push meanwhile, and `onConflict` says what becomes of keys that both changed.
   */
  lock?: LockMode
  /**
   * What a push does about keys (and metadata, and a replacement) that were changed here and by others since they were last
   * seen: `stop` throws a PushConflictError before anything is sent, `local` sends what is pending here, `remote` drops it, a
   * function decides about each. Default: `stop` with `lock: 'push'`; with `lock: 'session'`, as the original has it, nobody
   * looks, and what is pending here is sent.
   */
  onConflict?: OnConflict<V, I>
  /**
   * How values become bytes: a name as in Python, or an object with `encode` and `decode`. Default: what
   * the database has; `json` for a new one. A custom one has to be given at every open.
   */
  valueSerializer?: SerializerName | Serializer<V>
  /**
   * How a new database keeps its values on the remote: a number of group objects (rounded up to a prime;
   * aim for groups of 10 to 100 MB), or null for one object per key. Default: what the database has; null
   * for a new one. Can't be changed but with flag `n`.
   */
  numGroups?: number | null
  /** Hash buckets of a new local file: about as many as keys are expected. Default 12007. */
  buckets?: number
  /** Bytes of local writes, and in a read-only session of what was fetched, that are kept in memory until they go to a file. Default 1 MiB. */
  bufferSize?: number
  /** A local file of at most so many bytes is kept in memory as far as it was read, to read it again faster. Default 32 MiB. */
  cacheBytes?: number
  /** ms to wait for the lock of the remote, and for the lock of the local file. Default 300 000. */
  lockTimeout?: number
  /** Before locking, break the tickets of other writers: `stale` those older than 2 h, `all` every one. Only when you know that they are dead. */
  breakLocks?: 'stale' | 'all'
  /**
   * The most bytes of a value that is read, as stored or unfolded; more gives a RemoteTooLargeError before it is fetched or a
   * DeserializationError before it is unfolded. Give a small one for databases of people you don't know. Default:
   * 2^32 - 1 as stored (the most that the format holds), 2^30 - 1 unfolded.
   */
  maxValueBytes?: number
  /** The most bytes of the object at the remote's key, which holds the index of all keys. More gives a RemoteTooLargeError. Default 2 GiB. */
  maxIndexBytes?: number
  /**
   * Bytes of values that pushes and loads hold in memory at most on their way, all calls of a session together; a value that
   * is larger alone is loaded all the same, and then it alone is held. What knows of every key takes memory beside that: the
   * index, and of a push the new entries. 5 MiB or more. Default 64 MiB.
   */
  maxMemory?: number
  /**
   * Bytes of the parts in which larger objects are sent, and of the ranges in which they are read. A store may want more
   * (S3: 5 MiB). Default 8 MiB.
   */
  partSize?: number
  /**
   * `true`: never ask the network, and serve what the local file and the index beside it hold; what would have to be
   * fetched gives an OfflineError that names the keys, before anything is done. `'auto'`: the same, but only when the
   * remote can't be reached; an answer that refuses (403, 404 …) is an error as ever. `db.offline` tells which it is.
   * Only with flag `r`. Default false.
   */
  offline?: boolean | 'auto'
  /** Who you are, for those who have to wait for your lock. Default: the user and host of this process. */
  owner?: string
  signal?: AbortSignal
  /** Clock, randomness and timers; for tests. */
  environment?: Environment
  /** ms that the lock waits for rivals to become visible, and between looks. Default 1000 each; the original relies on it. */
  lockTiming?: { settle?: number; poll?: number }
  /** Told what the user should know but what is no error. Default: `process.emitWarning`. */
  onWarning?: (message: string) => void
}

const flags: readonly string[] = ['r', 'w', 'c', 'n']

/** @throws InvalidArgumentError for the first option that is wrong */
export function checkOptions<V, I>(path: string, options: OpenEbookletOptions<V, I>): void {
  if (typeof path !== 'string' || path === '') throw new InvalidArgumentError("the path has to be a file name or ':memory:'")
  const { flag = 'r', numGroups, lockTimeout, buckets, breakLocks, maxValueBytes, maxIndexBytes, partSize } = options
  if (!flags.includes(flag)) {
    throw new InvalidArgumentError(`unknown flag ${JSON.stringify(flag)}: use 'r' (read), 'w' (write), 'c' (create if missing) or 'n' (always new)`)
  }
  if (numGroups !== undefined && numGroups !== null && !(Number.isSafeInteger(numGroups) && numGroups >= 1 && numGroups <= 2 ** 31)) {
    throw new InvalidArgumentError('numGroups has to be a whole number from 1 to 2^31, or null for one object per key')
  }
  if (lockTimeout !== undefined && !(lockTimeout >= 0)) throw new InvalidArgumentError('lockTimeout has to be a number of milliseconds, 0 or more')
  if (buckets !== undefined && !(Number.isSafeInteger(buckets) && buckets >= 1)) throw new InvalidArgumentError('buckets has to be a whole number, 1 or more')
  for (const [name, bytes] of Object.entries({ maxValueBytes, maxIndexBytes, cacheBytes: options.cacheBytes })) {
    if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= 0)) throw new InvalidArgumentError(`${name} has to be a whole number of bytes, 0 or more`)
  }
  if (partSize !== undefined && !(Number.isSafeInteger(partSize) && partSize >= 1)) throw new InvalidArgumentError('partSize has to be a whole number of bytes, 1 or more')
  checkMemory(options.maxMemory)
  checkSchemaOptions(options)
  if (breakLocks !== undefined && breakLocks !== 'stale' && breakLocks !== 'all') throw new InvalidArgumentError("breakLocks has to be 'stale' or 'all'")
  checkLock(options)
  checkOffline(path, options)
  if (flag === 'r' && breakLocks !== undefined) throw new InvalidArgumentError("breakLocks goes with the flags 'w', 'c' and 'n': readers take no lock")
}

/** @throws InvalidArgumentError */
export function checkMemory(maxMemory: number | undefined): void {
  if (maxMemory !== undefined && !(Number.isSafeInteger(maxMemory) && maxMemory >= SMALLEST_MEMORY)) {
    throw new InvalidArgumentError(`maxMemory has to be a number of bytes, ${SMALLEST_MEMORY} or more`)
  }
}

function checkLock<V, I>({ flag = 'r', lock, onConflict }: OpenEbookletOptions<V, I>): void {
  if (lock !== undefined && lock !== 'session' && lock !== 'push') throw new InvalidArgumentError("lock has to be 'session' or 'push'")
  checkOnConflict(onConflict)
  if (flag === 'r' && (lock !== undefined || onConflict !== undefined)) throw new InvalidArgumentError("lock and onConflict go with the flags 'w', 'c' and 'n': readers take no lock and push nothing")
}

function checkOffline<V, I>(path: string, { flag = 'r', offline = false }: OpenEbookletOptions<V, I>): void {
  if (offline !== true && offline !== false && offline !== 'auto') throw new InvalidArgumentError("offline has to be true, false or 'auto'")
  if (offline !== false && flag !== 'r') throw new InvalidArgumentError(`offline goes with the flag 'r' only, not '${flag}': to write without the network, use lock: 'push'`)
  if (offline === true && path === ':memory:') throw new InvalidArgumentError("offline: true needs a local file, not ':memory:', which is always empty at first")
}
