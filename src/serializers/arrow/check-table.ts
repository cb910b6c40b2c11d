import { FormatError } from '../../base/error.js'
import { UnsupportedValueError } from '../errors.js'
import type { ArrowBatch, ArrowColumn, ArrowTable } from './module.js'

/*
 * A look at a table after it was read: whether each column has as many values as it says, and every position in it leads to
 * something. Types by their number in the format.
 */
const variable = [4, 5, 19, 20]
const lists = [12, 17, 21]
/** Union, run-end encoded, and views: few bytes of theirs may stand for any number of values. pandas writes none of them. */
const refused: Readonly<Record<number, string>> = { 14: 'union', 22: 'run-end encoded', 23: 'binary view', 24: 'string view', 25: 'list view', 26: 'large list view' }

/** @throws FormatError for the first column that isn't sound, UnsupportedValueError for one of a type that isn't read */
export function checkArrowTable(table: ArrowTable): void {
  const dictionaries = new Set<ArrowColumn>()
  table.children.forEach((column, i) => {
    const name = table.schema.fields[i]?.name ?? String(i)
    if (column.length !== table.numRows) fail(name, 'has another number of rows than the table')
    for (const batch of column.data) checkBatch(name, batch, dictionaries)
  })
}

function checkBatch(name: string, wrapped: ArrowBatch, dictionaries: Set<ArrowColumn>): void {
  const batch = wrapped.source ?? wrapped
  const { length, nullCount, type, validity } = batch
  const { typeId } = type
  const unusual = refused[typeId]
  if (unusual !== undefined) throw new UnsupportedValueError('pd_zstd', `column ${JSON.stringify(name.slice(0, 80))} is of a type (${unusual}) that is not read here; its bytes are there with getBytes.`)
  if (!Number.isSafeInteger(length) || length < 0 || nullCount < 0 || nullCount > length) fail(name, 'has a wrong number of values')
  if (typeId === 1 || length === 0) return
  if (nullCount > 0 && (validity?.length ?? 0) * 8 < length) fail(name, 'does not say which values are missing')
  if (variable.includes(typeId)) checkOffsets(name, batch, batch.values?.length ?? 0)
  else if (lists.includes(typeId)) checkOffsets(name, batch, batch.children?.[0]?.length ?? 0)
  else if (typeId === 13 || typeId === 16) checkParts(name, batch)
  else if ((batch.values?.length ?? 0) < length * valuesPerRow(batch)) fail(name, 'has fewer values than rows')
  if (typeId === -1) checkDictionary(name, batch, dictionaries)
  for (const child of batch.children ?? []) checkBatch(name, child, dictionaries)
}

/** Elements of the array of values that belong to one row. */
function valuesPerRow({ type }: ArrowBatch): number {
  const { bitWidth, stride, unit } = type as { bitWidth?: number; stride?: number; unit?: number }
  switch (type.typeId) {
    case 6:
      return 1 / 8
    case 7:
      return Math.max(1, (bitWidth ?? 0) / 64)
    case 11:
      return [1, 2, 16][unit ?? 0] ?? 16
    case 15:
      return Math.max(0, stride ?? 0)
    default:
      return 1
  }
}

function checkOffsets(name: string, { length, offsets }: ArrowBatch, end: number): void {
  if ((offsets?.length ?? 0) < length + 1) fail(name, 'has fewer positions than rows')
  let last = 0
  for (let i = 0; i <= length; i++) {
    const next = Number(offsets?.[i])
    if (!(next >= last)) fail(name, 'has positions that go back')
    last = next
  }
  if (last > end) fail(name, 'has positions beyond its end')
}

function checkParts(name: string, { length, type, children = [] }: ArrowBatch): void {
  const stride = type.typeId === 13 ? 1 : Number(type['stride'])
  if (!(stride >= 0) || children.some(child => child.length < length * stride)) fail(name, 'has parts that are shorter than it')
}

function checkDictionary(name: string, batch: ArrowBatch, dictionaries: Set<ArrowColumn>): void {
  const { dictionary, length, nullCount, validity, values } = batch
  if (dictionary === undefined) return fail(name, 'has no dictionary')
  for (let i = 0; i < length; i++) {
    const index = Number(values?.[i])
    const isNull = nullCount > 0 && ((validity?.[i >> 3] ?? 0) & (1 << (i & 7))) === 0
    if (!isNull && !(index >= 0 && index < dictionary.length)) fail(name, 'has a value that its dictionary lacks')
  }
  if (dictionaries.has(dictionary)) return
  dictionaries.add(dictionary)
  for (const part of dictionary.data) checkBatch(name, part, dictionaries)
}

function fail(name: string, what: string): never {
  throw new FormatError(`not a valid Arrow IPC file: column ${JSON.stringify(name.slice(0, 80))} ${what}.`)
}
