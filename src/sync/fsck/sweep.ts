/** Deleting what nothing refers to: only under the lock, and only while the db object is the one that was judged by. */
import { RemoteChangedError } from '../errors.js'
import type { DeleteTarget, GetResult, HeadResult } from '../../store/object-store.js'
import type { RemoteLocation } from '../remote.js'
import type { WriteLock } from '../push-context.js'
import type { Child } from './children.js'
import type { SweepOutcome } from './finding.js'

/** What tells one commit from another; the empty text where there is no db object. */
export function identityOf(found: HeadResult | GetResult): string {
  return found.status === 'ok' ? `${found.info.etag} ${found.info.metadata['timestamp'] ?? ''}` : ''
}

/** What decides whether something may go. */
export interface SweepRules {
  /** Undefined when nothing is to be swept. */
  lock: WriteLock | undefined
  /** ms: what is younger stays. */
  minAge: number
  /** ms since the Unix epoch, by the store's clock as well as it is known. */
  now: () => number
}

/** ms; undefined when the store gives no date. */
export function ageOf(lastModified: number | undefined, rules: SweepRules): number | undefined {
  return lastModified === undefined ? undefined : Math.max(0, rules.now() - lastModified)
}

/** What is to become of something that nothing refers to. Pure. */
export function decide(lastModified: number | undefined, rules: SweepRules): 'found' | 'sweep' | 'spared-young' | 'spared-undated' {
  const age = ageOf(lastModified, rules)
  if (age !== undefined && age < rules.minAge) return 'spared-young'
  if (rules.lock === undefined) return 'found'
  return age === undefined ? 'spared-undated' : 'sweep'
}

/** Deletes objects of one committed state, in batches. */
export class Sweeper {
  readonly #remote: RemoteLocation
  readonly #rules: SweepRules
  /** Of the db object that was judged by. */
  readonly #identity: string
  readonly #signal: AbortSignal | undefined
  objects = 0
  bytes = 0

  constructor(remote: RemoteLocation, rules: SweepRules, identity: string, signal: AbortSignal | undefined) {
    this.#remote = remote
    this.#rules = rules
    this.#identity = identity
    this.#signal = signal
  }

  /**
   * @throws LockLostError, RemoteChangedError: nothing of this batch was deleted
   */
  async sweep(children: readonly Child[]): Promise<Map<Child, SweepOutcome>> {
    const outcomes = new Map<Child, SweepOutcome>()
    const { lock } = this.#rules
    if (lock === undefined || children.length === 0) return outcomes
    this.#signal?.throwIfAborted()
    await lock.verify(this.#signal)
    await this.#checkUnchanged()
    this.#signal?.throwIfAborted()
    const failed = await this.#delete(children.flatMap((child) => child.targets))
    for (const child of children) {
      const outcome = failed.has(child.object) ? 'failed' : 'swept'
      outcomes.set(child, outcome)
      if (outcome === 'failed') continue
      this.objects++
      this.bytes += child.bytes
    }
    return outcomes
  }

  /* Nobody may push while the lock is held; if somebody did, what was judged no longer counts. */
  async #checkUnchanged(): Promise<void> {
    const { store, dbKey } = this.#remote
    const head = await store.head(dbKey, { signal: this.#signal })
    if (identityOf(head) !== this.#identity) throw new RemoteChangedError(`${store.name} ${dbKey}`)
  }

  async #delete(targets: readonly DeleteTarget[]): Promise<Set<string>> {
    const failed = new Set<string>()
    for (let at = 0; at < targets.length; at += 1000) {
      const part = targets.slice(at, at + 1000)
      try {
        for (const { target } of (await this.#remote.store.delete(part)).failures) failed.add(target.key)
      } catch {
        this.#signal?.throwIfAborted()
        for (const { key } of part) failed.add(key)
      }
    }
    return failed
  }
}
