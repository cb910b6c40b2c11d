import { sample } from '../data.js'
import type { Benchmark } from '../harness.js'
import { Filled, Opened, sayShape, shapesOf } from '../local-data.js'
import { loadBooklet } from '../library.js'
import { ours } from '../stores/ours.js'
import { PythonStore } from '../stores/python.js'
import { setAll } from './local-set.js'

export const localPythonBenchmark: Benchmark = {
  name: 'local-python',
  about: 'The Python original, where EBOOKLET_TEST_PYTHON names a python that has booklet (dev/peers/venv.sh makes one). Both have as many buckets as keys. The processor time of Python is not counted.',
  async *works(scale) {
    const python = process.env['EBOOKLET_TEST_PYTHON']
    if (python === undefined) {
      console.error('EBOOKLET_TEST_PYTHON is not set: the Python original is not compared with.')
      return
    }
    const library = await loadBooklet(scale)
    const peer = await PythonStore.start(python)
    try {
      for (const shape of shapesOf(scale)) {
        const both = [peer, ours(library, shape.keys)]
        yield setAll(shape, both, false)
        const filled = await Filled.make(both, shape)
        const opened = new Opened()
        try {
          const reads = sample(filled.keys, Math.min(shape.keys, 100_000))
          const open = (store: (typeof both)[number]) => () => store.open(filled.folderOf(store), shape, 'read')
          yield { title: `get ${reads.length.toLocaleString('en')} of ${sayShape(shape)}`, operations: reads.length, contenders: both.map((store) => opened.contender(store, open(store), (db) => db.read(reads))) }
          yield { title: `iterate ${sayShape(shape)}`, operations: shape.keys, contenders: both.map((store) => opened.contender(store, open(store), (db) => db.iterate())) }
        } finally {
          await opened.close()
          filled.remove()
        }
      }
    } finally {
      peer.end()
    }
  },
}
