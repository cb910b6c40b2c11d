/** Changes on both sides, as those who decide about them see them. */
import { InvalidArgumentError } from '../base/error.js'
import type { ConflictKind, KeyClash } from './plan-merge.js'

export type { ConflictKind } from './plan-merge.js'

/** What one side has. */
export interface ConflictSide<V> {
  /** µs of the value (metadata: of the metadata; replacement: of the commit); undefined where there is none. */
  readonly timestamp: number | undefined
  /** True when there is no value: it was deleted, or never there. */
  readonly deleted: boolean
  /** The value, decoded when you look; undefined when there is none. @throws DeserializationError, SchemaError */
  readonly value: V | undefined
  /** The value as it is stored; undefined when there is none, and for metadata. */
  readonly bytes: Uint8Array | undefined
  /** False when the value isn't there to be shown, as only that of a base can be: it was never held here, or not kept. `timestamp` may be known all the same. */
  readonly known: boolean
}

interface Sides<V> {
  /** What the remote had when the local change was made. */
  readonly base: ConflictSide<V>
  /** What is pending here. */
  readonly local: ConflictSide<V>
  /** What the remote has now. */
  readonly remote: ConflictSide<V>
}

/** A key that was changed here and on the remote. */
export interface KeyConflict<V = unknown> extends Sides<V> {
  readonly kind: KeyClash['kind']
  readonly key: string
}

/** The metadata was edited here and on the remote. */
export interface MetadataConflict extends Sides<unknown> {
  readonly kind: 'metadata'
  readonly key: undefined
}

/** The database is to be replaced (flag `n`), and somebody committed since. There are no values; timestamps are those of commits. */
export interface ReplacementConflict extends Sides<undefined> {
  readonly kind: 'replacement'
  readonly key: undefined
}

export type Conflict<V = unknown> = KeyConflict<V> | MetadataConflict | ReplacementConflict

/**
 * - `local` what is pending here goes to the remote
 * - `remote` what is pending here is dropped
 * - `{ value }` goes to both; undefined deletes the key
 * - `{ metadata }` the same for a conflict of metadata; null or undefined removes it
 */
export type Resolution<I = unknown> = 'local' | 'remote' | { value: I | undefined } | { metadata: unknown }

/* As a method, so that a database of numbers can be handed to what takes one of anything. */
interface Decides<V, I> {
  decide(conflict: Conflict<V>): Resolution<I> | Promise<Resolution<I>>
}

/** Decides about one conflict. It sees them one after the other; when it throws, nothing was changed. */
export type ConflictResolver<V = unknown, I = V> = Decides<V, I>['decide']

/** `stop`: the push throws a PushConflictError. `local`, `remote`: as a `Resolution`, for every conflict. */
export type OnConflict<V = unknown, I = V> = 'stop' | 'local' | 'remote' | ConflictResolver<V, I>

export type ConflictRule = OnConflict<unknown, unknown>

/** What became of a conflict. */
export interface ResolvedConflict {
  kind: ConflictKind
  /** Undefined for metadata and a replacement. */
  key: string | undefined
  resolution: 'local' | 'remote' | 'value'
}

/** Between values and bytes, as the session has it. */
export interface ConflictValues {
  encode(value: unknown, key: string): Uint8Array
  decode(bytes: Uint8Array, key: string): unknown
}

/** @throws InvalidArgumentError */
export function checkOnConflict(rule: unknown): void {
  if (rule === undefined || rule === 'stop' || rule === 'local' || rule === 'remote' || typeof rule === 'function') return
  throw new InvalidArgumentError("onConflict has to be 'stop', 'local', 'remote' or a function")
}

/** A side without a value. */
export function nothingThere(timestamp?: number): ConflictSide<never> {
  return { timestamp, deleted: true, value: undefined, bytes: undefined, known: true }
}

/** A base whose value nobody has any more. */
export function notKnown(timestamp?: number): ConflictSide<never> {
  return { timestamp, deleted: false, value: undefined, bytes: undefined, known: false }
}

/** A side whose value is decoded when somebody looks. */
export function valueSide(values: ConflictValues, key: string, bytes: Uint8Array, timestamp: number | undefined): ConflictSide<unknown> {
  return {
    timestamp,
    deleted: false,
    bytes,
    known: true,
    get value() {
      return values.decode(bytes, key)
    },
  }
}

/** Metadata: any JSON value. */
export function metadataSide(data: unknown, timestamp: number | undefined): ConflictSide<unknown> {
  return { timestamp, deleted: data === null || data === undefined, value: data ?? undefined, bytes: undefined, known: true }
}
