/** The record of uploads beside the local file. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { uploadRecordPath } from '../format/names.js'
import type { UploadRecordFile } from '../sync/resume/upload-record.js'

/* Not synced to disk: what a power cut takes of it is sent again. */
export function uploadRecordBeside(path: string): UploadRecordFile {
  const file = uploadRecordPath(path)
  return {
    read() {
      try {
        return readFileSync(file, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    append: (text) => appendWhole(file, text),
    remove: () => rmSync(file, { force: true }),
  }
}

function appendWhole(file: string, text: string): void {
  const bytes = Buffer.from(text)
  const descriptor = openSync(file, 'a')
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
  } finally {
    closeSync(descriptor)
  }
}
