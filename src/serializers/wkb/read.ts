import { FormatError } from '../../base/error.js'
import { UnsupportedValueError } from '../errors.js'
import { type GeoJsonGeometry, type GeoJsonPosition, type GeometryType, geometryTypes, MAX_GEOMETRY_DEPTH } from './geojson.js'

/** What GeoJSON has no word for, by its code in WKB. */
const otherTypes: Record<number, string> = {
  8: 'CircularString', 9: 'CompoundCurve', 10: 'CurvePolygon', 11: 'MultiCurve', 12: 'MultiSurface', 13: 'Curve', 14: 'Surface', 15: 'PolyhedralSurface', 16: 'TIN', 17: 'Triangle',
}

interface Head {
  readonly type: GeometryType
  /** Numbers of a position. */
  readonly size: 2 | 3
  readonly srid: number | undefined
}

/** Bytes of the least geometry: byte order, type, and a count. */
const LEAST = 9

/**
 * Reads well-known binary: of ISO 19125 and the extended form of PostGIS and GEOS (flags for Z, M and SRID in the type), in
 * both byte orders.
 *
 * @throws FormatError for anything else, and for what follows the geometry; UnsupportedValueError for what GeoJSON can't
 *   say: measures (M) and curves
 */
export function readWkb(bytes: Uint8Array): GeoJsonGeometry {
  const reader = new WkbReader(bytes)
  const geometry = reader.geometry(0)
  reader.checkEnd()
  return geometry
}

class WkbReader {
  #at = 0
  #little = true
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  geometry(depth: number, outer?: Head): GeoJsonGeometry {
    const head = this.#head()
    if (outer !== undefined && head.srid !== undefined && head.srid !== outer.srid) this.#fail('a part has another SRID than the whole')
    const geometry = this.#content(head, depth)
    if (outer === undefined && head.srid !== undefined) geometry.crs = { type: 'name', properties: { name: `EPSG:${head.srid}` } }
    return geometry
  }

  checkEnd(): void {
    if (this.#at !== this.#view.byteLength) this.#fail(`${this.#view.byteLength - this.#at} bytes follow the end of the geometry`)
  }

  #content(head: Head, depth: number): GeoJsonGeometry {
    const { type, size } = head
    switch (type) {
      case 'Point':
        return { type, coordinates: this.#point(size) }
      case 'LineString':
        return { type, coordinates: this.#line(size) }
      case 'Polygon':
        return { type, coordinates: this.#rings(size) }
      case 'MultiPoint':
        return { type, coordinates: this.#parts(head, 'Point', part => this.#point(part.size)) }
      case 'MultiLineString':
        return { type, coordinates: this.#parts(head, 'LineString', part => this.#line(part.size)) }
      case 'MultiPolygon':
        return { type, coordinates: this.#parts(head, 'Polygon', part => this.#rings(part.size)) }
      case 'GeometryCollection':
        if (depth >= MAX_GEOMETRY_DEPTH) this.#fail(`collections are nested deeper than ${MAX_GEOMETRY_DEPTH} levels`)
        return { type, geometries: this.#list(LEAST, () => this.geometry(depth + 1, head)) }
    }
  }

  #head(): Head {
    const order = this.#view.getUint8(this.#take(1))
    if (order > 1) this.#fail(`the byte order is ${order}; 0 and 1 are known`)
    this.#little = order === 1
    const word = this.#uint32()
    const flags = word >>> 28
    const code = word & 0x0fffffff
    const kind = Math.floor(code / 1000)
    const type = geometryTypes[(code % 1000) - 1]
    if (kind > 3 || type === undefined || (flags & 1) !== 0) return this.#refuseType(code, otherTypes[code % 1000])
    if ((flags & 4) !== 0 || kind >= 2) this.#refuse('it has measures (M)')
    const srid = (flags & 2) !== 0 ? this.#uint32() : undefined
    return { type, size: (flags & 8) !== 0 || kind === 1 ? 3 : 2, srid }
  }

  /** A point of nothing but NaN is an empty one. */
  #point(size: number): GeoJsonPosition {
    const position = this.#position(size)
    return position.every(Number.isNaN) ? [] : position
  }

  #line(size: number): GeoJsonPosition[] {
    return this.#list(8 * size, () => this.#position(size))
  }

  #rings(size: number): GeoJsonPosition[][] {
    return this.#list(4, () => this.#line(size))
  }

  /** Each has a number of dimensions of its own: GEOS writes two for an empty one among others of three. */
  #parts<T>(outer: Head, type: GeometryType, read: (part: Head) => T): T[] {
    return this.#list(LEAST, () => {
      const head = this.#head()
      if (head.type !== type) this.#fail(`a ${outer.type} holds a ${head.type}`)
      if (head.srid !== undefined && head.srid !== outer.srid) this.#fail('a part has another SRID than the whole')
      return read(head)
    })
  }

  /** As many as the count before them says, each of `least` bytes or more. */
  #list<T>(least: number, read: () => T): T[] {
    const count = this.#uint32()
    if (count * least > this.#view.byteLength - this.#at) this.#fail('it is cut short, or a count is wrong')
    const items: T[] = []
    // Parts may have a byte order of their own.
    const little = this.#little
    for (let i = 0; i < count; i++) items.push(read())
    this.#little = little
    return items
  }

  #position(size: number): GeoJsonPosition {
    const position: number[] = []
    for (let i = 0; i < size; i++) position.push(this.#view.getFloat64(this.#take(8), this.#little))
    return position
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), this.#little)
  }

  #take(length: number): number {
    const start = this.#at
    if (length > this.#view.byteLength - start) this.#fail('it is cut short')
    this.#at = start + length
    return start
  }

  #refuseType(code: number, name: string | undefined): never {
    return name === undefined ? this.#fail(`the type ${code} is unknown`) : this.#refuse(`it is a ${name}`)
  }

  #refuse(what: string): never {
    throw new UnsupportedValueError('wkb', `${what}, which GeoJSON can not hold. Read its bytes with getBytes.`)
  }

  #fail(what: string): never {
    throw new FormatError(`not valid well-known binary at byte ${this.#at}: ${what}.`)
  }
}
