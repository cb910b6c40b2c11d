import { existsSync, rmSync } from 'node:fs'
import { systemEnvironment, type Environment } from '../../base/environment.js'
import { FormatError, InvalidArgumentError, UnsupportedVersionError } from '../../base/error.js'
import { DEFAULT_MAX_FINDINGS, FindingList } from '../../base/findings.js'
import { hasDigest, newBlockHead, readBlockHead } from '../../format/block.js'
import { digestKey, newDigest } from '../../format/blake2s.js'
import { AREA_AT, decodeHeader, HEADER_LENGTH, headerVersion, NOT_CLOSED, REWRITING_VERSION } from '../../format/booklet-header.js'
import { SLOT_1_KEY } from '../../format/internal-keys.js'
import { decodeJournal, encodeJournal } from '../../format/journal.js'
import { utf8Encode } from '../../base/bytes.js'
import { remoteIndexPath } from '../../format/names.js'
import { MemoryFile } from '../../platform/random-access-file.js'
import { commitPending } from '../commit.js'
import { Engine } from '../engine.js'
import { inMemory, openPath, type FileHome } from '../file-home.js'
import { headerAmidRewriting } from '../open.js'
import { DEFAULT_BUFFER } from '../options.js'
import { dropLeftover, finishCommit, recover } from '../recover.js'
import { rewriteWithBuckets } from '../rewrite.js'
import type { Surveyed } from '../survey.js'
import { assess, type Assessment } from './assess.js'
import { blockAt } from './chains.js'
import { checkHome, type BookletReport } from './check.js'
import { unreadableInternal } from './contents.js'
import { namedKey, type BookletFinding, type NamedKey } from './finding.js'
import { isOfAnotherRelease, salvage, type Salvage } from './salvage.js'

export interface RepairBookletOptions {
  /** Only tell what would be done and lost. Default false. */
  dryRun?: boolean
  /**
   * What to do with whole entries that no lookup finds and whose key has no other value: `keep` (default) takes them in
   * again; `drop` takes them for writes that were cut off, as opening for writing does.
   */
  unlinked?: 'keep' | 'drop'
  /** ms to wait for other processes to close the file. Default: without limit. */
  lockTimeout?: number
  environment?: Environment
}

/** A stretch of the file that is not in the mended one. */
export interface LostPiece {
  /**
   * `damaged`: no whole block lies there. `superseded`: an entry whose key has another value. `unlinked`: an entry that was
   * dropped because that was asked for. `unsynced`: written by somebody who was stopped before a sync.
   */
  why: 'damaged' | 'superseded' | 'unlinked' | 'unsynced'
  /** First byte. */
  start: number
  /** How many bytes. */
  bytes: number
  /** Whose value it was, where that can be told. */
  key: NamedKey | undefined
}

/** What `repairBooklet` did, or would do. */
export interface BookletRepair {
  /** What was wrong before. */
  readonly before: BookletReport
  /** Whether the file was changed, or would be. */
  readonly changed: boolean
  /** Entries that the mended file has. */
  readonly kept: number
  /** Entries that no lookup found before. */
  readonly recovered: readonly (NamedKey & { start: number; bytes: number })[]
  readonly lost: readonly LostPiece[]
  /** What can't be read and was removed. */
  readonly removed: readonly ('metadata' | 'journal' | 'remote state' | 'index file')[]
  /** Changes that were to be pushed and whose value is lost. */
  readonly pendingLost: readonly string[]
  /** The mended file, when bytes were given. */
  readonly mended: Uint8Array<ArrayBuffer> | undefined
}

/* What opening for writing puts right in place. */
const mendedInPlace = new Set<BookletFinding['kind']>(['not-closed', 'wrong-key-count', 'bad-recovery-record', 'leftover-file'])

/**
 * Mends a booklet file of either kind, and says what could not be saved. What is whole stays; what was stopped half-way is
 * finished; the rest goes. The mended contents are complete in a file beside it before the file itself is touched, so a
 * crash at any moment leaves the one or the other, and the next call, or the next open for writing, goes on.
 *
 * @param source a path, or the bytes of a file, which are not changed: the result has them mended
 * @throws WrongFileTypeError for what is no booklet, UnsupportedVersionError for a file of another release, FormatError
 *   when nothing can be saved, FileNotFoundError, FileLockedError, InvalidArgumentError: the file is as it was
 */
export function repairBooklet(source: string | Uint8Array, options: RepairBookletOptions = {}): BookletRepair {
  const { lockTimeout, unlinked } = options
  if (unlinked !== undefined && unlinked !== 'keep' && unlinked !== 'drop') throw new InvalidArgumentError("unlinked has to be 'keep' or 'drop'")
  const path = typeof source === 'string' ? source : undefined
  const memory = typeof source === 'string' ? undefined : new MemoryFile(source, { shared: true })
  const home = memory ? inMemory(memory) : openPath(path!, options.dryRun ? 'r' : 'w', lockTimeout)
  try {
    const result = repairHome(home, path, options)
    return { ...result, mended: memory && !options.dryRun ? withoutNotes(memory.contents()) : undefined }
  } finally {
    home.file.close()
  }
}

