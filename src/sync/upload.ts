/** Writing the values of a push: new group generations, or single value objects. Nothing live is touched in grouped mode. */
import type { Environment } from '../base/environment.js'
import { newDigest } from '../format/blake2s.js'
import type { IndexEntry } from '../format/index-entry.js'
import { checkGroupSize } from '../format/group.js'
import { GroupLayout, type GroupMember } from '../format/group-layout.js'
import { newId } from '../format/names.js'
import { timestampAfter } from '../format/timestamp.js'
import type { LargeSource } from '../store/transfer/index.js'
import { forEachConcurrent } from './concurrency.js'
import type { ValueSource } from './fetch.js'
import type { GroupPlan } from './plan-push.js'
import type { WantedValue } from './plan-reads.js'
import type { ValuePlaces } from './local-file.js'
import type { ProgressMeter } from './progress.js'
import type { PushFailure } from './push-result.js'
import type { PlacedKey, RemoteIndex } from './remote-index.js'
import type { RemoteLocation } from './remote.js'
import { sendGroup, sendValue } from './resume/send-object.js'
import type { UploadRecord } from './resume/upload-record.js'
import type { SyncState } from './state.js'
import type { Transfer } from './transfer.js'

/** Groups that are laid out and sent side by side: as many as there are connections. What is in memory of their bytes, the transfer bounds. */
const groupsAtOnce = 16
/** The same where groups have very many members, for nothing bounds the lists of these. */
const largeGroupsAtOnce = 6
const manyMembers = 60_000
/** Single values that are sent side by side. */
const valuesAtOnce = 32

export interface Uploaded {
  /** New index entries of what was written. */
  entries: [key: string, entry: IndexEntry][]
  /** Those of the other members of the groups that were written, by where they lie in the index that the push started from. */
  moved: { place: number; entry: IndexEntry }[]
  /** Pending writes that are now uploaded. */
  written: string[]
  /** Pending writes that were taken back while the push ran: there was nothing to upload. */
  withdrawn: string[]
  /** Keys that leave the index. */
  deleted: string[]
  /** New generation by group; null for a group that became empty. */
  generations: Map<number, string | null>
  /** Objects of which something was sent, and how many bytes. */
  objects: number
  bytes: number
  /** Bytes that an earlier push had sent. */
  resumed: number
  failures: PushFailure[]
}

export interface UploadContext {
  remote: RemoteLocation
  state: SyncState
  fetcher: ValueSource
  environment: Environment
  transfer: Transfer
  record: UploadRecord
  meter: ProgressMeter
  signal: AbortSignal | undefined
}

export function nothingUploaded(): Uploaded {
  return { entries: [], moved: [], written: [], withdrawn: [], deleted: [], generations: new Map(), objects: 0, bytes: 0, resumed: 0, failures: [] }
}

/** Where values of the local file lie. */
export function placesOf({ local }: SyncState): ValuePlaces {
  if (local.places === undefined) throw new Error('a file that is shared by readers is not pushed from')
  return local.places
}

/** Repacks and uploads the planned groups. One that fails is told in `failures` and leaves the others alone. */
export async function uploadGroups(context: UploadContext, plans: readonly GroupPlan[]): Promise<Uploaded> {
  const done = nothingUploaded()
  // That of the plans, whatever is taken in meanwhile: then the commit is refused.
  const { index } = context.state
  const atOnce = plans.some(({ kept, written }) => kept.length + written.length > manyMembers) ? largeGroupsAtOnce : groupsAtOnce
  await forEachConcurrent(plans, atOnce, async (plan) => {
    context.signal?.throwIfAborted()
    try {
      await uploadGroup(context, index, plan, done)
    } catch (error) {
      context.signal?.throwIfAborted()
      done.failures.push({ group: plan.gid, keys: [...plan.written, ...plan.deleted], error: asError(error) })
    }
    context.meter.done({ groups: 1 })
  })
  return done
}

async function uploadGroup(context: UploadContext, index: RemoteIndex, plan: GroupPlan, done: Uploaded): Promise<void> {
  const { state, environment, meter } = context
  let kept = placeKept(state, index, plan.kept)
  if (kept.missing.length > 0) {
    checkGroupSize(lengths(state, index, plan))
    await fetchMissing(context, kept.missing)
    kept = placeKept(state, index, plan.kept)
    const [gone] = kept.missing
    if (gone) throw new Error(`the value of ${JSON.stringify(gone.key)} left the local file during the push`)
  }
  // A key that was deleted while the push runs leaves with this commit: its value is no longer here to be kept.
  const deleted = plan.kept.map(({ key }) => key).filter((key) => state.pending.deletes.has(key))
  // From here on the group is what is here now, whatever is set or deleted while it is sent.
  const { members } = kept
  const written: string[] = []
  const withdrawn: string[] = []
  for (const key of plan.written) {
    const member = writtenMember(state, key)
    if (member) members.push(member)
    ;(member ? written : withdrawn).push(key)
  }
  if (members.length > 0) {
    const layout = new GroupLayout(members)
    meter.grow({ bytes: layout.size })
    const { target, sent } = await sendGroup(context, groupSource(context, layout, members), plan.gid, newId(environment), state.remote.manifest.get(plan.gid))
    members.forEach(({ key, timestamp, length, entryPlace }, i) => {
      const entry = { timestamp, offset: layout.offsets[i]!, length }
      if (entryPlace === undefined) done.entries.push([key, entry])
      else done.moved.push({ place: entryPlace, entry })
    })
    count(done, sent, layout.size)
    done.generations.set(plan.gid, target.generation)
  } else {
    done.generations.set(plan.gid, null)
  }
  // One by one: a call takes only so many arguments.
  for (const key of written) done.written.push(key)
  for (const key of withdrawn) done.withdrawn.push(key)
  for (const keys of [plan.deleted, deleted]) for (const key of keys) done.deleted.push(key)
}

