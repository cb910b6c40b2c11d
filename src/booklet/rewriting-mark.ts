import { AREA_AT, HEADER_LENGTH, NOT_CLOSED, patchHeader, REWRITING_VERSION } from '../format/booklet-header.js'
import type { RandomAccessFile } from '../platform/random-access-file.js'

/*
 * While chains or layout change, the version in the header is one that every reader refuses. The record beside it tells
 * how to finish. Version and record are never on their way to disk at the same time: should the record be torn,
 * the version must be the usual one, or nobody could read the file again.
 */

/** Writes the header with its record, then the mark; both are durable when it returns. */
export function enterRewriting(file: RandomAccessFile, headerBytes: Uint8Array): void {
  file.write(0, headerBytes)
  file.sync()
  patchHeader(headerBytes, { version: REWRITING_VERSION })
  file.write(0, headerBytes)
  file.sync()
}

/**
 * Takes the mark off a file whose contents are whole and durable: first everything else of the header that the contents
 * need, then the version. The record on disk stays; `headerBytes` takes it over.
 */
export function leaveRewriting(file: RandomAccessFile, headerBytes: Uint8Array, version: number): void {
  const onDisk = new Uint8Array(HEADER_LENGTH)
  file.read(0, onDisk)
  headerBytes.set(onDisk.subarray(AREA_AT), AREA_AT)
  patchHeader(headerBytes, { version: REWRITING_VERSION, nKeys: NOT_CLOSED })
  file.write(0, headerBytes)
  file.sync()
  patchHeader(headerBytes, { version })
  file.write(0, headerBytes)
  file.sync()
}
