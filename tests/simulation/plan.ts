/** What a run will do, as data drawn from a seed: so that it can be replayed with fewer steps. */
import { SeededRandom } from '../support/seed.js'
import type { FaultRates } from './fault-store.js'

export interface Settings {
  seed: number
  /** Null: one object per key. */
  numGroups: number | null
  conditions: 'honoured' | 'ignored' | 'racy'
  etags: 'md5' | 'opaque'
  /** ms */
  granularity: number
  /** ms */
  staleness: number
  /** ms */
  staleDeletes: number
  /** µs by which the clock of the server, and of each actor, is off. */
  serverSkew: number
  skews: number[]
  checkerSkew: number
  /** Which actors have a store that tries again by itself. */
  patient: boolean[]
  rates: FaultRates
  /** Of the PUT of the db object. */
  commitRates: FaultRates
  /** Whether locks of living writers may be broken, and requests may arrive late or after their sender's death. */
  lawless: boolean
  /** Keys that are used. */
  keys: number
  crashes: boolean
  /** Whether there are writers that take the lock only while they push (`all`: no others), and watches and dry runs. */
  sharing: 'none' | 'some' | 'all'
}

/** The last two take the lock only while they push. They, and watches and dry runs, are in some runs only. */
export const roles = ['writer', 'deleter', 'breaker', 'warm', 'cold', 'pusher', 'merger'] as const
const sharers = 2
const lonely = roles.length - sharers
/** How many of the roles are played. */
export function actorsOf({ sharing }: Settings): number {
  return sharing === 'none' ? lonely : roles.length
}
/** Who checks and sweeps comes after all roles. */
export const checkerNumber = roles.length
export type Role = (typeof roles)[number]

export type Op =
  | 'set' | 'set-past' | 'update' | 'delete' | 'clear' | 'discard' | 'discard-some' | 'metadata' | 'push' | 'push-aborted' | 'pull' | 'get' | 'get-many'
  | 'load' | 'iterate' | 'prune' | 'sync' | 'close' | 'open' | 'open-n' | 'open-breaking' | 'kill' | 'forget' | 'check' | 'sweep' | 'watch' | 'plan'

export interface Step {
  id: number
  actor: number
  op: Op
  /** Numbers of keys. */
  keys: number[]
  /** A number for what the step needs: the length of a value, ms until an abort, a number of groups. */
  n: number
  /** ms before it begins. */
  wait: number
  /** Don't wait for its end. */
  background: boolean
  /** The process dies when so many of the step's requests have come to the server, or were done by it. */
  crash?: number
  /** No faults during the step. */
  calm?: boolean
}

const reading: Partial<Record<Op, number>> = { get: 10, 'get-many': 5, load: 3, iterate: 4, pull: 6, prune: 1, sync: 1, close: 3, open: 2 }
const writing: Partial<Record<Op, number>> = {
  ...reading, set: 16, 'set-past': 1, update: 3, delete: 6, clear: 0.3, discard: 0.7, 'discard-some': 1.5, metadata: 2, push: 14, 'push-aborted': 1.5, close: 13, 'open-n': 0.7, kill: 0.5,
}
/* Who pushes when it likes rarely closes. */
const pushing: Partial<Record<Op, number>> = { ...writing, push: 18, close: 4, 'open-n': 0.4, forget: 0.4 }
const weights: Record<Role, Partial<Record<Op, number>>> = {
  writer: writing,
  deleter: { ...writing, delete: 18, set: 8, clear: 1 },
  breaker: { ...writing, 'open-breaking': 5 },
  warm: reading,
  cold: { ...reading, forget: 3, kill: 0.5 },
  pusher: pushing,
  merger: { ...pushing, delete: 10 },
}

export function drawSettings(seed: number): Settings {
  return withSharers(drawLonely(seed))
}

