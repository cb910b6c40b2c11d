import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An empty folder on the disk that is measured: EBOOKLET_BENCH_FOLDER, or the system's folder for temporary files. */
export function newFolder(): string {
  return mkdtempSync(join(process.env['EBOOKLET_BENCH_FOLDER'] ?? tmpdir(), 'ebooklet-bench-'))
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
