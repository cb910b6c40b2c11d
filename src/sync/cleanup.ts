/** After a commit: deleting the objects that the state before it needed and the new one doesn't. */
import { groupKey, valueKey } from '../format/names.js'
import type { DeleteTarget, ObjectStore } from '../store/object-store.js'
import type { RemoteIndex } from './remote-index.js'
import type { Uploaded } from './upload.js'

export interface Generations {
  index: Pick<RemoteIndex, 'has'> & { keys(): Iterable<string> }
  manifest: ReadonlyMap<number, string>
}

/** The exact keys of what was replaced: never found by a prefix, so never a sibling's. */
export function replacedObjects(dbKey: string, before: Generations, after: Generations, uploaded: Pick<Uploaded, 'generations'>): string[] {
  const replaced: string[] = []
  for (const [gid, generation] of before.manifest) {
    if (after.manifest.get(gid) !== generation) replaced.push(groupKey(dbKey, gid, generation))
  }
  // Without a manifest the state before kept each value in an object of its own.
  if (before.manifest.size > 0) return replaced
  const values = after.manifest.size > 0 || uploaded.generations.size > 0 ? before.index.keys() : goneKeys(before, after)
  for (const key of values) replaced.push(valueKey(dbKey, key))
  return replaced
}

function* goneKeys(before: Generations, after: Generations): Generator<string> {
  for (const key of before.index.keys()) if (!after.index.has(key)) yield key
}

/** Returns the keys that could not be deleted: the commit stands all the same. */
export async function deleteReplaced(store: ObjectStore, dbKey: string, keys: readonly string[], versioned: boolean): Promise<string[]> {
  if (keys.length === 0) return []
  try {
    const targets = versioned ? await allVersions(store, dbKey, new Set(keys)) : keys.map((key) => ({ key }))
    const result = await store.delete(targets)
    return [...new Set(result.failures.map((failure) => failure.target.key))]
  } catch {
    return [...keys]
  }
}

/** In a versioned bucket a plain delete would only hide them, and keep them paid for. */
async function allVersions(store: ObjectStore, dbKey: string, keys: ReadonlySet<string>): Promise<DeleteTarget[]> {
  const targets: DeleteTarget[] = []
  const unlisted = new Set(keys)
  for await (const version of store.listVersions(`${dbKey}/`)) {
    if (!keys.has(version.key)) continue
    targets.push({ key: version.key, versionId: version.versionId })
    unlisted.delete(version.key)
  }
  // MinIO lists nothing below the key of an object: hide at least what it hides in its listing.
  for (const key of unlisted) targets.push({ key })
  return targets
}