function drawLonely(seed: number): Settings {
  const random = new SeededRandom(seed ^ 0x5e77)
  const conditions = random.pick(['honoured', 'honoured', 'ignored', 'racy'] as const)
  const numGroups = random.pick([null, 1, 3, 3, 5, 5])
  const lawless = conditions === 'honoured' && numGroups !== null && random.next() < 0.7
  const level = random.pick([0, 0.2, 0.5, 1, 3])
  // The lock of the original bears one of the two: its pause is as long as the grain of the clock.
  const weakness = random.below(3)
  const staleness = weakness === 2 ? 800 : lawless ? random.pick([0, 3000]) : 0
  const skew = () => random.pick([0, 0, random.below(20_000_000) - 10_000_000, random.below(7_200_000_000) - 3_600_000_000])
  const rates: FaultRates = {
    refused: 0.01 * level, busy: 0.01 * level, broken: 0.01 * level, lost: 0.01 * level, cut: 0.01 * level, short: 0.05 * level, whole: 0.05 * level,
    'list-cut': 0.01 * level, undeleted: 0.05 * level, slow: (lawless ? 0.02 : 0.005) * level, ...(lawless ? { late: 0.01 * level } : {}),
  }
  // Where a commit can't be lost whatever happens, much happens to it.
  const commitRates: FaultRates = lawless && level > 0 ? { ...rates, lost: 0.08, broken: 0.08, late: 0.08, slow: 0.25 } : rates
  return {
    seed, numGroups, conditions, lawless,
    etags: random.pick(['md5', 'opaque']),
    granularity: weakness === 1 || lawless ? random.pick([1, 1000]) : 1,
    staleness,
    staleDeletes: lawless ? random.pick([staleness, 20_000]) : staleness,
    serverSkew: skew(),
    skews: roles.slice(0, lonely).map(skew),
    patient: roles.slice(0, lonely).map(() => random.next() < 0.5),
    rates, commitRates,
    keys: random.pick([4, 10, 25]),
    crashes: random.next() < 0.8,
    checkerSkew: skew(),
    sharing: 'none',
  }
}

/* By numbers of their own, so that they leave the others as they are. */
function withSharers(settings: Settings): Settings {
  const random = new SeededRandom(settings.seed ^ 0x5a5a)
  const skews = Array.from({ length: sharers }, () => random.pick([0, 0, random.below(20_000_000) - 10_000_000, random.below(7_200_000_000) - 3_600_000_000]))
  const patient = skews.map(() => random.next() < 0.5)
  return { ...settings, skews: [...settings.skews, ...skews], patient: [...settings.patient, ...patient], sharing: random.pick(['none', 'some', 'some', 'all', 'all']) }
}

export function drawPlan(settings: Settings, length: number): Step[] {
  const random = new SeededRandom(settings.seed)
  const steps = Array.from({ length }, (_, id) => {
    return drawStep(settings, random, id, random.below(lonely))
  })
  return [...(settings.sharing === 'none' ? steps : withShared(settings, steps, length)), ...drawChecks(settings, length)]
}

function drawStep(settings: Settings, random: SeededRandom, id: number, actor: number): Step {
  const op = drawOp(random, weights[roles[actor]!])
  const step: Step = {
    id, actor, op,
    keys: Array.from({ length: 1 + random.below(4) }, () => random.below(settings.keys)),
    n: random.next(),
    wait: random.next() < 0.3 ? random.below(2000) : random.below(50),
    background: /^(get|get-many|load|iterate|pull|push)$/.test(op) && random.next() < 0.3,
  }
  if (random.next() < 0.03 && settings.crashes) step.crash = random.below(random.pick([4, 12, 40]))
  return step
}

/* Numbered after the checks. */
function withShared(settings: Settings, steps: readonly Step[], length: number): Step[] {
  const random = new SeededRandom(settings.seed ^ 0x3e3e)
  let id = 2 * length
  const all = [...steps]
  const add = (step: Step) => all.splice(random.below(all.length + 1), 0, step)
  for (let i = 0; i < Math.ceil(length / 2); i++) add(drawStep(settings, random, id++, lonely + random.below(sharers)))
  for (let i = 0; i < Math.ceil(length / 12); i++) {
    const actor = random.below(roles.length)
    add({ id: id++, actor, op: random.next() < 0.5 || /warm|cold/.test(roles[actor]!) ? 'watch' : 'plan', keys: [], n: random.next(), wait: random.below(50), background: false })
  }
  return all
}

/* By numbers of their own, so that they leave the others as they are. Some come long after all others. */
function drawChecks(settings: Settings, length: number): Step[] {
  const random = new SeededRandom(settings.seed ^ 0xf5c4)
  return Array.from({ length: Math.ceil(length / 25) }, (_, i) => {
    const step: Step = {
      id: length + i, actor: checkerNumber, op: random.next() < 0.6 ? 'sweep' : 'check', keys: [], n: random.next(),
      wait: random.below(random.pick([1000, 20_000, 60_000])), background: false,
    }
    if (random.next() < 0.1 && settings.crashes) step.crash = random.below(random.pick([4, 12, 40]))
    return step
  })
}

function drawOp(random: SeededRandom, table: Partial<Record<Op, number>>): Op {
  const entries = Object.entries(table) as [Op, number][]
  let at = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [op, weight] of entries) {
    if (at < weight) return op
    at -= weight
  }
  return entries[0]![0]
}
