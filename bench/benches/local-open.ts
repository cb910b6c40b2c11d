import type { Benchmark, Work } from '../harness.js'
import { Filled, sayShape } from '../local-data.js'
import { stores } from '../stores/index.js'
import type { Shape, Store } from '../stores/store.js'

export const localOpenBenchmark: Benchmark = {
  name: 'local-open',
  about: 'Open a database for reading, get one value, close. It was closed properly and is warm in the page cache.',
  async *works(scale) {
    const all = await stores(scale)
    for (const keys of scale.tiny ? [200] : scale.quick ? [100_000] : [100_000, 1_000_000, 10_000_000]) {
      const shape = { keys, valueBytes: 100 }
      // One database of ten millions takes the peers a minute each to fill.
      const taking = keys > 1_000_000 ? all.slice(-1) : all
      const filled = await Filled.make(taking, shape)
      try {
        yield openAndGet(filled, taking, shape)
      } finally {
        filled.remove()
      }
    }
  },
}

function openAndGet(filled: Filled, all: readonly Store[], shape: Shape): Work {
  let next = 0
  return {
    title: `open ${sayShape(shape)} and get one`,
    peers: Math.max(1, all.length - 1),
    contenders: all.map((store) => ({
      name: store.name,
      async run() {
        const db = await store.open(filled.folderOf(store), shape, 'read')
        const found = await db.read([filled.keys[(next += 7919) % shape.keys]!])
        await db.close()
        return found > 0
      },
    })),
  }
}