/* What this library notes for itself is worth nothing without the file's own modification time. */
function withoutNotes(contents: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = contents.slice()
  if (bytes.length >= HEADER_LENGTH) bytes.fill(0, AREA_AT, HEADER_LENGTH)
  return bytes
}

/** The same on a made-up disk too. @internal */
export function repairHome(home: FileHome, path: string | undefined, options: RepairBookletOptions): BookletRepair {
  const before = checkHome(home, path, { maxFindings: DEFAULT_MAX_FINDINGS })
  const wrong = before.findings.filter(({ severity, kind }) => severity !== 'note' || kind === 'bad-header-field')
  const nothing: BookletRepair = { before, changed: false, kept: before.keys ?? 0, recovered: [], lost: [], removed: [], pendingLost: [], mended: undefined }
  if (wrong.length === 0 && before.omitted === 0) return nothing
  refuseHopeless(home, before)
  const found = assess(home, new FindingList<BookletFinding>(0))
  try {
    return new Repair(home, path, found, before, options).run(wrong)
  } finally {
    found.close()
  }
}

function refuseHopeless(home: FileHome, { kind }: BookletReport): void {
  const all = new Uint8Array(HEADER_LENGTH)
  const bytes = all.subarray(0, home.file.read(0, all))
  if (kind === undefined || bytes.length < HEADER_LENGTH) decodeHeader(bytes)
  if (isOfAnotherRelease(bytes)) throw new UnsupportedVersionError(`${home.path} has version ${headerVersion(bytes)}, which another release made: use that`, headerVersion(bytes))
}

class Repair {
  readonly #home: FileHome
  readonly #path: string | undefined
  readonly #found: Assessment
  readonly #before: BookletReport
  readonly #options: RepairBookletOptions
  readonly #environment: Environment

  constructor(home: FileHome, path: string | undefined, found: Assessment, before: BookletReport, options: RepairBookletOptions) {
    this.#home = home
    this.#path = path
    this.#found = found
    this.#before = before
    this.#options = options
    this.#environment = options.environment ?? systemEnvironment()
  }

