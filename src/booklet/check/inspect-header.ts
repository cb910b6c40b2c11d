/** Looking at each field of a header by itself. */
import { equalBytes, toHex } from '../../base/bytes.js'
import { EbookletError } from '../../base/error.js'
import { AREA_AT, BUCKET_LENGTH, bookletKind, type BookletHeader, type BookletKind, CURRENT_VERSION, decodeHeader, HEADER_LENGTH, headerVersion, patchHeader, REWRITING_VERSION, typeIdOf } from '../../format/booklet-header.js'
import { readU16, readU32, readU48 } from '../../format/integers.js'
import { serializerByCode } from '../../serializers/index.js'
import { readRecord, type RecoveryRecord } from '../recovery-record.js'
import { bookletFinding, type BookletFinding } from './finding.js'

/** What the first 200 bytes of a file tell. */
export interface InspectedHeader {
  findings: BookletFinding[]
  /** Undefined when it can't be told; then the file is none of ours. */
  kind: BookletKind | undefined
  /** Undefined when a field that everything depends on is wrong. */
  header: BookletHeader | undefined
  record: RecoveryRecord | undefined
  /** A step is under way in which every reader refuses the file. */
  rewriting: boolean
}

/* So many bytes of a type id may be wrong until it is taken for something else. */
const wrongIdBytes = 4

/** @param bytes as many of the 200 as there are */
export function inspectHeader(bytes: Uint8Array, fileBytes: number): InspectedHeader {
  const findings: BookletFinding[] = []
  const kind = bookletKind(bytes) ?? likelyKind(bytes)
  const nothing = { findings, kind, header: undefined, record: undefined, rewriting: false }
  if (kind === undefined) {
    findings.push(bookletFinding('not-a-booklet', { start: toHex(bytes.subarray(0, 16)) }))
    return nothing
  }
  if (bytes.length < HEADER_LENGTH) {
    findings.push(bookletFinding('header-cut-short', { bytes: bytes.length }))
    return nothing
  }
  const record = readRecord(bytes)
  const rewriting = record !== undefined && headerVersion(bytes) === REWRITING_VERSION
  checkFields(bytes, kind, rewriting, findings)
  if (record === undefined && !isPadding(bytes.subarray(AREA_AT))) findings.push(bookletFinding('bad-recovery-record', { state: toHex(bytes.subarray(AREA_AT, AREA_AT + 6)) }))
  const header = decoded(bytes, rewriting ? record.version : undefined)
  if (header !== undefined && !rewriting) checkPlaces(header, fileBytes, findings)
  return { findings, kind, header, record, rewriting }
}

/* Zeros, or the ASCII zeros of early files. */
function isPadding(area: Uint8Array): boolean {
  return area.every((byte) => byte === area[0]) && (area[0] === 0 || area[0] === 0x30)
}

function decoded(bytes: Uint8Array, amidRewriting: number | undefined): BookletHeader | undefined {
  const copy = bytes.slice()
  if (amidRewriting !== undefined) patchHeader(copy, { layout: { indexOffset: 0, dataOffset: 0 } })
  try {
    return decodeHeader(copy, amidRewriting ?? headerVersion(copy))
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw error
  }
}

/** The kind that a damaged type id is nearest to. */
function likelyKind(bytes: Uint8Array): BookletKind | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined
  for (const kind of ['variable', 'fixed'] as const) {
    const wrong = typeIdOf(kind).reduce((sum, byte, at) => sum + (bytes[at] === byte ? 0 : 1), 0)
    if (wrong <= wrongIdBytes) return kind
  }
  return undefined
}

function checkFields(bytes: Uint8Array, kind: BookletKind, rewriting: boolean, findings: BookletFinding[]): void {
  const bad = (field: string, found: string, expected: string, harmless = false) => findings.push(bookletFinding('bad-header-field', { field, found, expected, harmless }))
  const id = bytes.subarray(0, 16)
  if (!equalBytes(id, typeIdOf(kind))) bad('type id', toHex(id), toHex(typeIdOf(kind)))
  const version = headerVersion(bytes)
  if (!rewriting && (version < 3 || version > CURRENT_VERSION)) findings.push(bookletFinding('unsupported-version', { version }))
  const widths = [6, 2, kind === 'fixed' ? 0 : 4]
  widths.forEach((expected, i) => {
    const found = bytes[18 + i]!
    if (found !== expected) bad(['width of positions', 'width of key lengths', 'width of value lengths'][i]!, String(found), String(expected))
  })
  if (readU32(bytes, 21) === 0) bad('number of buckets', '0', 'at least 1')
  if (readU32(bytes, 25) !== 0) bad('unused bytes', String(readU32(bytes, 25)), '0', true)
  if (kind === 'variable' && readU32(bytes, 37) !== 0) bad('value length', String(readU32(bytes, 37)), '0 in a file of variable-length values', true)
  if (bytes[41]! > (kind === 'fixed' ? 0 : 1)) bad('timestamps', String(bytes[41]), kind === 'fixed' ? '0' : '0 or 1', kind === 'fixed')
  if (kind === 'fixed' && readU16(bytes, 29) !== 0) bad('value serializer', String(readU16(bytes, 29)), '0 in a file of fixed-length values', true)
  checkSerializers(bytes, kind, findings)
  if (!rewriting) checkLayoutFields(bytes, bad)
}

function checkSerializers(bytes: Uint8Array, kind: BookletKind, findings: BookletFinding[]): void {
  for (const [field, at] of [['value', 29], ['key', 31]] as const) {
    const code = readU16(bytes, at)
    if (code === 0 || (kind === 'fixed' && field === 'value')) continue
    if (!isKnownSerializer(code)) findings.push(bookletFinding('unknown-serializer', { field, code }))
  }
}

function isKnownSerializer(code: number): boolean {
  try {
    serializerByCode(code)
    return true
  } catch {
    return false
  }
}

function checkLayoutFields(bytes: Uint8Array, bad: (field: string, found: string, expected: string) => void): void {
  const index = set(readU48(bytes, 65))
  const data = set(readU48(bytes, 71))
  if (index !== undefined && index < HEADER_LENGTH) bad('index_offset', String(index), 'behind the header')
  if (data !== undefined && data < HEADER_LENGTH) bad('first_data_block_pos', String(data), 'behind the header')
  const from = index ?? HEADER_LENGTH
  const to = data ?? HEADER_LENGTH + readU32(bytes, 21) * BUCKET_LENGTH
  if (from < to && from + readU32(bytes, 21) * BUCKET_LENGTH > to) bad('first_data_block_pos', String(to), 'behind the index')
}

function set(raw: number): number | undefined {
  return raw === 0 || raw === 0x303030303030 ? undefined : raw
}

function checkPlaces({ indexOffset, dataOffset, nBuckets }: BookletHeader, fileBytes: number, findings: BookletFinding[]): void {
  const end = indexOffset + nBuckets * BUCKET_LENGTH
  if (end > fileBytes) findings.push(bookletFinding('layout-outside-file', { part: 'index', start: indexOffset, end, fileBytes }))
  if (dataOffset > fileBytes) findings.push(bookletFinding('layout-outside-file', { part: 'data', start: dataOffset, end: dataOffset, fileBytes }))
}
