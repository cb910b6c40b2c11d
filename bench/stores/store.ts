import type { Value } from '../data.js'

/** What a database has to hold. */
export interface Shape {
  keys: number
  valueBytes: number
  /** Values are objects, kept as JSON. Default: bytes. */
  json?: boolean
  /** The most bytes of file that ours keeps in memory; what peers keep they decide, or their operating system. */
  cacheBytes?: number
}

/** A database in a folder of its own, as far as the benchmarks use it. Python's answers come later, the others' at once. */
export interface OpenStore {
  /** Sets all and returns when that survives a power cut. Values are taken in turn. */
  write: (keys: readonly string[], values: readonly Value[]) => void | Promise<void>
  /** Gets all keys and adds up what `mark` makes of the values. */
  read: (keys: readonly string[]) => number | Promise<number>
  /** Goes over all keys and values and adds up the lengths of keys and what `mark` makes of the values. */
  iterate: () => number | Promise<number>
  close: () => void | Promise<void>
}

/** A kind of database. */
export interface Store {
  readonly name: string
  /** What it is and how it was told to make writes durable. */
  readonly about: string
  /** A new one in an empty folder. */
  create: (folder: string, shape: Shape) => OpenStore | Promise<OpenStore>
  /** The one that is there. */
  open: (folder: string, shape: Shape, access: 'read' | 'write') => OpenStore | Promise<OpenStore>
}

/** A number that tells whether the right value was read, in next to no time. */
export function mark(value: Value | undefined): number {
  if (value === undefined) throw new Error('a value is missing')
  return value instanceof Uint8Array ? value.length + (value[0] ?? 0) : value.id + value.text.length
}
