/** Where a database lies on an object store. */
import { ResponseTooLargeError } from '../store/errors.js'
import type { GetOptions, GetResult, ObjectStore } from '../store/object-store.js'
import { RemoteTooLargeError } from './errors.js'
import type { Transfer } from './transfer.js'

/** What is accepted from a remote: anyone may publish one. */
export interface RemoteLimits {
  /** Bytes of the db object. Default 2 GiB. */
  maxIndexBytes?: number | undefined
  /** Bytes of one value, as stored. Default 2^32 - 1, the most that the format holds. */
  maxValueBytes?: number | undefined
}

const defaultMaxIndexBytes = 2 ** 31

/** A database on an object store. */
export interface RemoteLocation {
  store: ObjectStore
  /** The key of the db object; everything else of the database lies below it. */
  dbKey: string
  limits?: RemoteLimits | undefined
  /** What bounds the memory of pushes and loads. Default: 64 MiB for each kind of call. */
  transfer?: Transfer | undefined
  /** Whether a database of format 1 is read too. It is never written, so writers refuse it. Default false. */
  acceptFormat1?: boolean | undefined
}

/** Reads an object that is as large as the index may be. */
export async function getBounded({ store, limits }: RemoteLocation, key: string, options: GetOptions): Promise<GetResult> {
  const maxBytes = limits?.maxIndexBytes ?? defaultMaxIndexBytes
  try {
    return await store.get(key, { ...options, maxBytes })
  } catch (cause) {
    if (cause instanceof ResponseTooLargeError) throw new RemoteTooLargeError('maxIndexBytes', `${store.name} ${key}`, maxBytes, { cause })
    throw cause
  }
}
