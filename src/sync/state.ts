/**
 * What a session knows without asking anybody: the local file, the remote as it was last seen, and the
 * changes between them. Pure bookkeeping; no network.
 */
import type { DatabaseType } from '../format/db-metadata.js'
import { decodeMetaSection } from '../format/db-object.js'
import type { IndexEntry } from '../format/index-entry.js'
import { decodeRemoteState, encodeRemoteState, type RemoteState } from '../format/remote-state.js'
import { groupId } from '../format/group-id.js'
import type { BaseValues } from './base-values.js'
import type { ConditionalWrites } from './conditions.js'
import { RemoteTypeError } from './errors.js'
import type { LocalFile } from './local-file.js'
import { RemoteObservers, type SeenRemote } from './observe.js'
import { JournalSlot } from './journal-slot.js'
import { PendingChanges } from './pending.js'
import { RemoteIndex } from './remote-index.js'
import { uploadRecordInMemory, type UploadRecordFile } from './resume/upload-record.js'

/** The file beside the local one that holds the index section as last seen. */
export interface IndexFile {
  read(): Uint8Array | undefined
  /** Replaces the file atomically. */
  write(bytes: Uint8Array): void
  remove(): void
}

/** Where the value of a key is to be had. */
export type Whereabouts = { where: 'absent' } | { where: 'local' } | { where: 'remote'; entry: IndexEntry }

const absent: Whereabouts = { where: 'absent' }
const local: Whereabouts = { where: 'local' }

export function noRemoteYet(): RemoteState {
  return { timestamp: null, manifest: new Map(), metaSection: null, etag: undefined }
}

export class SyncState {
  /** What kind of database this is. */
  readonly type: DatabaseType
  readonly local: LocalFile
  readonly indexFile: IndexFile
  /** What pushes have begun to send. */
  readonly uploadRecord: UploadRecordFile
  readonly pending: PendingChanges
  /** Who is told when another state of the remote comes in. */
  readonly observers = new RemoteObservers()
  index: RemoteIndex
  remote: RemoteState
  /** µs of the remote's commit that the local file was last in step with; null when it never was. Known also when the index is lost. */
  readonly lastSeenTimestamp: number | null
  /** True when the local file remembers a remote, but its index file is missing or damaged. */
  readonly indexLost: boolean
  /** True when the index file lacks, or may lack, keys of the commit that the local file knows: somebody took out what is to be deleted. */
  readonly indexIsShort: boolean
  /** False when the local file was in step with a remote, but nothing tells which keys that has. */
  readonly knowsKeys: boolean
  /** True for a local copy that was made by ebooklet 0.9 or older, and not opened by others yet. */
  readonly isFormat1Copy: boolean
  /** True after a commit of which it isn't known whether it arrived, until the remote was read again. */
  remoteInDoubt = false
  /** Values that were changed here, as the remote had them; undefined where nobody will ask. */
  baseValues: BaseValues | undefined
  /** Rises whenever another state of the remote is taken in. */
  revision = 0
  readonly #journal: JournalSlot
  #size: { version: number; index: RemoteIndex; value: number } | undefined

  constructor(parts: { type: DatabaseType; local: LocalFile; indexFile: IndexFile; uploadRecord?: UploadRecordFile | undefined; pending: PendingChanges; index: RemoteIndex; remote: RemoteState; lastSeenTimestamp?: number | null; indexRead?: boolean; indexIsShort?: boolean; format1Copy?: boolean }) {
    this.type = parts.type
    this.local = parts.local
    this.indexFile = parts.indexFile
    this.uploadRecord = parts.uploadRecord ?? uploadRecordInMemory()
    this.pending = parts.pending
    this.#journal = new JournalSlot(parts.local)
    this.index = parts.index
    this.remote = parts.remote
    this.lastSeenTimestamp = parts.lastSeenTimestamp ?? parts.remote.timestamp
    this.indexLost = this.lastSeenTimestamp !== parts.remote.timestamp
    this.isFormat1Copy = parts.format1Copy === true
    this.indexIsShort = parts.indexIsShort === true
    this.knowsKeys = parts.indexRead !== false || parts.pending.replacePending
  }

