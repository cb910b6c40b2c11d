/** Frames of pandas and geopandas: read by us, read again by Python after we wrote them, and made by us. */
import * as flechette from '@uwdata/flechette'
import { expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { type ArrowTable, readGeometry, resolveSerializer, withGeometry } from '../../src/serializers/index.js'
import '../support/arrow.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import type { Tagged } from '../support/tagged.js'

type Column = readonly [name: string, dtype: string, values: readonly Tagged[]]

interface Frame {
  readonly columns: readonly Column[]
  readonly index?: readonly [kind: string, name: string | null, dtype: string, values: readonly Tagged[]]
  readonly geometry?: string
  readonly crs?: string
}

const point = { type: 'Point', coordinates: [1.5, -2] }
const line = { type: 'LineString', coordinates: [[0, 0, 1], [1, 1, 2]] }
const float = (value: number) => ({ $float: Number.isInteger(value) ? `${value}.0` : String(value) })

/** What each column should be here, beside what Python is told to make of it. */
const frames: Record<string, { name: 'pd_zstd' | 'gpd_zstd'; frame: Frame; ours: Record<string, readonly unknown[]> }> = {
  'of every common type': {
    name: 'pd_zstd',
    frame: {
      columns: [
        ['i', 'int64', [1, -2, 3]], ['u', 'uint8', [0, 255, 1]], ['f', 'float64', [float(1.5), null, float(-2)]], ['f32', 'float32', [float(0.5), float(1), null]], ['b', 'bool', [true, false, true]],
        ['s', 'str', ['a', null, 'é😀']], ['c', 'category', ['x', 'y', 'x']], ['n', 'Int64', [1, null, 3]], ['nb', 'boolean', [true, null, false]],
        ['t', 'datetime64[ns]', ['2020-01-01T00:00:00.123456789', null, '1969-12-31T23:59:59']], ['z', 'datetime64[us, UTC]', ['2020-01-01T00:00:00.000001+00:00', null, '2020-01-02T00:00:00+00:00']],
        ['none', 'object', [null, null, null]], ['bytes', 'object', [{ $bytes: 'AP8=' }, null, { $bytes: '' }]],
      ],
    },
    ours: {
      i: [1, -2, 3], u: [0, 255, 1], f: [1.5, null, -2], f32: [0.5, 1, null], b: [true, false, true], s: ['a', null, 'é😀'], c: ['x', 'y', 'x'], n: [1, null, 3], nb: [true, null, false],
      t: [1577836800123.456789, null, -1000], z: [1577836800000.001, null, 1577923200000], none: [null, null, null], bytes: [Uint8Array.of(0, 255), null, Uint8Array.of()],
    },
  },
  'with an index of its own': {
    name: 'pd_zstd',
    frame: { columns: [['v', 'float64', [float(1.5), float(2.5)]]], index: ['Index', 'key', 'str', ['a', 'b']] },
    ours: { v: [1.5, 2.5], key: ['a', 'b'] },
  },
  'with integers that a number can not hold': {
    name: 'pd_zstd',
    frame: { columns: [['id', 'int64', [{ $int: '9007199254740993' }, 5]], ['u', 'uint64', [{ $int: '18446744073709551615' }, 0]]] },
    ours: { id: [9007199254740993n, 5n], u: [18446744073709551615n, 0n] },
  },
  'without rows': { name: 'pd_zstd', frame: { columns: [['i', 'int64', []], ['s', 'str', []]] }, ours: { i: [], s: [] } },
  'with geometries': {
    name: 'gpd_zstd',
    frame: { columns: [['n', 'int64', [1, 2, 3]], ['shape', 'geometry', [{ $geojson: point }, null, { $geojson: line }]]], geometry: 'shape', crs: 'EPSG:2193' },
    ours: { n: [1, 2, 3] },
  },
}

function column(table: ArrowTable, name: string): unknown[] {
  const values = table.children[table.schema.fields.findIndex((field) => field.name === name)]
  return Array.from({ length: table.numRows }, (_, row) => values?.at(row))
}

describeWithPeers(['python'], 'frames met with Python', () => {
  const python = PythonPeer.forSuite()

  async function fromPython(name: string, value: Tagged): Promise<{ bytes: Uint8Array; value: Tagged }> {
    const path = temporaryPath()
    await python().write({ path, flag: 'n', keySerializer: 'str', valueSerializer: name }, [{ op: 'set', key: 'k', value }])
    const item = (await python().dump({ path })).items[0]
    return { bytes: fromBase64(item?.bytes ?? ''), value: item?.value ?? null }
  }

  async function readByPython(name: string, bytes: Uint8Array): Promise<{ $frame: Frame }> {
    const path = temporaryPath()
    await python().write({ path, flag: 'n', keySerializer: 'str', valueSerializer: name }, [{ op: 'setBytes', key: 'k', bytes: toBase64(bytes) }])
    return (await python().dump({ path })).items[0]?.value as unknown as { $frame: Frame }
  }

  it.each(Object.entries(frames))('%s', async (_, { name, frame, ours }) => {
    const written = await fromPython(name, { $frame: frame as unknown as Tagged })
    const serializer = resolveSerializer<ArrowTable>(name)
    const table = serializer.decode(written.bytes)
    for (const [key, values] of Object.entries(ours)) expect(column(table, key), key).toEqual(values)
    if (frame.geometry) expect(readGeometry(table)).toEqual([point, null, line])
    // Python sees in ours the frame that it wrote: index, dtypes, values, coordinate system.
    expect(await readByPython(name, serializer.encode(table))).toEqual(written.value)
    for (const [key, dtype] of frame.columns) expect((written.value as unknown as { $frame: Frame }).$frame.columns.find((one) => one[0] === key)?.[1]).toBe(dtype)
  })

  it('that we made', async () => {
    const table = flechette.tableFromArrays({ n: [1, 2], s: ['a', null], t: [new Date(5), null] }) as unknown as ArrowTable
    const plain = await readByPython('pd_zstd', resolveSerializer<ArrowTable>('pd_zstd').encode(table))
    expect(plain.$frame).toMatchObject({ index: ['RangeIndex', null, 'int64', [0, 1]], columns: [['n', 'int8', [1, 2]], ['s', expect.any(String), ['a', null]], ['t', 'datetime64[ms]', ['1970-01-01T00:00:00.005000', null]]] })
    const geo = withGeometry(table, [{ type: 'Point', coordinates: [1.5, -2] }, null])
    const shapes = await readByPython('gpd_zstd', resolveSerializer<ArrowTable>('gpd_zstd').encode(geo))
    expect(shapes.$frame).toMatchObject({ geometry: 'geometry', crs: 'OGC:CRS84' })
    expect(shapes.$frame.columns.at(-1)).toEqual(['geometry', 'geometry', [{ $geojson: { type: 'Point', coordinates: [1.5, -2] } }, null]])
  })
})
