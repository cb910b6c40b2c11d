/** What a push would do, told from what the session knows: nothing is asked, sent or changed. */
import { encodeDbPayload } from '../format/db-object.js'
import { GroupTooLargeError } from '../format/errors.js'
import { checkGroupSize, groupSize } from '../format/group.js'
import type { IndexEntry } from '../format/index-entry.js'
import { partLayout } from '../store/transfer/index.js'
import { replacedObjects } from './cleanup.js'
import { nextIndex, nextManifest, nextMetaSection } from './next-state.js'
import type { GroupPlan } from './plan-push.js'
import { planRangeReads } from './plan-reads.js'
import { deletedValues, groupPlans, isNothingToPush, isWorthACommit } from './push-decisions.js'
import type { PushFailure } from './push-result.js'
import type { RemoteIndex } from './remote-index.js'
import type { RemoteLocation } from './remote.js'
import type { SyncState } from './state.js'
import { transferOf } from './transfer.js'
import { missingMembers, nothingUploaded, type Uploaded } from './upload.js'

/** `push` gives a `PushPlan` for true. */
export interface DryRun<Yes extends boolean = boolean> {
  /** Only tell what would be done, from what the session knows: nothing is asked, sent or changed. Default false. */
  dryRun?: Yes | undefined
}

/** What `push({ dryRun: true })` tells. Conflicts with what others pushed meanwhile are not known to it: they are found when the remote is read again. */
export interface PushPlan {
  /** Whether there is anything to commit. False: a push would do nothing, or fail (`failures`). */
  commits: boolean
  /** Keys whose new values would be sent. */
  written: readonly string[]
  /** Keys that would be deleted on the remote. */
  deleted: readonly string[]
  /** Whether the metadata would be sent. */
  metadata: boolean
  /** Whether everything on the remote would be replaced (flag `n`). */
  replaces: boolean
  /** Groups that would be repacked, by number; none in per-key mode. */
  groups: readonly PlannedGroup[]
  /** Group objects (per-key mode: value objects) that would be uploaded. */
  objects: number
  /** Bytes of values and groups, and of the db object. Headers, and the few bytes of lock tickets, are not counted. */
  bytesUp: number
  /** Bytes of the db object alone, with the index of all keys; 0 where nothing would be committed. */
  bytesOfDbObject: number
  /** Bytes of members that have to be fetched first, to repack their groups. */
  bytesDown: number
  requests: PlannedRequests
  /** What is known to fail already: groups larger than 4 GiB. Their changes would stay pending. */
  failures: readonly PushFailure[]
}

export interface PlannedGroup {
  group: number
  /** Bytes of its new object; 0 for one that became empty, and goes. */
  bytes: number
  /** How many keys it would have. */
  members: number
  /** How many of them have to be fetched first. */
  fetched: number
}

/**
 * Requests, if none has to be tried again and nobody else holds the lock. Not counted are the listings by which a versioned
 * bucket is cleaned up, and the look, once per store, whether its conditional writes work.
 */
export interface PlannedRequests {
  /** About the lock: to take it, where that is done for the push alone, to look at it, and to give it back. */
  lock: number
  /** For members of groups, and to read the remote again under a lock that was taken for the push. */
  get: number
  /** Objects in one piece, with the db object. */
  put: number
  /** Of objects that are sent part by part: to begin, for each part, to complete. */
  parts: number
  /** Of what is replaced, as S3 takes them: up to 1,000 objects each. */
  delete: number
  total: number
}

/** What the plan has to know besides the state. */
export interface PlanContext {
  state: SyncState
  remote: RemoteLocation
  /** Whether the lock is taken for this push, rather than held since the database was opened. */
  locks: boolean
  /** µs, for what is stamped: only its digits count. */
  now: number
}

/** What the objects of a push would be: as if they had been uploaded, with what that takes. */
interface PlannedObjects extends Uploaded {
  groups: PlannedGroup[]
  bytesDown: number
  requests: Pick<PlannedRequests, 'get' | 'put' | 'parts'>
}

const nothingPlanned: PushPlan = {
  commits: false, written: [], deleted: [], metadata: false, replaces: false, groups: [], objects: 0, bytesUp: 0, bytesOfDbObject: 0, bytesDown: 0,
  requests: { lock: 0, get: 0, put: 0, parts: 0, delete: 0, total: 0 },
  failures: [],
}

/** The two objects of a ticket, two elections, and the end of the ticket. */
const requestsToLock = 5
/** Keys of one delete request of S3. */
const deletesAtOnce = 1000
/** In the place of what is random, or known only later: of the same length. */
const someGeneration = '0'.repeat(13)
const someEntry: IndexEntry = { timestamp: 0, offset: 0, length: 0 }

