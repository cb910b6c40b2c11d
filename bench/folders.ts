import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An empty folder on the disk that is measured: EBOOKLET_BENCH_FOLDER, or the system's folder for temporary files. */
export function newFolder(): string {
  return mkdtempSync(join(process.env['EBOOKLET_BENCH_FOLDER'] ?? tmpdir(), 'ebooklet-bench-'))
}

/**
 * Has the system hand out memory for files that was in use a moment ago. A virtual machine gives what is unused back to its host,
 * whence it comes again at a tenth of the speed: that would be charged to whoever makes its file longer.
 */
export function touchMemory(bytes: number): void {
  const folder = newFolder()
  const file = openSync(join(folder, 'touched'), 'w')
  try {
    const piece = new Uint8Array(2 ** 20)
    for (let at = 0; at < bytes; at += piece.length) writeSync(file, piece)
  } finally {
    closeSync(file)
    removeFolder(folder)
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
