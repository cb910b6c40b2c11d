import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { parseJson } from '../../src/format/json.js'

const folder = fileURLToPath(new URL('../fixtures/golden/booklet/', import.meta.url))

export interface GoldenItem {
  key_bytes: string
  timestamp?: number | bigint
  value_offset?: number
  value_bytes?: string | null
}

export interface GoldenOp {
  op: string
  kind?: 'variable' | 'fixed'
  flag?: string
  args?: Record<string, unknown>
  uuid?: string
  file_timestamp?: number
  key?: unknown
  value?: unknown
  timestamp?: number | null | string | { $int: string }
  keep_keys?: unknown[]
  returned?: number
  slot?: 1 | 2
}

export interface GoldenBooklet {
  name: string
  synthetic: boolean
  ops: GoldenOp[]
  bytes: Uint8Array
  expected: {
    header: { kind: 'variable' | 'fixed'; n_buckets: number; n_keys: number; init_timestamps: number; file_timestamp: number; uuid: string; value_len: number; version: number; key_serializer_code: number; value_serializer_code: number }
    size: number
    len: number
    index_offset: number
    first_data_block_pos: number
    items_in_iteration_order?: GoldenItem[]
    metadata?: unknown
    reserved?: Record<string, unknown>
    open_error?: string
    iteration_error?: string
  }
}

/** Every booklet file that the Python original made, with what it says about it. */
export function goldenBooklets(): GoldenBooklet[] {
  return readdirSync(folder).filter((name) => name.endsWith('.json')).sort().map((name) => {
    const base = name.slice(0, -'.json'.length)
    const json = parseJson(readFileSync(folder + name, 'utf8')) as Omit<GoldenBooklet, 'bytes'>
    return { ...json, bytes: fileBytes(base) }
  })
}

export function goldenBooklet(name: string): GoldenBooklet {
  const found = goldenBooklets().find((golden) => golden.name === name)
  if (!found) throw new Error(`no golden booklet ${name}`)
  return found
}

function fileBytes(base: string): Uint8Array {
  try {
    return readFileSync(`${folder}${base}.blt`)
  } catch {
    return gunzipSync(readFileSync(`${folder}${base}.blt.gz`))
  }
}

/** A timestamp as we give it: what a number can't hold is rounded down. */
export function asTimestamp(value: number | bigint): number {
  const exact = BigInt(value)
  let rounded = Number(exact)
  while (BigInt(rounded) > exact) rounded = Number(BigInt(rounded) - (exact >= 2n ** 55n ? 8n : exact >= 2n ** 54n ? 4n : 2n))
  return rounded
}
