import { toHex } from '../base/bytes.js'
import type { Environment } from '../base/environment.js'
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
  patchHeader,
} from '../format/booklet-header.js'
import { writeU48 } from '../format/integers.js'
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
  if (header.kind !== kind) throw new InvalidArgumentError(`initBytes is the header of a ${header.kind}-length file, not of a ${kind}-length one`)
  patchHeader(bytes, { version: CURRENT_VERSION, nKeys: 0 })
  if (header.version === 3) bytes[41] = 0
  bytes.fill(0, AREA_AT)
  return bytes
}

/** 32 hex digits of a random (version 4) UUID. */
export function newUuid(environment: Environment): string {
  const bytes = environment.randomBytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return toHex(bytes)
}

/** An index without entries. */
export function emptyIndex(nBuckets: number): Uint8Array {
  const bytes = new Uint8Array(nBuckets * BUCKET_LENGTH)
  for (let at = 0; at < bytes.length; at += BUCKET_LENGTH) writeU48(bytes, at, LAST)
  return bytes
}

/** Makes a file anew. The header comes last: until then the file is no booklet, and `c` creates it again. */
export function writeNewFile(file: RandomAccessFile, header: Uint8Array): void {
  const { nBuckets } = decodeHeader(header)
  file.truncate(0)
  file.write(HEADER_LENGTH, emptyIndex(nBuckets))
  file.write(0, header)
}
