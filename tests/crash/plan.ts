/**
 * What each life of a process that will be killed does, and when it is killed. All of it follows from the seed and the
 * number of the life, so that the process and whoever judges it know the same, and a seed replays a run (as far as the
 * moment of a kill can be replayed).
 */
import { SeededRandom } from '../support/seed.js'

export type Step =
  | { do: 'set'; key: string; value: string }
  | { do: 'delete'; key: string }
  | { do: 'clear' }
  | { do: 'metadata'; value: string }
  /** Drops local copies, so that the next push has to fetch what it repacks. */
  | { do: 'prune' }
  | { do: 'sync' }
  | { do: 'push' }

/** `push` edits and pushes, `local` edits and syncs only, `read` fills the local copy of a reader. */
export type LifeKind = 'push' | 'local' | 'read'

/** What the process says on its standard output, a line each. */
export const moments = ['opening', 'edit', 'sync', 'upload', 'commit', 'cleanup', 'pushed', 'closing'] as const
export type Moment = (typeof moments)[number]

export interface Life {
  kind: LifeKind
  /** When it holds the lock. */
  lock: 'session' | 'push'
  steps: readonly Step[]
  /** It is killed this long (ms) after it said for the nth time that it got there. */
  killed: { at: Moment; nth: number; delay: number }
}

export interface Job {
  remote: { endpoint: string; bucket: string; accessKeyId: string; secretAccessKey: string } | { folder: string }
  dbKey: string
  path: string
  numGroups: number | null
  seed: number
  life: number
}

const keys = Array.from({ length: 30 }, (_, at) => `key ${at}`)

export function lifeOf(seed: number, life: number): Life {
  const random = new SeededRandom(Math.imul(seed, 1_000_003) + life)
  const draw = random.next()
  const kind = draw < 0.7 ? 'push' : draw < 0.85 ? 'local' : 'read'
  const steps: Step[] = []
  const rounds = 1 + random.below(3)
  for (let round = 0; round < rounds; round++) {
    const edits = 1 + random.below(12)
    for (let edit = 0; edit < edits; edit++) steps.push(editOf(random, `${life}.${round}.${edit}`))
    if (kind === 'push') steps.push({ do: 'push' })
    else if (random.below(4) > 0) steps.push({ do: 'sync' })
  }
  return { kind, lock: life % 2 === 0 ? 'session' : 'push', steps, killed: killOf(random, kind, rounds) }
}

function editOf(random: SeededRandom, name: string): Step {
  const draw = random.below(100)
  if (draw < 1) return { do: 'clear' }
  if (draw < 5) return { do: 'prune' }
  if (draw < 9) return { do: 'metadata', value: name }
  if (draw < 14) return { do: 'sync' }
  const key = random.pick(keys)
  if (draw < 34) return { do: 'delete', key }
  return { do: 'set', key, value: `${name} ${'.'.repeat(Math.floor(random.next() ** 4 * 5000))}` }
}

function killOf(random: SeededRandom, kind: LifeKind, rounds: number): Life['killed'] {
  const choices: Record<LifeKind, readonly Moment[]> = {
    push: ['opening', 'edit', 'upload', 'upload', 'upload', 'commit', 'commit', 'commit', 'cleanup', 'cleanup', 'pushed', 'closing'],
    local: ['opening', 'edit', 'edit', 'sync', 'sync', 'closing'],
    read: ['opening', 'edit', 'edit', 'closing'],
  }
  const at = random.pick(choices[kind])
  const nth = at === 'opening' || at === 'closing' ? 1 : 1 + random.below(kind === 'push' && at !== 'edit' ? rounds : 6)
  // Opening takes the longest by far; elsewhere the first ms are the ones that matter.
  const delay = at === 'opening' ? random.next() * 120 : random.next() ** 3 * 15
  return { at, nth, delay }
}
