/** Finding the conflicts of a push, asking what to do about them, and doing it: all are decided before anything is changed. */
import { equalBytes } from '../base/bytes.js'
import { decodeMetaSection } from '../format/db-object.js'
import { IntegrityError } from './errors.js'
import { PushConflictError, type ConflictSummary } from './conflict-errors.js'
import type { ConflictRule, ConflictValues } from './conflict.js'
import type { Decisions, KeyDecision, Merged } from './decisions.js'
import { askAboutKey, askAboutMetadata, askAboutReplacement, metadataIsSame } from './ask.js'
import type { Base } from './bases.js'
import type { ValueSource } from './fetch.js'
import { sameMeta } from './note-bases.js'
import { planMerge, type KeyClash, type MergePlan } from './plan-merge.js'
import { resolve } from './resolve.js'
import type { SyncState } from './state.js'

export interface MergeContext {
  state: SyncState
  fetcher: ValueSource
  values: ConflictValues
  /** µs. */
  now: () => number
}

export const nothingMerged: Merged = { conflicts: [], adopted: [] }

/** Bytes of remote values that are looked at together. */
const batchBytes = 8 * 1024 * 1024
const batchKeys = 1024
/* In per-key mode nobody knows how large values are before they are there. */
const batchValues = 16
/** How often it is begun again because somebody went on changing what is in conflict. */
const maxRounds = 8

/**
 * Takes care of everything that was changed on both sides. The remote's state of now has to be taken in before.
 *
 * @throws PushConflictError where the rule is to stop: nothing was changed
 * @throws InvalidArgumentError for a resolution that is none, and what a resolver throws: nothing was changed
 */
export async function mergeRemote(context: MergeContext, rule: ConflictRule, signal?: AbortSignal): Promise<Merged> {
  const { state } = context
  const { pending } = state
  for (let round = 0; ; round++) {
    pending.beginPush()
    const { revision } = state
    const { version } = pending
    const plan = planMerge(inputOf(state))
    if (isEmpty(plan)) return nothingMerged
    const decisions = await decide(context, plan, rule, signal)
    signal?.throwIfAborted()
    // What was changed again while somebody thought about it has to be thought about again.
    const changed = plan.replace === undefined ? pending.changedInPush(plan.keys.map(({ key }) => key), plan.meta !== undefined) : pending.version !== version
    if (state.revision === revision && !changed) return resolve(state, decisions, context.now)
    if (round === maxRounds) throw new PushConflictError(summaries(state, plan))
  }
}

function inputOf(state: SyncState): Parameters<typeof planMerge>[0] {
  const { pending, index, remote } = state
  return {
    written: pending.written,
    deletes: pending.deletes,
    bases: pending.bases,
    metaPending: pending.metaPending,
    replacePending: pending.replacePending,
    entryOf: (key) => index.get(key),
    metaSection: remote.metaSection,
    grouped: typeof pending.numGroups === 'number',
    sameMeta,
  }
}

function isEmpty({ keys, meta, replace }: MergePlan): boolean {
  return keys.length === 0 && meta === undefined && replace === undefined
}

async function decide(context: MergeContext, plan: MergePlan, rule: ConflictRule, signal: AbortSignal | undefined): Promise<Decisions> {
  const { state } = context
  const decisions: Decisions = { keys: [], meta: undefined, replace: undefined }
  const unsolved: MergePlan = { keys: [], meta: undefined, replace: undefined }
  if (plan.replace !== undefined) {
    if (rule === 'stop') unsolved.replace = plan.replace
    else decisions.replace = await askAboutReplacement(state, plan.replace, rule)
  }
  if (plan.meta !== undefined) {
    if (metadataIsSame(state)) decisions.meta = { how: 'same' }
    else if (rule === 'stop') unsolved.meta = plan.meta
    else decisions.meta = await askAboutMetadata(state, plan.meta, rule)
  }
  for await (const [clash, bytes] of withRemoteValues(context, plan.keys, rule, signal)) {
    const decision = await decideKey(context, clash, bytes, rule)
    if (decision) decisions.keys.push(decision)
    else unsolved.keys.push(clash)
  }
  if (!isEmpty(unsolved)) throw new PushConflictError(summaries(state, unsolved))
  return decisions
}

