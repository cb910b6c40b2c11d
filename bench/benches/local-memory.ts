import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Benchmark } from '../harness.js'
import { Filled, sayShape } from '../local-data.js'
import { stores } from '../stores/index.js'

const child = fileURLToPath(new URL('../memory-child.ts', import.meta.url))

/** What a child does with one database; see memory-child.ts. */
export const memorySteps = ['open', 'get', 'iterate', 'overwrite', 'set all'] as const

export interface MemoryTask {
  step: (typeof memorySteps)[number]
  store: string
  folder: string
  keys: number
  valueBytes: number
  tiny: boolean
}

export const localMemoryBenchmark: Benchmark = {
  name: 'local-memory',
  about:
    'Peak resident memory (MB) of a process that does one thing with a database, above that of one which makes the keys and does nothing with them. Files that are mapped into memory, as lmdb does, count as far as they were touched.',
  async *works(scale) {
    // A process for each figure takes its time.
    const all = scale.tiny ? (await stores(scale)).slice(-1) : await stores(scale)
    const steps = scale.tiny ? memorySteps.slice(-1) : memorySteps
    const shapes = scale.tiny
      ? [{ keys: 200, valueBytes: 100 }]
      : scale.quick
        ? [{ keys: 100_000, valueBytes: 100 }]
        : [
            { keys: 100_000, valueBytes: 100 },
            { keys: 1_000_000, valueBytes: 100 },
            { keys: 100_000, valueBytes: 10_000 },
          ]
    for (const shape of shapes) {
      const filled = await Filled.make(all, shape)
      try {
        yield {
          head: [sayShape(shape), ...steps],
          rows: () =>
            Promise.all(
              all.map(async (store) => {
                const folder = filled.folderOf(store)
                const cells: string[] = []
                const nothing = await peak({ step: 'open', store: '', folder, tiny: scale.tiny === true, ...shape })
                for (const step of steps) cells.push(((await peak({ step, store: store.name, folder, tiny: scale.tiny === true, ...shape })) - nothing).toFixed(0))
                return [store.name, ...cells]
              }),
            ),
        }
      } finally {
        filled.remove()
      }
    }
  },
}

/** MB. */
async function peak(task: MemoryTask): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', child, JSON.stringify(task)])
  return Number(stdout)
}
