import { closeSync, openSync, readSync } from 'node:fs'

/**
 * Whether a file may be what somebody left who was stopped while making it: the type id is what a new file gets last.
 * Whether it may be made anew is decided by who does that, under the file's lock.
 */
export function holdsNothing(path: string): boolean {
  const start = new Uint8Array(16)
  const fd = openSync(path, 'r')
  try {
    readSync(fd, start)
  } finally {
    closeSync(fd)
  }
  return start.every((byte) => byte === 0)
}
