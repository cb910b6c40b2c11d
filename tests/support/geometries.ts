/** Geometries of every type, with two and three dimensions, empty ones too. */
import { fc } from './property.js'
import type { GeoJsonGeometry } from '../../src/serializers/index.js'

const number = fc.oneof(fc.integer({ min: -180, max: 180 }), fc.double({ noNaN: true, noDefaultInfinity: true }))

function ofSize(size: 2 | 3): fc.Arbitrary<GeoJsonGeometry> {
  const position = fc.array(number, { minLength: size, maxLength: size })
  const line = fc.oneof(fc.array(position, { minLength: 2, maxLength: 5 }), fc.constant<number[][]>([]))
  // Shapely reads only rings that are closed.
  const ring = fc.array(position, { minLength: 3, maxLength: 5 }).map((points) => [...points, [...(points[0] ?? [])]])
  const polygon = fc.array(ring, { maxLength: 3 })
  return fc.oneof(
    fc.record({ type: fc.constant('Point' as const), coordinates: fc.oneof(position, fc.constant<number[]>([])) }),
    fc.record({ type: fc.constant('LineString' as const), coordinates: line }),
    fc.record({ type: fc.constant('Polygon' as const), coordinates: polygon }),
    fc.record({ type: fc.constant('MultiPoint' as const), coordinates: fc.array(position, { maxLength: 4 }) }),
    fc.record({ type: fc.constant('MultiLineString' as const), coordinates: fc.array(line, { maxLength: 3 }) }),
    fc.record({ type: fc.constant('MultiPolygon' as const), coordinates: fc.array(polygon, { maxLength: 3 }) }),
  )
}

const simple = fc.oneof(ofSize(2), ofSize(3))

export const geometries: fc.Arbitrary<GeoJsonGeometry> = fc.letrec<{ any: GeoJsonGeometry; collection: GeoJsonGeometry }>((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, simple, tie('collection')),
  collection: fc.record({ type: fc.constant('GeometryCollection' as const), geometries: fc.array(tie('any'), { maxLength: 3 }) }),
})).any
