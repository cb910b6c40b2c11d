/** The index section of the remote beside the local file, replaced atomically; or in memory for `:memory:`. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { remoteIndexPath } from '../format/names.js'
import type { IndexFile } from '../sync/state.js'

export function indexFileBeside(path: string): IndexFile {
  const file = remoteIndexPath(path)
  return {
    read() {
      try {
        return readFileSync(file)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    write(bytes) {
      const temporary = `${file}.new`
      writeWhole(temporary, bytes)
      renameSync(temporary, file)
    },
    remove() {
      rmSync(file, { force: true })
    },
  }
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'w')
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

export function indexFileInMemory(): IndexFile {
  let content: Uint8Array | undefined
  return {
    read: () => content,
    write: (bytes) => (content = bytes),
    remove: () => (content = undefined),
  }
}
