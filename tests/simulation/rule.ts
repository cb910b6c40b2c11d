/** The rule about conflicts of one push, what it was asked, and what it allows to be replaced. */
import type { Conflict, ConflictSummary, Resolution } from '../../src/index.js'
import type { SeededRandom } from '../support/seed.js'
import type { FileModel } from './file-model.js'
import { addTo, metaName, shown, Violation, type PushRecord, type World } from './world.js'

export type Strategy = 'local' | 'remote' | 'stop' | 'ask'

interface Decision {
  key: string
  /** µs of what the remote had. */
  remote: number | undefined
  answer: 'local' | 'remote' | 'value'
  /** JSON of the new value; null: deleted. */
  made: string | null
}

/** What a replacement is called where keys are named. */
const everything = '(everything)'

export class Rule {
  readonly strategy: Strategy
  readonly decisions: Decision[] = []
  readonly #file: FileModel
  readonly #world: World
  readonly #record: PushRecord
  readonly #random: SeededRandom
  readonly #seen: () => number | undefined
  readonly #pause: () => Promise<void>
  readonly #name: string
  #made = 0

  constructor(strategy: Strategy, parts: { file: FileModel; world: World; record: PushRecord; random: SeededRandom; name: string; seen: () => number | undefined; pause: () => Promise<void> }) {
    this.strategy = strategy
    this.#file = parts.file
    this.#world = parts.world
    this.#record = parts.record
    this.#random = parts.random
    this.#name = parts.name
    this.#seen = parts.seen
    this.#pause = parts.pause
    // Whatever comes of it: what both made the same is no longer pending, and what is decided for the remote isn't either.
    for (const key of this.#file.pending.keys()) this.#file.may(key, undefined)
    this.#file.mayLoseReplacement()
  }

  get onConflict(): 'local' | 'remote' | 'stop' | ((conflict: Conflict<string>) => Promise<Resolution<string>>) {
    return this.strategy === 'ask' ? (conflict) => this.#decide(conflict) : this.strategy
  }

  /** Whether a commit of this push may replace what the remote has of a key. */
  mayReplace(key: string, timestamp: number | undefined): boolean {
    if (this.strategy === 'local' || this.#file.isBase(key, timestamp)) return true
    return this.decisions.some((decision) => decision.key === key && decision.remote === timestamp && decision.answer !== 'remote')
  }

  mayReplaceAll(commit: number): boolean {
    if (this.strategy === 'local' || this.#file.isReplaceBase(commit)) return true
    return this.decisions.some(({ key, remote, answer }) => key === everything && remote === commit && answer === 'local')
  }

  /** Whether a pending change may be gone after the push, as far as the rule goes. */
  mayDrop(key: string): boolean {
    return this.strategy === 'remote' || this.decisions.some((decision) => (decision.key === key || decision.key === everything) && decision.answer !== 'local')
  }

  /** What a key was decided to be. */
  valuesOf(key: string): (string | null)[] {
    return this.decisions.filter((decision) => decision.key === key && decision.answer === 'value').map(({ made }) => made)
  }

  /** A conflict is told only where somebody else has changed what the change was based on. */
  check(conflicts: readonly (Pick<ConflictSummary, 'kind' | 'key'>)[], remote: { timestampOf: (key: string) => number | undefined; commit: number | undefined }): void {
    if (this.#file.crashed) return
    for (const { kind, key } of conflicts) {
      const name = key ?? metaName
      const mine = kind === 'replacement' ? this.#file.isOnlyReplaceBase(remote.commit) : this.#file.isOnlyBase(name, remote.timestampOf(name))
      if (mine) throw new Violation(`a conflict (${kind}) about ${name}, which nobody else has changed`)
    }
  }

  async #decide(conflict: Conflict<string>): Promise<Resolution<string>> {
    const { kind, remote } = conflict
    const key = kind === 'replacement' ? everything : (conflict.key ?? metaName)
    if (kind !== 'replacement') this.#checkShown(key, conflict)
    if (this.#random.next() < 0.3) await this.#pause()
    const answer = this.#random.pick<Decision['answer']>(kind === 'replacement' ? ['local', 'remote'] : ['local', 'remote', 'value'])
    const gone = answer === 'value' && key !== metaName && this.#random.next() < 0.2
    const value = `m${this.#name}.${this.#made++}`
    const made = gone || answer !== 'value' ? null : JSON.stringify(key === metaName ? { merged: value } : value)
    this.decisions.push({ key, remote: kind === 'replacement' ? this.#seen() : remote.deleted ? undefined : remote.timestamp, answer, made })
    if (key === everything && answer === 'remote') this.#record.replace = false
    if (answer !== 'value') return answer
    this.#file.may(key, made)
    addTo(this.#record.candidates, key, made)
    if (key === metaName) return { metadata: { merged: value } }
    return { value: gone ? undefined : value }
  }

  #checkShown(key: string, { local, remote, base }: Conflict<string>): void {
    const seen = this.#world.commitAt(this.#seen())
    const held = seen?.content.get(key)
    // Metadata that was removed still has a timestamp.
    const removed = key === metaName && remote.deleted && !held
    if (remote.timestamp !== held?.timestamp && !removed) throw new Violation(`a conflict about ${key} shows the remote's of ${remote.timestamp}, which is of ${held?.timestamp}`)
    const value = remote.deleted ? undefined : JSON.stringify(remote.value)
    if (seen && !this.#world.visible(key, seen.seq, this.#world.commits.length).has(value)) throw new Violation(`a conflict about ${key} shows ${shown(value)} for the remote`)
    const mine = local.deleted ? null : JSON.stringify(local.value)
    if (!this.#file.wasPending(key, mine)) throw new Violation(`a conflict about ${key} shows ${shown(mine)} for what is pending`)
    if (!base.known || base.deleted || seen?.numGroups === undefined) return
    const before = this.#world.commits.map(({ content }) => content.get(key)).find((past) => past?.timestamp === base.timestamp)
    if (JSON.stringify(base.value) !== before?.value) throw new Violation(`a conflict about ${key} shows ${shown(JSON.stringify(base.value))} for the base, which was ${shown(before?.value)}`)
  }
}
