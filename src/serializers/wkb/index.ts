import type { Serializer } from '../serializer.js'
import type { GeoJsonGeometry } from './geojson.js'
import { readWkb } from './read.js'
import { writeWkb } from './write.js'

export type {
  GeoJsonGeometry,
  GeoJsonGeometryCollection,
  GeoJsonLineString,
  GeoJsonMultiLineString,
  GeoJsonMultiPoint,
  GeoJsonMultiPolygon,
  GeoJsonPoint,
  GeoJsonPolygon,
  GeoJsonPosition,
} from './geojson.js'
export { readWkb } from './read.js'
export { writeWkb } from './write.js'

/** Geometries of GeoJSON as well-known binary, as shapely writes and reads it. */
export const wkbSerializer: Serializer<GeoJsonGeometry> = {
  encode: value => writeWkb(value),
  decode: readWkb,
}
