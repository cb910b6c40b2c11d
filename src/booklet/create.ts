import { equalBytes } from '../base/bytes.js'
import type { Environment } from '../base/environment.js'
import { newUuid } from '../base/uuid.js'
import { InvalidArgumentError } from '../base/error.js'
import { LAST } from '../format/block.js'
import {
  AREA_AT,
  BUCKET_LENGTH,
  type BookletKind,
  CURRENT_VERSION,
  decodeHeader,
  encodeHeader,
  HEADER_LENGTH,
  MAX_NEW_BUCKETS,
  patchHeader,
} from '../format/booklet-header.js'
import { emptyIndex } from '../format/bucket.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

/** What a new file is to be. */
export interface NewFile {
  kind: BookletKind
  buckets: number
  keySerializer: number
  valueSerializer: number
  valueLength: number
  timestamps: boolean
  initBytes: Uint8Array | undefined
}

/** The header of a new file. */
export function newHeader(wanted: NewFile, environment: Environment): Uint8Array {
  if (wanted.initBytes) return inheritedHeader(wanted.initBytes, wanted.kind)
  return encodeHeader({
    kind: wanted.kind,
    nBuckets: wanted.buckets,
    valueSerializer: wanted.valueSerializer,
    keySerializer: wanted.keySerializer,
    valueLength: wanted.valueLength,
    timestamps: wanted.timestamps,
    fileTimestamp: environment.now(),
    uuid: newUuid(environment),
  })
}

/* Everything of another file's header but its contents: no keys, standard layout, nothing in the implementation area. */
function inheritedHeader(initBytes: Uint8Array, kind: BookletKind): Uint8Array {
  if (initBytes.length !== HEADER_LENGTH) throw new InvalidArgumentError(`initBytes has ${initBytes.length} bytes; a header has ${HEADER_LENGTH}`)
  const bytes = initBytes.slice()
  patchHeader(bytes, { layout: { indexOffset: 0, dataOffset: 0 } })
  const header = decodeHeader(bytes)
  if (header.nBuckets > MAX_NEW_BUCKETS) throw new InvalidArgumentError(`initBytes asks for ${header.nBuckets} buckets; at most ${MAX_NEW_BUCKETS} are made`)
  if (header.kind !== kind) throw new InvalidArgumentError(`initBytes is the header of a ${header.kind}-length file, not of a ${kind}-length one`)
  patchHeader(bytes, { version: CURRENT_VERSION, nKeys: 0 })
  if (header.version === 3) bytes[41] = 0
  bytes.fill(0, AREA_AT)
  return bytes
}

const CHUNK = BUCKET_LENGTH * 0x8000

/** Writes an index without entries, piece by piece. */
export function writeEmptyIndex(file: RandomAccessFile, position: number, nBuckets: number): void {
  const length = nBuckets * BUCKET_LENGTH
  const piece = emptyIndex(Math.min(nBuckets, CHUNK / BUCKET_LENGTH))
  for (let at = 0; at < length; at += piece.length) file.write(position + at, piece.subarray(0, length - at))
}

/** What a header starts with, the same for all new files of a kind: type id, version, widths. */
const FIXED_START = 21
const TYPE_ID_LENGTH = 16

/**
 * Makes a file anew, in steps of which each is durable before the next: what was there is gone, all but the type id is
 * there, the type id is there. So whatever a power cut leaves is the old file, the new one, or one that
 * `isUnborn` knows.
 */
export function writeNewFile(file: RandomAccessFile, header: Uint8Array): void {
  const { nBuckets } = decodeHeader(header)
  if (file.size() > 0) {
    file.truncate(0)
    file.sync()
  }
  writeEmptyIndex(file, HEADER_LENGTH, nBuckets)
  file.write(TYPE_ID_LENGTH, header.subarray(TYPE_ID_LENGTH))
  file.sync()
  file.write(0, header.subarray(0, TYPE_ID_LENGTH))
  file.sync()
}

/** Whether a file is empty, or left by somebody who was stopped while creating it: parts of a header, and no entries. */
export function isUnborn(file: RandomAccessFile, header: Uint8Array): boolean {
  const start = new Uint8Array(FIXED_START)
  file.read(0, start)
  // Whole, it is a booklet.
  if (equalBytes(start.subarray(0, TYPE_ID_LENGTH), header.subarray(0, TYPE_ID_LENGTH))) return false
  return start.every((byte, at) => byte === 0 || byte === header[at]) && holdsNoEntries(file)
}

/* Nothing but empty buckets behind the header. Another program's file may begin with zeros, too. */
function holdsNoEntries(file: RandomAccessFile): boolean {
  const chunk = new Uint8Array(CHUNK)
  for (let at = HEADER_LENGTH; ; at += chunk.length) {
    const count = file.read(at, chunk)
    if (!chunk.subarray(0, count).every((byte, i) => byte === 0 || (byte === LAST && i % BUCKET_LENGTH === 0))) return false
    if (count < chunk.length) return true
  }
}
