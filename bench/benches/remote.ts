import type { Benchmark, Work } from '../harness.js'
import { loadEbooklet } from '../library.js'
import { openLab } from '../remote/lab.js'
import { Python } from '../remote/python.js'
import { Scene, type Library, type Row, type Shape } from '../remote/scene.js'

const slowLink = { delay: 30, bandwidth: 50e6 }
const slowWay = '30 ms, 50 MB/s'

/** What to measure of a data set, directly and through the slow proxy. */
export interface Plan {
  shape: Shape
  direct: readonly Row[]
  slow: readonly Row[]
  /** Default true, where there is one. Its lock waits more than a second at every open. */
  withPython?: boolean
}

const all: readonly Row[] = ['first push', 'load', 'one key', 'random', 'pull', 'change 100', 'change 1']
const bulk: readonly Row[] = ['first push', 'load']

/* Per key the cost is that of a request for each value, so fewer tell as much. */
const fullPlans: readonly Plan[] = [
  { shape: { keys: 100_000, bytes: 100, groups: 101 }, direct: all, slow: all },
  { shape: { keys: 2000, bytes: 100_000, groups: 101 }, direct: [...bulk, 'change 100'], slow: [...bulk, 'change 100'] },
  { shape: { keys: 2000, bytes: 100_000, groups: null }, direct: bulk, slow: bulk },
  { shape: { keys: 5000, bytes: 100, groups: null }, direct: [...bulk, 'change 100'], slow: [] },
]

const quickPlans: readonly Plan[] = [
  { shape: { keys: 5000, bytes: 100, groups: 11 }, direct: all, slow: [] },
  { shape: { keys: 5000, bytes: 100, groups: 11 }, direct: [], slow: [...bulk, 'change 100'], withPython: false },
  { shape: { keys: 200, bytes: 100_000, groups: 11 }, direct: bulk, slow: [], withPython: false },
  { shape: { keys: 100, bytes: 1000, groups: null }, direct: bulk, slow: [], withPython: false },
]

export const remoteBenchmark: Benchmark = {
  name: 'remote',
  about:
    'Sessions on an S3 server in memory, in a process of its own: directly, and through a proxy that adds 30 ms to each round trip and bounds the bandwidth to 50 MB/s in each direction. ' +
    'The floor sends or reads the same bytes in the same objects by the bare HTTP client (undici, 16 connections, signed), and keeps nothing. ' +
    'Ours brings its local file to disk (fdatasync) before and after each commit, Python never does; what is loaded is not synced by either. ' +
    'Processor time is that of this process, so without that of Python and of the server.',
  async *works(scale) {
    yield* worksOf(scale.quick ? quickPlans : fullPlans, await loadEbooklet(scale))
  },
}

/** Every row of the plans. */
export async function* worksOf(plans: readonly Plan[], library: Library): AsyncGenerator<Work> {
  const python = Python.start()
  await using lab = await openLab()
  try {
    if (python) console.log(`\nPython: ${JSON.stringify(await python.versions())}`)
    else console.log('\nWithout Python: EBOOKLET_TEST_PYTHON names a python that has ebooklet.')
    const slowPlace = await lab.through(slowLink)
    for (const { shape, direct, slow, withPython = true } of plans) {
      const setting = { library, lab, shape, python: withPython ? python : undefined }
      if (direct.length > 0) yield* new Scene({ ...setting, way: 'direct', place: lab.direct }).works(direct)
      if (slow.length > 0) yield* new Scene({ ...setting, way: slowWay, place: slowPlace }).works(slow)
    }
  } finally {
    await python?.end()
  }
}
