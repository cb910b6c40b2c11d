import { compress, decompress } from '#zstd'
import { InvalidArgumentError } from '../../base/error.js'
import { describe } from '../../format/json-write.js'
import { asPlainBytes } from '../bytes.js'
import type { Serializer } from '../serializer.js'
import { MAX_DECOMPRESSED_BYTES, ZSTD_LEVEL } from '../zstd.js'
import { checkArrowFile } from './check-file.js'
import { checkArrowTable } from './check-table.js'
import { geoMetadataOf } from './geometry.js'
import { type ArrowBatch, type ArrowCodec, type ArrowField, arrowFor, type ArrowModule, type ArrowTable } from './module.js'

/** The number of zstd among the compressions of Arrow. */
const ZSTD = 1 as never

const codec: ArrowCodec = {
  encode: bytes => asPlainBytes(compress(bytes, ZSTD_LEVEL)),
  decode: bytes => asPlainBytes(decompress(bytes)),
}

/**
 * Tables of Arrow as Feather files of version 2 with zstd buffers, which pandas (`pd_zstd`) and geopandas (`gpd_zstd`) read
 * and write. What they note about a frame (index, types, coordinate system) is in the schema's metadata, and stays there.
 *
 * 64-bit integers come as numbers; in a table that has one beyond ±(2^53 - 1), all of them as bigint.
 *
 * @param maxBytes the most that the buffers of a value may unfold to
 */
export function featherSerializer(name: 'pd_zstd' | 'gpd_zstd', maxBytes = MAX_DECOMPRESSED_BYTES): Serializer<ArrowTable> {
  const limit = Math.min(maxBytes, MAX_DECOMPRESSED_BYTES)
  return {
    encode(value: unknown) {
      const arrow = arrowFor(name)
      const table = checkTable(value)
      if (name === 'gpd_zstd') geoMetadataOf(table)
      const bytes = withCodec(arrow, () => arrow.tableToIPC(table as never, { format: 'file', codec: ZSTD }))
      return asPlainBytes(bytes)
    },
    decode(bytes) {
      const arrow = arrowFor(name)
      checkArrowFile(bytes, limit)
      const read = (useBigInt: boolean) => {
        // The table looks into the bytes, which belong to somebody else, and into numbers that have to lie well.
        const table = withCodec(arrow, () => arrow.tableFromIPC(bytes.slice(), { useBigInt })) as ArrowTable
        checkArrowTable(table)
        return table
      }
      const table = read(false)
      return table.children.some(({ data }) => data.some(hasUnsafe)) ? read(true) : table
    },
  }
}

/** With our codec for zstd for as long as `work` takes: what the package has otherwise is the caller's own business. */
function withCodec<T>(arrow: ArrowModule, work: () => T): T {
  const before = arrow.getCompressionCodec(ZSTD)
  arrow.setCompressionCodec(ZSTD, codec as never)
  try {
    return work()
  } finally {
    arrow.setCompressionCodec(ZSTD, before as never)
  }
}

/* Whatever copy of the package made it. */
function checkTable(value: unknown): ArrowTable {
  const { schema, children } = (value ?? {}) as Partial<ArrowTable>
  if (typeof value !== 'object' || !Array.isArray(schema?.fields) || !Array.isArray(children)) {
    throw new InvalidArgumentError(`a table of @uwdata/flechette is expected, this is ${describe(value)}. Make one with its tableFromArrays or tableFromColumns.`)
  }
  if (children.length === 0) throw new InvalidArgumentError('the table has no columns; Arrow could not keep how many rows it has.')
  const untyped = (schema.fields as readonly ArrowField[]).find(({ type }) => (type as unknown) === undefined)
  if (untyped) throw new InvalidArgumentError(`the column ${JSON.stringify(untyped.name)} has no type, as flechette leaves it in a table that is made without rows; give it in the schema.`)
  return value as ArrowTable
}

/** Whether it has an integer (or a length of time) that a number can't hold. */
function hasUnsafe({ values, children, dictionary, type }: ArrowBatch): boolean {
  if ((type.typeId === 2 || type.typeId === 9 || type.typeId === 18) && (values instanceof BigInt64Array || values instanceof BigUint64Array)) return values.some(isUnsafe)
  return (children ?? []).some(hasUnsafe) || (dictionary?.data ?? []).some(hasUnsafe)
}

function isUnsafe(value: bigint): boolean {
  return value > 9_007_199_254_740_991n || value < -9_007_199_254_740_991n
}
