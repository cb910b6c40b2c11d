/** Comparing objects with the index: each group object is read to its end, in bounded memory. */
import { FormatError } from '../../base/error.js'
import { GroupScanner, type ScannedEntry } from '../../format/group-scan.js'
import { MAX_OBJECT_KEY_BYTES } from '../../format/names.js'
import { utf8Encode } from '../../base/bytes.js'
import { forEachConcurrent } from '../concurrency.js'
import type { ProgressMeter } from '../progress.js'
import type { RemoteLocation } from '../remote.js'
import { remoteFinding, type RemoteFinding } from './finding.js'
import type { References } from './references.js'

/** Bytes that are read at once. */
const window = 4 * 1024 * 1024
const groupsAtOnce = 3
const valuesAtOnce = 16
/** How often a range is asked for again that came without a byte. */
const emptyAnswers = 3

export interface DeepContext {
  remote: RemoteLocation
  references: References
  meter: ProgressMeter
  signal: AbortSignal | undefined
  add: (finding: RemoteFinding) => void
}

/** Reads every group object that is there, and tells what contradicts the index. */
export async function compareGroups(context: DeepContext): Promise<void> {
  const { references, meter } = context
  const sizes = [...references.groupSizes]
  meter.begin('check', { bytes: sizes.reduce((sum, [, size]) => sum + size, 0), groups: sizes.length })
  const read = new Set<number>()
  await forEachConcurrent(sizes, groupsAtOnce, async ([group, size]) => {
    if (await compareGroup(context, group, size)) read.add(group)
    meter.done({ groups: 1 })
  })
  if (!references.someUnmarked) return
  for (const { key, group } of references.entries()) {
    if (group === undefined || !read.has(group) || references.isMarked(key)) continue
    context.add(remoteFinding('entry-not-in-object', { key, object: references.objectOf(group)! }))
  }
}

/* False when the object went away meanwhile. */
async function compareGroup(context: DeepContext, group: number, size: number): Promise<boolean> {
  const { remote, references, meter, signal } = context
  const object = references.objectOf(group)!
  const scanner = new GroupScanner(size)
  try {
    for (let at = 0; at < size; ) {
      signal?.throwIfAborted()
      const piece = await readPiece(remote, object, at, Math.min(window, size - at), signal)
      if (piece === undefined) return false
      if (piece.length === 0) break
      for (const entry of scanner.push(piece)) compareEntry(context, group, object, entry)
      at += piece.length
      meter.done({ bytes: piece.length })
    }
    scanner.finish()
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    context.add(remoteFinding('group-damaged', { object, group, reason: error.message }))
  }
  return true
}

async function readPiece({ store }: RemoteLocation, object: string, offset: number, length: number, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  let result = await store.get(object, { range: { offset, length }, signal })
  // An answer without a byte says nothing of the object: the end of a shorter one is told by a 416.
  for (let again = 0; again < emptyAnswers && result.status === 'ok' && result.bytes.length === 0; again++) {
    result = await store.get(object, { range: { offset, length }, signal })
  }
  if (result.status === 'missing') return undefined
  if (result.status !== 'ok') return new Uint8Array(0)
  // Some servers answer a range with the whole.
  return result.offset === offset ? result.bytes.subarray(0, length) : result.bytes.subarray(offset - result.offset, offset - result.offset + length)
}

function compareEntry({ references, add }: DeepContext, group: number, object: string, entry: ScannedEntry): void {
  const { key, timestamp, offset, length } = entry
  const index = references.snapshot?.index.get(key)
  if (index === undefined || references.groupOf(key) !== group) {
    add(remoteFinding('unindexed-entry', { key, object }))
    return
  }
  references.mark(key)
  if (index.timestamp === timestamp && index.offset === offset && index.length === length) return
  add(remoteFinding('entry-contradicts-object', { key, object, index, found: { timestamp, offset, length } }))
}

/** Per-key mode: asks each value's object for its timestamp. One that is newer than the index is a push that has not committed. */
export async function compareValues({ remote, references, meter, signal, add }: DeepContext): Promise<void> {
  const { store, dbKey } = remote
  meter.begin('check', { bytes: 0, groups: references.snapshot?.index.size ?? 0 })
  await forEachConcurrent(references.entries(), valuesAtOnce, async ({ key, entry }) => {
    signal?.throwIfAborted()
    const object = `${dbKey}/${key}`
    if (utf8Encode(object).length <= MAX_OBJECT_KEY_BYTES) {
      const head = await store.head(object, { signal })
      const timestamp = head.status === 'ok' ? Number(head.info.metadata['timestamp']) : entry.timestamp
      if (!(timestamp >= entry.timestamp)) {
        const place = { timestamp: Number.isNaN(timestamp) ? 0 : timestamp, offset: 0, length: 0 }
        add(remoteFinding('entry-contradicts-object', { key, object, index: { timestamp: entry.timestamp, offset: 0, length: 0 }, found: place }))
      }
    }
    meter.done({ groups: 1 })
  })
}
