/** How the bytes of values pass through memory on their way to and from the store: in parts, and only so many at a time. */
import { PartBuffers } from './part-buffers.js'
import { ByteBudget, DEFAULT_PART_SIZE } from '../store/transfer/index.js'

/** Shared by all pushes and loads of a session. */
export interface Transfer {
  /** Bounds what is on its way, both ways together. */
  readonly budget: ByteBudget
  /** Bytes of a part of what is sent, and of a range of what is read. */
  readonly partSize: number
  /** For the parts of what is sent. */
  readonly buffers: PartBuffers
}

/** Bytes that are held at most, where nothing else is asked. */
export const DEFAULT_MEMORY = 64 * 1024 * 1024

/** The least that can be asked for: S3 takes no smaller parts. */
export const SMALLEST_MEMORY = 5 * 1024 * 1024

/** @param partSize bytes; stores may want more of what they get. Default 8 MiB, or all of the memory if that is less */
export function transferWithin(maxMemory: number = DEFAULT_MEMORY, partSize: number = DEFAULT_PART_SIZE): Transfer {
  const size = Math.min(partSize, maxMemory)
  return { budget: new ByteBudget(maxMemory), partSize: size, buffers: new PartBuffers(size, Math.floor(maxMemory / size)) }
}

/** That of a remote, or the usual. */
export function transferOf({ transfer }: { transfer?: Transfer | undefined }): Transfer {
  return transfer ?? transferWithin()
}
