/** What one reader keeps beside a local file that it shares: in memory at first, then in a file of its own. */
import { closeSync, openSync, rmSync } from 'node:fs'
import { equalBytes } from '../../base/bytes.js'
import type { Environment } from '../../base/environment.js'
import { crc32 } from '../../booklet/crc32.js'
import { type Booklet, FileLockedError, openBooklet } from '../../booklet/index.js'
import { DEFAULT_BUCKETS, decodeHeader, patchHeader } from '../../format/booklet-header.js'
import { writeU32 } from '../../format/integers.js'
import { newId, overlayPath, prunePath, remoteIndexPath } from '../../format/names.js'
import { indexFileBeside } from '../index-file.js'
import { lockFile } from '../../platform/file-lock.js'
import { decodeKeptRemote, type Kept, type KeptRemote, type KeptValue } from './kept.js'
import { isRefused } from './refused.js'

export interface OverlayParts {
  /** The shared file. */
  path: string
  /** Of the shared file. */
  headerBytes: Uint8Array
  /** Bytes that are kept in memory before there is a file. */
  bufferSize: number
  /** Bytes of its file that are kept in memory to read from. */
  cacheBytes: number
  environment: Environment
  /** Bytes that are kept in memory where no file can be made. Default 64 MiB. */
  memoryLimit?: number
}

const defaultMemoryLimit = 64 * 1024 * 1024

/* What an entry takes beside its value, about. */
const bytesPerEntry = 100

/* For somebody who looks whether its owner is gone; that takes no time. */
const patience = 10_000

export class Overlay {
  readonly #parts: OverlayParts
  /** The oldest first. Empty once there is a file. */
  readonly #memory = new Map<string, { value: Uint8Array; timestamp: number }>()
  #memoryBytes = 0
  #file: Booklet<string, unknown> | undefined
  #path: string | undefined
  #noFile = false
  #remoteState: Uint8Array | undefined
  #index: Uint8Array | undefined

  constructor(parts: OverlayParts) {
    this.#parts = parts
  }

  /** The file, once there is one. */
  get path(): string | undefined {
    return this.#path
  }

  get holdsNothing(): boolean {
    return this.#file ? this.#file.holdsNothing : this.#memory.size === 0
  }

  getTimestamp(key: string): number | undefined {
    return this.#file ? this.#file.getTimestamp(key) : this.#memory.get(key)?.timestamp
  }

  getBytes(key: string): Uint8Array | undefined {
    return this.#file ? this.#file.getBytes(key) : this.#memory.get(key)?.value.slice()
  }

  lengthOf(key: string): number | undefined {
    return this.#file ? this.#file.lengthOf(key) : this.#memory.get(key)?.value.length
  }

  timestamps(): Iterable<[string, number]> {
    return this.#file ? this.#file.timestamps() : memoryTimestamps(this.#memory)
  }

