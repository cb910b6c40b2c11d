/** Finding a short plan that still fails. */
import type { Settings, Step } from './plan.js'
import { simulate, type Outcome } from './simulate.js'

export interface Shrunk {
  plan: Step[]
  outcome: Outcome
}

/** Leaves out steps, then crashes and faults, as long as something still fails. @param budget ms */
export async function shrink(settings: Settings, plan: readonly Step[], budget = 60_000): Promise<Shrunk> {
  const end = performance.now() + budget
  const fails = async (candidate: readonly Step[]) => performance.now() < end && (await simulate(settings, candidate)).failure !== undefined
  let best = [...plan]
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = best.length - size; at > -size; at -= size) {
      const from = Math.max(0, at)
      const without = [...best.slice(0, from), ...best.slice(from + size)]
      if (without.length < best.length && (await fails(without))) best = without
    }
  }
  for (let i = 0; i < best.length; i++) {
    for (const change of [(step: Step) => ({ ...step, calm: true }), uncrashed, (step: Step) => ({ ...step, background: false })]) {
      const changed = best.map((step, at) => (at === i ? change(step) : step))
      if (change === uncrashed && best[i]!.crash === undefined) continue
      if (await fails(changed)) best = changed
    }
  }
  return { plan: best, outcome: await simulate(settings, best, { trace: true }) }
}

function uncrashed(step: Step): Step {
  const { crash: _crash, ...rest } = step
  return rest
}

export function command(seed: number, length: number, plan: readonly Step[]): string {
  const all = plan.length > length
  const ids = (test: (step: Step) => boolean) => plan.filter(test).map(({ id }) => id).join()
  return `npm run simulate -- --seed ${seed} --length ${length}${all ? ` --steps ${length}` : ` --only ${ids(() => true)} --calm ${ids(({ calm }) => calm === true)}`}`
}

/** The failure with its trace, for people. */
export function tell(settings: Settings, { plan, outcome }: Shrunk, length: number): string {
  return [
    JSON.stringify(settings),
    ...outcome.trace,
    `${outcome.failure?.stack ?? 'the shortest plan does not fail any more'}${outcome.failure?.cause instanceof Error ? `\ncaused by ${outcome.failure.cause.stack}` : ''}`,
    `seed ${settings.seed}, ${plan.length} steps; to replay: ${command(settings.seed, length, plan)}`,
  ].join('\n')
}