export function planDryRun(context: PlanContext): PushPlan {
  const { state, locks } = context
  const { pending } = state
  if (isNothingToPush(state)) return nothingPlanned
  const objects = typeof pending.numGroups === 'number' ? plannedGroups(context) : plannedValues(context)
  const commits = isWorthACommit(state, objects)
  const after = nextIndex(state, objects, context.now)
  const bytesOfDbObject = commits ? dbObjectLength(context, objects, after) : 0
  const requests = {
    // It is looked at before the commit, and if it is not taken just now, at the beginning too.
    lock: (locks ? requestsToLock : 1) + (commits ? 1 : 0),
    get: objects.requests.get + (locks || state.remoteInDoubt ? 1 : 0),
    put: objects.requests.put + (commits ? 1 : 0),
    parts: objects.requests.parts,
    delete: commits ? Math.ceil(replacedCount(context, objects, after) / deletesAtOnce) : 0,
  }
  return {
    commits,
    written: objects.written,
    deleted: objects.deleted,
    metadata: pending.metaPending,
    replaces: pending.replacePending,
    groups: objects.groups,
    objects: objects.objects,
    bytesUp: objects.bytes + bytesOfDbObject,
    bytesOfDbObject,
    bytesDown: objects.bytesDown,
    requests: { ...requests, total: Object.values(requests).reduce((sum, count) => sum + count, 0) },
    failures: objects.failures,
  }
}

function nothingYet(): PlannedObjects {
  return { ...nothingUploaded(), groups: [], bytesDown: 0, requests: { get: 0, put: 0, parts: 0 } }
}

function plannedGroups(context: PlanContext): PlannedObjects {
  const planned = nothingYet()
  for (const plan of groupPlans(context.state)) {
    try {
      addGroup(context, plan, planned)
    } catch (error) {
      if (!(error instanceof GroupTooLargeError)) throw error
      planned.failures.push({ group: plan.gid, keys: [...plan.written, ...plan.deleted], error })
    }
  }
  return planned
}

function addGroup(context: PlanContext, plan: GroupPlan, planned: PlannedObjects): void {
  const { state } = context
  const missing = missingMembers(state, plan.kept)
  const remote = new Set(missing.map(({ key }) => key))
  const members: { key: string; length: number }[] = []
  for (const { key, entry } of missing) members.push({ key, length: entry.length })
  for (const key of [...plan.kept.map(({ key: kept }) => kept), ...plan.written]) {
    const length = remote.has(key) ? undefined : state.local.lengthOf(key)
    if (length !== undefined) members.push({ key, length })
  }
  checkGroupSize(members)
  const bytes = members.length === 0 ? 0 : groupSize(members)
  planned.groups.push({ group: plan.gid, bytes, members: members.length, fetched: missing.length })
  planned.generations.set(plan.gid, members.length === 0 ? null : someGeneration)
  const there = new Set(members.map(({ key }) => key))
  for (const key of there) planned.entries.push([key, someEntry])
  for (const key of plan.written) if (there.has(key)) planned.written.push(key)
  planned.deleted.push(...plan.deleted)
  for (const range of planRangeReads(missing, { maxRange: transferOf(context.remote).partSize })) {
    planned.bytesDown += range.length
    planned.requests.get++
  }
  if (members.length > 0) addObject(context, bytes, planned)
}

function plannedValues(context: PlanContext): PlannedObjects {
  const { local, pending } = context.state
  const planned = nothingYet()
  planned.deleted.push(...deletedValues(context.state))
  for (const key of pending.written) {
    const length = local.lengthOf(key)
    if (length === undefined) continue
    planned.entries.push([key, someEntry])
    planned.written.push(key)
    addObject(context, length, planned)
  }
  return planned
}

function addObject({ remote }: PlanContext, bytes: number, planned: PlannedObjects): void {
  planned.objects++
  planned.bytes += bytes
  const layout = partLayout(remote.store, bytes, transferOf(remote).partSize)
  // To begin, each part, to complete.
  if (layout) planned.requests.parts += 2 + Math.ceil(bytes / layout.partSize)
  else planned.requests.put++
}

function dbObjectLength({ state, now }: PlanContext, objects: PlannedObjects, index: RemoteIndex): number {
  const metaSection = nextMetaSection(state, now) ?? undefined
  return encodeDbPayload({ manifest: nextManifest(state, objects), metaSection, index: index.bytes }).length
}

function replacedCount({ state, remote }: PlanContext, objects: PlannedObjects, after: RemoteIndex): number {
  const { index, remote: { manifest } } = state
  return replacedObjects(remote.dbKey, { index, manifest }, { index: after, manifest: nextManifest(state, objects) }, objects).length
}
