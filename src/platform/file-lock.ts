import { createRequire } from 'node:module'
import { EbookletError, InvalidArgumentError } from '../base/error.js'

/**
 * Locks of whole files between processes: flock(2), and LockFileEx on Windows. They are what the Python
 * original uses (section 1.7 of the format), so each side excludes the other. A lock belongs to the open
 * file description, so two handles within one process exclude one another too, and closing the
 * descriptor (or dying) releases it.
 *
 * The Windows side follows the documented API but has not been run on that system by us.
 */

/** Another process (or handle) holds the file, and the time to wait is over. Nothing was changed. */
export class FileLockedError extends EbookletError {
  readonly code = 'FILE_LOCKED'
  readonly path: string
  readonly exclusive: boolean
  /** Milliseconds waited. */
  readonly waited: number
  constructor(path: string, exclusive: boolean, waited: number) {
    super(
      `${path} is locked by another process${exclusive ? '' : ' that writes to it'}; waited ${Math.round(waited)} ms. ` +
        `Close it there, or give a longer lockTimeout.`,
    )
    this.path = path
    this.exclusive = exclusive
    this.waited = waited
  }
}

/** The system refused to lock for another reason than a holder (some network file systems can't lock). */
export class FileLockUnavailableError extends EbookletError {
  readonly code = 'FILE_LOCK_UNAVAILABLE'
  readonly path: string
  readonly errno: number
  constructor(path: string, errno: number) {
    super(`${path} can't be locked: system error ${errno}. The file system may not support locks; put the file on a local disk.`)
    this.path = path
    this.errno = errno
  }
}

/* One attempt that doesn't wait: 0 = locked, 'held' = by another, else the system's error number. */
type TryLock = (fd: number, exclusive: boolean) => number | 'held'

interface Koffi {
  load(path: string | null): { func(declaration: string): (...args: unknown[]) => number }
  errno(): number
  os: { errno: Record<string, number> }
}

let tryLock: TryLock | undefined

function loadTryLock(): TryLock {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  return process.platform === 'win32' ? windowsLock(koffi) : unixLock(koffi)
}

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

function unixLock(koffi: Koffi): TryLock {
  const flock = koffi.load(null).func('int flock(int fd, int operation)')
  const { EWOULDBLOCK, EAGAIN, EINTR } = koffi.os.errno
  return (fd, exclusive) => {
    if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) === 0) return 0
    const errno = koffi.errno()
    return errno === EWOULDBLOCK || errno === EAGAIN || errno === EINTR ? 'held' : errno
  }
}

const LOCKFILE_FAIL_IMMEDIATELY = 1
const LOCKFILE_EXCLUSIVE_LOCK = 2
const ERROR_LOCK_VIOLATION = 33
const ERROR_IO_PENDING = 997

function windowsLock(koffi: Koffi): TryLock {
  const handleOf = koffi.load('msvcrt.dll').func('intptr_t _get_osfhandle(int fd)')
  const kernel = koffi.load('kernel32.dll')
  const lockFile = kernel.func(
    'int __stdcall LockFileEx(intptr_t file, uint32_t flags, uint32_t reserved, uint32_t low, uint32_t high, _Inout_ uint8_t *overlapped)',
  )
  const lastError = kernel.func('uint32_t __stdcall GetLastError()')
  return (fd, exclusive) => {
    const flags = LOCKFILE_FAIL_IMMEDIATELY | (exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0)
    const overlapped = new Uint8Array(32)
    if (lockFile(handleOf(fd), flags, 0, 0xffffffff, 0xffffffff, overlapped) !== 0) return 0
    const error = lastError()
    return error === ERROR_LOCK_VIOLATION || error === ERROR_IO_PENDING ? 'held' : error
  }
}

/* Attempts while waiting: quickly at first, then ten times a second. */
const FIRST_WAIT = 1
const LONGEST_WAIT = 100

/**
 * Locks an open file, waiting for other holders. It blocks the thread while it waits.
 *
 * @param fd an open descriptor; closing it releases the lock
 * @param path only for messages
 * @param timeout milliseconds to wait; 0 = one attempt; undefined = without limit
 * @throws FileLockedError when the time is over, FileLockUnavailableError when the system can't lock
 */
export function lockFile(fd: number, path: string, options: { exclusive: boolean; timeout?: number | undefined }): void {
  const { exclusive, timeout } = options
  if (timeout !== undefined && !(timeout >= 0)) throw new InvalidArgumentError(`lockTimeout is ${timeout}; it takes milliseconds, 0 or more`)
  tryLock ??= loadTryLock()
  const start = performance.now()
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    const result = tryLock(fd, exclusive)
    if (result === 0) return
    if (result !== 'held') throw new FileLockUnavailableError(path, result)
    const waited = performance.now() - start
    const left = timeout === undefined ? Infinity : timeout - waited
    if (left <= 0) throw new FileLockedError(path, exclusive, waited)
    block(Math.min(wait, left))
  }
}

const nobodyWakes = new Int32Array(new SharedArrayBuffer(4))

function block(milliseconds: number): void {
  Atomics.wait(nobodyWakes, 0, 0, milliseconds)
}
