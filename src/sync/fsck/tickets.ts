/** Lock tickets that somebody left. They are told of, never swept: breaking a lock takes an explicit word. */
import { lockPrefix, parseLockKey } from '../../format/names.js'
import { listLocks, STALE_AFTER } from '../../lock/index.js'
import { StoreError } from '../../store/errors.js'
import type { ListedObject } from '../../store/object-store.js'
import type { RemoteLocation } from '../remote.js'
import { remoteFinding, type RemoteFinding } from './finding.js'

/** ms after which half a ticket is no longer one that is just being written. */
const halfAfter = 60_000

interface Halves {
  id: string
  objects: ListedObject[]
}

/** Tells of tickets that are old or incomplete, and of what only has their name. */
export async function judgeTickets(
  { store, dbKey }: RemoteLocation,
  context: { ownTicket: string | undefined; now: () => number; signal: AbortSignal | undefined; add: (finding: RemoteFinding) => void },
): Promise<void> {
  const { ownTicket, now, signal, add } = context
  const tickets = new Map<string, Halves>()
  try {
    for await (const object of store.list(lockPrefix(dbKey), { signal })) {
      const name = parseLockKey(dbKey, object.key)
      if (name === undefined || name.id === ownTicket) continue
      const ticket = tickets.get(name.id) ?? { id: name.id, objects: [] }
      ticket.objects.push(object)
      tickets.set(name.id, ticket)
      if (object.size !== 1) add(remoteFinding('foreign-ticket', { object: object.key, bytes: object.size }))
    }
  } catch (error) {
    // Where nothing can be listed, nobody can lock either.
    if (error instanceof StoreError && error.code === 'UNSUPPORTED_OPERATION') return
    throw error
  }
  const suspects = [...tickets.values()].filter(({ objects }) => isLeft(objects, now()))
  if (suspects.length === 0) return
  const known = new Map((await listLocks(store, dbKey, { signal })).map((holder) => [holder.id, holder]))
  for (const { id, objects } of suspects) {
    const since = dateOf(objects)
    add(remoteFinding('stale-lock', { id, exclusive: known.get(id)?.exclusive, since, age: since === undefined ? undefined : Math.max(0, now() - since), half: objects.length < 2 }))
  }
}

/* Of the second object where there is one, as the election counts. */
function dateOf(objects: readonly ListedObject[]): number | undefined {
  return objects.at(-1)?.lastModified
}

function isLeft(objects: readonly ListedObject[], now: number): boolean {
  const since = dateOf(objects)
  if (since === undefined) return objects.length < 2
  return now - since >= (objects.length < 2 ? halfAfter : STALE_AFTER)
}
