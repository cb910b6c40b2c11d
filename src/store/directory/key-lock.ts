import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment } from '../../base/environment.js'
import { FileLockedError, FileLockUnavailableError, lockFile } from '../../platform/file-lock.js'

const LONGEST_PAUSE = 50

/** The end of the queue of each lock file, in this process: its own waiters needn't poll. */
const queues = new Map<string, Promise<unknown>>()

/**
 * Runs `action` while no other writer of this key runs, in this process or another. Keys share 256 lock files
 * below `folder`; they stay, because deleting a locked file would let two in.
 * `locked` is false where the file system has no locks: then only writers of this process are kept apart.
 */
export async function withKeyLock<T>(folder: string, key: string, environment: Environment, signal: AbortSignal | undefined, action: (locked: boolean) => Promise<T>): Promise<T> {
  const path = join(folder, createHash('sha256').update(key).digest('hex').slice(0, 2))
  const before = queues.get(path) ?? Promise.resolve()
  const turn = before.then(() => lockAndRun(folder, path, environment, signal, action))
  const settled = turn.catch(() => undefined)
  queues.set(path, settled)
  try {
    return await turn
  } finally {
    if (queues.get(path) === settled) queues.delete(path)
  }
}

async function lockAndRun<T>(folder: string, path: string, environment: Environment, signal: AbortSignal | undefined, action: (locked: boolean) => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  await mkdir(folder, { recursive: true })
  const file = await open(path, 'a')
  try {
    const locked = await lock(file.fd, path, environment, signal)
    return await action(locked)
  } finally {
    // Closing it releases the lock.
    await file.close()
  }
}

async function lock(fd: number, path: string, environment: Environment, signal: AbortSignal | undefined): Promise<boolean> {
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      lockFile(fd, path, { exclusive: true, timeout: 0 })
      return true
    } catch (error) {
      if (error instanceof FileLockUnavailableError) return false
      if (!(error instanceof FileLockedError)) throw error
    }
    await environment.sleep(pause, signal)
  }
}