  /**
   * Reads the state that a local file and its index file hold. An index that can't be read counts as none.
   * @throws RemoteTypeError when the file is known to be a database of another kind
   */
  static load(file: LocalFile, indexFile: IndexFile, type: DatabaseType, uploadRecord?: UploadRecordFile): SyncState {
    const journal = file.reserved.get(1)
    const slot = file.reserved.get(2)
    let remote = slot ? decodeRemoteState(slot.bytes) : noRemoteYet()
    // Files of the original don't say it: for them the remote will.
    if (remote.type !== undefined && remote.type !== type) throw new RemoteTypeError(file.path ?? 'the local file', remote.type, type)
    // Copies that format 1 left have an index beside them, and no slots that tell which one that is.
    const format1 = slot ? undefined : readIndex(indexFile)
    const format1Copy = format1 !== undefined && (format1.size > 0 || format1.metadataEntry !== undefined)
    const index = remote.timestamp === null ? (format1 ?? RemoteIndex.empty()) : readIndex(indexFile)
    const lastSeenTimestamp = remote.timestamp
    const pending = journal ? PendingChanges.decode(journal.bytes) : new PendingChanges()
    // Without its index the remembered state is worth nothing: have it read again. Also when the index is not what was
    // committed: Python takes a key out at once that it is to delete, but a discard wants it back. It may note a write where
    // a delete went before.
    // And a replacement that may be discarded needs to know how many groups there were.
    const unknown = pending.replacePending && remote.numGroups === undefined
    const mayBeShort = remote.timestamp !== null && remote.type === undefined && pending.written.size > 0
    const indexIsShort = index !== undefined && (mayBeShort || !hasAll(index, pending.deletes))
    if (!index || unknown || indexIsShort) remote = { ...noRemoteYet(), conditions: remote.conditions, replaces: remote.replaces }
    const state = new SyncState({ type, local: file, indexFile, uploadRecord, pending, index: index ?? RemoteIndex.empty(), remote, lastSeenTimestamp, indexRead: index !== undefined, indexIsShort, format1Copy: format1Copy && !pending.replacePending })
    if (state.isFormat1Copy) state.#adoptFormat1Changes()
    return state
  }