  set(key: string, value: Uint8Array, timestamp: number): void {
    if (this.#file) {
      this.#file.setBytes(key, value, { timestamp })
      return
    }
    this.delete(key)
    this.#memory.set(key, { value: value.slice(), timestamp })
    this.#memoryBytes += sizeOf(key, value)
    if (this.#memoryBytes > this.#parts.bufferSize) this.moveToFile()
    if (this.#noFile) this.#forgetOldest()
  }

  delete(key: string): boolean {
    if (this.#file) return this.#file.delete(key)
    const old = this.#memory.get(key)
    if (!old) return false
    this.#memory.delete(key)
    this.#memoryBytes -= sizeOf(key, old.value)
    return true
  }

  /** The index section of a remote state that is taken in; `setRemoteState` follows. */
  setIndex(bytes: Uint8Array): void {
    this.#index = bytes
    if (this.#file) this.#writeIndex(this.#file, bytes)
  }

  #writeIndex(file: Booklet<string, unknown>, bytes: Uint8Array): void {
    indexFileBeside(this.#path!).write(bytes)
    file.reserved.set(1, checksumOf(bytes))
  }

  /** @param slot as slot 2 holds it */
  setRemoteState(slot: Uint8Array): void {
    this.#remoteState = slot
    this.#file?.reserved.set(2, slot)
  }

  /** Everything in it; undefined when there is nothing. */
  kept(): Kept | undefined {
    const remote = decodeKeptRemote(this.#remoteState, this.#index)
    if (!remote && !this.#file && this.#memory.size === 0) return undefined
    return { remote, values: () => (this.#file ? valuesOf(this.#file) : memoryValues(this.#memory)), file: this.#file }
  }

  /** Goes on in a file, locked for as long as this reader lives. False where none can be made. */
  moveToFile(): boolean {
    if (this.#file) return true
    if (this.#noFile) return false
    const { path, environment, bufferSize, cacheBytes } = this.#parts
    const beside = overlayPath(path, newId(environment))
    try {
      this.#file = openBooklet<string, unknown>(beside, { flag: 'n', keySerializer: 'str', initBytes: this.#header(), bufferSize, cacheBytes, environment, lockTimeout: patience })
      this.#path = beside
      if (this.#index) this.#writeIndex(this.#file, this.#index)
    } catch (error) {
      this.#removeFile()
      if (!isRefused(error)) throw error
      this.#noFile = true
      return false
    }
    if (this.#remoteState) this.#file.reserved.set(2, this.#remoteState)
    for (const { key, value, timestamp } of memoryValues(this.#memory)) this.#file.setBytes(key, value, { timestamp })
    this.#memory.clear()
    this.#memoryBytes = 0
    return true
  }

  /** Makes the file durable, if there is one. */
  sync(): void {
    this.#file?.sync()
  }

  /** Leaves everything beside the shared file, for whoever has that alone next. */
  leave(): void {
    if (!this.kept() || !this.moveToFile()) return
    this.#file?.close()
    this.#file = undefined
    this.#path = undefined
  }

  /** Forgets everything, and removes the file. */
  drop(): void {
    this.#removeFile()
    this.#memory.clear()
    this.#memoryBytes = 0
  }

  #removeFile(): void {
    this.#file?.abandon()
    if (this.#path !== undefined) removeOverlay(this.#path)
    this.#file = undefined
    this.#path = undefined
  }

  /* Buckets for as many keys as come: the shared file may have many more. */
  #header(): Uint8Array {
    const bytes = this.#parts.headerBytes.slice()
    patchHeader(bytes, { nBuckets: Math.min(DEFAULT_BUCKETS, decodeHeader(bytes).nBuckets) })
    return bytes
  }

  #forgetOldest(): void {
    const limit = this.#parts.memoryLimit ?? defaultMemoryLimit
    for (const key of this.#memory.keys()) {
      if (this.#memoryBytes <= limit || this.#memory.size === 1) return
      this.delete(key)
    }
  }
}

/** The state of the remote in an overlay's file, if the index beside it is the one that belongs to it. @throws FormatError */
export function remoteOf(path: string, file: Booklet<string, unknown>): KeptRemote | undefined {
  const slot = file.reserved.get(2)
  const checksum = file.reserved.get(1)
  const index = slot && checksum && indexFileBeside(path).read()
  return index && equalBytes(checksum.bytes, checksumOf(index)) ? decodeKeptRemote(slot.bytes, index) : undefined
}

/** CRC-32, 4 bytes LE. Slot 1 of an overlay has it: what lies beside may be newer than what the slots say, or damaged. */
function checksumOf(index: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4)
  writeU32(bytes, 0, crc32(index))
  return bytes
}

/** Removes an overlay, after what lies beside it, which nobody would look for without it; where that isn't allowed, it stays. */
export function removeOverlay(path: string): void {
  const index = remoteIndexPath(path)
  try {
    for (const name of [index, `${index}.new`, prunePath(path), path]) rmSync(name, { force: true })
  } catch (error) {
    if (!isRefused(error)) throw error
  }
}

/** Removes one that is no booklet. An empty one may be about to be locked by its maker, who then finds that it is gone and makes another. */
export function removeDamaged(path: string): void {
  let fd: number
  try {
    fd = openSync(path, 'r+')
  } catch {
    // Gone, or not to be touched.
    return
  }
  try {
    lockFile(fd, path, { exclusive: true, timeout: 0 })
    removeOverlay(path)
  } catch (error) {
    if (!(error instanceof FileLockedError)) throw error
  } finally {
    closeSync(fd)
  }
}

/** The values of an overlay's file. */
export function* valuesOf(file: Booklet<string, unknown>): Generator<KeptValue> {
  for (const { key, timestamp, value } of file.rawEntries()) yield { key, timestamp: timestamp ?? 0, value }
}

type Memory = ReadonlyMap<string, { value: Uint8Array; timestamp: number }>

function* memoryTimestamps(memory: Memory): Generator<[string, number]> {
  for (const [key, { timestamp }] of memory) yield [key, timestamp]
}

function* memoryValues(memory: Memory): Generator<KeptValue> {
  for (const [key, { value, timestamp }] of memory) yield { key, value, timestamp }
}

function sizeOf(key: string, value: Uint8Array): number {
  return 2 * key.length + value.length + bytesPerEntry
}
