/** What lies below a database in the store, key by key, as it comes out of a listing. */
import { childPrefix } from '../../format/names.js'
import type { DeleteTarget, ListedVersion, ObjectStore } from '../../store/object-store.js'
import { everyVersion } from '../every-version.js'

/** One key with everything that the store keeps of it. */
export interface Child {
  object: string
  /** False when only old versions or delete markers are left. */
  present: boolean
  /** All that has to be deleted so that nothing of it stays. */
  targets: DeleteTarget[]
  /** Bytes of all versions. */
  bytes: number
  /** Bytes of the object as it is read now. */
  size: number
  versions: number
  deleteMarkers: number
  /** ms, of the newest version; undefined when the store gives no date for one. */
  lastModified: number | undefined
}

/** Versions of one key that are kept in memory to be deleted; what is beyond goes with the next sweep. */
const maxTargets = 10_000

/**
 * Every key below the database, in the order of the listing.
 * @throws UnsupportedOperationError where nothing can be listed, as over a public URL
 */
export async function* listChildren(store: ObjectStore, dbKey: string, signal: AbortSignal | undefined): AsyncGenerator<Child> {
  let child: Child | undefined
  for await (const version of everyVersion(store, childPrefix(dbKey), 'list', signal)) {
    if (child?.object !== version.key) {
      if (child) yield child
      child = { object: version.key, present: false, targets: [], bytes: 0, size: 0, versions: 0, deleteMarkers: 0, lastModified: version.lastModified }
    }
    addVersion(child, version)
  }
  if (child) yield child
}

function addVersion(child: Child, version: ListedVersion): void {
  if (version.isLatest && !version.isDeleteMarker) {
    child.present = true
    child.size = version.size
  }
  if (version.isDeleteMarker) child.deleteMarkers++
  else child.versions++
  child.bytes += version.size
  const { lastModified } = version
  child.lastModified = child.lastModified === undefined || lastModified === undefined ? undefined : Math.max(child.lastModified, lastModified)
  if (child.targets.length < maxTargets) child.targets.push({ key: version.key, versionId: version.versionId })
}
