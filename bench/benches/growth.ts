import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Ebooklet, OpenEbookletOptions } from '../../src/index.js'
import { median, type Benchmark } from '../harness.js'
import { loadEbooklet } from '../library.js'
import { logPlot } from '../plot.js'
import { keyOf, some, valueOf } from '../remote/data.js'
import { openLab, type Lab } from '../remote/lab.js'

type Library = Awaited<ReturnType<typeof loadEbooklet>>
type Database = Ebooklet<Uint8Array>

const valueBytes = 8
const groups = 101
const probes = 1000

/** ms of each step, by its name, at one size. */
type Steps = Record<string, number>

export const growthBenchmark: Benchmark = {
  name: 'growth',
  about:
    `How cost grows with the number of keys: 16-byte keys, values of ${valueBytes} bytes, ${groups} groups, on a local server directly. ` +
    'Medians of a few repeats, one contender. A whole run also draws docs/growth.svg. Sizes: EBOOKLET_BENCH_KEYS=10000,100000 (default 10^4 to 10^6; 10^7 takes NODE_OPTIONS=--max-old-space-size=14000 and some minutes).',
  works: (scale) => {
    const asked = process.env['EBOOKLET_BENCH_KEYS']?.split(',').map(Number)
    const sizes = scale.tiny ? [100, 1000] : (asked ?? (scale.quick ? [10_000, 30_000] : [10_000, 100_000, 1_000_000]))
    const rows = async () => {
      const library = await loadEbooklet(scale)
      const measured: [number, Steps][] = []
      for (const keys of sizes) measured.push([keys, await stepsAt(library, keys)])
      if (!scale.quick) await draw(measured)
      const names = Object.keys(measured[0]![1])
      return names.map((name) => [name, ...measured.map(([, steps]) => shown(steps[name]!))])
    }
    return [{ head: ['ms', ...sizes.map((keys) => `${keys.toLocaleString('en')} keys`)], rows }]
  },
}

function shown(ms: number): string {
  return ms >= 100 ? Math.round(ms).toLocaleString('en') : ms.toPrecision(3)
}

async function draw(measured: readonly (readonly [number, Steps])[]): Promise<void> {
  const lines = Object.keys(measured[0]![1]).map((name) => ({ name, points: measured.map(([keys, steps]) => [keys, steps[name]!] as const) }))
  const y = (ms: number) => (ms >= 1000 ? `${ms / 1000} s` : ms >= 1 ? `${ms} ms` : `${Math.round(ms * 1000)} µs`)
  const file = fileURLToPath(new URL('../../docs/growth.svg', import.meta.url))
  await writeFile(file, logPlot('What a step costs as the database grows', { x: 'keys', y }, lines))
}

async function stepsAt(library: Library, keys: number): Promise<Steps> {
  await using lab = await openLab(12 * 2 ** 30)
  const open = (path: string, options: OpenEbookletOptions<Uint8Array> = {}) =>
    library.openEbooklet<Uint8Array>(new library.S3Connection({ ...lab.direct, dbKey: 'db' }), path, { lockTiming: { settle: 5, poll: 5 }, ...options })
  const path = lab.freshPath()
  const writer = await open(path, { flag: 'c', numGroups: groups, valueSerializer: 'bytes', buckets: keys })
  try {
    for (let i = 0; i < keys; i++) writer.set(keyOf(i), valueOf(i, valueBytes, 0))
    const firstPush = await time(() => writer.push())
    return { ...(await stepsOf(writer, open, lab, keys)), 'first push': firstPush }
  } finally {
    await writer.close()
  }
}

async function stepsOf(writer: Database, open: (path: string) => Promise<Database>, lab: Lab, keys: number): Promise<Steps> {
  const chosen = some(probes, keys).map(keyOf)
  const value = valueOf(1, valueBytes, 1)
  const warm = lab.freshPath()
  const first = await open(warm)
  await first.close()
  let edition = 0
  let reader: Database | undefined
  const steps = {
    'open, nothing local': await repeated(async () => void (reader = await open(lab.freshPath())), () => reader!.close()),
    'open, unchanged since': await repeated(async () => void (reader = await open(warm)), () => reader!.close()),
    'get, local': (await repeated(async () => void (await Promise.all(chosen.map((key) => writer.get(key)))))) / chosen.length,
  }
  const puller = await open(warm)
  const pushes: number[] = []
  const pulls: number[] = []
  for (let round = 0; round < 4; round++) {
    writer.set(keyOf(7), valueOf(7, valueBytes, ++edition))
    pushes.push(await time(() => writer.push()))
    pulls.push(await time(() => puller.pull()))
  }
  const unchanged = await repeated(async () => void (await puller.pull()))
  await puller.close()
  // Last: taking them back takes the values out of the local file.
  const set = (await repeated(() => chosen.forEach((key) => writer.set(key, value)), () => writer.discard())) / chosen.length
  return { ...steps, set, 'push of one change': median(pushes.slice(1)), "pull of somebody's change": median(pulls.slice(1)), 'pull, unchanged': unchanged }
}

async function time(step: () => unknown): Promise<number> {
  const begun = performance.now()
  await step()
  return performance.now() - begun
}

/** The median of three after one to warm up. */
async function repeated(step: () => unknown, after?: () => unknown): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 4; round++) {
    times.push(await time(step))
    await after?.()
  }
  return median(times.slice(1))
}
