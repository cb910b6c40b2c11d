/* tsx bench/remote/memory-child.ts JSON: does one step with a remote in a process of its own, and prints what it took at most. */
import type * as Ebooklet from '../../src/index.js'
import { peakMemory } from '../peak-memory.js'
import type { Place } from './lab.js'
import { keyOf } from './data.js'

/** What to do: fill a database and push it, or load it elsewhere. */
export interface MemoryStep {
  /** The module of the library. */
  library: string
  place: Place
  path: string
  step: 'push' | 'load'
  keys: number
  bytes: number
  groups: number | null
}

const { library, place, path, step, keys, bytes, groups } = JSON.parse(process.argv[2] ?? '') as MemoryStep
const { openEbooklet, S3Connection } = (await import(library)) as typeof Ebooklet
const remote = new S3Connection({ ...place, dbKey: 'db' })
const begun = performance.now()
if (step === 'push') {
  await using db = await openEbooklet<Uint8Array>(remote, path, { flag: 'c', numGroups: groups, valueSerializer: 'bytes', buckets: keys, lockTiming: { settle: 5, poll: 5 } })
  const value = new Uint8Array(bytes)
  for (let i = 0; i < keys; i++) {
    // Values that no two groups share, and that don't compress.
    for (let at = 0; at < bytes; at += 4096) value[at] = Math.imul(i + at, 0x9e3779b1) >>> 24
    db.set(keyOf(i), value)
  }
  await db.push()
} else {
  await using db = await openEbooklet<Uint8Array>(remote, path)
  await db.load()
  if (db.size !== keys) throw new Error(`${db.size} keys were loaded, not ${keys}`)
}
console.log(JSON.stringify({ ms: performance.now() - begun, megabytes: peakMemory() }))
