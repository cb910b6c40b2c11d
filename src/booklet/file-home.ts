import { closeSync, constants, fstatSync, fsyncSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { lockFile } from '../platform/file-lock.js'
import { DiskFile, MemoryFile, type RandomAccessFile } from '../platform/random-access-file.js'
import { FileNotFoundError } from './errors.js'

export type OpenFlag = 'r' | 'w' | 'c' | 'n'

/** A booklet file and the place for its side file, which prune uses. Tests put a made-up disk here. */
export interface FileHome {
  /** The path, or how to call the file in messages. */
  readonly path: string
  readonly file: RandomAccessFile
  readonly sidecarPath: string
  /** The side file that is there; undefined when there is none. */
  openSidecar(): RandomAccessFile | undefined
  /** A new, empty side file. */
  createSidecar(): RandomAccessFile
  removeSidecar(): void
  /** Makes the creation of a file as safe as a sync makes its contents. */
  syncFolder(): void
}

/** Opens and locks a file of the file system; it is created for `c` and `n`, never truncated here. */
export function openPath(path: string, flag: OpenFlag, lockTimeout: number | undefined): FileHome {
  const fd = openLocked(path, flag, lockTimeout)
  const sidecarPath = `${path}.prune`
  return {
    path,
    file: new DiskFile(fd),
    sidecarPath,
    openSidecar: () => {
      const sidecar = tryOpen(sidecarPath, constants.O_RDONLY)
      return sidecar === undefined ? undefined : new DiskFile(sidecar)
    },
    createSidecar: () => new DiskFile(openSync(sidecarPath, 'w+')),
    removeSidecar: () => rmSync(sidecarPath, { force: true }),
    syncFolder: () => syncFolder(dirname(path)),
  }
}

function openLocked(path: string, flag: OpenFlag, lockTimeout: number | undefined): number {
  const mode = flag === 'r' ? constants.O_RDONLY : constants.O_RDWR | (flag === 'w' ? 0 : constants.O_CREAT)
  const started = performance.now()
  for (;;) {
    const fd = tryOpen(path, mode)
    if (fd === undefined) throw new FileNotFoundError(path)
    try {
      const timeout = lockTimeout === undefined ? undefined : Math.max(0, lockTimeout - (performance.now() - started))
      lockFile(fd, path, { exclusive: flag !== 'r', timeout })
      if (namesFile(path, fd)) return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
    // While we waited, the file was deleted or another one put in its place.
    closeSync(fd)
  }
}

function syncFolder(folder: string): void {
  // Windows can't open folders, and has no need to.
  if (process.platform === 'win32') return
  const fd = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function tryOpen(path: string, mode: number): number | undefined {
  try {
    return openSync(path, mode, 0o666)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function namesFile(path: string, fd: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false, bigint: true })
  const here = fstatSync(fd, { bigint: true })
  return there !== undefined && there.ino === here.ino && there.dev === here.dev
}

/** A file in memory. */
export function inMemory(file: MemoryFile): FileHome {
  let sidecar: MemoryFile | undefined
  return {
    path: 'the booklet in memory',
    file,
    sidecarPath: 'its side file',
    openSidecar: () => sidecar,
    createSidecar: () => (sidecar = new MemoryFile()),
    removeSidecar: () => (sidecar = undefined),
    syncFolder: () => undefined,
  }
}
