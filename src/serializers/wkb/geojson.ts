/*
 * Geometries as RFC 7946 (GeoJSON) has them. The types fit those of @types/geojson.
 */

/** x and y (longitude and latitude), and the height where there is one. */
export type GeoJsonPosition = number[]

interface Common {
  /** The system of its coordinates, where the WKB names one (an SRID): `EPSG:4326`. As PostGIS writes it; RFC 7946 knows only WGS 84. */
  crs?: { type: 'name'; properties: { name: string } }
}

export interface GeoJsonPoint extends Common {
  type: 'Point'
  /** Empty for an empty point. */
  coordinates: GeoJsonPosition
}
export interface GeoJsonLineString extends Common {
  type: 'LineString'
  coordinates: GeoJsonPosition[]
}
export interface GeoJsonPolygon extends Common {
  type: 'Polygon'
  coordinates: GeoJsonPosition[][]
}
export interface GeoJsonMultiPoint extends Common {
  type: 'MultiPoint'
  coordinates: GeoJsonPosition[]
}
export interface GeoJsonMultiLineString extends Common {
  type: 'MultiLineString'
  coordinates: GeoJsonPosition[][]
}
export interface GeoJsonMultiPolygon extends Common {
  type: 'MultiPolygon'
  coordinates: GeoJsonPosition[][][]
}
export interface GeoJsonGeometryCollection extends Common {
  type: 'GeometryCollection'
  geometries: GeoJsonGeometry[]
}

/** A geometry of GeoJSON. */
export type GeoJsonGeometry =
  | GeoJsonPoint
  | GeoJsonLineString
  | GeoJsonPolygon
  | GeoJsonMultiPoint
  | GeoJsonMultiLineString
  | GeoJsonMultiPolygon
  | GeoJsonGeometryCollection

/** The types by their code in WKB, less one. */
export const geometryTypes = ['Point', 'LineString', 'Polygon', 'MultiPoint', 'MultiLineString', 'MultiPolygon', 'GeometryCollection'] as const

export type GeometryType = (typeof geometryTypes)[number]

/** How deep collections may nest in collections. */
export const MAX_GEOMETRY_DEPTH = 100
