import { describe, expect, it } from 'vitest'
import { drawPlan, drawSettings } from './plan.js'
import { command, shrink, tell } from './shrink.js'
import { simulate } from './simulate.js'

const length = 500

async function survives(seed: number): Promise<number> {
  const settings = drawSettings(seed)
  const plan = drawPlan(settings, length)
  const outcome = await simulate(settings, plan)
  if (outcome.failure) throw new Error(`${command(seed, length, plan)}\n${tell(settings, await shrink(settings, plan, 20_000), length)}`, { cause: outcome.failure })
  return outcome.commits
}

describe('ten thousand steps of five or seven actors, with faults, crashes and rivals', () => {
  /* Seeds that found something once, and others. docs/simulation.md tells what each found. */
  const found = [2, 9, 143, 144, 147, 311]
  const others = Array.from({ length: 14 }, (_, i) => 2000 + i)
  it.each([...found, ...others])('seed %i', async (seed) => {
    await survives(seed)
  })
})

describe('the simulation', () => {
  it('does the same for the same seed, to the last word', async () => {
    const run = () => simulate(drawSettings(311), drawPlan(drawSettings(311), 200), { trace: true })
    // Nothing in it may depend on the machine: neither its clock nor the names of its folders.
    const clean = (trace: readonly string[]) => trace.map((line) => line.replaceAll(/\S*ebooklet-simulation-\w+/g, '…'))
    expect(clean((await run()).trace)).toEqual(clean((await run()).trace))
  })

  it('makes commits, faults and crashes', async () => {
    const counts = new Map<string, number>()
    let commits = 0
    for (const seed of [311, 147, 2]) {
      const outcome = await simulate(drawSettings(seed), drawPlan(drawSettings(seed), 300))
      commits += outcome.commits
      for (const [name, count] of outcome.counts) counts.set(name, (counts.get(name) ?? 0) + count)
    }
    expect(commits).toBeGreaterThan(5)
    for (const name of ['conflict both-changed local', 'conflict both-changed remote', 'plan ok', 'told', 'push ok', 'get ok', 'iterate ok', 'check ok', 'sweep ok', 'swept', 'by parts', 'fault lost', 'fault refused', 'fault busy', 'fault slow']) expect(counts.get(name), name).toBeGreaterThan(0)
  })
})
