/** Multipart uploads that were never completed nor given up: readers don't see them, but their parts are kept and paid for. */
import { childPrefix, parseGroupKey } from '../../format/names.js'
import { AccessDeniedError, UnsupportedOperationError } from '../../store/errors.js'
import type { ListedUpload, PartUploads } from '../../store/object-store.js'
import type { RemoteLocation } from '../remote.js'
import { remoteFinding, type RemoteFinding, type SweepOutcome } from './finding.js'
import type { References } from './references.js'
import { ageOf, decide, type SweepRules } from './sweep.js'

export interface UploadContext {
  remote: RemoteLocation
  references: References
  rules: SweepRules
  signal: AbortSignal | undefined
  add: (finding: RemoteFinding) => void
}

/** Tells of uploads to the objects of a database, and gives up the old ones when a sweep was asked for. */
export async function judgeUploads(context: UploadContext): Promise<void> {
  const { remote, rules, signal, add } = context
  const { parts } = remote.store
  if (parts === undefined) return
  try {
    for await (const upload of parts.list(remote.dbKey, { signal })) {
      if (upload.key !== remote.dbKey && !upload.key.startsWith(childPrefix(remote.dbKey))) continue
      const own = isOwn(context, upload.key)
      const decided = decide(upload.initiated, rules)
      const outcome = decided !== 'sweep' ? decided : own ? await giveUp(parts, upload, context) : 'found'
      add(remoteFinding('multipart-upload', { object: upload.key, id: upload.id, own, age: ageOf(upload.initiated, rules), outcome }))
    }
  } catch (error) {
    // Not every server knows such a listing, and not everybody may ask for it.
    if (!(error instanceof UnsupportedOperationError) && !(error instanceof AccessDeniedError)) throw error
  }
}

/* Whether the name is one of this database's, and not perhaps of one below it. */
function isOwn({ remote, references }: UploadContext, key: string): boolean {
  return key === remote.dbKey || parseGroupKey(remote.dbKey, key) !== undefined || references.refersTo(key)
}

async function giveUp(parts: PartUploads, { key, id }: ListedUpload, { rules, signal }: UploadContext): Promise<SweepOutcome> {
  signal?.throwIfAborted()
  await rules.lock!.verify(signal)
  try {
    await parts.abort({ key, id })
    return 'swept'
  } catch {
    return 'failed'
  }
}
