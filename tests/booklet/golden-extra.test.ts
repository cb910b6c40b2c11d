/** Files that carry the traces of defects of the original: read right, or refused until an open for writing has repaired them. */
import { copyFileSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { FormatError } from '../../src/base/error.js'
import { openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { temporaryPath } from '../support/folder.js'
import { isTagged, type Tagged } from '../support/tagged.js'

interface ExtraFile {
  readonly file: string
  readonly description: string
  readonly fixed: boolean
  /** What would be there had nothing gone wrong. */
  readonly expected: Readonly<Record<string, Tagged>>
  /** What the original enumerates. */
  readonly enumerated?: readonly (readonly [string, Tagged])[]
}

const folder = new URL('../fixtures/golden-extra/', import.meta.url)
const { files } = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8')) as { files: readonly ExtraFile[] }

it.each(files)('$file', ({ file, fixed, expected, enumerated }) => {
  const path = temporaryPath()
  copyFileSync(fileURLToPath(new URL(file, folder)), path)
  const open = (flag: 'r' | 'w') => (fixed ? openFixedBooklet(path, { flag, lockTimeout: 0 }) : openBooklet(path, { flag, lockTimeout: 0 }))

  const reader = open('r')
  for (const [key, value] of Object.entries(expected)) expect(isTagged(reader.get(key), value), key).toBe(true)
  try {
    expect([...reader.keys()].sort()).toEqual(Object.keys(expected).sort())
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError)
  }
  reader.close()

  const writer = open('w')
  writer.setBytes('more', new Uint8Array(15).fill(120))
  writer.close()
  const repaired = open('r')
  const entries = new Map<string, unknown>(repaired.entries())
  for (const [key, value] of Object.entries(expected)) expect(isTagged(entries.get(key), value), key).toBe(true)
  // Writes that the original took beyond a clear may come back, whole; nothing else may.
  const possible = new Map(enumerated)
  for (const [key, value] of entries) {
    if (key !== 'more' && !(key in expected)) expect(isTagged(value, possible.get(key) ?? null), key).toBe(true)
    expect(repaired.get(key)).toEqual(value)
  }
  expect(repaired.size).toBe(entries.size)
  repaired.close()
})
