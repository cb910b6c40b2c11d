import { UnsupportedSerializerError } from '../errors.js'

/*
 * What is used of @uwdata/flechette, and how it gets here. It is an optional package, serializers are synchronous, and this
 * code knows no platform: so whoever does hands in how to load it, and it is loaded when first needed.
 */

/** A table of Arrow as @uwdata/flechette has it; here, what is read of it. */
export interface ArrowTable {
  readonly schema: ArrowSchema
  /** The columns, by position. */
  readonly children: readonly ArrowColumn[]
  readonly numRows: number
  readonly numCols: number
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[]
  readonly metadata?: ReadonlyMap<string, string> | null
}

export interface ArrowField {
  readonly name: string
  readonly type: ArrowType
  readonly nullable: boolean
  readonly metadata: ReadonlyMap<string, string> | null
}

export interface ArrowType {
  readonly typeId: number
  readonly children?: readonly ArrowField[]
  readonly dictionary?: ArrowType
  readonly [detail: string]: unknown
}

export interface ArrowColumn {
  readonly type: ArrowType
  readonly length: number
  readonly data: readonly ArrowBatch[]
  at(index: number): unknown
}

type Numbers = ArrayLike<number> | ArrayLike<bigint>

export interface ArrowBatch {
  readonly length: number
  readonly nullCount: number
  readonly type: ArrowType
  readonly validity?: Uint8Array
  readonly values?: Numbers
  readonly offsets?: Numbers | null
  readonly sizes?: Numbers
  readonly children?: readonly ArrowBatch[]
  readonly dictionary?: ArrowColumn
  readonly data?: readonly Uint8Array[]
  readonly typeIds?: ArrayLike<number>
  /** Of times as Dates: the batch that is wrapped. */
  readonly source?: ArrowBatch
}

export interface ArrowCodec {
  encode(bytes: Uint8Array): Uint8Array
  decode(bytes: Uint8Array): Uint8Array
}

/** The package @uwdata/flechette, as far as it is used here. */
export interface ArrowModule {
  tableFromIPC(bytes: Uint8Array, options?: { useBigInt?: boolean }): unknown
  tableToIPC(table: never, options: { format: 'file'; codec: never }): Uint8Array | null
  getCompressionCodec(type: never): unknown
  setCompressionCodec(type: never, codec: never): void
  binary(): unknown
  columnFromArray(values: readonly (Uint8Array | null)[], type: never): { readonly data: readonly unknown[] }
  readonly Column: new (data: never, type?: never) => unknown
  readonly Table: new (schema: never, children: never) => unknown
}

/** The version that is known to work: what to install. */
const wanted = '@uwdata/flechette@^2.3.0'

let loaded: ArrowModule | undefined
let load: (() => unknown) | undefined

/**
 * Gives the serializers `pd_zstd` and `gpd_zstd` the package @uwdata/flechette. In Node they find it by themselves when it is
 * installed; where there is no `require` (browsers), import it and give it here.
 */
export function useArrow(flechette: ArrowModule): void {
  loaded = flechette
}

/** How the platform loads it, if need be. */
export function setArrowLoader(loader: () => unknown): void {
  load = loader
}

/** @throws UnsupportedSerializerError where it isn't installed */
export function arrowFor(serializer: string): ArrowModule {
  if (loaded !== undefined) return loaded
  const advice = `The serializer ${serializer} needs the package @uwdata/flechette, which is not installed: npm install ${wanted}. Without it, values can be read and written as raw bytes with getBytes and setBytes.`
  if (load === undefined) throw new UnsupportedSerializerError(serializer, `${advice} Where packages can not be loaded while running, import it and call useArrow with it.`)
  try {
    loaded = load() as ArrowModule
  } catch (cause) {
    throw new UnsupportedSerializerError(serializer, advice, { cause })
  }
  return loaded
}
