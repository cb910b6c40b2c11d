/** The one PUT that makes a push true, and finding out what became of it. */
import { encodeDbMetadata } from '../format/db-metadata.js'
import { encodeDbPayload } from '../format/db-object.js'
import { timestampAfter } from '../format/timestamp.js'
import type { PutOptions } from '../store/object-store.js'
import { CommitConflictError } from './errors.js'
import { nextIndex, nextManifest, nextMetaSection } from './next-state.js'
import type { OwnCommit, SeenRemote } from './observe.js'
import type { PushContext } from './push-context.js'
import { putDbObject } from './put-db-object.js'
import type { RemoteIndex } from './remote-index.js'
import type { SyncState } from './state.js'
import type { Uploaded } from './upload.js'

export interface Committed {
  timestamp: number
  versioned: boolean
  after: { index: RemoteIndex; manifest: ReadonlyMap<number, string> }
}

/**
 * @param revision the state's, of which the uploads were made
 * @param sending called right before the PUT: from then on it may arrive
 * @throws CommitConflictError when a rival committed: nothing was written, everything is pending
 * @throws CommitFailedError when it failed, or when it can't be told whether it arrived
 */
export async function commit(context: PushContext, uploaded: Uploaded, revision: number, signal: AbortSignal | undefined, sending: () => void): Promise<Committed> {
  const { state, lock, environment } = context
  const timestamp = state.remote.timestamp === null ? environment.now() : Math.max(environment.now(), timestampAfter(state.remote.timestamp))
  const manifest = nextManifest(state, uploaded)
  const metaSection = nextMetaSection(state, timestamp)
  const index = nextIndex(state, uploaded, timestamp)
  const body = encodeDbPayload({ manifest, metaSection: metaSection ?? undefined, index: index.bytes })
  const own = ownCommit(state, uploaded, { index, metaSection, timestamp })
  await lock.verify(signal)
  signal?.throwIfAborted()
  if (state.revision !== revision) throw new CommitConflictError(objectName(context), new Error('a rival commit was taken in meanwhile'))
  sending()
  state.observers.sending(own)
  // From here on the signal is not heard: an aborted commit would leave us not knowing.
  const put = await putDbObject(context.remote, body, { ...commitCondition(context), metadata: dbMetadata(state, timestamp) }, environment).catch((error: unknown) => {
    // Until the remote was read again nobody knows what it is.
    state.remoteInDoubt = true
    if (error instanceof CommitConflictError) state.observers.refused()
    throw error
  })
  state.observers.committed(own)
  const replaced = state.pending.replacePending
  state.pending.settle([...uploaded.written, ...uploaded.withdrawn, ...uploaded.deleted])
  // Also a delete that was made while the push ran and left with it: kept, it would hit what a rival writes later.
  for (const key of [...state.pending.deletes]) if (!index.has(key)) state.pending.forget(key)
  const etag = put.etag === '' ? undefined : put.etag
  // A read beside the push may have taken in this commit already, or a rival's that was built on it.
  const later = state.revision !== revision && (state.remote.timestamp ?? -1) >= timestamp
  if (!later) state.saveRemote({ timestamp, manifest, metaSection, etag, numGroups: state.pending.numGroups ?? null }, index)
  if (replaced && !state.pending.metaPending) state.restoreMetadata()
  state.save()
  return { timestamp, versioned: put.versionId !== undefined, after: { index, manifest } }
}

/** What those who watch must not be told as somebody else's. */
function ownCommit({ pending, index, remote }: SyncState, uploaded: Uploaded, after: SeenRemote): OwnCommit {
  const replaces = pending.replacePending
  // Mostly nobody watches, and then nobody asks for them.
  let keys: ReadonlySet<string> | undefined
  return {
    after,
    get keys() {
      return (keys ??= new Set([...uploaded.written, ...uploaded.withdrawn, ...(replaces ? index.keys() : uploaded.deleted)]))
    },
    replaces,
    metadata: pending.metaPending || (replaces && remote.metaSection !== null),
  }
}

function dbMetadata(state: SyncState, timestamp: number): Record<string, string> {
  return encodeDbMetadata({
    timestamp,
    uuid: state.local.uuid,
    type: state.type,
    initBytes: state.local.headerBytes(),
    numGroups: state.pending.numGroups ?? undefined,
  })
}

/** Where conditional writes were seen to work, the commit holds only on the very db object that the push started from. */
function commitCondition({ state, conditions }: PushContext): PutOptions {
  if (state.remote.timestamp === null) return conditions.create ? { ifNoneMatch: '*' } : {}
  const { etag } = state.remote
  return conditions.match && etag !== undefined ? { ifMatch: etag, etagForm: conditions.match } : {}
}

/** Whether a commit that was sent earlier can't arrive any more once this one has. */
export function isConditional(context: PushContext): boolean {
  const { ifMatch, ifNoneMatch } = commitCondition(context)
  return ifMatch !== undefined || ifNoneMatch !== undefined
}

function objectName({ remote }: PushContext): string {
  return `${remote.store.name}/${remote.dbKey}`
}
