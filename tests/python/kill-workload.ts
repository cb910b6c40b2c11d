/** What a process writes until it is killed. A seed determines it, so that who kills knows what should be there. */
import { SeededRandom } from '../support/seed.js'
import type { History, Operation } from './history.js'

export interface Workload {
  readonly options: History['options']
  /** Each is closed by a sync. */
  batches(): Generator<readonly Operation[]>
}

/** What a file holds, by key; the values tell every write from every other. */
export type State = ReadonlyMap<string, string>

export function killWorkload(seed: number): Workload {
  const setup = new SeededRandom(seed)
  const buckets = setup.pick([6, 11, 97])
  const bufferSize = setup.pick([100, 1000, 20_000])
  return {
    options: { keySerializer: 'str', valueSerializer: 'str', buckets, bufferSize },
    *batches() {
      const random = new SeededRandom(seed + 1)
      const live = new Set<string>()
      for (let batch = 0; ; batch++) yield batchOf(random, live, batch)
    },
  }
}

function batchOf(random: SeededRandom, live: Set<string>, batch: number): Operation[] {
  const operations: Operation[] = []
  const count = 1 + random.below(60)
  for (let step = 0; step < count; step++) {
    const key = `key${String(random.below(200))}`
    if (random.below(4) > 0) {
      live.add(key)
      operations.push({ op: 'set', key, value: `${String(batch)}.${String(step)} ${'v'.repeat(random.below(120))}`, timestamp: 1_600_000_000_000_000 + batch * 1000 + step })
    } else if (live.delete(key)) {
      operations.push({ op: 'delete', key })
    }
  }
  if (random.below(12) === 0) operations.push({ op: 'prune' })
  return operations
}

/** The state after the first `count` batches, and the batch that comes then. */
export function stateAfter(workload: Workload, count: number): { state: State; next: readonly Operation[] } {
  const state = new Map<string, string>()
  let done = 0
  for (const batch of workload.batches()) {
    if (done === count) return { state, next: batch }
    applyTo(state, batch)
    done += 1
  }
  throw new Error('a workload has no end')
}

export function applyTo(state: Map<string, string>, operations: readonly Operation[]): Map<string, string> {
  for (const operation of operations) {
    if (operation.op === 'set') state.set(operation.key as string, operation.value as string)
    else if (operation.op === 'delete') state.delete(operation.key as string)
  }
  return state
}

/** What each key may hold when the operations were applied up to any point; undefined = absent. */
export function possibleValues(state: State, operations: readonly Operation[]): Map<string, Set<string | undefined>> {
  const possible = new Map([...state].map(([key, value]) => [key, new Set<string | undefined>([value])]))
  for (const operation of operations) {
    if (operation.op !== 'set' && operation.op !== 'delete') continue
    const key = operation.key as string
    const values = possible.get(key) ?? new Set<string | undefined>([undefined])
    possible.set(key, values.add(operation.op === 'set' ? (operation.value as string) : undefined))
  }
  return possible
}
