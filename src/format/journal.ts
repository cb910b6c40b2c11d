import { utf8Decode, utf8Encode } from '../base/bytes.js'
import { FormatError, InvalidArgumentError, UnsupportedVersionError } from '../base/error.js'
import { basesFromJson, basesToJson, NO_BASES, type JournalBases } from './journal-bases.js'
import { parseJson } from './json.js'
import { stringifyJson } from './json-write.js'
import { MAX_GROUPS } from './primes.js'

/**
 * What the local file holds that the remote doesn't: reserved slot 1, compact JSON of
 * `v` (1), `written`, `deletes`, `num_groups`, `num_groups_set`, `replace_pending`, `meta_pending`, and our own
 * `bases` and `sent`, which the original ignores and drops when it rewrites the slot.
 */
export interface Journal {
  /** Keys that were set and not pushed. */
  written: ReadonlySet<string>
  /** Keys that were deleted and not pushed; none of them is in `written`. */
  deletes: ReadonlySet<string>
  /** The number of groups that was chosen; null for per-key mode, or when none was chosen. */
  numGroups: number | null
  /** Whether `numGroups` was chosen: with null, per-key mode. */
  numGroupsSet: boolean
  /** The next push replaces everything on the remote. */
  replacePending: boolean
  /** The metadata was edited and not pushed. */
  metaPending: boolean
  /** What the remote had where changes began, as far as it has something else now. */
  bases: JournalBases
  /** A push was begun of which it isn't known whether its commit arrived. */
  sent: boolean
}

const journalVersion = 1

/** A journal with nothing pending and nothing chosen. */
export const EMPTY_JOURNAL: Journal = {
  written: new Set(),
  deletes: new Set(),
  numGroups: null,
  numGroupsSet: false,
  replacePending: false,
  metaPending: false,
  bases: NO_BASES,
  sent: false,
}

/** @throws InvalidArgumentError when a key is in both sets, or holds a lone surrogate */
export function encodeJournal(journal: Journal): Uint8Array<ArrayBuffer> {
  for (const key of journal.deletes) if (journal.written.has(key)) throw new InvalidArgumentError(`The key ${JSON.stringify(key)} is pending both as written and as deleted.`)
  const bases = basesToJson(journal.bases)
  const text = stringifyJson({
    v: journalVersion,
    written: [...journal.written],
    deletes: [...journal.deletes],
    num_groups: journal.numGroups,
    num_groups_set: journal.numGroupsSet,
    replace_pending: journal.replacePending,
    meta_pending: journal.metaPending,
    ...(bases === undefined ? {} : { bases }),
    ...(journal.sent ? { sent: true } : {}),
  })
  return utf8Encode(text)
}

/**
 * Unknown fields are ignored; absent ones count as empty, null or false.
 * @throws UnsupportedVersionError for a newer version
 * @throws FormatError
 */
export function decodeJournal(bytes: Uint8Array): Journal {
  const fields = readSlot(bytes, 'journal', journalVersion)
  const written = readKeys(fields, 'written')
  const deletes = readKeys(fields, 'deletes')
  for (const key of deletes) if (written.has(key)) throw new FormatError(`The journal of the local file lists the key ${JSON.stringify(key)} as written and as deleted.`)
  return {
    written,
    deletes,
    numGroups: readNumGroups(fields),
    numGroupsSet: readFlag(fields, 'num_groups_set'),
    replacePending: readFlag(fields, 'replace_pending'),
    metaPending: readFlag(fields, 'meta_pending'),
    bases: basesFromJson(fields.get('bases')),
    sent: readFlag(fields, 'sent'),
  }
}

/** The fields of a reserved slot's JSON object, once its version `v` is one that this release reads. */
export function readSlot(bytes: Uint8Array, name: string, newest: number): ReadonlyMap<string, unknown> {
  let value: unknown
  try {
    value = parseJson(utf8Decode(bytes))
  } catch (cause) {
    throw new FormatError(`The ${name} of the local file is not JSON.`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormatError(`The ${name} of the local file is not a JSON object.`)
  const fields = new Map(Object.entries(value))
  const version: unknown = fields.get('v')
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) throw new FormatError(`The ${name} of the local file states no version.`)
  if (version > newest) throw new UnsupportedVersionError(`The ${name} of the local file is of version ${version}; this release reads ${newest}. Upgrade to open it.`, version)
  return fields
}

function readKeys(fields: ReadonlyMap<string, unknown>, name: string): Set<string> {
  const keys = fields.get(name) ?? []
  if (!Array.isArray(keys) || !keys.every((key: unknown) => typeof key === 'string')) throw new FormatError(`The journal of the local file has a bad field: ${name} is not a list of keys.`)
  return new Set<string>(keys)
}

function readFlag(fields: ReadonlyMap<string, unknown>, name: string): boolean {
  const flag = fields.get(name) ?? false
  if (typeof flag !== 'boolean') throw new FormatError(`The journal of the local file has a bad field: ${name} is neither true nor false.`)
  return flag
}

function readNumGroups(fields: ReadonlyMap<string, unknown>): number | null {
  const number = fields.get('num_groups') ?? null
  if (number === null) return null
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > MAX_GROUPS) throw new FormatError('The journal of the local file has a bad field: num_groups.')
  return number
}
