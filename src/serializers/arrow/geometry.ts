import { InvalidArgumentError } from '../../base/error.js'
import { parseJson } from '../../format/json.js'
import { stringifyJson } from '../../format/json-write.js'
import { type GeoJsonGeometry, readWkb, writeWkb } from '../wkb/index.js'
import { type ArrowField, arrowFor, type ArrowTable } from './module.js'

/* The metadata `geo` of a table, by the specification of GeoParquet 1.1, which geopandas follows in Feather too. */
interface GeoMetadata {
  readonly primary_column: string
  readonly columns: Readonly<Record<string, { readonly encoding: string; readonly crs?: unknown }>>
}

/** @throws InvalidArgumentError where there is none: geopandas would not read the table */
export function geoMetadataOf(table: ArrowTable): GeoMetadata {
  const text = table.schema.metadata?.get('geo')
  if (text === undefined) throw new InvalidArgumentError('the table says nothing of geometries (the metadata "geo" of GeoParquet); add them with withGeometry.')
  const geo = parseJson(text) as Partial<GeoMetadata> | null
  if (typeof geo?.primary_column !== 'string' || typeof geo.columns !== 'object' || geo.columns === null || !Object.hasOwn(geo.columns, geo.primary_column)) {
    throw new InvalidArgumentError('the metadata "geo" of the table does not say which column the geometries are in.')
  }
  return geo as GeoMetadata
}

/**
 * The geometries of a geopandas frame (`gpd_zstd`) as GeoJSON, one of each row; null where there is none.
 *
 * @param column default: the frame's active geometry
 * @throws InvalidArgumentError when there is no such column, or it isn't well-known binary
 * @throws FormatError for a geometry that GeoJSON can't hold
 */
export function readGeometry(table: ArrowTable, column?: string): (GeoJsonGeometry | null)[] {
  const geo = geoMetadataOf(table)
  const name = column ?? geo.primary_column
  const encoding = Object.hasOwn(geo.columns, name) ? geo.columns[name]?.encoding : undefined
  const at = table.schema.fields.findIndex(field => field.name === name)
  const values = table.children[at]
  if (encoding === undefined || values === undefined) throw new InvalidArgumentError(`there is no column of geometries ${JSON.stringify(name)}; there are ${Object.keys(geo.columns).join(', ')}.`)
  if (encoding !== 'WKB') throw new InvalidArgumentError(`the geometries of the column ${JSON.stringify(name)} are encoded as ${encoding}; WKB is expected.`)
  return Array.from({ length: values.length }, (_, i) => {
    const bytes = values.at(i)
    return bytes === null ? null : readWkb(bytes as Uint8Array)
  })
}

/** How `withGeometry` adds a column. */
export interface GeometryOptions {
  /** Its name. Default `geometry`. */
  column?: string
  /** Its coordinate system, as PROJJSON. Default: longitude and latitude on WGS 84 (OGC:CRS84). null = unknown. */
  crs?: object | null
}

/**
 * The table with a column of geometries, which geopandas reads as a GeoDataFrame: made the active one, and put in the place
 * of a column of the same name.
 *
 * @throws InvalidArgumentError for another number of geometries than rows, or what is no geometry
 * @throws UnsupportedSerializerError where @uwdata/flechette isn't installed
 */
export function withGeometry<T extends ArrowTable>(table: T, geometries: readonly (GeoJsonGeometry | null)[], options: GeometryOptions = {}): T {
  const { column = 'geometry', crs } = options
  if (geometries.length !== table.numRows) throw new InvalidArgumentError(`there are ${geometries.length} geometries for ${table.numRows} rows.`)
  const wkb = geometries.map(geometry => (geometry === null ? null : writeWkb(geometry, 'iso')))
  const types = new Set(geometries.flatMap((geometry, i) => (geometry === null ? [] : [typeName(geometry, wkb[i])])))
  const kept = table.schema.metadata?.get('geo') === undefined ? {} : geoMetadataOf(table).columns
  const entry = { encoding: 'WKB', ...(crs === undefined ? {} : { crs }), geometry_types: [...types] }
  const geo = { version: '1.1.0', primary_column: column, columns: { ...kept, [column]: entry } }
  const metadata = new Map([...(table.schema.metadata ?? []), ['geo', stringifyJson(geo)]])
  return withColumn(table, column, wkb, metadata) as T
}

function typeName({ type }: GeoJsonGeometry, wkb: Uint8Array | null | undefined): string {
  // The types of ISO with a third dimension are 1001 to 1007, 3E9 to 3EF.
  return wkb?.[2] === 3 ? `${type} Z` : type
}

/** A table with a column of bytes more, in as many batches as the others have. */
function withColumn(table: ArrowTable, name: string, values: readonly (Uint8Array | null)[], metadata: ReadonlyMap<string, string>): ArrowTable {
  const arrow = arrowFor('gpd_zstd')
  const sizes = table.children[0]?.data.map(batch => batch.length) ?? [values.length]
  let start = 0
  const batches = sizes.flatMap(size => arrow.columnFromArray(values.slice(start, (start += size)), arrow.binary() as never).data)
  const field: ArrowField = { name, type: arrow.binary() as ArrowField['type'], nullable: true, metadata: null }
  const kept = table.schema.fields.flatMap((other, i) => (other.name === name ? [] : [i]))
  const fields = [...kept.map(i => table.schema.fields[i]), field]
  const columns = [...kept.map(i => table.children[i]), new arrow.Column(batches as never, field.type as never)]
  return new arrow.Table({ ...table.schema, fields, metadata } as never, columns as never) as ArrowTable
}
