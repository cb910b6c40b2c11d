/**
 * Which objects below a database's key are its own, decided purely from a listing. A database may lie below the key of
 * another one (`D` and `D/other.blt`), so what merely starts with `D/` is not enough.
 */
import { childPrefix, isLockTicket, isProbeKey, parseGroupKey, parseValueKey } from '../format/names.js'

/** What the db object said of how the values are kept; `unknown` when it is gone, after a teardown that was torn. */
export type Layout =
  | { kind: 'groups' }
  | { kind: 'values'; has: (key: string) => boolean }
  /** Format 1: groups without generations, or values, and an object of metadata. */
  | { kind: 'format-1'; numGroups: number | undefined; has: (key: string) => boolean }
  | { kind: 'unknown' }

export interface DeletePlan {
  /** Certainly this database's. */
  own: string[]
  /** By name this database's, but possibly another database: its user metadata tells. */
  ask: string[]
  /** Not this database's by name, but possibly another one in whose realm some of `own` and `ask` lie. */
  suspects: string[]
  /** Keys of databases that somebody has locked, present or still to come. */
  locked: string[]
}

/** @param keys every object key below the database's; probes that are still in use must be left out */
export function planDelete(dbKey: string, keys: readonly string[], layout: Layout): DeletePlan {
  const { parents, locked } = keysWithChildren(dbKey, keys)
  const plan: DeletePlan = { own: [], ask: [], suspects: [], locked }
  for (const key of keys) {
    if (isLockTicket(key)) continue
    if (parseGroupKey(dbKey, key) !== undefined || isProbeKey(dbKey, key)) (parents.has(key) ? plan.ask : plan.own).push(key)
    else if (layout.kind === 'unknown') plan.ask.push(key)
    else if (belongs(dbKey, key, layout)) (parents.has(key) ? plan.ask : plan.own).push(key)
    else if (layout.kind !== 'groups' && parents.has(key)) plan.suspects.push(key)
  }
  return plan
}

function belongs(dbKey: string, objectKey: string, layout: Exclude<Layout, { kind: 'unknown' }>): boolean {
  if (layout.kind === 'groups') return false
  const key = parseValueKey(dbKey, objectKey)
  if (key === undefined) return false
  if (layout.kind === 'values') return layout.has(key)
  if (key === '_metadata') return true
  if (layout.numGroups === undefined) return layout.has(key)
  return /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) < layout.numGroups
}

/** Keys of which others say, by their names, that they may be databases: something lies below, or a lock beside them. */
function keysWithChildren(dbKey: string, keys: readonly string[]): { parents: Set<string>; locked: string[] } {
  const parents = new Set<string>()
  const locked = new Set<string>()
  const start = childPrefix(dbKey).length
  for (const key of keys) {
    const lock = /\.lock\.[0-9a-f]{13}-[01]$/.exec(key)
    if (lock !== null) locked.add(key.slice(0, lock.index))
    for (let at = key.indexOf('/', start); at > 0; at = key.indexOf('/', at + 1)) parents.add(key.slice(0, at))
  }
  for (const key of locked) parents.add(key)
  return { parents, locked: [...locked] }
}

/** Whether a key is that of one of these databases, or lies below or beside one as a child or lock ticket of it. */
export function isOf(databases: readonly string[], key: string): boolean {
  return databases.some((db) => key === db || key.startsWith(childPrefix(db)) || key.startsWith(`${db}.lock.`))
}