  /** Format 1 keeps no journal: what is newer here than in the index, or not in it, is a change. Deletes are lost when it closes. */
  #adoptFormat1Changes(): void {
    this.recoverLostWrites()
    const { metadataTimestamp } = this.local
    if (metadataTimestamp !== undefined && metadataTimestamp > (this.index.metadataEntry?.timestamp ?? -1)) this.pending.setMetaPending(true)
  }

  /** The commit that pending changes are based on (its µs), and what is not known of it any more. */
  get knownRemote(): { timestamp: number | null; stateLost: boolean; keysLost: boolean } {
    const stateLost = this.indexLost && this.revision === 0
    return { timestamp: stateLost ? this.lastSeenTimestamp : this.remote.timestamp, stateLost, keysLost: stateLost && !this.knowsKeys }
  }

  /** What a reader of this session sees of the remote: nothing while a replacement is pending. */
  get visibleIndex(): RemoteIndex {
    return this.pending.replacePending ? RemoteIndex.empty() : this.index
  }

  /** The remote as it is known now, to be compared with another state. */
  get seen(): SeenRemote {
    return { index: this.index, metaSection: this.remote.metaSection, timestamp: this.remote.timestamp }
  }

  /** Order of truth: a pending local change, then whichever of local and remote is newer. */
  locate(key: string): Whereabouts {
    if (this.pending.deletes.has(key)) return absent
    if (this.pending.written.has(key)) return local
    const entry = this.visibleIndex.get(key)
    if (!entry) return absent
    const timestamp = this.local.getTimestamp(key)
    return timestamp !== undefined && timestamp >= entry.timestamp ? local : { where: 'remote', entry }
  }

  has(key: string): boolean {
    if (this.pending.written.has(key)) return true
    return !this.pending.deletes.has(key) && this.visibleIndex.has(key)
  }

  getTimestamp(key: string): number | undefined {
    const found = this.locate(key)
    if (found.where === 'absent') return undefined
    return found.where === 'remote' ? found.entry.timestamp : this.local.getTimestamp(key)
  }

  /** Undefined when there is none; null stands for removed metadata. While a replacement is pending the remote's is not seen. */
  get metadata(): unknown {
    const { replacePending, metaPending } = this.pending
    return replacePending && !metaPending ? undefined : (this.local.metadata ?? undefined)
  }

  *keys(): Generator<string> {
    const index = this.visibleIndex
    const { written, deletes } = this.pending
    for (const key of index.keys()) if (!deletes.has(key)) yield key
    for (const key of written) if (!index.has(key)) yield key
  }

  get size(): number {
    const index = this.visibleIndex
    const { version, written, deletes } = this.pending
    if (this.#size?.version !== version || this.#size.index !== this.index) {
      let value = index.size
      for (const key of deletes) if (index.has(key)) value--
      for (const key of written) if (!index.has(key)) value++
      this.#size = { version, index: this.index, value }
    }
    return this.#size.value
  }

  groupOf(key: string): number {
    const numGroups = this.pending.numGroups
    if (!numGroups) throw new Error('per-key databases have no groups')
    return groupId(key, numGroups)
  }

  /** Whether a local value can't have come from the remote as it was last seen: then it is a write that no journal tells of. */
  isNewerThanSeen(key: string, timestamp: number): boolean {
    const entry = this.index.get(key)
    return timestamp > (entry ? entry.timestamp : (this.remote.timestamp ?? this.lastSeenTimestamp ?? -1))
  }

  /**
   * Finds writes that the journal lost in a crash: local values newer than what the remote had when it
   * was last seen. Call it before a newer remote state is taken in.
   *
   * @param index what the remote has; default: the index that was last seen
   */
  recoverLostWrites(index: RemoteIndex = this.visibleIndex): number {
    let found = 0
    for (const [key, timestamp] of this.local.timestamps()) {
      if (this.pending.written.has(key) || this.pending.deletes.has(key)) continue
      const entry = index.get(key)
      if (entry ? timestamp <= entry.timestamp : timestamp <= (this.lastSeenTimestamp ?? -1)) continue
      this.pending.addWrite(key)
      found++
    }
    return found
  }

  /** Writes journal and remote state into the local file's slots, and makes all durable. */
  save(): void {
    this.saveJournal()
    this.local.sync()
  }

  saveJournal(): void {
    this.#journal.save(this.pending)
  }

  /** Makes the local copy of the metadata, which Python looks at, that of the remote. */
  restoreMetadata(): void {
    const section = this.remote.metaSection ? decodeMetaSection(this.remote.metaSection) : undefined
    if (section && section.data !== null) this.local.setMetadata(section.data, { timestamp: section.timestamp })
    else if (this.local.metadata !== undefined) this.local.setMetadata(undefined)
  }

  /** The remote was found to be what the local file knows. Python's slot has no ETag: keep the one that was seen. */
  stillTheSame(etag: string | undefined): void {
    this.remoteInDoubt = false
    if (etag !== this.remote.etag) this.remote = { ...this.remote, etag }
  }

  /** Which conditional writes were seen to work on this store, as far as the local file remembers. */
  conditionsOn(store: string): ConditionalWrites | undefined {
    const { conditions } = this.remote
    return conditions?.store === store ? conditions : undefined
  }

  rememberConditions(store: string, { create, match }: ConditionalWrites): void {
    this.remote = { ...this.remote, conditions: { store, create, match } }
    this.local.reserved.set(2, encodeRemoteState({ ...this.remote, type: this.type }))
  }

  /** Takes in another state of the remote, on disk too: the index file first, so that a crash in between is found by the slot's older ETag. */
  saveRemote(remote: RemoteState, index: RemoteIndex): void {
    this.indexFile.write(index.bytes)
    this.index = index
    const replaces = this.pending.replacePending ? (remote.replaces ?? this.remote.replaces) : undefined
    this.remote = { ...remote, conditions: this.remote.conditions, replaces }
    this.remoteInDoubt = false
    this.revision++
    this.local.reserved.set(2, encodeRemoteState({ ...this.remote, type: this.type }))
    if (remote.timestamp !== null) this.local.fileTimestamp = remote.timestamp
  }
}

function hasAll(index: RemoteIndex, keys: Iterable<string>): boolean {
  for (const key of keys) if (!index.has(key)) return false
  return true
}

function readIndex(file: IndexFile): RemoteIndex | undefined {
  const bytes = file.read()
  if (!bytes) return undefined
  try {
    return RemoteIndex.decode(bytes)
  } catch {
    // Damaged or half written by somebody else: the remote has it.
    return undefined
  }
}
