/** Feather files of pandas and geopandas as tables of Arrow. */
import * as flechette from '@uwdata/flechette'
import { beforeAll, describe, expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { arrowFor, setArrowLoader } from '../../src/serializers/arrow/module.js'
import { type ArrowModule, type ArrowTable, limitSerializer, readGeometry, resolveSerializer, useArrow, withGeometry } from '../../src/serializers/index.js'

const pd = resolveSerializer<ArrowTable>('pd_zstd')
const gpd = resolveSerializer<ArrowTable>('gpd_zstd')

const arrays = () => flechette.tableFromArrays({ n: [1, 2, 3], s: ['a', null, 'c'], t: [new Date(5), null, new Date(7)] }) as unknown as ArrowTable
const columns = (table: ArrowTable) => Object.fromEntries(table.schema.fields.map(({ name }, i) => [name, Array.from({ length: table.numRows }, (_, row) => table.children[i]?.at(row))]))

describe('the optional package', () => {
  it('is told of where it is missing', () => {
    expect(() => arrowFor('pd_zstd')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_SERIALIZER', message: expect.stringMatching(/npm install @uwdata\/flechette@.*useArrow/) as string }))
    const cause = new Error('no such package')
    setArrowLoader(() => { throw cause })
    for (const name of ['pd_zstd', 'gpd_zstd'] as const) {
      expect(() => resolveSerializer<unknown>(name).decode(new Uint8Array())).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_SERIALIZER', serializer: name, cause, message: expect.stringMatching(/npm install @uwdata\/flechette@/) as string }))
    }
  })

  it('is found where it is installed', () => {
    const booklet = openBooklet<string, ArrowTable>(null, { valueSerializer: 'pd_zstd' })
    booklet.set('k', arrays())
    expect(columns(booklet.get('k') as ArrowTable)).toEqual({ n: [1, 2, 3], s: ['a', null, 'c'], t: [5, null, 7] })
  })
})

describe('tables', () => {
  beforeAll(() => useArrow(flechette as unknown as ArrowModule))

  it('come back with their types and metadata', () => {
    const table = arrays()
    const schema = { ...table.schema, metadata: new Map([['pandas', '{"x":1}']]) }
    const back = pd.decode(pd.encode(new flechette.Table(schema as never, table.children as never)))
    expect(back.schema.metadata).toEqual(schema.metadata)
    expect(back.schema.fields.map(({ type }) => type.typeId)).toEqual(table.schema.fields.map(({ type }) => type.typeId))
    expect(columns(back)).toEqual({ n: [1, 2, 3], s: ['a', null, 'c'], t: [5, null, 7] })
  })

  it('have bigints where a number would be wrong', () => {
    const make = (values: bigint[]) => flechette.tableFromArrays({ n: values }, { types: { n: flechette.int64() } }) as unknown as ArrowTable
    expect(columns(pd.decode(pd.encode(make([1n, 2n]))))).toEqual({ n: [1, 2] })
    expect(columns(pd.decode(pd.encode(make([1n, 2n ** 60n]))))).toEqual({ n: [1n, 2n ** 60n] })
  })

  it('leave the codec of the package as it was', () => {
    const mine = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
    flechette.setCompressionCodec(flechette.CompressionType.ZSTD, mine)
    pd.decode(pd.encode(arrays()))
    expect(flechette.getCompressionCodec(flechette.CompressionType.ZSTD)).toBe(mine)
  })

  it.each([
    ['an array', [1]], ['null', null], ['an object', { schema: {}, children: [] }], ['text', 'a'], ['no columns', flechette.tableFromArrays({})], ['columns without a type', flechette.tableFromArrays({ n: new Int32Array(0) })],
  ])('refuses %s', (_, value) => {
    expect(() => pd.encode(value as never)).toThrow(expect.objectContaining({ code: 'SERIALIZATION' }))
  })

  it.each([
    ['nothing', new Uint8Array()], ['something else', new Uint8Array(100)], ['a stream', new Uint8Array(flechette.tableToIPC(arrays() as never, { format: 'stream' })!)],
  ])('refuses %s', (_, bytes) => {
    expect(() => pd.decode(bytes)).toThrow(expect.objectContaining({ code: 'DESERIALIZATION', message: expect.stringMatching(/no Feather file/) as string }))
  })

  it('have no more rows than their bytes bear out', () => {
    const nulls = new flechette.Column(flechette.columnFromArray([null, null, null], flechette.nullType()).data as never)
    const bytes = pd.encode(flechette.tableFromColumns({ nulls }))
    expect(columns(pd.decode(bytes))).toEqual({ nulls: [null, null, null] })
    const view = new DataView(bytes.buffer)
    for (let at = 0; at + 8 <= bytes.length; at++) if (view.getBigInt64(at, true) === 3n) view.setBigInt64(at, 2n ** 40n, true)
    expect(() => pd.decode(bytes)).toThrow(/unfold to more bytes/)
  })

  it('unfold no further than they may', () => {
    const bytes = pd.encode(flechette.tableFromArrays({ zeros: new Float64Array(1_000_000) }))
    expect(bytes.length).toBeLessThan(10_000)
    expect(() => limitSerializer(pd, 100_000).decode(bytes)).toThrow(/unfold to more bytes than the limit/)
    expect(limitSerializer(pd, 10_000_000).decode(bytes).numRows).toBe(1_000_000)
    expect(() => limitSerializer(pd, 10).decode(bytes)).toThrow(/more than the limit of 10/)
  })
})

describe('geometries', () => {
  const points = [{ type: 'Point' as const, coordinates: [1, 2] }, null, { type: 'Point' as const, coordinates: [1, 2, 3] }]

  it('go into a column and out of it', () => {
    const table = withGeometry(arrays(), points)
    expect(readGeometry(gpd.decode(gpd.encode(table)))).toEqual(points)
    expect(JSON.parse(table.schema.metadata?.get('geo') ?? '')).toEqual({ version: '1.1.0', primary_column: 'geometry', columns: { geometry: { encoding: 'WKB', geometry_types: ['Point', 'Point Z'] } } })
  })

  it('may be several columns, in batches, and replaced', () => {
    const batched = flechette.tableFromArrays({ n: [1, 2, 3] }, { maxBatchRows: 2 }) as unknown as ArrowTable
    const table = withGeometry(withGeometry(batched, points, { column: 'a', crs: null }), [null, null, null])
    const again = withGeometry(gpd.decode(gpd.encode(table)), [...points].reverse())
    expect(readGeometry(again)).toEqual([...points].reverse())
    expect(readGeometry(again, 'a')).toEqual(points)
    expect(columns(again)['n']).toEqual([1, 2, 3])
    expect(again.schema.fields.map(({ name }) => name)).toEqual(['n', 'a', 'geometry'])
  })

  it('are missed where there are none, or others', () => {
    expect(() => gpd.encode(arrays())).toThrow(/withGeometry/)
    expect(() => readGeometry(arrays())).toThrow(/withGeometry/)
    expect(() => withGeometry(arrays(), [])).toThrow(/0 geometries for 3 rows/)
    expect(() => readGeometry(withGeometry(arrays(), points), 'x')).toThrow(/"x"; there are geometry/)
    expect(() => withGeometry(arrays(), [5 as never, null, null])).toThrow(/a GeoJSON geometry is expected/)
  })
})
