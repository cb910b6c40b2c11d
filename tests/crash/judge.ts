/** What a process that was killed may have left: what readers may see of the remote, and the next process of the local file. */
import type { Life, Step } from './plan.js'

/** Keys with their values; the metadata stands under a name that no key has. */
export type State = ReadonlyMap<string, string>

export const metadataName = '\0metadata'

export interface Content {
  content: Readonly<Record<string, string>>
  metadata?: unknown
}

export function stateOf({ content, metadata }: Content): State {
  const state = new Map(Object.entries(content))
  if (metadata !== undefined) state.set(metadataName, typeof metadata === 'string' ? metadata : JSON.stringify(metadata))
  return state
}

export function same(a: State, b: State): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

export function difference(found: State, expected: State): string {
  const keys = new Set([...found.keys(), ...expected.keys()])
  const short = (value: string | undefined) => (value === undefined ? 'absent' : value.slice(0, 20))
  const parts = [...keys].filter((key) => found.get(key) !== expected.get(key)).map((key) => `${key}: ${short(found.get(key))}, not ${short(expected.get(key))}`)
  return parts.length === 0 ? 'none' : parts.join('; ')
}

function applied(state: State, step: Step): State {
  const next = new Map(state)
  if (step.do === 'set') next.set(step.key, step.value)
  else if (step.do === 'delete') next.delete(step.key)
  else if (step.do === 'metadata') next.set(metadataName, step.value)
  else if (step.do === 'clear') for (const key of state.keys()) if (key !== metadataName) next.delete(key)
  return next
}

/** Follows what the processes say, and knows at any moment what may be found. */
export class Judge {
  /** What readers may see: the newest commit that is known to stand, then those of which it isn't known whether they arrived. */
  #commits: State[] = [new Map()]
  /** What was surely in the local file at the last sync. */
  #durable: State = new Map()
  /** The local file as its process has it. */
  #current: State = new Map()
  /** Edits since the last sync: each key may have any of these, or what it had. */
  #loose = new Map<string, Set<string | undefined>>()
  /** Per-key mode overwrites values before the commit: what a key's object may hold. */
  #objects = new Map<string, Set<string>>()
  #everCommitted = false

  /** False until a push was acknowledged: there may be no remote at all. */
  get everCommitted(): boolean {
    return this.#everCommitted
  }

  get candidates(): readonly State[] {
    return this.#commits
  }

  /** @returns what is wrong with it, if anything is */
  heard(line: string, life: Life): string | undefined {
    const [word = '', rest = ''] = split(line)
    const step = life.steps[Number(rest)]
    switch (word) {
      case 'view':
        return this.#viewed(stateOf(JSON.parse(rest) as Content))
      case 'edit':
        if (life.kind !== 'read') this.#edited(step!)
        return
      case 'synced':
        this.#settled()
        return
      case 'push':
        this.#commits.push(this.#current)
        for (const [key, value] of this.#current) this.#objects.set(key, new Set([...(this.#objects.get(key) ?? []), value]))
        return
      case 'pushed':
        this.#acknowledged(this.#current)
        return
      case 'nothing':
        return this.#everCommitted ? 'a reader finds no remote though a push was acknowledged' : undefined
      case 'error':
        return line
    }
    return
  }

  /** A reader that shares nothing with the others saw this after the process was dead. */
  sawRemote(found: State, grouped: boolean): string | undefined {
    const problem = this.mayBeSeen(found, this.#commits, grouped)
    if (problem !== undefined || !grouped) return problem
    const at = this.#commits.findIndex((commit) => same(commit, found))
    // The last push arrived, though nobody was told; or it did not, and never will.
    if (at > 0) this.#acknowledged(found)
    else this.#commits.splice(1)
    return undefined
  }

  mayBeSeen(found: State, commits: readonly State[], grouped: boolean): string | undefined {
    if (grouped) {
      if (commits.some((commit) => same(commit, found))) return undefined
      return `readers see none of the ${commits.length} states that may be there: ${commits.map((commit) => difference(found, commit)).join(' / ')}`
    }
    // The format of this mode promises the keys of one commit, and of each key a value that was pushed.
    const keysFit = commits.some((commit) => commit.size === found.size && [...found.keys()].every((key) => commit.has(key)))
    if (!keysFit) return `readers see the keys of none of the ${commits.length} states: ${commits.map((commit) => difference(found, commit)).join(' / ')}`
    const wrong = [...found].find(([key, value]) => !this.#objects.get(key)?.has(value))
    return wrong && `readers see a value of ${wrong[0]} that was never pushed, or is older than the last push: ${wrong[1].slice(0, 20)}`
  }

  #viewed(view: State): string | undefined {
    for (const key of new Set([...view.keys(), ...this.#durable.keys(), ...this.#loose.keys()])) {
      const found = view.get(key)
      if (found === this.#durable.get(key)) continue
      if (this.#loose.get(key)?.has(found)) continue
      return `the local file has ${found?.slice(0, 20) ?? 'nothing'} for ${JSON.stringify(key)}, which had ${this.#durable.get(key)?.slice(0, 20) ?? 'nothing'} at the last sync`
    }
    this.#current = view
    this.#settled()
    return undefined
  }

  #edited(step: Step): void {
    const next = applied(this.#current, step)
    for (const key of new Set([...next.keys(), ...this.#current.keys()])) {
      if (next.get(key) === this.#current.get(key)) continue
      const values = this.#loose.get(key) ?? new Set<string | undefined>()
      this.#loose.set(key, values.add(next.get(key)))
    }
    this.#current = next
  }

  #acknowledged(state: State): void {
    this.#commits = [state]
    this.#everCommitted = true
    this.#objects = new Map([...state].map(([key, value]) => [key, new Set([value])]))
    this.#durable = state
    this.#current = state
    this.#loose.clear()
  }

  #settled(): void {
    this.#durable = this.#current
    this.#loose.clear()
  }
}

function split(line: string): [string, string] {
  const at = line.indexOf(' ')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
}
