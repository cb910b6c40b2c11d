/** Geometries of GeoJSON as well-known binary. */
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/base/bytes.js'
import { type GeoJsonGeometry, resolveSerializer } from '../../src/serializers/index.js'
import { geometries } from '../support/geometries.js'
import { testSeed } from '../support/seed.js'

const wkb = resolveSerializer<GeoJsonGeometry>('wkb')
const read = (hex: string) => wkb.decode(fromHex(hex))
const one = '000000000000f03f'
const two = '0000000000000040'
const three = '0000000000000840'
const bigOne = '3ff0000000000000'
const bigTwo = '4000000000000000'

describe('reading well-known binary', () => {
  it.each([
    ['little-endian', `0101000000${one}${two}`, { type: 'Point', coordinates: [1, 2] }],
    ['big-endian', `0000000001${bigOne}${bigTwo}`, { type: 'Point', coordinates: [1, 2] }],
    ['the third dimension of ISO', `01e9030000${one}${two}${three}`, { type: 'Point', coordinates: [1, 2, 3] }],
    ['the third dimension of PostGIS', `0101000080${one}${two}${three}`, { type: 'Point', coordinates: [1, 2, 3] }],
    ['an SRID', `0101000020e6100000${one}${two}`, { type: 'Point', coordinates: [1, 2], crs: { type: 'name', properties: { name: 'EPSG:4326' } } }],
    ['an empty point', '0101000000000000000000f87f000000000000f87f', { type: 'Point', coordinates: [] }],
    ['an empty polygon', '010300000000000000', { type: 'Polygon', coordinates: [] }],
    ['parts of another byte order', `000000000400000002${`0101000000${one}${two}`}${`0000000001${bigTwo}${bigOne}`}`, { type: 'MultiPoint', coordinates: [[1, 2], [2, 1]] }],
    ['an empty point among others', `010400000002000000${`0101000000${one}${two}`}0101000000000000000000f87f000000000000f87f`, { type: 'MultiPoint', coordinates: [[1, 2], []] }],
    ['parts of other dimensions', `010400008002000000${`0101000000${one}${two}`}${`0101000080${one}${two}${three}`}`, { type: 'MultiPoint', coordinates: [[1, 2], [1, 2, 3]] }],
    ['collections in collections', '010700000001000000010700000000000000', { type: 'GeometryCollection', geometries: [{ type: 'GeometryCollection', geometries: [] }] }],
  ])('knows %s', (_, hex, geometry) => {
    expect(read(hex)).toEqual(geometry)
  })

  it.each([
    ['measures of PostGIS', `0101000040${one}${two}${three}`, /measures/],
    ['measures of ISO', `01d1070000${one}${two}${three}`, /measures/],
    ['both', `01b90b0000${one}${two}${three}${one}`, /measures/],
    ['curves', '010800000000000000', /CircularString/],
    ['triangles', '011100000000000000', /Triangle/],
    ['unknown types', '016300000000000000', /type 99 is unknown/],
    ['byte order', '0201000000', /byte order/],
    ['a point in a MultiPolygon', `010600000001000000${`0101000000${one}${two}`}`, /a MultiPolygon holds a Point/],
    ['a part of another SRID', `0107000020e610000001000000${`0101000020e7100000${one}${two}`}`, /another SRID/],
    ['what follows', `0101000000${one}${two}00`, /1 bytes follow/],
    ['a count beyond the bytes', '0102000000ffffffff', /count is wrong/],
    ['what is cut short', `0101000000${one}`, /cut short/],
    ['nothing', '', /cut short/],
    ['collections that nest without end', '010700000001000000'.repeat(200) + '010700000000000000', /nested deeper than 100/],
  ])('refuses %s', (_, hex, message) => {
    expect(() => read(hex)).toThrow(expect.objectContaining({ code: /measures|Circular|Triangle/.test(String(message)) ? 'UNSUPPORTED_VALUE' : 'DESERIALIZATION', message: expect.stringMatching(message) as string }))
  })
})

describe('writing well-known binary', () => {
  it('gives back every geometry', () => {
    fc.assert(fc.property(geometries, (geometry) => {
      expect(wkb.decode(wkb.encode(geometry))).toEqual(geometry)
    }), { seed: testSeed })
  })

  it('is what shapely writes', () => {
    expect(toHex(wkb.encode({ type: 'Point', coordinates: [1, 2, 3] }))).toBe(`0101000080${one}${two}${three}`)
    expect(toHex(wkb.encode({ type: 'MultiPoint', coordinates: [[1, 2], [1, 2, 3]] }))).toBe(`010400008002000000${`0101000000${one}${two}`}${`0101000080${one}${two}${three}`}`)
    const mixed: GeoJsonGeometry = { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }, { type: 'Point', coordinates: [1, 2, 3] }] }
    expect(toHex(wkb.encode(mixed))).toBe(`010700008002000000${`0101000000${one}${two}`}${`0101000080${one}${two}${three}`}`)
    expect(toHex(wkb.encode({ type: 'Point', coordinates: [1, 2], crs: { type: 'name', properties: { name: 'urn:ogc:def:crs:EPSG::4326' } } }))).toBe(`0101000020e6100000${one}${two}`)
  })

  it('leaves out a bbox, which follows from the rest', () => {
    expect(wkb.decode(wkb.encode({ type: 'Point', coordinates: [1, 2], bbox: [1, 2, 1, 2] } as never))).toEqual({ type: 'Point', coordinates: [1, 2] })
  })

  it.each([
    ['a Feature', { type: 'Feature', geometry: { type: 'Point', coordinates: [1, 2] } }, /"Feature".*give its geometry/],
    ['no object', 'POINT (1 2)', /value is a string/],
    ['null', null, /value is null/],
    ['an array', [1, 2], /an array/],
    ['members of its own', { type: 'Point', coordinates: [1, 2], name: 'x' }, /member "name"/],
    ['too many numbers', { type: 'Point', coordinates: [1, 2, 3, 4] }, /value\.coordinates has 4 numbers/],
    ['too few numbers', { type: 'Point', coordinates: [1] }, /has 1 numbers/],
    ['mixed dimensions', { type: 'LineString', coordinates: [[1, 2], [1, 2, 3]] }, /value\.coordinates\[0\] has 2 numbers/],
    ['an empty position in a line', { type: 'LineString', coordinates: [[1, 2], []] }, /value\.coordinates\[1\] has 0 numbers/],
    ['text', { type: 'Point', coordinates: [1, '2'] }, /value\.coordinates holds a string/],
    ['a line of numbers', { type: 'LineString', coordinates: [1, 2] }, /value\.coordinates\[0\] is a number/],
    ['no coordinates', { type: 'Point' }, /undefined; an array/],
    ['a geometry that is none', { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [0, 0] }, 5] }, /value\.geometries\[1\] is a number/],
    ['another crs', { type: 'Point', coordinates: [1, 2], crs: { type: 'link' } }, /a crs that is not/],
    ['a crs within', { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2], crs: { type: 'name', properties: { name: 'EPSG:1' } } }] }, /crs of its own/],
  ])('refuses %s', (_, value, message) => {
    expect(() => wkb.encode(value as never)).toThrow(expect.objectContaining({ code: 'SERIALIZATION', message: expect.stringMatching(message) as string }))
  })

  it('refuses collections that contain themselves', () => {
    const endless: GeoJsonGeometry = { type: 'GeometryCollection', geometries: [] }
    endless.geometries.push(endless)
    expect(() => wkb.encode(endless)).toThrow(/nested deeper than 100/)
  })
})
