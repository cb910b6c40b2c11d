import { equalBytes } from '../base/bytes.js'
import { AREA_AT } from '../format/booklet-header.js'
import { readU16, readU32, readU48, readU56, writeU16, writeU32, writeU48, writeU56 } from '../format/integers.js'
import { crc32 } from './crc32.js'

/*
 * Our note in the header's implementation area, which no other reader looks at. Integers little-endian,
 * offsets from byte 77 of the file:
 *
 *    0 magic 'EBTR' 4 | 4 record version 1 (1 byte) | 5 state 1 | 6 file version 2
 *    8 length 6      clean: length of the file; else: where the synced data ends
 *   14 n_keys 4      after the step that the state names
 *   18 modified 7    clean: last modification of the file, µs
 *   25 new_length 6  commit: length after the commit. rewrite: length of the side file
 *   31 redo_at 6     commit: first of the dead blocks that hold the redo list
 *   37 redo_length 6 commit: bytes of the list
 *   43 file_length 6 commit: length of the file when the record was written
 *   49 checksum 4    commit: of the redo list. rewrite: of the side file
 *   53 n_buckets 4   clear: of the fresh index
 *   57 checksum 4    of the 57 bytes before
 */

/** clean: nothing under way. open: blocks are being appended. The rest: an operation to be finished. */
export type RecoveryState = 'clean' | 'open' | 'commit' | 'rewrite' | 'clear'

export interface RecoveryRecord {
  state: RecoveryState
  /** The version field that the file has when nothing is under way. */
  version: number
  length: number
  nKeys: number
  modified: number
  newLength: number
  redoAt: number
  redoLength: number
  fileLength: number
  checksum: number
  nBuckets: number
}

const MAGIC = Uint8Array.of(0x45, 0x42, 0x54, 0x52)
const RECORD_VERSION = 1
const STATES: RecoveryState[] = ['clean', 'open', 'commit', 'rewrite', 'clear']
const CHECKSUM_AT = 57
const RECORD_LENGTH = 61

/** Puts a record into a header (or removes it); fields left out are 0. */
export function writeRecord(header: Uint8Array, record: (Partial<RecoveryRecord> & { state: RecoveryState; version: number }) | undefined): void {
  const area = header.subarray(AREA_AT)
  area.fill(0)
  if (record === undefined) return
  area.set(MAGIC)
  area[4] = RECORD_VERSION
  area[5] = STATES.indexOf(record.state) + 1
  writeU16(area, 6, record.version)
  writeU48(area, 8, record.length ?? 0)
  writeU32(area, 14, record.nKeys ?? 0)
  writeU56(area, 18, record.modified ?? 0)
  writeU48(area, 25, record.newLength ?? 0)
  writeU48(area, 31, record.redoAt ?? 0)
  writeU48(area, 37, record.redoLength ?? 0)
  writeU48(area, 43, record.fileLength ?? 0)
  writeU32(area, 49, record.checksum ?? 0)
  writeU32(area, 53, record.nBuckets ?? 0)
  writeU32(area, CHECKSUM_AT, crc32(area.subarray(0, CHECKSUM_AT)))
}

/** The record of a header; undefined when there is none that can be believed. */
export function readRecord(header: Uint8Array): RecoveryRecord | undefined {
  const area = header.subarray(AREA_AT)
  if (area.length < RECORD_LENGTH || !equalBytes(area.subarray(0, 4), MAGIC) || area[4] !== RECORD_VERSION) return undefined
  if (readU32(area, CHECKSUM_AT) !== crc32(area.subarray(0, CHECKSUM_AT))) return undefined
  const state = STATES[area[5]! - 1]
  if (state === undefined) return undefined
  return {
    state,
    version: readU16(area, 6),
    length: readU48(area, 8),
    nKeys: readU32(area, 14),
    modified: readU56(area, 18),
    newLength: readU48(area, 25),
    redoAt: readU48(area, 31),
    redoLength: readU48(area, 37),
    fileLength: readU48(area, 43),
    checksum: readU32(area, 49),
    nBuckets: readU32(area, 53),
  }
}
