/** What can be wrong with a booklet file. docs/fsck.md tells of each what to do. */
import type { FindingBase, Severity } from '../../base/findings.js'
import { toHex, utf8Decode } from '../../base/bytes.js'

/** Where a pointer of the index or of a chain leads instead of to the next block of its chain. */
export type WrongTarget =
  /** Before the data, or beyond the end of the file. */
  | 'outside'
  /** To a block that reaches beyond the end of the file. */
  | 'cut-short-block'
  /** To something whose digest isn't that of its key: a damaged block, or no block at all. */
  | 'damaged-block'
  /** To a block that was deleted or replaced. */
  | 'dead-block'
  /** To a whole block that lies within what counts as another one. */
  | 'covered-block'
  /** To a block of another bucket. */
  | 'other-bucket'
  /** To a block that the chain has passed before. */
  | 'loop'

/** A key for people and for programs. */
export interface NamedKey {
  /** The text of a key that is text; else its bytes in hexadecimal. */
  key: string
  keyBytes: Uint8Array
}

/** The facts of each kind of finding. Positions and lengths are in bytes. */
export interface BookletFindingFacts {
  /** The file doesn't start as a booklet. */
  'not-a-booklet': { start: string }
  'header-cut-short': { bytes: number }
  'unsupported-version': { version: number }
  /** A field of the header holds what it can't. `harmless`: readers don't look at it. */
  'bad-header-field': { field: string; found: string; expected: string; harmless: boolean }
  /** Index or data would lie beyond the end of the file. */
  'layout-outside-file': { part: 'index' | 'data'; start: number; end: number; fileBytes: number }
  /** Most of the index leads to blocks of other buckets: the header's number of buckets or layout is wrong. */
  'header-contradicts-index': { reason: string }
  /** The header names a serializer that doesn't exist. */
  'unknown-serializer': { field: 'key' | 'value'; code: number }
  /** The last writer didn't close the file. `unsynced`: bytes at its end that were never synced. */
  'not-closed': { unsynced: number }
  /** A step was stopped half-way. `finishable`: what it needs is there, and opening for writing finishes it. */
  'unfinished-step': { step: 'sync' | 'prune' | 'clear'; finishable: boolean }
  /** The recovery record in the header is torn: it is not believed. */
  'bad-recovery-record': { state: string }
  'wrong-key-count': { stated: number; found: number }
  /** `at`: where the pointer lies. */
  'bad-pointer': { bucket: number; at: number; to: number; leadsTo: WrongTarget }
  /** A chain holds a key twice; lookups find the first. */
  'duplicate-entry': { bucket: number; position: number } & NamedKey
  /** A whole block that no chain leads to. */
  'unlinked-block': { position: number; bytes: number } & NamedKey
  /** Bytes between blocks that aren't blocks. */
  'stray-bytes': { start: number; end: number }
  /** Bytes at the end that aren't a whole block. */
  'truncated-tail': { start: number; end: number }
  'bad-metadata': { reason: string }
  /** `certain`: false when the slot may hold something of another program. */
  'bad-slot': { slot: 1 | 2; content: 'journal' | 'remote state'; reason: string; certain: boolean }
  /** A key that its serializer can't read. */
  'bad-key': { position: number; reason: string } & NamedKey
  /** A value that its serializer can't read (only with `deep`). */
  'bad-value': { position: number; reason: string } & NamedKey
  /** The journal says that a key waits for a push, and its value isn't there. */
  'pending-write-missing': { key: string }
  /** The copy of the remote's index beside the file is damaged. */
  'bad-index-file': { path: string; problems: readonly BookletFinding[] }
  /** The copy of the remote's index beside the file is gone. */
  'index-file-missing': { path: string }
  /** A file that a writer makes for a moment was left. */
  'leftover-file': { path: string }
}

export type BookletFindingKind = keyof BookletFindingFacts

/** One thing that is wrong with a file. `kind` tells which fields there are. */
export type BookletFinding = { [K in BookletFindingKind]: FindingBase & { readonly kind: K } & Readonly<BookletFindingFacts[K]> }[BookletFindingKind]

/** Versions that a file may really have, though this release reads 3 to 5 only: such files are left as they are. */
export function isRealVersion(version: number): boolean {
  return version >= 1 && version <= 15
}

type Judgement<K extends BookletFindingKind> = (facts: BookletFindingFacts[K]) => [Severity, string]

const repair = 'repairBooklet mends it'

