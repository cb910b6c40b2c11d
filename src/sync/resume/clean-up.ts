/** After a commit: giving up and deleting what pushes had begun to send and no commit refers to. */
import { childPrefix } from '../../format/names.js'
import { forEachConcurrent } from '../concurrency.js'
import { deleteReplaced, type Generations } from '../cleanup.js'
import type { RemoteLocation } from '../remote.js'
import type { PushFailure } from '../push-result.js'
import type { SyncState } from '../state.js'
import { objectKey, type UploadRecord, type UploadTry } from './upload-record.js'

export interface CleanUp {
  /** What the remote refers to now. */
  after: Generations
  /** What failed in this push: the next one goes on with it. */
  failures: readonly PushFailure[]
  /** Objects that an earlier commit refers to, which may still arrive: they must stay. */
  inDoubt: ReadonlySet<UploadTry> | undefined
  versioned: boolean
}

export interface CleanUpPlan {
  /** Objects that may be there, and uploads by parts that may be under way. */
  strays: UploadTry[]
  /** What is remembered for a later push. */
  kept: UploadTry[]
}

/** Decides purely. */
export function planCleanUp(record: UploadRecord, { after, failures, inDoubt }: Omit<CleanUp, 'versioned'>): CleanUpPlan {
  const unfinished = new Set(failures.flatMap(({ group, keys }): readonly (number | string)[] => (group === undefined ? keys : [group])))
  const strays: UploadTry[] = []
  const kept: UploadTry[] = []
  for (const each of record.tries) {
    const { target } = each
    const slot = 'key' in target ? target.key : target.group
    if ('group' in target && after.manifest.get(target.group) === target.generation) continue
    if (inDoubt?.has(each) || (unfinished.has(slot) && record.newest(slot) === each)) kept.push(each)
    // The object of a value was overwritten, or is what the commit says.
    else if ('group' in target || each.parts.size > 0 || each.upload !== undefined || !after.index.has(target.key)) strays.push(each)
  }
  return { strays, kept }
}

/**
 * Gives up uploads, deletes objects together with those that the commit replaced, and forgets what is done.
 * @param replaced objects that go anyway
 * @returns the keys of what could not be deleted; of what was recorded, a later push tries again
 */
export async function cleanUp(remote: RemoteLocation, record: UploadRecord, replaced: readonly string[], options: CleanUp): Promise<string[]> {
  const { versioned } = options
  const { strays, kept } = planCleanUp(record, options)
  const failed = new Set<string>()
  const doomed: string[] = []
  await forEachConcurrent(strays, 16, async (each) => {
    const key = objectKey(remote.dbKey, each.target)
    try {
      if (each.upload !== undefined && each.etag === undefined) await remote.store.parts?.abort({ key, id: each.upload })
      if (await isStrayObject(remote, each, key, options)) doomed.push(key)
    } catch {
      failed.add(key)
    }
  })
  await abortUnknown(remote, record, kept)
  for (const key of await deleteReplaced(remote.store, remote.dbKey, [...replaced, ...doomed], versioned)) failed.add(key)
  record.keepOnly([...kept, ...strays.filter((each) => failed.has(objectKey(remote.dbKey, each.target)))])
  return [...failed]
}

export function triesInDoubt(record: UploadRecord): Set<UploadTry> {
  return new Set(record.tries.filter((each) => each.inDoubt))
}

/** Whether something may be cleaned up though there is nothing to push. */
export function hasStrays(record: UploadRecord): boolean {
  return record.tries.some((each) => !each.inDoubt)
}

/** Nothing is pending any more, but what an earlier push had begun to send may lie there. */
export async function cleanUpStrays(remote: RemoteLocation, record: UploadRecord, state: SyncState): Promise<string[]> {
  if (!hasStrays(record)) return []
  const head = await remote.store.head(remote.dbKey)
  const versioned = head.status === 'ok' && head.info.versionId !== undefined
  const after = { index: state.index, manifest: state.remote.manifest }
  return cleanUp(remote, record, [], { after, versioned, inDoubt: triesInDoubt(record), failures: [] })
}

/**
 * An upload by parts whose beginning was not acknowledged has no name here: it is found by the object's, under which
 * nobody else sends while the lock is held.
 */
async function abortUnknown({ store, dbKey }: RemoteLocation, record: UploadRecord, kept: readonly UploadTry[]): Promise<void> {
  const { parts } = store
  const objects = new Set(record.tries.filter(({ partSize, upload }) => partSize !== undefined && upload === undefined).map(({ target }) => objectKey(dbKey, target)))
  if (parts === undefined || objects.size === 0) return
  const wanted = new Set(kept.map(({ upload }) => upload))
  try {
    for await (const { key, id } of parts.list(childPrefix(dbKey))) {
      if (objects.has(key) && !wanted.has(id)) await parts.abort({ key, id })
    }
  } catch {
    // Not every server lists them, nor for everybody: fsck tells of those that stay.
  }
}

/** A value's object has the name that anybody's would have: it is deleted only where it is the one that was sent. */
async function isStrayObject({ store }: RemoteLocation, { target, size }: UploadTry, key: string, { after, versioned }: CleanUp): Promise<boolean> {
  // Where there are versions, deleting what never arrived would leave a delete marker.
  if ('group' in target) return !versioned || (await store.head(key)).status === 'ok'
  if (after.index.has(target.key)) return false
  const head = await store.head(key)
  return head.status === 'ok' && head.info.size === size && head.info.metadata['timestamp'] === String(target.timestamp)
}
