import type { Benchmark, Sheet } from '../harness.js'
import { openLab } from '../remote/lab.js'
import type { MemoryStep } from '../remote/memory-child.js'
import { Helper } from '../remote/process.js'

const megabyte = 1e6

export const remoteMemoryBenchmark: Benchmark = {
  name: 'remote-memory',
  about:
    'The most memory (resident set) of a process that fills a database and pushes it, and of one that loads it elsewhere, in groups and per key, on a local server directly. ' +
    'A process that only starts takes 50 to 60 MB. The local file is in the temporary folder.',
  *works({ quick, tiny }): Iterable<Sheet> {
    const total = tiny ? 2 : quick ? 100 : 2000
    const bytes = tiny ? 100_000 : 1_000_000
    const library = new URL(tiny ? '../../src/index.ts' : '../../dist/index.js', import.meta.url).href
    const rows = async () => {
      const found: string[][] = []
      for (const groups of tiny ? [3] : [quick ? 11 : 101, null]) {
        await using lab = await openLab(3 * total * megabyte)
        for (const step of ['push', 'load'] as const) {
          const request: MemoryStep = { library, place: lab.direct, path: lab.freshPath(), step, keys: (total * megabyte) / bytes, bytes, groups }
          const child = Helper.script('bench/remote/memory-child.ts', JSON.stringify(request))
          const { ms, megabytes } = await child.answer<{ ms: number; megabytes: number }>()
          await child.end()
          found.push([`${step}, ${groups === null ? 'per key' : `${groups} groups`}`, String(Math.round(megabytes)), (ms / 1000).toFixed(1)])
        }
      }
      return found
    }
    yield { head: [`${total.toLocaleString('en')} MB in values of ${bytes / megabyte} MB`, 'MB at most', 's'], rows }
  },
}
