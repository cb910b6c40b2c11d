import { existsSync, readFileSync } from 'node:fs'
import { InvalidArgumentError } from '../../base/error.js'
import { DEFAULT_MAX_FINDINGS, FindingList, type Severity } from '../../base/findings.js'
import type { BookletKind } from '../../format/booklet-header.js'
import { INDEX_ENTRY_BYTES } from '../../format/index-entry.js'
import { prunePath, remoteIndexPath } from '../../format/names.js'
import type { RemoteState } from '../../format/remote-state.js'
import { MemoryFile } from '../../platform/random-access-file.js'
import { inMemory, openPath, type FileHome } from '../file-home.js'
import { assess, type Assessment } from './assess.js'
import { checkContents, checkInternals, readerOf } from './contents.js'
import { bookletFinding, type BookletFinding } from './finding.js'

export interface CheckBookletOptions {
  /** Read every value with the file's value serializer, too. Default false. */
  deep?: boolean
  /** The most bytes of a value that is read with `deep`; longer ones are passed over. Default 1 GiB. */
  maxValueBytes?: number
  /** The most findings to keep; the others are counted. Default 1000. */
  maxFindings?: number
  /** ms to wait for a process that writes to the file. Default: without limit. */
  lockTimeout?: number
}

/** What `checkBooklet` found. */
export interface BookletReport {
  /** Undefined when the file is no booklet. */
  readonly kind: BookletKind | undefined
  /** Entries that lookups find, once what was under way is finished; undefined when the index can't be believed. */
  readonly keys: number | undefined
  /** Of the file. */
  readonly bytes: number
  readonly findings: readonly BookletFinding[]
  /** How many findings came after `maxFindings`. */
  readonly omitted: number
  /** How many there are of each severity, the omitted ones included. */
  readonly count: Readonly<Record<Severity, number>>
}

/**
 * Looks for damage in a booklet file of either kind, and in what an Ebooklet keeps beside it. Changes nothing, waits for
 * writers as a reader does, and ends soon whatever the file holds. docs/fsck.md tells of each kind of finding.
 *
 * @param source a path, or the bytes of a file
 * @throws InvalidArgumentError, FileNotFoundError, FileLockedError. What is damaged is a finding, never an error.
 */
export function checkBooklet(source: string | Uint8Array, options: CheckBookletOptions = {}): BookletReport {
  checkCheckOptions(options)
  const home = typeof source === 'string' ? openPath(source, 'r', options.lockTimeout) : inMemory(new MemoryFile(source, { shared: true }))
  try {
    return checkHome(home, typeof source === 'string' ? source : undefined, options)
  } finally {
    home.file.close()
  }
}

/** The same on a made-up disk too. @internal */
export function checkHome(home: FileHome, path: string | undefined, options: CheckBookletOptions = {}): BookletReport {
  const findings = new FindingList<BookletFinding>(options.maxFindings ?? DEFAULT_MAX_FINDINGS)
  const bytes = home.file.size()
  const found = assess(home, findings)
  try {
    const ofEbooklet = path !== undefined && existsSync(remoteIndexPath(path))
    const state = found.verdict && checkInside(home.path, found, { ...options, ofEbooklet }, findings)
    if (path !== undefined) checkBeside(path, found, state, findings)
    return { kind: found.kind, keys: found.verdict?.keyCount, bytes, findings: findings.findings, omitted: findings.omitted, count: findings.count }
  } finally {
    found.close()
  }
}

function checkInside(path: string, found: Assessment, options: CheckBookletOptions & { ofEbooklet: boolean }, findings: FindingList<BookletFinding>): RemoteState | undefined {
  const engine = readerOf(path, found)
  checkContents(engine, { deep: options.deep ?? false, maxValueBytes: options.maxValueBytes ?? 2 ** 30 }, findings)
  return checkInternals(engine, options.ofEbooklet, findings).remoteState
}

/* What an Ebooklet and a prune leave beside the file. */
function checkBeside(path: string, found: Assessment, state: RemoteState | undefined, findings: FindingList<BookletFinding>): void {
  const index = remoteIndexPath(path)
  const bytes = found.kind === 'variable' ? readIfThere(index) : undefined
  if (bytes) {
    const problems = indexProblems(bytes)
    if (problems.length > 0) findings.add(bookletFinding('bad-index-file', { path: index, problems }))
  } else if (state !== undefined && state.timestamp !== null) findings.add(bookletFinding('index-file-missing', { path: index }))
  const leftovers = [`${index}.new`, ...(found.record?.state === 'rewrite' ? [] : [prunePath(path)])]
  for (const leftover of leftovers) if (existsSync(leftover)) findings.add(bookletFinding('leftover-file', { path: leftover }))
}

/** What is wrong with a remote's index: the damage that its readers trip over. */
export function indexProblems(bytes: Uint8Array): BookletFinding[] {
  const { findings, kind } = checkBooklet(bytes, { maxFindings: 10 })
  if (kind !== 'fixed') return findings.length > 0 ? [...findings] : [bookletFinding('not-a-booklet', { start: 'a file of variable-length values' })]
  const valueLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(37, true)
  const wrong = valueLength === INDEX_ENTRY_BYTES ? [] : [bookletFinding('bad-header-field', { field: 'value length', found: String(valueLength), expected: String(INDEX_ENTRY_BYTES), harmless: false })]
  return [...wrong, ...findings.filter(({ severity }) => severity === 'error')]
}

function readIfThere(path: string): Uint8Array | undefined {
  return existsSync(path) ? readFileSync(path) : undefined
}

function checkCheckOptions({ maxFindings, maxValueBytes, lockTimeout }: CheckBookletOptions): void {
  for (const [name, value] of Object.entries({ maxFindings, maxValueBytes })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) throw new InvalidArgumentError(`${name} has to be a whole number, 0 or more`)
  }
  if (lockTimeout !== undefined && !(lockTimeout >= 0)) throw new InvalidArgumentError('lockTimeout has to be a number of milliseconds, 0 or more')
}
