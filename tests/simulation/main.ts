/**
 * npm run simulate -- [--steps N] [--seed S] [--length L] [--trace] [--only 1,2,3]
 *
 * Runs N steps (default 100,000) in runs of L (default 500) steps, from seed S (default: by the clock) on. The first
 * failure is shrunk, and printed with the command that replays it.
 */
import { drawPlan, drawSettings } from './plan.js'
import { command, shrink, tell } from './shrink.js'
import { simulate } from './simulate.js'

const args = new Map<string, string>()
const given = process.argv.slice(2)
for (let i = 0; i < given.length; i++) {
  const name = given[i]!
  if (!/^--(steps|seed|length|trace|only|calm|uncrashed)$/.test(name)) throw new Error(`unknown option ${name}; see the beginning of ${import.meta.filename}`)
  args.set(name.slice(2), name === '--trace' ? '' : (given[++i] ?? ''))
}
const number = (name: string, usual: number) => Number(args.get(name) ?? usual)
const steps = number('steps', 100_000)
const length = number('length', 500)
const first = number('seed', Math.floor(Date.now() / 1000))
const listed = (name: string) => new Set((args.get(name) ?? '').split(',').filter((text) => text !== '').map(Number))

if (args.has('only')) {
  const settings = drawSettings(first)
  const [only, calm, uncrashed] = [listed('only'), listed('calm'), listed('uncrashed')]
  const plan = drawPlan(settings, length).filter(({ id }) => only.has(id))
  for (const step of plan) {
    if (calm.has(step.id)) step.calm = true
    if (uncrashed.has(step.id)) delete step.crash
  }
  const outcome = await simulate(settings, plan, { trace: true })
  console.log(outcome.trace.join('\n'))
  console.log(outcome.failure ?? 'no failure')
} else {
  const totals = new Map<string, number>()
  const started = performance.now()
  let [commits, turns, done] = [0, 0, 0]
  for (let seed = first; done < steps; seed++) {
    const settings = drawSettings(seed)
    const plan = drawPlan(settings, length)
    const outcome = await simulate(settings, plan, { trace: args.has('trace') })
    if (args.has('trace')) console.log(outcome.trace.join('\n'))
    commits += outcome.commits
    turns += outcome.turns
    done += plan.length
    for (const [name, count] of outcome.counts) totals.set(name, (totals.get(name) ?? 0) + count)
    if (outcome.failure) {
      console.log(`seed ${seed} fails after ${done} steps: ${outcome.failure.message}`)
      console.log(command(seed, length, plan))
      const smallest = await shrink(settings, plan)
      console.log(tell(settings, smallest, length))
      process.exitCode = 1
      break
    }
  }
  for (const [name, count] of [...totals].sort()) console.log(`${String(count).padStart(8)} ${name}`)
  console.log(`${done} steps, ${commits} commits, ${turns} turns, seeds from ${first}, ${Math.round((performance.now() - started) / 1000)} s`)
}
