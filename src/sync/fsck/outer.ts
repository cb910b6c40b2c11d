/** Databases above a database: their values in per-key mode may have names below it. */
import { EbookletError } from '../../base/error.js'
import { decodeSnapshot, getDbObject, type RemoteLocation } from '../remote.js'
import { isDatabase } from './classify.js'
import { References } from './references.js'

/**
 * What databases at `a` and `a/b` refer to, for one at `a/b/c`: objects below it that are theirs.
 * One that can't be read may refer to anything.
 */
export async function outerReferences(remote: RemoteLocation, signal: AbortSignal | undefined): Promise<((object: string) => boolean)[]> {
  const { store, dbKey } = remote
  const found: ((object: string) => boolean)[] = []
  for (let at = dbKey.indexOf('/'); at >= 0; at = dbKey.indexOf('/', at + 1)) {
    const outer = dbKey.slice(0, at)
    if (outer === '') continue
    const head = await store.head(outer, { signal })
    if (head.status !== 'ok' || !isDatabase(head.info.metadata)) continue
    found.push(await referencesOf({ ...remote, dbKey: outer }, signal))
  }
  return found
}

async function referencesOf(remote: RemoteLocation, signal: AbortSignal | undefined): Promise<(object: string) => boolean> {
  try {
    const result = await getDbObject(remote, { signal })
    if (result.status !== 'ok') return () => false
    const references = new References(remote.dbKey, decodeSnapshot(result.info.metadata, result.bytes, result.info.etag, true))
    return (object) => references.refersTo(object)
  } catch (error) {
    if (!(error instanceof EbookletError) || 'store' in error) throw error
    return () => true
  }
}
