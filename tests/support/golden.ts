/** The golden files of the Python original; tests/fixtures/golden/README.md and manifest.json say what is in them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { Tagged } from './tagged.js'

const folder = new URL('../fixtures/golden/', import.meta.url)

export interface GoldenListing {
  /** Path below the golden folder; `.gz` = compressed with gzip. */
  readonly file: string
  /** Path of the JSON that says what is in it. */
  readonly expected: string
  readonly description: string
  readonly synthetic: boolean
}

interface Manifest {
  readonly booklet: readonly GoldenListing[]
}

/** Raw header fields as the original reads them. */
export interface GoldenHeader {
  readonly kind: 'variable' | 'fixed'
  readonly version: number
  readonly n_buckets: number
  readonly value_serializer_code: number
  readonly key_serializer_code: number
  readonly n_keys: number
  readonly value_len: number
  readonly init_timestamps: number
  readonly file_timestamp: number
  readonly uuid: string
}

export interface GoldenItem {
  readonly key: Tagged
  /** Base64 of the serialized key. */
  readonly key_bytes: string
  readonly timestamp: number | null
  readonly value_offset: number
  /** Base64. */
  readonly value_bytes: string
  readonly value: Tagged
}

export interface GoldenContent {
  readonly header: GoldenHeader
  readonly len: number
  readonly n_buckets: number
  readonly index_offset: number
  readonly first_data_block_pos: number
  readonly items_in_iteration_order?: readonly GoldenItem[]
  readonly metadata?: unknown
  readonly reserved?: unknown
  readonly open_error?: string
  readonly iteration_error?: string
}

export interface GoldenBooklet {
  readonly name: string
  readonly description: string
  readonly synthetic: boolean
  readonly ops: readonly Readonly<Record<string, Tagged>>[]
  readonly expected: GoldenContent
}

/** A file below the golden folder, unpacked where it is compressed. */
export function readGoldenFile(file: string): Uint8Array<ArrayBuffer> {
  const bytes = readFileSync(new URL(file, folder))
  return new Uint8Array(file.endsWith('.gz') ? gunzipSync(bytes) : bytes)
}

export function readGoldenJson<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as T
}

/** Every golden booklet file. */
export function goldenBooklets(): readonly GoldenListing[] {
  return readGoldenJson<Manifest>('manifest.json').booklet
}

/** The name is that of the file without folder and extension, as `ser_json`. */
export function readGoldenBooklet(name: string): { bytes: Uint8Array<ArrayBuffer>; golden: GoldenBooklet } {
  const listing = goldenBooklets().find((entry) => entry.expected === `booklet/${name}.json`)
  if (listing === undefined) throw new Error(`there is no golden booklet ${name}`)
  return { bytes: readGoldenFile(listing.file), golden: readGoldenJson<GoldenBooklet>(listing.expected) }
}

/** Where the golden files are, for programs that want a path. */
export const goldenFolder = fileURLToPath(folder)
