import { AccessDeniedError, StoreRequestError, UnsupportedOperationError } from '../store/errors.js'
import type { ListedVersion, ObjectStore } from '../store/object-store.js'

/**
 * All that lies under a prefix, old versions too where the store can list them; otherwise each object once.
 *
 * @param refused what to do where the store lists versions, but not for these credentials: `list` lists objects alone,
 *   which is enough for looking; `throw` is for whoever must not leave a version behind
 */
export async function* everyVersion(store: ObjectStore, prefix: string, refused: 'list' | 'throw', signal: AbortSignal | undefined): AsyncGenerator<ListedVersion> {
  let begun = false
  try {
    for await (const version of store.listVersions(prefix, { signal })) {
      begun = true
      yield version
    }
    return
  } catch (error) {
    if (begun || !(error instanceof UnsupportedOperationError || (refused === 'list' && isRefusal(error)))) throw error
  }
  for await (const object of store.list(prefix, { signal })) yield { ...object, versionId: undefined, isLatest: true, isDeleteMarker: false }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AccessDeniedError || (error instanceof StoreRequestError && error.status !== undefined && error.status < 500 && error.status >= 400)
}
