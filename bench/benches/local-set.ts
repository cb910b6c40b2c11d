import type { Benchmark, Work } from '../harness.js'
import { makeKeys } from '../data.js'
import { newFolder, removeFolder, touchMemory } from '../folders.js'
import { atMost, bytesOf, sayShape, shapesOf, valuesOf } from '../local-data.js'
import { stores } from '../stores/index.js'
import type { OpenStore, Shape, Store } from '../stores/store.js'

export const localSetBenchmark: Benchmark = {
  name: 'local-set',
  about: 'Set all keys (16 bytes, in random order) of a new database, then make it durable: a power cut after it loses nothing. Making and closing the empty database is not timed.',
  async *works(scale) {
    const all = await stores(scale)
    for (const shape of shapesOf(scale)) yield setAll(shape, all, false)
    const [usual] = shapesOf(scale)
    yield setAll(usual!, all, true)
  },
}


/** Sets all keys of new databases, in random order or in theirs. */
export function setAll(shape: Shape, all: readonly Store[], ascending: boolean): Work {
  const keys = ascending ? makeKeys(shape.keys).sort() : makeKeys(shape.keys)
  const values = valuesOf(shape)
  return {
    title: `set ${sayShape(shape)}${ascending ? ', keys ascending' : ''}, sync`,
    operations: shape.keys,
    peers: all.length - 1,
    atMost: atMost(shape),
    contenders: all.map((store) => {
      let folder: string
      let db: OpenStore
      return {
        name: store.name,
        async prepare() {
          folder = newFolder()
          db = await store.create(folder, shape)
          touchMemory(bytesOf(shape, shape.keys))
        },
        run: () => db.write(keys, values),
        async clean() {
          await db.close()
          removeFolder(folder)
        },
      }
    }),
  }
}