const judgements: { [K in BookletFindingKind]: Judgement<K> } = {
  'not-a-booklet': () => ['error', 'This is no booklet file, or its very beginning is lost. Look whether it is the right file; restore it from a copy.'],
  'header-cut-short': () => ['error', 'Nothing but a part of the header is left. Restore the file from a copy.'],
  'unsupported-version': ({ version }) => ['error', isRealVersion(version) ? `The file is of version ${version}: use the release that made it.` : 'No release writes such a version: the header is damaged, and repairBooklet mends it.'],
  'bad-header-field': ({ field, harmless }) => [harmless ? 'note' : 'error', `The field ${field} of the header is wrong; ${repair}${harmless ? '. Nobody reads it' : ' where the blocks themselves are whole'}.`],
  'layout-outside-file': ({ part }) => ['error', `The file was cut short, or its header is damaged: the ${part} is not there. repairBooklet saves every whole block that is left.`],
  'header-contradicts-index': () => ['error', 'The number of buckets or the layout in the header is damaged, or the index was overwritten. repairBooklet makes a new index of the blocks.'],
  'unknown-serializer': ({ field }) => ['error', `Nothing can read the ${field === 'key' ? 'keys' : 'values'} but as bytes: the header is damaged, or the file is of a newer release. Open it with a ${field}Serializer of your own.`],
  'not-closed': ({ unsynced }) => ['warning', `The last writer was stopped, or still has the file open elsewhere. Opening it for writing repairs it${unsynced > 0 ? `, without the ${unsynced} bytes that were never synced` : ''}.`],
  'unfinished-step': ({ step, finishable }) => finishable
    ? ['warning', `A ${step} was stopped half-way. Opening the file for writing finishes it.`]
    : ['error', `A ${step} was stopped half-way, and what is needed to finish it is gone. repairBooklet saves every whole block that is left.`],
  'bad-recovery-record': () => ['warning', 'The note by which a crash is repaired is torn. Opening the file for writing looks through all of it instead.'],
  'wrong-key-count': () => ['warning', 'The number of keys in the header is wrong: the last writer was stopped. Opening the file for writing counts anew.'],
  'bad-pointer': ({ leadsTo }) => ['error', leadsTo === 'outside' || leadsTo === 'cut-short-block' || leadsTo === 'damaged-block' ? 'What lay there is lost; what came behind it in its chain is not found until repairBooklet has mended the chain.' : `Keys of this bucket are not found; ${repair}.`],
  'duplicate-entry': () => ['warning', `The later of the two is never found; ${repair}.`],
  'unlinked-block': () => ['warning', 'No lookup finds this entry: a write that was cut off, or a pointer that was damaged. repairBooklet takes it in again unless the key has another value; opening for writing drops it.'],
  'stray-bytes': () => ['warning', 'These bytes are no block: a damaged block, or a trace of an index of the original. repairBooklet drops them, and says so.'],
  'truncated-tail': () => ['warning', 'The last block is not whole: a write was cut off, or the file was cut. repairBooklet drops it, and says which key it was where that can be told.'],
  'bad-metadata': () => ['error', 'The metadata of the file can not be read. Set it anew; repairBooklet removes it.'],
  'bad-slot': ({ content, certain }) => [certain ? 'error' : 'note', !certain
    ? 'The slot does not hold what an Ebooklet puts there. That is as it should be if another program uses the file.'
    : content === 'journal'
    ? 'Which changes wait for a push is not known any more. repairBooklet removes the journal: writes are found again by their timestamps at the next open, pending deletes are forgotten.'
    : 'Which state of the remote the file is in step with is not known any more. repairBooklet removes the note: it is read again at the next open, and local values that the remote does not have then wait for a push. Look at changes() before you push.'],
  'bad-key': () => ['error', 'The key serializer can not read this key: its bytes or the serializer code in the header are damaged, or it is none of this database. Its bytes are kept.'],
  'bad-value': () => ['error', 'The value serializer can not read this value: its bytes are damaged, or the serializer code is. Set the key again; its bytes are kept.'],
  'pending-write-missing': () => ['error', 'A change that was to be pushed is lost. Set the key again; repairBooklet takes it off the list.'],
  'bad-index-file': () => ['warning', "The copy of the remote's index is damaged. It is read again from the remote at the next open; repairBooklet removes it."],
  'index-file-missing': () => ['note', "The copy of the remote's index is not there. It is read again from the remote at the next open."],
  'leftover-file': () => ['note', 'A writer was stopped before it removed this file. The next open for writing removes or replaces it.'],
}

/** A finding with its severity and advice. */
export function bookletFinding<K extends BookletFindingKind>(kind: K, facts: BookletFindingFacts[K]): BookletFinding {
  const [severity, advice] = (judgements[kind] as Judgement<K>)(facts)
  return { kind, severity, advice, ...facts } as unknown as BookletFinding
}

/** @param text whether keys are text in this file */
export function namedKey(keyBytes: Uint8Array, text: boolean): NamedKey {
  try {
    if (text) return { key: utf8Decode(keyBytes), keyBytes }
  } catch {
    // Shown as bytes.
  }
  return { key: toHex(keyBytes), keyBytes }
}
