import { FormatError } from '../../base/error.js'
import { UnsupportedValueError } from '../errors.js'
import { decompressedBound } from '../zstd-frame.js'

/*
 * A look at an Arrow IPC file before the library reads it, which believes what it reads. The file is a tree of FlatBuffers
 * tables, whose offsets may lead anywhere: each table is followed once, each vector is believed as far as there are bytes, and
 * all of it together may be no more than the file's bytes bear out.
 *
 *   ARROW1 00 00 | messages … | footer | length of the footer 4 | ARROW1
 *   footer       table: version, schema, dictionaries (blocks), record batches (blocks), metadata
 *   block        offset 8 | length of the message 4 | 4 | length of the body 8
 *   message      FFFFFFFF | length 4 | table: version, kind, header, length of the body, metadata | body
 */
const magic = 'ARROW1'

/** Offsets of a table's fields in its list of fields. */
const footer = { schema: 6, dictionaries: 8, batches: 10, metadata: 12 }
const schema = { fields: 6, metadata: 8 }
const field = { name: 4, typeId: 8, type: 10, dictionary: 12, children: 14, metadata: 16 }
const message = { kind: 6, header: 8, bodyLength: 10 }
const recordBatch = { length: 4, nodes: 6, buffers: 8, compression: 10, variadic: 12 }
const dictionaryBatch = { data: 6 }

/** Types whose table has a text (the timezone) or a vector (the ids of a union) in its second field. */
const types = { timestamp: 10, union: 14 }
const kinds = { dictionaryBatch: 2, recordBatch: 3 }

/** How deep types may nest. */
const MAX_TYPE_DEPTH = 64

/**
 * @param limit the most bytes that its buffers may have when they are unfolded
 * @throws FormatError for what isn't an Arrow IPC file, and for one that could make its reader run away
 */
export function checkArrowFile(bytes: Uint8Array, limit: number): void {
  new FileCheck(bytes, limit).run()
}

class FileCheck {
  readonly #view: DataView
  /** Bytes of tables and vectors that may still be looked at. Nothing in an honest file is looked at twice. */
  #left: number

  constructor(
    private readonly bytes: Uint8Array,
    /** Bytes that may still be unfolded. */
    private room: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#left = bytes.length * 2
  }

  run(): void {
    const { length } = this.bytes
    if (length < 24 || this.#ascii(0) !== magic || this.#ascii(length - 6) !== magic) throw new FormatError('it is no Feather file of version 2 (Arrow IPC).')
    const footerLength = this.#int32(length - 10)
    const start = length - 10 - footerLength
    if (footerLength < 8 || start < 8) this.#fail('its footer is not there')
    const table = this.#table(start, this.bytes.length)
    this.#schema(this.#child(table, footer.schema))
    this.#blocks(this.#vector(table, footer.dictionaries, 24), kinds.dictionaryBatch)
    this.#blocks(this.#vector(table, footer.batches, 24), kinds.recordBatch)
    this.#metadata(table, footer.metadata)
  }

  #schema(table: Table | undefined): void {
    if (table === undefined) return this.#fail('it has no schema')
    this.#fields(table, schema.fields, 0)
    this.#metadata(table, schema.metadata)
  }

