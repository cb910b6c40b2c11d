/** Well-known text as an oracle for WKB: what the golden files and shapely say, to GeoJSON. */
import type { GeoJsonGeometry } from '../../src/serializers/index.js'

const names: Record<string, GeoJsonGeometry['type']> = {
  POINT: 'Point', LINESTRING: 'LineString', POLYGON: 'Polygon', MULTIPOINT: 'MultiPoint', MULTILINESTRING: 'MultiLineString', MULTIPOLYGON: 'MultiPolygon',
}

/** `POLYGON Z ((0 0 1, …))` as GeoJSON; without collections. */
export function geoJsonOf(wkt: string): GeoJsonGeometry {
  const match = /^([A-Z]+)(?: Z)? (EMPTY|\(.*\))$/.exec(wkt)
  const type = names[match?.[1] ?? '']
  if (match === null || type === undefined) throw new TypeError(`no geometry of these tests: ${wkt}`)
  if (match[2] === 'EMPTY') return { type, coordinates: [] } as GeoJsonGeometry
  const json = (match[2] ?? '').replace(/-?\d[\d.e+-]*(?: -?\d[\d.e+-]*)+/g, numbers => `[${numbers.replaceAll(' ', ',')}]`).replaceAll('(', '[').replaceAll(')', ']')
  const coordinates = JSON.parse(json) as never[]
  return { type, coordinates: type === 'Point' ? coordinates[0] : coordinates } as unknown as GeoJsonGeometry
}
