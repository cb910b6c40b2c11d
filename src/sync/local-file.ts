/** What a session needs of its local file. A `Booklet` is one; so is the layered file of a reader, which shares one with others. */
import type { SlotBytes } from '../booklet/booklet.js'
import type { Digest } from '../format/blake2s.js'
import type { RepairReport, ReservedSlots } from '../booklet/index.js'

/** The places of values, from which a push reads while the file is written to. */
export interface ValuePlaces {
  /** @returns position and bytes of the value, and its µs */
  locate(key: string): { offset: number; length: number; timestamp: number } | undefined
  /** The same for a key of a user whose digest is known. */
  locateDigested(digest: Digest): { offset: number; length: number; timestamp: number } | undefined
  /** Fills `target` with the bytes from a position on. */
  read(offset: number, target: Uint8Array): void
  /** Keeps everything where it lies, until the function that this gives is called. */
  hold(): () => void
}

export interface LocalFile {
  /** Undefined for one in memory. */
  readonly path: string | undefined
  /** 32 hexadecimal digits. */
  readonly uuid: string
  /** False when nobody knows what was written to it last: after a crash, or by another program. */
  readonly openedClean: boolean
  /** What opening it for writing had to put right; undefined when nothing was wrong. */
  readonly repair?: RepairReport | undefined
  readonly hasTimestamps: boolean
  /** True when no value can be in it: none has to be looked for. */
  readonly holdsNothing: boolean
  readonly valueSerializerCode: number
  readonly nBuckets: number
  /** The 200 bytes from which a copy of this database is made. */
  headerBytes(): Uint8Array
  /** µs: the header's time of the whole file. */
  fileTimestamp: number
  /** Slot 1 holds the journal, slot 2 the remote state. */
  readonly reserved: ReservedSlots
  /** Changes slots in place; undefined in a file that stands still. */
  readonly slotBytes?: SlotBytes | undefined
  /** Any JSON value; undefined when there is none. */
  readonly metadata: unknown
  /** µs; undefined when there is no metadata. */
  readonly metadataTimestamp: number | undefined
  /** Undefined removes it. @param options timestamp: µs */
  setMetadata(value: unknown, options?: { timestamp?: number }): void

  /** µs of the value of a key; undefined when there is none. */
  getTimestamp(key: string): number | undefined
  getBytes(key: string): Uint8Array | undefined
  getEntryBytes(key: string): { value: Uint8Array; timestamp: number | undefined } | undefined
  /** Bytes of a value, without reading it. */
  lengthOf(key: string): number | undefined
  /** Where the values lie; undefined in a file from which nobody pushes. */
  readonly places?: ValuePlaces | undefined
  /** Every key with its µs, without reading values. */
  timestamps(): IterableIterator<[string, number]>
  /** @param options timestamp: µs */
  setBytes(key: string, value: Uint8Array, options: { timestamp: number }): void
  /** False when there is no such key. */
  setTimestamp(key: string, timestamp: number): boolean
  /** False when there was no such key. */
  delete(key: string): boolean

  /** Drops values older than `before` (µs) but those of `keep`, and what was overwritten; returns how many entries went. */
  prune(options: { before?: number; keep?: Iterable<string> }): number
  /** Makes all changes durable. */
  sync(): void
  /** Syncs too. Twice does no harm. */
  close(): void
}
