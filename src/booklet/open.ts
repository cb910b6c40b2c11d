import { type Environment, systemEnvironment } from '../base/environment.js'
import { InvalidArgumentError } from '../base/error.js'
import {
  bookletKind,
  type BookletHeader,
  type BookletKind,
  decodeHeader,
  HEADER_LENGTH,
  headerVersion,
  NOT_CLOSED,
  patchHeader,
  REWRITING_VERSION,
  WrongFileTypeError,
} from '../format/booklet-header.js'
import { CachedFile } from '../platform/cached-file.js'
import { MemoryFile } from '../platform/random-access-file.js'
import { isUnborn, type NewFile, newHeader, writeNewFile } from './create.js'
import { writeClean } from './commit.js'
import { Engine } from './engine.js'
import { FileNotClosedError, type RepairReport } from './errors.js'
import { type FileHome, inMemory, type OpenFlag, openPath } from './file-home.js'
import { type CommonOptions, DEFAULT_BUFFER, DEFAULT_CACHE } from './options.js'
import { readRecord, type RecoveryRecord } from './recovery-record.js'
import { dropLeftover, recover } from './recover.js'
import { checkLayout } from './survey.js'

/** An open file, and how it was found. */
export interface Opened {
  engine: Engine
  home: FileHome
  environment: Environment
  /** The file was as our last writer left it: nothing had to be checked. True for a new one. */
  clean: boolean
  /** What had to be put right; undefined when nothing was wrong. */
  repair: RepairReport | undefined
}

/** A path, the bytes of a file, nothing (a new one in memory), or, for tests, a made-up disk. */
export type Source = string | Uint8Array | null | FileHome

/** Opens or creates the file. Whatever fails, nothing stays open or locked. */
export function openFile(source: Source, options: CommonOptions<never>, wanted: NewFile): Opened {
  const environment = options.environment ?? systemEnvironment()
  const flag = options.flag ?? (source === null ? 'n' : 'r')
  if (source === null && flag !== 'n' && flag !== 'c') throw new InvalidArgumentError(`a new booklet in memory can't be opened with flag '${flag}'; leave it out`)
  // What a new file needs is checked before one is made.
  const fresh = flag === 'n' || flag === 'c' ? newHeader(wanted, environment) : undefined
  const home = cached(openHome(source, flag, options.lockTimeout), options.cacheBytes ?? DEFAULT_CACHE)
  try {
    const bufferSize = options.bufferSize ?? DEFAULT_BUFFER
    if (fresh && (flag === 'n' || isUnborn(home.file, fresh))) {
      writeNewFile(home.file, fresh)
      const header = decodeHeader(fresh)
      dropLeftover(home, header)
      home.syncFolder()
      const engine = start(home, fresh, header, false, bufferSize)
      writeClean(engine, header, engine.dataEnd, environment.now())
      return { engine, home, environment, clean: true, repair: undefined }
    }
    return { ...openExisting(home, flag, wanted.kind, bufferSize, environment), home, environment }
  } catch (error) {
    home.file.close()
    throw error
  }
}

function openHome(source: Source, flag: OpenFlag, lockTimeout: number | undefined): FileHome {
  if (source === null) return inMemory(new MemoryFile())
  if (typeof source === 'string') return openPath(source, flag, lockTimeout)
  if (source instanceof Uint8Array) return inMemory(new MemoryFile(source, { shared: true }))
  return source
}

function cached(home: FileHome, cacheBytes: number): FileHome {
  if (cacheBytes === 0 || home.file instanceof MemoryFile) return home
  const { path, sidecarPath } = home
  return {
    path,
    sidecarPath,
    file: new CachedFile(home.file, cacheBytes),
    openSidecar: () => home.openSidecar(),
    createSidecar: () => home.createSidecar(),
    removeSidecar: () => home.removeSidecar(),
    syncFolder: () => home.syncFolder(),
  }
}

function start(home: FileHome, headerBytes: Uint8Array, header: BookletHeader, readonly: boolean, bufferSize: number): Engine {
  return new Engine({ file: home.file, path: home.path, readonly, bufferSize, header, headerBytes, dataEnd: home.file.size() })
}

function openExisting(home: FileHome, flag: OpenFlag, kind: BookletKind, bufferSize: number, environment: Environment): { engine: Engine; clean: boolean; repair: RepairReport | undefined } {
  const { file, path } = home
  const all = new Uint8Array(HEADER_LENGTH)
  const headerBytes = all.subarray(0, file.read(0, all))
  const found = bookletKind(headerBytes)
  if (found !== undefined && found !== kind) {
    throw new WrongFileTypeError(`${path} holds ${found}-length values; open it with ${found === 'fixed' ? 'openFixedBooklet' : 'openBooklet'}`, found)
  }
  const record = headerBytes.length === HEADER_LENGTH ? readRecord(headerBytes) : undefined
  const rewriting = record !== undefined && headerVersion(headerBytes) === REWRITING_VERSION
  if (flag === 'r' && rewriting) throw new FileNotClosedError(path)
  const header = rewriting ? headerAmidRewriting(headerBytes, record) : decodeHeader(headerBytes)
  if (flag === 'r') {
    if (header.nKeys === NOT_CLOSED) throw new FileNotClosedError(path)
    checkLayout(path, home.file.size(), header)
    const engine = start(home, headerBytes, header, true, bufferSize)
    return { engine, clean: isClean(home, header, record), repair: undefined }
  }
  if (!rewriting && isClean(home, header, record)) {
    checkLayout(path, home.file.size(), header)
    dropLeftover(home, header)
    return { engine: start(home, headerBytes, header, false, bufferSize), clean: true, repair: undefined }
  }
  return { ...recover(home, headerBytes, header, record, bufferSize, environment), clean: false }
}

/** Where index and data lie was being changed, and may be torn: finishing that doesn't ask for it, and sets it right. */
export function headerAmidRewriting(headerBytes: Uint8Array, record: RecoveryRecord): BookletHeader {
  const bytes = headerBytes.slice()
  patchHeader(bytes, { layout: { indexOffset: 0, dataOffset: 0 } })
  return decodeHeader(bytes, record.version)
}

/** The file is as our last writer left it: nobody wrote to it since. */
function isClean(home: FileHome, header: BookletHeader, record: RecoveryRecord | undefined): boolean {
  if (record?.state !== 'clean' || record.nKeys !== header.nKeys || home.file.size() !== record.length) return false
  const modified = home.file.modified()
  // File systems keep what we set to the microsecond, or cut it off to something coarser.
  return modified !== undefined && Math.abs(modified - record.modified) <= 2
}