function count(done: Uploaded, sent: number, size: number): void {
  if (sent > 0 || size === 0) done.objects++
  done.bytes += sent
  done.resumed += size - sent
}

/** A value as it is when the group is laid out: its place in the local file, where the bytes stay while the push runs. */
interface PlacedMember extends GroupMember {
  place: number
  /** Where its entry lies in the index; undefined for what is written. */
  entryPlace?: number
}

function groupSource(context: UploadContext, layout: GroupLayout, members: readonly PlacedMember[]): LargeSource {
  const places = placesOf(context.state)
  const readValue = (i: number, from: number, target: Uint8Array) => places.read(members[i]!.place + from, target)
  return source(context, layout.size, (offset, piece) => layout.fill(piece, offset, readValue))
}

function valueSource(context: UploadContext, { place, length }: PlacedMember): LargeSource {
  const places = placesOf(context.state)
  return source(context, length, (offset, piece) => places.read(place + offset, piece))
}

function source({ transfer: { buffers } }: UploadContext, size: number, fill: (offset: number, piece: Uint8Array) => void): LargeSource {
  return {
    size,
    read(offset, length) {
      const piece = buffers.take(length)
      fill(offset, piece)
      return piece
    },
    release: (piece) => buffers.give(piece),
  }
}

/** What the group will hold, told without reading or fetching a value. */
function* lengths(state: SyncState, index: RemoteIndex, plan: GroupPlan): Generator<{ key: string; length: number }> {
  for (const { key, place } of plan.kept) yield { key, length: index.entryAt(place).length }
  for (const key of plan.written) yield { key, length: state.local.lengthOf(key) ?? 0 }
}

async function fetchMissing({ state, fetcher, transfer, signal }: UploadContext, wanted: readonly WantedValue[]): Promise<void> {
  await fetcher.fetch(wanted, { signal, refresh: false })
  // Much that was fetched is kept for the next push, should this one be killed.
  if (wanted.reduce((sum, { entry }) => sum + entry.length, 0) >= transfer.partSize) state.local.sync()
}

/** Those of the keys whose values have to be fetched before their group can be packed. */
export function missingMembers(state: SyncState, kept: readonly PlacedKey[]): WantedValue[] {
  return placeKept(state, state.index, kept).missing
}

/** Members that stay as the remote has them keep the index's timestamp. What was changed since the push began goes as it is now. */
function placeKept(state: SyncState, index: RemoteIndex, kept: readonly PlacedKey[]): { members: PlacedMember[]; missing: WantedValue[] } {
  const { written, deletes } = state.pending
  const places = placesOf(state)
  const members: PlacedMember[] = []
  const missing: WantedValue[] = []
  const digest = newDigest()
  for (const { key, place } of kept) {
    if (deletes.has(key)) continue
    const entry = index.entryAt(place)
    index.digestAt(place, digest)
    const local = places.locateDigested(digest)
    const changed = local !== undefined && written.has(key)
    if (!local || (!changed && local.timestamp < entry.timestamp)) missing.push({ key, entry })
    else members.push({ key, timestamp: changed ? newTimestamp(state, key, local.timestamp) : entry.timestamp, length: local.length, place: local.offset, entryPlace: place })
  }
  return { members, missing }
}

function writtenMember(state: SyncState, key: string): PlacedMember | undefined {
  const local = placesOf(state).locate(key)
  return local && { key, timestamp: newTimestamp(state, key, local.timestamp), length: local.length, place: local.offset }
}

/** Of a value that may have been set since the push began, by a clock that is behind: never older than what it replaces. */
function newTimestamp(state: SyncState, key: string, timestamp: number): number {
  const entry = state.pending.replacePending ? undefined : state.index.get(key)
  return entry ? Math.max(timestamp, timestampAfter(entry.timestamp)) : timestamp
}

/** Uploads each written value as an object of its own (per-key mode). */
export async function uploadValues(context: UploadContext, written: readonly string[], deleted: readonly string[]): Promise<Uploaded> {
  const { state, signal, meter } = context
  const done = nothingUploaded()
  done.deleted.push(...deleted)
  await forEachConcurrent(written, valuesAtOnce, async (key) => {
    signal?.throwIfAborted()
    const member = writtenMember(state, key)
    if (!member) return
    try {
      meter.grow({ bytes: member.length })
      const { sent } = await sendValue(context, valueSource(context, member), { key, timestamp: member.timestamp })
      done.entries.push([key, { timestamp: member.timestamp, offset: 0, length: 0 }])
      done.written.push(key)
      count(done, sent, member.length)
    } catch (error) {
      signal?.throwIfAborted()
      done.failures.push({ group: undefined, keys: [key], error: asError(error) })
    }
    meter.done({ groups: 1 })
  })
  return done
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error })
}
