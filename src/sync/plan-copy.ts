/** Which objects a copy of a database needs, decided purely from what its db object says. */
import { groupId } from '../format/group-id.js'
import type { IndexEntry } from '../format/index-entry.js'
import { groupKey, valueKey } from '../format/names.js'
import type { RemoteSnapshot } from './remote.js'

/** One object of the source, and what it becomes. */
export interface CopyItem {
  source: string
  target: string
  /** Of a value in per-key mode: the index's timestamp, µs. Undefined for a group, whose name says all. */
  timestamp: number | undefined
}

/** By the key of the target object. */
export function planCopy(snapshot: RemoteSnapshot, from: string, to: string): Map<string, CopyItem> {
  const items = new Map<string, CopyItem>()
  const add = (source: string, target: string, timestamp: number | undefined) => items.set(target, { source, target, timestamp })
  if (snapshot.metadata.numGroups !== undefined) {
    for (const [gid, generation] of snapshot.state.manifest) add(groupKey(from, gid, generation), groupKey(to, gid, generation), undefined)
  } else {
    for (const [key, { timestamp }] of snapshot.index.entries()) add(valueKey(from, key), valueKey(to, key), timestamp)
  }
  return items
}

/** Keys whose values lie in these objects of the source: for messages. */
export function keysIn(snapshot: RemoteSnapshot, from: string, objects: ReadonlySet<string>, most = 20): string[] {
  const found: string[] = []
  for (const [key] of snapshot.index.entries() as Iterable<[string, IndexEntry]>) {
    if (objects.has(objectOf(snapshot, from, key)) && found.push(key) === most) break
  }
  return found
}

function objectOf({ metadata: { numGroups }, state: { manifest } }: RemoteSnapshot, from: string, key: string): string {
  if (numGroups === undefined) return valueKey(from, key)
  const gid = groupId(key, numGroups)
  return groupKey(from, gid, manifest.get(gid) ?? '')
}