  run(wrong: readonly BookletFinding[]): BookletRepair {
    const removed: BookletRepair['removed'][number][] = []
    if (wrong.some(({ kind }) => kind === 'bad-index-file')) removed.push('index file')
    const inside = wrong.filter(({ kind }) => kind !== 'bad-index-file')
    const inPlace = inside.every((finding) => mendedInPlace.has(finding.kind) || (finding.kind === 'unfinished-step' && finding.finishable))
    const result = inPlace ? this.#mendInPlace(inside.length > 0) : this.#rebuild(inside, removed)
    if (removed.includes('index file') && !this.#options.dryRun) rmSync(remoteIndexPath(this.#path!), { force: true })
    return { before: this.#before, changed: true, recovered: [], pendingLost: [], mended: undefined, ...result, removed }
  }

  /* What was stopped is finished, and what was never synced is cut off, as an open for writing does. */
  #mendInPlace(needed: boolean): { kept: number; lost: LostPiece[] } {
    const { record, header, verdict } = this.#found
    if (needed && !this.#options.dryRun) {
      const headerBytes = new Uint8Array(HEADER_LENGTH)
      this.#home.file.read(0, headerBytes)
      const rewriting = record !== undefined && headerVersion(headerBytes) === REWRITING_VERSION
      recover(this.#home, headerBytes, rewriting ? headerAmidRewriting(headerBytes, record) : decodeHeader(headerBytes), record, DEFAULT_BUFFER, this.#environment)
    }
    return { kept: verdict?.keyCount ?? 0, lost: header ? this.#unsynced() : [] }
  }

  #unsynced(): LostPiece[] {
    const { contentEnd, end } = this.#found
    return contentEnd === end ? [] : [{ why: 'unsynced', start: contentEnd, bytes: end - contentEnd, key: undefined }]
  }

  #rebuild(wrong: readonly BookletFinding[], removed: BookletRepair['removed'][number][]): Pick<BookletRepair, 'kept' | 'recovered' | 'lost' | 'pendingLost'> {
    const saved = salvage(this.#found, this.#options.unlinked !== 'drop')
    const positions: number[] = []
    const recovered: BookletRepair['recovered'][number][] = []
    const lost = [...this.#unsynced(), ...damagedPieces(saved)]
    let kept = 0
    const { blocks, what } = saved
    for (let i = 0; i < blocks.count; i++) {
      const start = blocks.position[i]!
      const { bytes, ...key } = saved.kept[i] === 1 && saved.linked[i] === 1 && blocks.internal[i] === 0 ? noKey : blockAt(what, start)
      if (saved.kept[i] === 0) {
        lost.push({ why: saved.linked[i] === 0 && this.#options.unlinked === 'drop' ? 'unlinked' : 'superseded', start, bytes, key })
        continue
      }
      if (blocks.internal[i] === 1 && this.#isUnreadable(saved, start, bytes, key.keyBytes, removed)) continue
      positions.push(start)
      if (blocks.internal[i] === 0) kept++
      if (saved.linked[i] === 0 && blocks.internal[i] === 0) recovered.push({ start, bytes, ...key })
    }
    lost.sort((a, b) => a.start - b.start)
    const pendingLost = this.#options.dryRun ? this.#pendingMissing(wrong) : this.#write(saved, Float64Array.from(positions))
    return { kept, recovered, lost, pendingLost }
  }

  /* Metadata and slots that nobody can read don't go along. */
  #isUnreadable({ what }: Salvage, start: number, bytes: number, key: Uint8Array, removed: BookletRepair['removed'][number][]): boolean {
    const at = what.layout.headerLength + key.length
    const value = new Uint8Array(bytes - at)
    what.file.read(start + at, value)
    const ofEbooklet = this.#path !== undefined && existsSync(remoteIndexPath(this.#path))
    const content = unreadableInternal(key, value, ofEbooklet)
    if (content !== undefined) removed.push(content)
    return content !== undefined
  }

  #pendingMissing(wrong: readonly BookletFinding[]): string[] {
    return wrong.flatMap((finding) => (finding.kind === 'pending-write-missing' ? [finding.key] : []))
  }

  #write(saved: Salvage, positions: Float64Array): string[] {
    const { file, path } = this.#home
    const { record } = this.#found
    // The positions are those of the contents with the interrupted sync finished.
    if (this.#found.file !== file && record?.state === 'commit') {
      const bytes = new Uint8Array(HEADER_LENGTH)
      file.read(0, bytes)
      finishCommit({ file }, bytes, { ...saved.what.header, nKeys: NOT_CLOSED }, record)
    } else if (this.#found.file !== file) throw new FormatError(`${path} has to be finished before it is mended: open it for writing once`)
    const { headerBytes } = saved
    const engine = new Engine({ file, path, readonly: false, bufferSize: DEFAULT_BUFFER, header: { ...saved.what.header }, headerBytes, dataEnd: saved.what.end })
    engine.livePositions = positions
    const target = { engine, home: this.#home, environment: this.#environment }
    rewriteWithBuckets(target, decodeBuckets(headerBytes))
    dropLeftover(this.#home, engine.header)
    return this.#mendJournal(engine)
  }

  /* Takes changes off the journal whose values are lost: a push could not send them. */
  #mendJournal(engine: Engine): string[] {
    if (engine.layout.fixed || !engine.find(SLOT_1_KEY)) return []
    const { timestamp } = engine.found
    let journal
    try {
      journal = decodeJournal(engine.foundValue())
    } catch {
      // Of another program.
      return []
    }
    const missing = [...journal.written].filter((key) => !engine.find(utf8Encode(key)))
    if (missing.length === 0) return []
    const gone = new Set(missing)
    engine.put(SLOT_1_KEY, encodeJournal({ ...journal, written: new Set([...journal.written].filter((key) => !gone.has(key))) }), timestamp)
    commitPending(engine, this.#environment.now(), undefined)
    return missing
  }
}

const noKey = { bytes: 0, key: '', keyBytes: new Uint8Array(0) }

function decodeBuckets(headerBytes: Uint8Array): number {
  return new DataView(headerBytes.buffer, headerBytes.byteOffset).getUint32(21, true)
}

/* What no block was found in, with the key of what began there if it can be told. */
function damagedPieces({ gaps, what }: Salvage): LostPiece[] {
  return gaps.map(({ start, end }) => ({ why: 'damaged', start, bytes: end - start, key: keyOfDamaged(what, start) }))
}

/* The key of a block of which the head and the key are whole, and the rest isn't. */
function keyOfDamaged({ file, layout, header }: Surveyed, at: number): NamedKey | undefined {
  const bytes = new Uint8Array(layout.headerLength)
  if (file.read(at, bytes) < bytes.length) return undefined
  const head = newBlockHead()
  readBlockHead(layout, bytes, 0, head)
  const key = new Uint8Array(head.keyLength)
  if (file.read(at + layout.headerLength, key) < key.length) return undefined
  const digest = newDigest()
  digestKey(key, digest)
  return hasDigest(bytes, 0, digest) ? namedKey(key, header.keySerializer === 2) : undefined
}
