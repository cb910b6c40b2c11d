/**
 * Whether a store's conditional writes work. Headers and names don't tell: some servers ignore conditions, some
 * check them and write all the same. So it is seen in a race on a throw-away key, or not relied on.
 */
import { utf8Encode, equalBytes } from '../base/bytes.js'
import type { Environment } from '../base/environment.js'
import { newId, probeKey } from '../format/names.js'
import { deleteReplaced } from './cleanup.js'
import { lockOnly, type ConditionalWrites } from './conditions.js'
import type { RemoteLocation } from './remote.js'

const racers = 8
const rounds = 2

/** Races writers on a throw-away key below the database. Leaves nothing behind. */
export async function seeConditionalWrites(remote: RemoteLocation, environment: Environment, signal?: AbortSignal): Promise<ConditionalWrites> {
  const probe = new Probe(remote, environment, signal)
  try {
    if (!(await probe.create())) return lockOnly
    for (const form of ['quoted', 'bare'] as const) if (await probe.match(form)) return { create: true, match: form }
    return { create: true, match: undefined }
  } finally {
    await probe.cleanUp()
  }
}

class Probe {
  readonly #remote: RemoteLocation
  readonly #environment: Environment
  readonly #signal: AbortSignal | undefined
  readonly #keys: string[] = []
  #versioned = false

  constructor(remote: RemoteLocation, environment: Environment, signal: AbortSignal | undefined) {
    this.#remote = remote
    this.#environment = environment
    this.#signal = signal
  }

  async create(): Promise<boolean> {
    for (let round = 0; round < rounds; round++) {
      if (!(await this.#oneWins(this.#newKey(), { ifNoneMatch: '*' }))) return false
    }
    return true
  }

  async match(form: 'quoted' | 'bare'): Promise<boolean> {
    for (let round = 0; round < rounds; round++) {
      const key = this.#newKey()
      const { etag } = await this.#remote.store.put(key, utf8Encode('before'))
      this.#signal?.throwIfAborted()
      if (etag === '' || !(await this.#oneWins(key, { ifMatch: etag, etagForm: form }))) return false
    }
    return true
  }

  /** True when exactly one of several writers succeeds, and what is there afterwards is what that one wrote. */
  async #oneWins(key: string, condition: { ifNoneMatch: '*' } | { ifMatch: string; etagForm: 'quoted' | 'bare' }): Promise<boolean> {
    const { store } = this.#remote
    const bodies = Array.from({ length: racers }, (_, i) => utf8Encode(`racer ${i} of ${key}`))
    // Not cut short by the signal: a PUT that was given up may arrive after the clean-up.
    const results = await Promise.allSettled(bodies.map((body) => store.put(key, body, condition)))
    this.#signal?.throwIfAborted()
    const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
    if (results.some((result) => result.status === 'fulfilled' && result.value.versionId !== undefined)) this.#versioned = true
    if (winners.length !== 1) return false
    const found = await store.get(key, { signal: this.#signal })
    return found.status === 'ok' && equalBytes(found.bytes, bodies[winners[0]!]!)
  }

  /** Best effort: such objects are never referenced, and sweeping finds them. */
  async cleanUp(): Promise<void> {
    await deleteReplaced(this.#remote.store, this.#remote.dbKey, this.#keys, this.#versioned)
  }

  #newKey(): string {
    const key = probeKey(this.#remote.dbKey, newId(this.#environment))
    this.#keys.push(key)
    return key
  }
}
