/** Runs the same work by several contenders in turn, and says how they compare. */

/** One way to do a work. */
export interface Contender {
  name: string
  /** Makes ready what is not to be timed. Runs before every repeat. */
  prepare?: () => void | Promise<void>
  /** Does the work once; that is timed. What it gives has to be the same for all contenders of a work. */
  run: () => unknown
  /** Takes back what `prepare` and `run` left. Runs after every repeat. */
  clean?: () => void | Promise<void>
}

/** A piece of work, done by every contender. */
export interface Work {
  title: string
  /** How many operations one run is, for figures per second. Default: no such column. */
  operations?: number
  /** The first is the one that the others are measured by. */
  contenders: readonly Contender[]
  /** How many of the first contenders the others are measured by. Default 1. */
  peers?: number
  /** Repeats at most, for what takes long. */
  atMost?: number
}

/** Figures that are not times. */
export interface Sheet {
  head: readonly string[]
  rows: () => Promise<readonly (readonly string[])[]>
}

/** How large to make a benchmark. */
export interface Scale {
  quick: boolean
  /** As small as can be: tests see whether it runs. */
  tiny?: boolean
  /** Times that each contender does each work. */
  repeats: number
}

/** One file of bench/benches. */
export interface Benchmark {
  name: string
  /** What is measured, and under which settings (durability, sizes), in a sentence or two. */
  about: string
  /** Works one after the other, so that each can free what it took. */
  works: (scale: Scale) => Iterable<Work | Sheet> | AsyncIterable<Work | Sheet>
}

export interface Figure {
  contender: string
  /** ms of each repeat. */
  times: readonly number[]
  /** ms. */
  median: number
  /** Median of the ms of processor time that a repeat took, all threads of this process together. */
  cpu: number
  /** The median of the first contender by this one's: 2 is twice as fast. */
  ratio: number
}

export interface Measured {
  work: Work
  figures: readonly Figure[]
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) throw new RangeError('there is no median of nothing')
  return sorted.length % 2 === 1 ? upper : (upper + sorted[middle - 1]!) / 2
}

/**
 * Repeats are interleaved, each round beginning with another contender: what else the machine does meets all alike. One round
 * before them warms up and isn't counted.
 */
export async function measure(work: Work, wanted: number): Promise<Measured> {
  const { contenders } = work
  const repeats = Math.min(wanted, work.atMost ?? wanted)
  const times = contenders.map((): number[] => [])
  const cpus = contenders.map((): number[] => [])
  let expected: string | undefined
  for (let round = 0; round <= repeats; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const which = (round + turn) % contenders.length
      const contender = contenders[which]!
      const { took, cpu, result } = await timed(contender)
      const shown = JSON.stringify(result)
      expected ??= shown
      if (shown !== expected) throw new Error(`${work.title}: ${contender.name} gave ${String(shown)}, others gave ${expected}, so they did not do the same work`)
      if (round === 0) continue
      times[which]!.push(took)
      cpus[which]!.push(cpu)
    }
  }
  const medians = times.map(median)
  const figures = contenders.map(({ name }, i) => ({ contender: name, times: times[i]!, median: medians[i]!, cpu: median(cpus[i]!), ratio: medians[0]! / medians[i]! }))
  return { work, figures }
}

async function timed(contender: Contender): Promise<{ took: number; cpu: number; result: unknown }> {
  await contender.prepare?.()
  try {
    const before = process.cpuUsage()
    const begun = performance.now()
    const result = await contender.run()
    const took = performance.now() - begun
    const { user, system } = process.cpuUsage(before)
    return { took, cpu: (user + system) / 1000, result }
  } finally {
    await contender.clean?.()
  }
}
