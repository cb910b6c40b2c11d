import type { Environment } from '../base/environment.js'
import type { ConditionalWrites } from '../sync/conditions.js'
import { seeConditionalWrites } from '../sync/see-conditions.js'
import type { OpenedConnection, RemoteConnection } from './connection/connection.js'

/* Of this process: by endpoint and bucket where the connection makes its stores, by the store where it is given. */
const byName = new Map<string, Promise<ConditionalWrites>>()
const byStore = new WeakMap<object, Promise<ConditionalWrites>>()

/** What conditional writes were seen to do there, by a race that is run once. */
export async function conditionalWrites(
  connection: RemoteConnection,
  remote: OpenedConnection,
  environment: Environment,
  signal: AbortSignal,
): Promise<ConditionalWrites> {
  const shared = connection.sharedStore === true
  const known = shared ? byStore.get(remote.store) : byName.get(remote.store.name)
  if (known) {
    // Somebody else's race may have been given up: then run one's own.
    const seen = await known.catch(() => undefined)
    if (seen) return seen
  }
  const race = seeConditionalWrites(remote, environment, signal)
  race.catch(() => undefined)
  if (shared) byStore.set(remote.store, race)
  else byName.set(remote.store.name, race)
  return race
}

/** A look at the conditions of a store while something else is waited for. */
export interface ConditionsWatch {
  /** Undefined where it couldn't be seen: then the lock alone protects. Never rejects. */
  readonly seen: Promise<ConditionalWrites | undefined>
  /** Ends the look, and leaves nothing of it. */
  giveUp(): Promise<void>
}

/** @param known what is remembered: then nobody is asked */
export function watchConditions(
  connection: RemoteConnection,
  remote: OpenedConnection,
  known: ConditionalWrites | undefined,
  environment: Environment,
  warn: (message: string) => void,
): ConditionsWatch {
  if (known) return { seen: Promise.resolve(known), giveUp: () => Promise.resolve() }
  const ending = new AbortController()
  const seen = conditionalWrites(connection, remote, environment, ending.signal).catch((error: unknown) => {
    if (!ending.signal.aborted) warn(`could not see whether conditional writes work on ${remote.store.name}, so the lock alone protects commits: ${String(error)}`)
    return undefined
  })
  return {
    seen,
    async giveUp() {
      ending.abort(new Error('the lock was not taken'))
      await seen
    },
  }
}
