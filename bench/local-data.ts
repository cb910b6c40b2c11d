/** What the benchmarks of the local file have in common: which sizes, and databases filled with them. */
import { makeBytes, makeKeys, makeObjects, type Value } from './data.js'
import { newFolder, removeFolder } from './folders.js'
import type { Contender, Scale } from './harness.js'
import type { OpenStore, Shape, Store } from './stores/store.js'

/** The shapes of a scale, the usual one first. */
export function shapesOf({ quick, tiny = false }: Scale): Shape[] {
  if (tiny) return [{ keys: 200, valueBytes: 100 }, { keys: 200, valueBytes: 100, json: true }]
  if (quick) return [{ keys: 100_000, valueBytes: 100 }, { keys: 20_000, valueBytes: 100, json: true }, { keys: 2_000, valueBytes: 10_000 }]
  return [
    { keys: 100_000, valueBytes: 100 },
    { keys: 1_000_000, valueBytes: 100 },
    { keys: 100_000, valueBytes: 100, json: true },
    { keys: 1_000_000, valueBytes: 100, json: true },
    { keys: 100_000, valueBytes: 10_000 },
  ]
}

export function sayShape({ keys, valueBytes, json = false }: Shape): string {
  return `${keys.toLocaleString('en')} × ${valueBytes >= 1000 ? `${valueBytes / 1000} KB` : `${valueBytes} B`}${json ? ' of JSON' : ''}`
}

export function valuesOf({ valueBytes, json = false }: Shape, seed = 1): readonly Value[] {
  return json ? makeObjects(valueBytes, seed) : makeBytes(valueBytes, seed)
}

/** Bytes that so many of its entries take in a file, about. */
export function bytesOf({ valueBytes }: Shape, entries: number): number {
  return entries * (valueBytes + 100)
}

/** How many repeats a shape can have: gigabytes are written once or twice. */
export function atMost({ keys, valueBytes }: Shape): number {
  return keys * valueBytes >= 5e8 ? 3 : 7
}

/** Databases of one shape, filled by each of the stores. */
export class Filled {
  readonly keys: readonly string[]
  readonly shape: Shape
  readonly #folders = new Map<Store, string>()

  private constructor(shape: Shape) {
    this.shape = shape
    this.keys = makeKeys(shape.keys)
  }

  static async make(stores: readonly Store[], shape: Shape): Promise<Filled> {
    const filled = new Filled(shape)
    const values = valuesOf(shape)
    try {
      for (const store of stores) {
        const folder = newFolder()
        filled.#folders.set(store, folder)
        const db = await store.create(folder, shape)
        await db.write(filled.keys, values)
        await db.close()
      }
    } catch (error) {
      filled.remove()
      throw error
    }
    return filled
  }

  folderOf(store: Store): string {
    return this.#folders.get(store)!
  }

  remove(): void {
    for (const folder of this.#folders.values()) removeFolder(folder)
  }
}

/** Contenders that work on databases which stay open from the first round to `close`. */
export class Opened {
  readonly #open: OpenStore[] = []

  contender(store: Store, open: () => OpenStore | Promise<OpenStore>, run: (db: OpenStore) => unknown, name = store.name): Contender {
    let db: OpenStore | undefined
    return {
      name,
      prepare: async () => {
        if (db === undefined) this.#open.push((db = await open()))
      },
      run: () => run(db!),
    }
  }

  async close(): Promise<void> {
    for (const db of this.#open.splice(0)) await db.close()
  }
}
