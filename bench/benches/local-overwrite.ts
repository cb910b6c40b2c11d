import { sample } from '../data.js'
import type { Benchmark } from '../harness.js'
import { touchMemory } from '../folders.js'
import { atMost, bytesOf, Filled, Opened, sayShape, shapesOf, valuesOf } from '../local-data.js'
import { stores } from '../stores/index.js'

export const localOverwriteBenchmark: Benchmark = {
  name: 'local-overwrite',
  about: 'Overwrite a tenth of the keys at random, then make it durable. The databases stay open; each repeat overwrites other keys.',
  async *works(scale) {
    const all = await stores(scale)
    for (const shape of shapesOf(scale).filter(({ json }) => !json)) {
      const filled = await Filled.make(all, shape)
      const opened = new Opened()
      try {
        const values = valuesOf(shape, 2)
        const count = shape.keys / 10
        // The same ones for each contender, whose turn comes once in a round.
        const rounds = new Map(all.map((store) => [store, 0]))
        const chosen = Array.from({ length: 8 }, (_, round) => sample(filled.keys, count, round + 1))
        yield {
          title: `overwrite ${count.toLocaleString('en')} of ${sayShape(shape)}, sync`,
          operations: count,
          peers: all.length - 1,
          atMost: atMost(shape),
          contenders: all.map((store) => {
            const contender = opened.contender(store, () => store.open(filled.folderOf(store), shape, 'write'), (db) => {
              const round = rounds.get(store)!
              rounds.set(store, round + 1)
              return db.write(chosen[round % chosen.length]!, values)
            })
            return {
              ...contender,
              prepare: async () => {
                await contender.prepare?.()
                touchMemory(bytesOf(shape, count))
              },
            }
          }),
        }
      } finally {
        await opened.close()
        filled.remove()
      }
    }
  },
}
