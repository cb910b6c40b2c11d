import type { Environment } from '../base/environment.js'
import { FormatError } from '../base/error.js'
import { LAST, NEXT_AT } from '../format/block.js'
import { newDigest } from '../format/blake2s.js'
import { BUCKET_LENGTH, bookletKind, type BookletHeader, decodeHeader, HEADER_LENGTH, headerVersion, MAX_NEW_BUCKETS, NOT_CLOSED, patchHeader, REWRITING_VERSION } from '../format/booklet-header.js'
import { Buckets, emptyIndex } from '../format/bucket.js'
import { readU48, writeU48 } from '../format/integers.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'
import { BlockCursor } from './block-cursor.js'
import { writeClean } from './commit.js'
import { crc32 } from './crc32.js'
import { writeEmptyIndex } from './create.js'
import type { Engine } from './engine.js'
import { UnfinishedRewriteError } from './errors.js'
import type { FileHome } from './file-home.js'
import { type RecoveryRecord, writeRecord } from './recovery-record.js'
import { enterRewriting, leaveRewriting } from './rewriting-mark.js'

const CHUNK = 0x100000

/** Which entries a prune drops beside the dead ones. */
export interface Eviction {
  /** µs: entries older than this go. */
  before: number
  /** Keys that stay whatever their age. */
  keeps(key: Uint8Array): boolean
}

/** What rewriting works on. */
export interface Rewritable {
  engine: Engine
  home: FileHome
  environment: Environment
}

/**
 * Rewrites a synced file without its dead blocks; returns how many blocks went. The new contents are built in a
 * side file and then copied over the old ones, so that the file stays the one that others wait to lock.
 */
export function pruneFile(target: Rewritable, eviction: Eviction | undefined): number {
  return rewriteFile(target, target.engine.header.nBuckets, eviction)
}

/** Rewrites a synced file with another number of buckets. */
export function rewriteWithBuckets(target: Rewritable, nBuckets: number): void {
  rewriteFile(target, nBuckets, undefined)
}

function rewriteFile(target: Rewritable, nBuckets: number, eviction: Eviction | undefined): number {
  const { engine, home, environment } = target
  const sidecar = home.createSidecar()
  let image: Image
  try {
    image = buildImage(engine, sidecar, nBuckets, eviction)
    sidecar.sync()
    home.syncFolder()
  } catch (error) {
    sidecar.close()
    home.removeSidecar()
    throw error
  }
  if (image.kept === 0) {
    sidecar.close()
    home.removeSidecar()
    clearFile(target)
    return image.removed
  }
  const { length, checksum } = image
  step(engine, () => {
    try {
      announce(engine, { state: 'rewrite', newLength: length, checksum })
      copyOver(engine.file, sidecar, length, engine.headerBytes)
    } finally {
      sidecar.close()
    }
    settle(engine, length, environment)
  })
  home.removeSidecar()
  return image.removed
}

/** Throws all blocks away, synced or not. */
export function clearFile({ engine, environment }: Rewritable): void {
  const { nBuckets } = engine.header
  step(engine, () => {
    announce(engine, { state: 'clear', nBuckets })
    const length = makeEmpty(engine.file, engine.headerBytes, nBuckets)
    settle(engine, length, environment)
  })
}

/* If it fails, only opening the file anew tells how things stand. */
function step(engine: Engine, work: () => void): void {
  try {
    work()
  } catch (error) {
    engine.markBroken(error)
    throw error
  }
}

/* From here on the file is refused by everybody but by an open for writing of ours, which finishes the work. */
function announce(engine: Engine, record: Partial<RecoveryRecord> & { state: 'rewrite' | 'clear' }): void {
  const { file, headerBytes, header } = engine
  patchHeader(headerBytes, { nKeys: NOT_CLOSED })
  writeRecord(headerBytes, { ...record, version: header.version, length: engine.dataEnd })
  enterRewriting(file, headerBytes)
}

function settle(engine: Engine, length: number, environment: Environment): void {
  const { headerBytes, header } = engine
  engine.reload(decodeHeader(headerBytes, header.version), length)
  leaveRewriting(engine.file, headerBytes, header.version)
  writeClean(engine, engine.header, length, environment.now())
  engine.file.sync()
}

/** Finishes a prune or clear that was interrupted; false when there was none. */
export function finishRewrite(home: FileHome, headerBytes: Uint8Array, header: BookletHeader, record: RecoveryRecord | undefined): boolean {
  if (headerVersion(headerBytes) !== REWRITING_VERSION || record === undefined) return false
  if (record.state === 'clear') {
    // A record that no clear of ours wrote.
    if (record.nBuckets !== header.nBuckets || record.nBuckets > MAX_NEW_BUCKETS) throw new FormatError(`${home.path} was being cleared, but its header and the record of that disagree: the file is damaged`)
    makeEmpty(home.file, headerBytes, record.nBuckets)
    return true
  }
  if (record.state !== 'rewrite') return false
  const sidecar = home.openSidecar()
  if (sidecar === undefined) throw new UnfinishedRewriteError(home.path, home.sidecarPath, 'missing')
  try {
    if (!isWholeImage(sidecar, header, record)) {
      throw new UnfinishedRewriteError(home.path, home.sidecarPath, 'damaged')
    }
    copyOver(home.file, sidecar, record.newLength, headerBytes)
  } finally {
    sidecar.close()
  }
  patchHeader(headerBytes, { version: header.version })
  return true
}

