import { sample } from '../data.js'
import type { Benchmark, Work } from '../harness.js'
import { atMost, bytesOf, Filled, Opened, sayShape, shapesOf } from '../local-data.js'
import { stores } from '../stores/index.js'
import type { Shape, Store } from '../stores/store.js'

/* Reads of one repeat. */
const READS = 100_000

export const localReadBenchmark: Benchmark = {
  name: 'local-read',
  about: 'Get values by random keys, and iterate over all keys and values. The files are open and warm in the page cache of the system. "cache" is the option cacheBytes of openBooklet.',
  async *works(scale) {
    const all = await stores(scale)
    for (const shape of shapesOf(scale)) {
      const filled = await Filled.make(all, shape)
      try {
        for (const work of [gets, iterate]) {
          const opened = new Opened()
          try {
            yield work(filled, all, opened)
          } finally {
            await opened.close()
          }
        }
      } finally {
        filled.remove()
      }
    }
  },
}

/* The file of our format has this many bytes, and some for its index. */
function fileBytes(shape: Shape): number {
  return bytesOf(shape, shape.keys) + 2 ** 20
}

function gets(filled: Filled, all: readonly Store[], opened: Opened): Work {
  const { shape, keys } = filled
  const reads = sample(keys, Math.min(shape.keys, READS))
  const caches: [string, number][] = [
    ['cache as large as the file', fileBytes(shape)],
    ['cache of a tenth', Math.floor(fileBytes(shape) / 10)],
  ]
  const own = all.at(-1)!
  return {
    title: `get ${reads.length.toLocaleString('en')} of ${sayShape(shape)}`,
    operations: reads.length,
    peers: all.length - 1,
    contenders: [
      ...all.map((store) => opened.contender(store, () => store.open(filled.folderOf(store), shape, 'read'), (db) => db.read(reads))),
      ...caches.map(([name, cacheBytes]) =>
        opened.contender(own, () => own.open(filled.folderOf(own), { ...shape, cacheBytes }, 'read'), (db) => db.read(reads), `${own.name}, ${name}`),
      ),
    ],
  }
}

function iterate(filled: Filled, all: readonly Store[], opened: Opened): Work {
  const { shape } = filled
  return {
    title: `iterate ${sayShape(shape)}`,
    operations: shape.keys,
    peers: all.length - 1,
    atMost: atMost(shape),
    contenders: all.map((store) => opened.contender(store, () => store.open(filled.folderOf(store), shape, 'read'), (db) => db.iterate())),
  }
}
