/** What fsck can find at a remote. docs/fsck.md tells of each what to do. */
import type { FindingBase, Severity } from '../../base/findings.js'
import type { BookletFinding } from '../../booklet/index.js'

/** What became of something that nothing refers to. */
export type SweepOutcome =
  /** No sweep was asked for. */
  | 'found'
  | 'swept'
  /** Younger than `minAge`: it may belong to a push that is under way. */
  | 'spared-young'
  /** The store gives no date for it. */
  | 'spared-undated'
  /** The store refused to delete it. */
  | 'failed'

interface Sweepable {
  /** ms since its last change, by the store's clock where a lock shows it, else by this machine's; undefined where the store gives no date. */
  age: number | undefined
  outcome: SweepOutcome
}

/** Where an entry is said to lie, and how old it is. */
export interface EntryPlace {
  /** µs. */
  timestamp: number
  offset: number
  length: number
}

/** The facts of each kind of finding. `object` is always the key of an object in the store. */
export interface RemoteFindingFacts {
  /** The db object is there, and is none that can be read: nothing else can be judged, and nothing is swept. */
  'db-object-unreadable': { object: string; code: string; reason: string }
  /** The database is of storage format 1. */
  'old-format': { object: string }
  /** The database is of a format that came after this release. */
  'newer-format': { object: string; version: number }
  /** There is no db object, but objects below it: a deletion or a first push that stopped half-way. */
  'torn-teardown': { object: string; objects: number; bytes: number }
  /** The index in the db object is damaged: what is referred to is not known, so nothing is swept. */
  'index-damaged': { object: string; reason: string; problems: readonly BookletFinding[] }
  /** The metadata section of the db object can't be read. */
  'metadata-damaged': { object: string; reason: string }
  /** The header for local copies in the db object names another database than the db object itself. */
  'uuid-mismatch': { object: string; uuid: string; headerUuid: string }
  /** Keys need an object that isn't there. `hidden`: a versioned bucket still has it, under a delete marker. */
  'missing-object': { object: string; group: number | undefined; keys: readonly string[]; keyCount: number; hidden: boolean }
  /** Keys belong to a group of which the manifest names no generation. */
  'group-not-in-manifest': { group: number; keys: readonly string[]; keyCount: number }
  /** The manifest names a generation that no key needs. */
  'unneeded-generation': { object: string; group: number; exists: boolean }
  /** An index entry reaches beyond the end of its group's object. */
  'entry-outside-object': { key: string; object: string; offset: number; length: number; objectBytes: number }
  /** The object says something else of an entry than the index. In per-key mode only the timestamp is compared. */
  'entry-contradicts-object': { key: string; object: string; index: EntryPlace; found: EntryPlace }
  /** The object of a group lacks an entry that the index has. */
  'entry-not-in-object': { key: string; object: string }
  /** The object of a group holds an entry that the index doesn't have. */
  'unindexed-entry': { key: string; object: string }
  /** The object of a group can't be parsed to its end. */
  'group-damaged': { object: string; group: number; reason: string }
  /** Nothing refers to this object. */
  orphan: { object: string; what: 'group' | 'value' | 'probe'; bytes: number; versions: number } & Sweepable
  /** Old versions and delete markers of an object that is gone, in a versioned bucket. */
  'hidden-versions': { object: string; versions: number; deleteMarkers: number; bytes: number; sweepable: boolean } & Sweepable
  /** A multipart upload that was neither completed nor given up. `own`: false where it may be of another database. */
  'multipart-upload': { object: string; id: string; own: boolean } & Sweepable
  /** An object below the database that is none of it. Never swept. */
  foreign: { object: string; bytes: number }
  /** Another database lives below this one: it and all below it is left alone. */
  'nested-database': { object: string }
  /** A lock ticket older than 2 h, or half of one. */
  'stale-lock': { id: string; exclusive: boolean | undefined; since: number | undefined; age: number | undefined; half: boolean }
  /** An object under the name of a lock ticket that is none: Python stops at it with an error. */
  'foreign-ticket': { object: string; bytes: number }
}

export type RemoteFindingKind = keyof RemoteFindingFacts

/** One thing that fsck found. `kind` tells which fields there are. */
export type RemoteFinding = { [K in RemoteFindingKind]: FindingBase & { readonly kind: K } & Readonly<RemoteFindingFacts[K]> }[RemoteFindingKind]

type Judgement<K extends RemoteFindingKind> = (facts: RemoteFindingFacts[K]) => [Severity, string]

