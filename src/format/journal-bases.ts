/**
 * The field `bases` of the journal: what the remote had where a pending change began, for those of which the remote has
 * something else by now. An object of
 *
 *   keys     list of [key, timestamp, length] (length null in per-key mode), [key, null] for a key that wasn't there,
 *            [key, false] where nobody knows
 *   meta     the metadata section in base64, null when there was none, false where nobody knows
 *   replace  the timestamp of the commit that a pending replacement saw, false where nobody knows
 *
 * in which what has no base is left out.
 */
import { fromBase64, toBase64 } from '../base/bytes.js'
import { FormatError } from '../base/error.js'
import { timestampFromJson } from './timestamp.js'

/** What the remote's index said of a key. `length` is null in per-key mode, where it doesn't tell. */
export interface BaseEntry {
  /** µs. */
  timestamp: number
  /** Bytes of the value. */
  length: number | null
}

/** `absent`: the remote had no such thing. `unknown`: what it had can't be told any more. */
export type Base<T> = T | 'absent' | 'unknown'

export interface JournalBases {
  keys: ReadonlyMap<string, Base<BaseEntry>>
  /** A metadata section. */
  meta: Base<Uint8Array> | undefined
  /** µs of the commit that is to be replaced. */
  replace: number | 'unknown' | undefined
}

export const NO_BASES: JournalBases = { keys: new Map(), meta: undefined, replace: undefined }

/** The value of the field; undefined when there is nothing to say. */
export function basesToJson({ keys, meta, replace }: JournalBases): Record<string, unknown> | undefined {
  const fields: Record<string, unknown> = {}
  if (keys.size > 0) fields['keys'] = [...keys].map(([key, base]) => [key, ...baseToJson(base, ({ timestamp, length }) => [toJson(timestamp), length])])
  if (meta !== undefined) fields['meta'] = baseToJson(meta, (section) => [toBase64(section)])[0]
  if (replace !== undefined) fields['replace'] = replace === 'unknown' ? false : toJson(replace)
  return Object.keys(fields).length === 0 ? undefined : fields
}

/* Beyond 2^53 a number would be written as a float. */
function toJson(timestamp: number): number | bigint {
  return Number.isSafeInteger(timestamp) ? timestamp : BigInt(timestamp)
}

function baseToJson<T>(base: Base<T>, known: (base: T) => unknown[]): unknown[] {
  return base === 'absent' ? [null] : base === 'unknown' ? [false] : known(base)
}

/** @throws FormatError */
export function basesFromJson(value: unknown): JournalBases {
  if (value === undefined) return NO_BASES
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad()
  const fields = new Map<string, unknown>(Object.entries(value))
  const { keys, meta, replace } = { keys: fields.get('keys') ?? [], meta: fields.get('meta'), replace: fields.get('replace') }
  if (!Array.isArray(keys)) throw bad()
  return {
    keys: new Map(keys.map(keyFromJson)),
    meta: meta === undefined ? undefined : baseFromJson(meta, sectionFromJson),
    replace: replace === undefined ? undefined : replace === false ? 'unknown' : timestampFromJson(replace, where),
  }
}

function keyFromJson(item: unknown): [string, Base<BaseEntry>] {
  if (!Array.isArray(item)) throw bad()
  const [key, base, length = null] = item as unknown[]
  if (typeof key !== 'string') throw bad()
  return [key, baseFromJson(base, (timestamp) => ({ timestamp: timestampFromJson(timestamp, where), length: lengthFromJson(length) }))]
}

function baseFromJson<T>(value: unknown, known: (value: unknown) => T): Base<T> {
  return value === null ? 'absent' : value === false ? 'unknown' : known(value)
}

function lengthFromJson(value: unknown): number | null {
  if (value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) return value
  throw bad()
}

function sectionFromJson(value: unknown): Uint8Array {
  try {
    if (typeof value === 'string') return fromBase64(value)
  } catch (cause) {
    throw bad(cause)
  }
  throw bad()
}

const where = 'The field bases in the journal of the local file'

function bad(cause?: unknown): FormatError {
  return new FormatError('The journal of the local file has a bad field: bases.', { cause })
}