/** Whether a side file is the image that the record of an interrupted prune tells of. */
export function isWholeImage(sidecar: RandomAccessFile, header: BookletHeader, record: RecoveryRecord): boolean {
  return isImage(sidecar, header) && sidecar.size() === record.newLength && checksumOf(sidecar, record.newLength) === record.checksum
}

/* Whether it starts as a whole file of this kind. */
function isImage(sidecar: RandomAccessFile, { kind, version }: BookletHeader): boolean {
  const start = new Uint8Array(HEADER_LENGTH)
  return sidecar.read(0, start) === HEADER_LENGTH && bookletKind(start) === kind && headerVersion(start) === version
}

function makeEmpty(file: RandomAccessFile, headerBytes: Uint8Array, nBuckets: number): number {
  file.truncate(HEADER_LENGTH)
  writeEmptyIndex(file, HEADER_LENGTH, nBuckets)
  file.sync()
  patchHeader(headerBytes, { nKeys: 0, layout: { indexOffset: 0, dataOffset: 0 } })
  return HEADER_LENGTH + nBuckets * BUCKET_LENGTH
}

/* Copies everything but the header, of which the fields go into `headerBytes`. */
function copyOver(file: RandomAccessFile, sidecar: RandomAccessFile, length: number, headerBytes: Uint8Array): void {
  const chunk = new Uint8Array(Math.min(CHUNK, length))
  for (let at = HEADER_LENGTH; at < length; ) {
    const part = chunk.subarray(0, Math.min(chunk.length, length - at))
    if (sidecar.read(at, part) < part.length) throw new FormatError('the side file became shorter while it was read')
    file.write(at, part)
    at += part.length
  }
  file.truncate(length)
  file.sync()
  sidecar.read(0, headerBytes)
}

function checksumOf(sidecar: RandomAccessFile, length: number): number {
  const chunk = new Uint8Array(CHUNK)
  let checksum = 0
  for (let at = 0; at < length; ) {
    const count = sidecar.read(at, chunk.subarray(0, Math.min(CHUNK, length - at)))
    if (count === 0) break
    checksum = crc32(chunk.subarray(0, count), checksum)
    at += count
  }
  return checksum
}

interface Image {
  length: number
  checksum: number
  /** Blocks that stayed, internal ones included. */
  kept: number
  removed: number
}

/* The compact file: header, blocks from byte 200 on, index. */
function buildImage(engine: Engine, out: RandomAccessFile, nBuckets: number, eviction: Eviction | undefined): Image {
  const writer = new ImageWriter(out)
  const header = engine.headerBytes.slice()
  writer.append(header)
  const index = emptyIndex(nBuckets)
  const buckets = new Buckets(nBuckets)
  const cursor = new BlockCursor(engine, { values: true, internal: true })
  const digest = newDigest()
  const image: Image = { length: 0, checksum: 0, kept: 0, removed: 0 }
  let nKeys = 0
  while (cursor.next()) {
    const key = cursor.key()
    const internal = engine.isInternal(key)
    if (eviction && !internal && cursor.head.timestamp < eviction.before && !eviction.keeps(key)) {
      image.removed++
      continue
    }
    cursor.digest(digest)
    const slot = buckets.of(digest) * BUCKET_LENGTH
    const position = writer.position
    writer.appendBlock(engine, cursor, readU48(index, slot))
    writeU48(index, slot, position)
    image.kept++
    if (!internal) nKeys++
  }
  image.removed += cursor.dead
  const indexOffset = writer.position
  writer.append(index)
  writer.flush()
  patchHeader(header, { version: engine.header.version, nKeys, nBuckets, layout: { indexOffset, dataOffset: HEADER_LENGTH } })
  writeRecord(header, undefined)
  out.write(0, header)
  image.length = writer.position
  image.checksum = checksumOf(out, image.length)
  return image
}

/* Writes to the end of a file, in large pieces. */
class ImageWriter {
  readonly #out: RandomAccessFile
  readonly #buffer = new Uint8Array(CHUNK)
  #fill = 0
  #written = 0

  constructor(out: RandomAccessFile) {
    this.#out = out
  }

  get position(): number {
    return this.#written + this.#fill
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#fill === CHUNK) this.flush()
      const part = bytes.subarray(at, at + CHUNK - this.#fill)
      this.#buffer.set(part, this.#fill)
      this.#fill += part.length
      at += part.length
    }
  }

  /* Copies a block as it is, but for its pointer. */
  appendBlock(engine: Engine, cursor: BlockCursor, next: number): void {
    const head = cursor.headBytes()
    writeU48(head, NEXT_AT, Math.max(next, LAST))
    this.append(head)
    let at = cursor.position + head.length
    const end = cursor.position + cursor.head.length
    while (at < end) {
      if (this.#fill === CHUNK) this.flush()
      const room = this.#buffer.subarray(this.#fill, Math.min(CHUNK, this.#fill + end - at))
      if (!cursor.copy(at, room) && engine.read(at, room) < room.length) throw new FormatError(`${engine.path} became shorter while it was read`)
      this.#fill += room.length
      at += room.length
    }
  }

  flush(): void {
    this.#out.write(this.#written, this.#buffer.subarray(0, this.#fill))
    this.#written += this.#fill
    this.#fill = 0
  }
}
