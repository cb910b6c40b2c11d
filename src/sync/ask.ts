/** Asking what is to become of a conflict: showing both sides and the base, and checking the answer. Changes nothing. */
import { InvalidArgumentError } from '../base/error.js'
import { decodeMetaSection } from '../format/db-object.js'
import { stringifyJson } from '../format/json-write.js'
import { timestampAfter } from '../format/timestamp.js'
import type { Base } from './bases.js'
import { metadataSide, notKnown, nothingThere, valueSide, type Conflict, type ConflictResolver, type ConflictRule, type ConflictSide, type ConflictValues } from './conflict.js'
import type { KeyDecision, MetadataDecision, ReplacementDecision } from './decisions.js'
import { checkDiscardable } from './edit.js'
import { sameJson } from './note-bases.js'
import type { KeyClash } from './plan-merge.js'
import type { SyncState } from './state.js'

type Decider = Exclude<ConflictRule, 'stop'>

/** What is known of a key in conflict. */
export interface ShownKey {
  clash: KeyClash
  /** Undefined where it was deleted here. */
  local: { value: Uint8Array; timestamp: number | undefined } | undefined
  /** Undefined where it was deleted there. */
  remote: Uint8Array | undefined
}

/** @throws InvalidArgumentError, SchemaError, SerializationError for an answer that is none; whatever the resolver throws */
export async function askAboutKey({ state, values }: { state: SyncState; values: ConflictValues }, { clash, local, remote }: ShownKey, resolver: ConflictResolver): Promise<KeyDecision> {
  const { kind, key, entry } = clash
  const answer: unknown = await resolver({
    kind,
    key,
    base: keyBase(state, values, clash),
    local: local ? valueSide(values, key, local.value, local.timestamp) : nothingThere(),
    remote: entry && remote ? valueSide(values, key, remote, entry.timestamp) : nothingThere(),
  })
  if (answer === 'local' || answer === 'remote') return { ...clash, how: answer }
  if (!isObjectWith(answer, 'value')) throw noResolution(key, answer, "'local', 'remote' or { value }")
  const value = answer['value']
  return { ...clash, how: 'value', bytes: value === undefined ? undefined : values.encode(value, key) }
}

function keyBase(state: SyncState, values: ConflictValues, { key, base }: KeyClash): ConflictSide<unknown> {
  if (base === 'unknown') return notKnown()
  if (base === 'absent') return nothingThere()
  const bytes = state.baseValues?.get(key, base.timestamp)
  return bytes ? valueSide(values, key, bytes, base.timestamp) : notKnown(base.timestamp)
}

/** Whether both sides made the same of the metadata. */
export function metadataIsSame({ local, remote }: SyncState): boolean {
  return sameJson(local.metadata ?? null, sectionOf(remote.metaSection)?.data ?? null)
}

export async function askAboutMetadata(state: SyncState, base: Base<Uint8Array>, rule: Decider): Promise<MetadataDecision> {
  const { local, remote } = state
  const answer: unknown = typeof rule === 'string' ? rule : await rule(metadataConflict(state, base))
  if (answer === 'local' || answer === 'remote') return { how: answer }
  if (!isObjectWith(answer, 'metadata')) throw noResolution('the metadata', answer, "'local', 'remote' or { metadata }")
  const metadata = answer['metadata'] ?? undefined
  // What JSON can't hold is refused before anything is changed.
  if (metadata !== undefined) stringifyJson(metadata)
  return { how: 'value', metadata, earliest: timestampAfter(Math.max(local.metadataTimestamp ?? 0, sectionOf(remote.metaSection)?.timestamp ?? 0)) }
}

function metadataConflict({ local, remote }: SyncState, base: Base<Uint8Array>): Conflict {
  const there = sectionOf(remote.metaSection)
  const before = typeof base === 'string' ? undefined : sectionOf(base)
  return {
    kind: 'metadata',
    key: undefined,
    base: base === 'unknown' ? notKnown() : metadataSide(before?.data, before?.timestamp),
    local: metadataSide(local.metadata, local.metadataTimestamp),
    remote: metadataSide(there?.data, there?.timestamp),
  }
}

export async function askAboutReplacement(state: SyncState, seen: number | 'unknown', rule: Decider): Promise<ReplacementDecision> {
  const conflict: Conflict = {
    kind: 'replacement',
    key: undefined,
    base: notKnown(seen === 'unknown' ? undefined : seen),
    local: notKnown(),
    remote: notKnown(state.remote.timestamp ?? undefined),
  }
  const answer: unknown = typeof rule === 'string' ? rule : await rule(conflict)
  if (answer !== 'local' && answer !== 'remote') throw noResolution('a replacement', answer, "'local' or 'remote'")
  if (answer === 'remote') checkDiscardable(state)
  return { how: answer }
}

function sectionOf(section: Uint8Array | null) {
  return section ? decodeMetaSection(section) : undefined
}

function isObjectWith(answer: unknown, field: string): answer is Record<string, unknown> {
  return typeof answer === 'object' && answer !== null && field in answer
}

function noResolution(what: string, answer: unknown, possible: string): InvalidArgumentError {
  const shown = typeof answer === 'string' ? JSON.stringify(answer) : `a ${typeof answer} that says something else`
  return new InvalidArgumentError(`onConflict was asked about ${what} and answered ${shown}; an answer is ${possible}`)
}