const lost = 'restore it from a backup or, in a versioned bucket, from an older version; or set these keys again (or delete them) and push'

const judgements: { [K in RemoteFindingKind]: Judgement<K> } = {
  'db-object-unreadable': () => ['error', 'The db object can not be read, so nothing below it can be judged. Restore an older version of it, or push the database anew with flag n from a complete local copy.'],
  'old-format': () => ['note', 'The database is of storage format 1. It can be read; upgradeRemote() makes it one of format 2. Only what lies below it in format 2 is judged here: nothing.'],
  'newer-format': ({ version }) => ['error', `The database is of format ${version}, made by a newer release. Upgrade to check it.`],
  'torn-teardown': () => ['error', 'The db object is gone, and objects below it are left: somebody deletes or makes this database just now, or was stopped while doing so. If it was to be deleted, sweep. If not, restore the db object from an older version or push from a complete local copy, before anybody sweeps.'],
  'index-damaged': () => ['error', 'The index of the database is damaged. Push from a complete local copy with flag n, or restore an older version of the db object.'],
  'metadata-damaged': () => ['error', "The metadata of the database can not be read. Set it again and push; that replaces it."],
  'uuid-mismatch': () => ['error', 'New local copies would get another uuid than the database has and be refused. Push with flag n from a complete local copy.'],
  'missing-object': ({ hidden }) => ['error', hidden ? 'The object was deleted in a versioned bucket. Delete its delete marker, and it is back.' : `The values of these keys are gone: ${lost}.`],
  'group-not-in-manifest': () => ['error', `The db object does not say which object holds these keys, so they can not be read: ${lost}.`],
  'unneeded-generation': ({ exists }) => ['note', exists ? 'No key lies in this group. The next push that empties or fills it sets it right.' : 'No key lies in this group, so it is not missed. The next push that fills it sets it right.'],
  'entry-outside-object': () => ['error', `The object is shorter than its index says: it was cut or replaced. Check it with deep: true; ${lost}.`],
  'entry-contradicts-object': ({ index, found }) => index.timestamp === found.timestamp
    ? ['warning', 'The value is found all the same, at the price of reading the whole object. Set the key again, or push any change of its group, to repack it.']
    : ['warning', 'The object has another state of this key than the index: somebody replaced it, or wrote beside the lock. Look at the value, set it again and push.'],
  'entry-not-in-object': () => ['error', `The object does not hold this key: ${lost}.`],
  'unindexed-entry': () => ['note', 'The object holds a key that the database does not have (any more). Nobody reads it; the next push of its group drops it.'],
  'group-damaged': () => ['error', `The object is damaged: of its keys those that are not told of here otherwise may still be read. For the rest: ${lost}.`],
  orphan: ({ outcome }) => ['warning', `Nothing refers to this object: a push or its cleaning up was cut off${outcome === 'spared-young' ? ', or is under way: it is too young to be swept' : ''}. It costs space and nothing else; a sweep deletes it.`],
  'hidden-versions': ({ sweepable }) => ['note', sweepable ? 'The bucket keeps old versions of what was deleted. They cost space and nothing else; a sweep deletes them.' : 'The bucket keeps old versions of something that was deleted here and may not have been of this database: they are never swept. Delete them by hand or by a lifecycle rule of the bucket.'],
  'multipart-upload': ({ own }) => ['warning', own ? 'An upload was cut off, or is under way. Nobody sees its parts, but they cost space; a sweep gives it up when it is old.' : 'An upload below this database that may be of another one was cut off, or is under way: it is never swept. A lifecycle rule of the bucket can end it.'],
  foreign: () => ['note', 'The object has no name or content that this database gives: it is left alone. Look what it is.'],
  'nested-database': () => ['note', 'Another database lives here. It is left alone with all below it; check it by itself.'],
  'stale-lock': ({ half }) => ['warning', half ? 'Half a lock ticket: its writer was stopped while it asked for the lock. If nobody is asking just now, break it (breakLocks).' : 'A lock ticket older than two hours: if its holder is dead, break it (breakLocks). Writers wait for it until then.'],
  'foreign-ticket': () => ['error', 'This object has the name of a lock ticket and holds something else: the original stops at it with an error. See who wrote it, and delete it.'],
}

/** A finding with its severity and advice. */
export function remoteFinding<K extends RemoteFindingKind>(kind: K, facts: RemoteFindingFacts[K]): RemoteFinding {
  const [severity, advice] = (judgements[kind] as Judgement<K>)(facts)
  return { kind, severity, advice, ...facts } as unknown as RemoteFinding
}
