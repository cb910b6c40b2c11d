import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface Machine {
  cores: number
  /** Processes that ran or waited in the last minute. */
  load: number
  text: string
}

/** On what it is measured; `versions` of what takes part. */
export function machine(versions: Readonly<Record<string, string>>): Machine {
  const cores = availableParallelism()
  const load = loadavg()[0] ?? 0
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const parts = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return { cores, load, text: `${cores} cores (${model}), ${memory}, ${process.platform}, Node ${process.versions.node}, ${parts.join(', ')}, load ${load.toFixed(1)}` }
}