/** Undefined where the rule is to stop. */
async function decideKey(context: MergeContext, clash: KeyClash, bytes: Uint8Array | undefined, rule: ConflictRule): Promise<KeyDecision | undefined> {
  const { state, values } = context
  const local = clash.kind === 'deleted-changed' ? undefined : state.local.getEntryBytes(clash.key)
  if (bytes && local && equalBytes(bytes, local.value)) return { ...clash, how: 'same' }
  if (rule === 'stop') return undefined
  if (typeof rule === 'string') return { ...clash, how: rule }
  return askAboutKey({ state, values }, { clash, local, remote: bytes }, rule)
}

/** Each clash with the remote's value where somebody has to see it, in batches that bound the memory. */
async function* withRemoteValues(
  context: MergeContext,
  clashes: readonly KeyClash[],
  rule: ConflictRule,
  signal: AbortSignal | undefined,
): AsyncGenerator<[KeyClash, Uint8Array | undefined]> {
  const { state } = context
  const grouped = typeof state.pending.numGroups === 'number'
  const isWanted = ({ kind, key, entry }: KeyClash) => {
    if (!entry || rule === 'local' || rule === 'remote') return false
    // To tell whether both sides set the same, the length comes first.
    return rule !== 'stop' || (kind === 'both-changed' && (!grouped || state.local.lengthOf(key) === entry.length))
  }
  for (const batch of inBatches(clashes, isWanted, grouped)) {
    signal?.throwIfAborted()
    const values = await fetchValues(context, batch.filter(isWanted), signal)
    for (const clash of batch) yield [clash, values.get(clash.key)]
  }
}

function* inBatches(clashes: readonly KeyClash[], isWanted: (clash: KeyClash) => boolean, grouped: boolean): Generator<KeyClash[]> {
  let batch: KeyClash[] = []
  let bytes = 0
  let wanted = 0
  for (const clash of clashes) {
    const length = isWanted(clash) ? (clash.entry?.length ?? 0) : 0
    if (batch.length > 0 && (wanted >= (grouped ? batchKeys : batchValues) || bytes + length > batchBytes)) {
      yield batch
      batch = []
      bytes = wanted = 0
    }
    batch.push(clash)
    bytes += length
    if (isWanted(clash)) wanted++
  }
  if (batch.length > 0) yield batch
}

async function fetchValues({ fetcher, state }: MergeContext, clashes: readonly KeyClash[], signal: AbortSignal | undefined): Promise<Map<string, Uint8Array>> {
  const values = new Map<string, Uint8Array>()
  if (clashes.length === 0) return values
  const wanted = clashes.map(({ key, entry }) => ({ key, entry: entry! }))
  const deliver = (key: string, bytes: Uint8Array | undefined) => void (bytes && values.set(key, bytes))
  await fetcher.readRemote(wanted, { signal, deliver })
  const missing = clashes.filter(({ key }) => !values.has(key)).map(({ key }) => key)
  if (missing.length > 0) throw new IntegrityError(missing, `of the values of ${state.local.path ?? 'the database'}`, 'is missing from the remote')
  return values
}

function metaTimestamp(section: Base<Uint8Array> | null): number | undefined {
  return section === null || typeof section === 'string' ? undefined : decodeMetaSection(section).timestamp
}

function summaries({ local, remote, pending }: SyncState, { keys, meta, replace }: MergePlan): ConflictSummary[] {
  const found: ConflictSummary[] = keys.map(({ kind, key, base, entry }) => ({
    kind,
    key,
    baseTimestamp: typeof base === 'object' ? base.timestamp : undefined,
    localTimestamp: pending.deletes.has(key) ? undefined : local.getTimestamp(key),
    remoteTimestamp: entry?.timestamp,
  }))
  if (meta !== undefined) {
    found.push({ kind: 'metadata', key: undefined, baseTimestamp: metaTimestamp(meta), localTimestamp: local.metadataTimestamp, remoteTimestamp: metaTimestamp(remote.metaSection) })
  }
  if (replace !== undefined) {
    const baseTimestamp = replace === 'unknown' ? undefined : replace
    found.push({ kind: 'replacement', key: undefined, baseTimestamp, localTimestamp: undefined, remoteTimestamp: remote.timestamp ?? undefined })
  }
  return found
}
