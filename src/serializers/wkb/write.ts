import { InvalidArgumentError } from '../../base/error.js'
import { describe, formatPath } from '../../format/json-write.js'
import { ByteWriter } from '../byte-writer.js'
import { type GeoJsonGeometry, type GeometryType, geometryTypes, MAX_GEOMETRY_DEPTH } from './geojson.js'

/**
 * How the third dimension is told: `extended` as a flag of the type, as shapely, PostGIS and GEOS write it; `iso` as a number
 * of the type (1001 …), as geopandas and GeoParquet have it, which know no SRID.
 */
export type WkbFlavor = 'extended' | 'iso'

/**
 * Writes a GeoJSON geometry as little-endian WKB.
 *
 * @throws InvalidArgumentError for what is none, for positions of another number of numbers than 2 or 3, or of different ones
 *   in one geometry, and for members that WKB has no place for (`bbox` is left out: it follows from the rest)
 */
export function writeWkb(geometry: unknown, flavor: WkbFlavor = 'extended'): Uint8Array {
  return new WkbWriter(flavor).write(geometry)
}

type Size = 2 | 3 | undefined

class WkbWriter {
  readonly #out = new ByteWriter()
  readonly #path: (string | number)[] = []
  readonly #flavor: WkbFlavor

  constructor(flavor: WkbFlavor) {
    this.#flavor = flavor
  }

  write(geometry: unknown): Uint8Array {
    this.#geometry(geometry, 0)
    return this.#out.finish()
  }

  #geometry(value: unknown, depth: number): void {
    const geometry = this.#checked(value, depth)
    const size = geometry.type === 'GeometryCollection' ? this.#sizeOfParts(geometry.geometries, depth) : this.#sizeOf(geometry.coordinates)
    this.#head(geometry.type, size, this.#srid(geometry, depth))
    this.#path.push(geometry.type === 'GeometryCollection' ? 'geometries' : 'coordinates')
    if (geometry.type === 'GeometryCollection') this.#list(geometry.geometries, part => this.#geometry(part, depth + 1))
    else this.#coordinates(geometry, size)
    this.#path.pop()
  }

  #coordinates(geometry: Exclude<GeoJsonGeometry, { type: 'GeometryCollection' }>, size: Size): void {
    const line = (items: unknown, own: Size) => this.#list(items, item => this.#position(item, own))
    const rings = (items: unknown, own: Size) => this.#list(items, item => line(item, own))
    const point = (item: unknown, own: Size) => this.#point(item, own)
    const parts = (type: GeometryType, write: (item: unknown, own: Size) => void) => this.#list(geometry.coordinates, item => {
      const own = this.#sizeOf(item)
      this.#head(type, own, undefined)
      write(item, own)
    })
    switch (geometry.type) {
      case 'Point':
        return this.#point(geometry.coordinates, size)
      case 'LineString':
        return line(geometry.coordinates, size)
      case 'Polygon':
        return rings(geometry.coordinates, size)
      case 'MultiPoint':
        return parts('Point', point)
      case 'MultiLineString':
        return parts('LineString', line)
      case 'MultiPolygon':
        return parts('Polygon', rings)
    }
  }

  #checked(value: unknown, depth: number): GeoJsonGeometry {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#fail(`is ${describe(value)}; a GeoJSON geometry is expected`)
    const { type } = value as { type?: unknown }
    if (!geometryTypes.includes(type as GeometryType)) {
      return this.#fail(`has the type ${typeof type === 'string' ? JSON.stringify(type.slice(0, 40)) : describe(type)}; geometries are ${geometryTypes.join(', ')}. Of a Feature, give its geometry`)
    }
    const content = type === 'GeometryCollection' ? 'geometries' : 'coordinates'
    for (const member of Object.keys(value)) {
      if (!['type', content, 'bbox', 'crs'].includes(member)) this.#fail(`has a member ${JSON.stringify(member.slice(0, 40))}, which WKB has no place for`)
    }
    if (depth > MAX_GEOMETRY_DEPTH) this.#fail(`is nested deeper than ${MAX_GEOMETRY_DEPTH} levels`)
    return value as GeoJsonGeometry
  }

  #head(type: GeometryType, size: Size, srid: number | undefined): void {
    const code = geometryTypes.indexOf(type) + 1
    const iso = this.#flavor === 'iso'
    this.#out.uint8(1)
    this.#out.uint32((code + (size === 3 ? (iso ? 1000 : 0x80000000) : 0) + (srid === undefined ? 0 : 0x20000000)) >>> 0)
    if (srid !== undefined) this.#out.uint32(srid)
  }

  #srid({ crs }: GeoJsonGeometry, depth: number): number | undefined {
    if (crs === undefined) return undefined
    const name: unknown = (crs as { properties?: { name?: unknown } } | null)?.properties?.name
    const digits = typeof name === 'string' ? /^(?:EPSG:|urn:ogc:def:crs:EPSG::)(\d{1,10})$/.exec(name)?.[1] : undefined
    const srid = Number(digits)
    if (crs === null || crs.type !== 'name' || digits === undefined || srid >= 2 ** 32) return this.#fail('has a crs that is not {"type":"name","properties":{"name":"EPSG:…"}}')
    if (depth > 0) this.#fail('has a crs of its own; only the whole geometry can have one')
    if (this.#flavor === 'iso') this.#fail('has a crs; here the column has it for all geometries')
    return srid
  }

  #list(value: unknown, write: (item: unknown) => void): void {
    const items = this.#array(value)
    this.#out.uint32(items.length)
    for (let i = 0; i < items.length; i++) {
      this.#path.push(i)
      write(items[i])
      this.#path.pop()
    }
  }

  #array(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? value : this.#fail(`is ${describe(value)}; an array is expected`)
  }

  #point(value: unknown, size: Size): void {
    if (Array.isArray(value) && value.length === 0) for (let i = 0; i < (size ?? 2); i++) this.#out.float64(NaN)
    else this.#position(value, size)
  }

  #position(value: unknown, size: Size): void {
    const position = this.#array(value)
    if (position.length !== size) this.#fail(`has ${position.length} numbers; positions have 2 or 3, all of one geometry the same`)
    for (const number of position) this.#out.float64(typeof number === 'number' ? number : this.#fail(`holds ${describe(number)}; numbers are expected`))
  }

  /** The most numbers that a position has; undefined where there is none. What is wrong is refused when it is written. */
  #sizeOf(coordinates: unknown, depth = 0): Size {
    if (!Array.isArray(coordinates) || coordinates.length === 0 || depth > 3) return undefined
    if (!Array.isArray(coordinates[0])) return coordinates.length === 3 ? 3 : 2
    return largest(coordinates.map(item => this.#sizeOf(item, depth + 1)))
  }

  /** A collection has a third dimension where any of its parts has. */
  #sizeOfParts(geometries: unknown, depth: number): Size {
    if (!Array.isArray(geometries) || depth > MAX_GEOMETRY_DEPTH) return undefined
    return largest(geometries.map(part => this.#sizeOfPart(part, depth)))
  }

  #sizeOfPart(part: unknown, depth: number): Size {
    const { coordinates, geometries } = (part ?? {}) as { coordinates?: unknown; geometries?: unknown }
    return geometries === undefined ? this.#sizeOf(coordinates) : this.#sizeOfParts(geometries, depth + 1)
  }

  #fail(what: string): never {
    throw new InvalidArgumentError(`${formatPath(this.#path)} ${what}.`)
  }
}

function largest(sizes: readonly Size[]): Size {
  return sizes.includes(3) ? 3 : sizes.find(size => size !== undefined)
}