  #fields(table: Table, slot: number, depth: number): void {
    if (depth > MAX_TYPE_DEPTH) this.#fail(`its types are nested deeper than ${MAX_TYPE_DEPTH} levels`)
    for (const child of this.#tables(table, slot)) {
      this.#string(child, field.name)
      const type = this.#child(child, field.type)
      const typeAt = this.#slot(child, field.typeId)
      const typeId = typeAt === undefined ? 0 : this.#uint8(typeAt)
      if (type !== undefined && typeId === types.timestamp) this.#string(type, 6)
      if (type !== undefined && typeId === types.union) this.#vector(type, 6, 4)
      this.#child(child, field.dictionary)
      this.#fields(child, field.children, depth + 1)
      this.#metadata(child, field.metadata)
    }
  }

  #metadata(table: Table, slot: number): void {
    for (const entry of this.#tables(table, slot)) {
      this.#string(entry, 4)
      this.#string(entry, 6)
    }
  }

  #blocks(vector: Vector | undefined, kind: number): void {
    for (let i = 0; i < (vector?.length ?? 0); i++) {
      const at = (vector?.start ?? 0) + i * 24
      this.#message(this.#int64(at), kind)
    }
  }

  #message(offset: number, kind: number): void {
    const long = this.#int32(offset) === -1
    const start = offset + (long ? 8 : 4)
    const length = this.#int32(long ? offset + 4 : offset)
    this.#need(start, length)
    const table = this.#table(start, start + length)
    const found = this.#slot(table, message.kind)
    if (found === undefined || this.#uint8(found) !== kind) this.#fail('a block leads to another kind of message')
    const bodyAt = this.#slot(table, message.bodyLength)
    const bodyLength = bodyAt === undefined ? 0 : this.#int64(bodyAt)
    this.#need(start + length, bodyLength)
    const header = this.#child(table, message.header)
    const batch = kind === kinds.recordBatch || header === undefined ? header : this.#child(header, dictionaryBatch.data)
    if (batch === undefined) return this.#fail('a batch is missing')
    const unfolded = this.#buffers(batch, start + length, bodyLength)
    this.#nodes(this.#vector(batch, recordBatch.nodes, 16), unfolded, kind)
    const variadic = this.#vector(batch, recordBatch.variadic, 8)
    for (let i = 0; i < (variadic?.length ?? 0); i++) this.#spend(this.#int64((variadic?.start ?? 0) + i * 8) * 16)
  }

  /** Rows without bytes (columns of nothing but null) count as a byte each; the values of a dictionary have bytes. */
  #nodes(vector: Vector | undefined, unfolded: number, kind: number): void {
    for (let i = 0; i < (vector?.length ?? 0); i++) {
      const rows = this.#int64((vector?.start ?? 0) + i * 16)
      if (rows <= unfolded) continue
      if (kind === kinds.dictionaryBatch) this.#fail('a dictionary has more values than bytes')
      if (rows > unfolded * 8) this.#unfold(rows)
    }
  }

  /** Bytes of all buffers of a batch, unfolded. */
  #buffers(batch: Table, bodyAt: number, bodyLength: number): number {
    const vector = this.#vector(batch, recordBatch.buffers, 16)
    const compressed = this.#isCompressed(batch)
    let end = 0
    let total = 0
    for (let i = 0; i < (vector?.length ?? 0); i++) {
      const at = (vector?.start ?? 0) + i * 16
      const offset = this.#int64(at)
      const length = this.#int64(at + 8)
      if (length === 0) continue
      // In order and apart from each other: else a few bytes could be unfolded again and again.
      if (offset < end || offset + length > bodyLength) this.#fail('a buffer lies beyond its batch, or upon another')
      end = offset + length
      total += compressed ? this.#unfoldedLength(bodyAt + offset, length) : length
    }
    this.#unfold(total)
    return total
  }

  #isCompressed(batch: Table): boolean {
    const compression = this.#child(batch, recordBatch.compression)
    if (compression === undefined) return false
    const codec = this.#slot(compression, 4)
    if (codec === undefined || this.#uint8(codec) !== 1) throw new UnsupportedValueError('pd_zstd', 'its buffers are compressed with LZ4; zstd is expected. Read its bytes with getBytes.')
    return true
  }

  /** A compressed buffer starts with its unfolded length; -1 = it is as it is. */
  #unfoldedLength(at: number, length: number): number {
    if (length < 8) this.#fail('a buffer has no room for its length')
    const stated = Number(this.#view.getBigInt64(at, true))
    if (stated === -1) return length - 8
    const bound = decompressedBound(this.bytes.subarray(at + 8, at + length))
    if (stated < 0 || stated > bound) this.#fail('a buffer states another length than it has')
    return bound
  }

  #unfold(bytes: number): void {
    this.room -= bytes
    if (this.room < 0) throw new FormatError('it would unfold to more bytes than the limit (the option maxValueBytes).')
  }

  /** The table to which the offset at `at` leads. */
  #table(at: number, end: number): Table {
    const start = at + this.#int32(at)
    this.#need(start, 4)
    const fields = start - this.#int32(start)
    this.#need(fields, 4)
    const length = this.#view.getUint16(fields, true)
    this.#need(fields, length)
    if (start >= end || length < 4) this.#fail('a table lies beyond its message')
    this.#spend(length + 4)
    return { start, fields, length, end }
  }

  /** Where a field of a table stands; undefined where it is left out. */
  #slot(table: Table, slot: number): number | undefined {
    if (slot + 2 > table.length) return undefined
    const offset = this.#view.getInt16(table.fields + slot, true)
    if (offset === 0) return undefined
    this.#need(table.start + offset, 1)
    return table.start + offset
  }

  #child(table: Table, slot: number): Table | undefined {
    const at = this.#slot(table, slot)
    return at === undefined ? undefined : this.#table(at, table.end)
  }

  #vector(table: Table, slot: number, stride: number): Vector | undefined {
    const at = this.#slot(table, slot)
    if (at === undefined) return undefined
    const base = at + this.#int32(at)
    const length = this.#int32(base)
    if (length < 0) this.#fail('a length is wrong')
    this.#need(base + 4, length * stride)
    this.#spend(4 + length * stride)
    return { start: base + 4, length }
  }

  #tables(table: Table, slot: number): Table[] {
    const vector = this.#vector(table, slot, 4)
    return Array.from({ length: vector?.length ?? 0 }, (_, i) => this.#table((vector?.start ?? 0) + i * 4, table.end))
  }

  #string(table: Table, slot: number): void {
    this.#vector(table, slot, 1)
  }

  #ascii(at: number): string {
    return String.fromCharCode(...this.bytes.subarray(at, at + 6))
  }

  #uint8(at: number): number {
    this.#need(at, 1)
    return this.#view.getUint8(at)
  }

  #int32(at: number): number {
    this.#need(at, 4)
    return this.#view.getInt32(at, true)
  }

  #int64(at: number): number {
    this.#need(at, 8)
    const value = Number(this.#view.getBigInt64(at, true))
    return value >= 0 && Number.isSafeInteger(value) ? value : this.#fail('a length or a position is wrong')
  }

  #need(at: number, length: number): void {
    if (!(at >= 0 && length >= 0 && at + length <= this.bytes.length)) this.#fail('it is cut short, or a position is wrong')
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) this.#fail('it says more than its bytes bear out')
  }

  #fail(what: string): never {
    throw new FormatError(`not a valid Arrow IPC file: ${what}.`)
  }
}

interface Table {
  readonly start: number
  /** Where the list of its fields stands, and how long that is. */
  readonly fields: number
  readonly length: number
  /** Where the message ends. */
  readonly end: number
}

interface Vector {
  readonly start: number
  readonly length: number
}
