import { FormatError } from '../base/error.js'
import { fillerHead, fillerSpans, LAST, NEXT_AT, TIMESTAMP_AT } from '../format/block.js'
import { newDigest } from '../format/blake2s.js'
import { BUCKET_LENGTH, type BookletHeader, patchHeader } from '../format/booklet-header.js'
import { Buckets, nextBucketCount } from '../format/bucket.js'
import { readU56, writeU48, writeU56 } from '../format/integers.js'
import { BlockCursor } from './block-cursor.js'
import { crc32 } from './crc32.js'
import type { Engine } from './engine.js'
import { NumberTable } from './number-table.js'
import { PointerPatches } from './patches.js'
import { writeRecord } from './recovery-record.js'
import { enterRewriting, leaveRewriting } from './rewriting-mark.js'
import { applyRedo, MAX_REDO_LENGTH, RedoList } from './redo-list.js'
import type { Tail } from './tail.js'

/** Where the header keeps what a growing file changes. */
const BUCKETS_AT = 21
const LAYOUT_AT = 65

/**
 * Makes everything since the last sync valid and safe. The steps, each durable before the next:
 *
 *   1. the new blocks, and the list of all overwrites to come, inside dead blocks;
 *   2. the record in the header that names the list: from here on a crash doesn't undo the commit;
 *   3. the overwrites;
 *   4. the header with the number of keys and "clean".
 *
 * @param now µs, for the modification time
 * @param grow the number of buckets to change to; undefined to keep the index
 */
export function commitPending(engine: Engine, now: number, grow: number | undefined): void {
  const tail = engine.tail ?? engine.beginTail()
  const redo = new RedoList()
  const blocksEnd = tail.end
  const positions = engine.livePositions && stillLive(engine)
  let header = engine.header
  let heads: NumberTable | undefined
  try {
    if (grow === undefined) heads = linkIntoIndex(engine, tail, redo)
    else header = linkIntoNewIndex(engine, tail, redo, grow)
    const newLength = tail.end
    const list = finishList(engine, tail, redo)
    const redoAt = tail.appendCovered(list)
    engine.file.sync()
    writeRecord(engine.headerBytes, {
      state: 'commit', version: engine.header.version, length: engine.dataEnd, nKeys: engine.keyCount, newLength,
      redoAt, redoLength: list.length, fileLength: tail.fileLength, checksum: crc32(list),
    })
    finish(engine, list, header, newLength, now)
    engine.livePositions = positions
  } catch (error) {
    tail.abandon(blocksEnd)
    engine.syncFailed = true
    throw error
  }
  heads?.forEach((bucket, head) => engine.index.update(bucket, head))
}

function finish(engine: Engine, list: Uint8Array, header: BookletHeader, newLength: number, now: number): void {
  const { file, headerBytes } = engine
  const growing = header.indexOffset !== engine.header.indexOffset
  try {
    if (growing) enterRewriting(file, headerBytes)
    else {
      file.write(0, headerBytes)
      file.sync()
    }
    applyRedo(file, list)
    file.sync()
    file.read(0, headerBytes)
    if (growing) leaveRewriting(file, headerBytes, header.version)
    const keys = engine.keyCount
    writeClean(engine, { ...header, nKeys: keys }, newLength, now)
  } catch (error) {
    engine.markBroken(error)
    throw error
  }
  if (growing) engine.reload({ ...header, nKeys: engine.keyCount }, newLength)
  else {
    engine.header.nKeys = engine.keyCount
    engine.settle(newLength)
  }
}

/** Step 4, and the end of each other change: exact count, "clean", nothing behind the data. */
export function writeClean(engine: Engine, header: BookletHeader, length: number, now: number): void {
  const { file, headerBytes } = engine
  // A little in the past: any later write by anybody else gives another time, whatever the clock's steps.
  const modified = Math.max(0, Math.floor(now / 1000) * 1000 - 20_000)
  patchHeader(headerBytes, { version: header.version, nKeys: header.nKeys })
  writeRecord(
    headerBytes,
    engine.livePositions ? undefined : { state: 'clean', version: header.version, length, nKeys: header.nKeys, modified },
  )
  file.write(0, headerBytes)
  if (file.size() > length) {
    // The record names the list that lies behind the data: it must be gone from disk first.
    file.sync()
    file.truncate(length)
  }
  if (file.modified() !== undefined) file.setModified(modified)
}

/* The blocks that are valid after the commit, for files that can't be read front to back. */
function stillLive(engine: Engine): Float64Array {
  const positions: number[] = []
  const cursor = new BlockCursor(engine, { internal: true })
  while (cursor.next()) positions.push(cursor.position)
  return Float64Array.from(positions)
}

/* Takes replaced blocks out of their chains and puts new ones at the head of theirs. Returns the changed heads. */
function linkIntoIndex(engine: Engine, tail: Tail, redo: RedoList): NumberTable {
  const { index, buckets, pending } = engine
  const heads = new NumberTable(pending.count)
  unlinkReplaced(engine, heads, redo)
  linkNew(engine, tail, buckets, (bucket, position) => {
    const changed = heads.get(bucket)
    heads.set(bucket, position)
    return changed < 0 ? index.head(bucket) : changed
  })
  heads.forEach((bucket, head) => redo.addPointer('pointer', index.positionOf(bucket), index.head(bucket), head))
  addOverwrites(engine, redo)
  addKills(engine, redo)
  return heads
}

/* Leads chains past replaced blocks: from the last valid block (or the bucket) before them to the next one behind. */
function unlinkReplaced(engine: Engine, heads: NumberTable, redo: RedoList): void {
  const { pending, buckets } = engine
  const digest = newDigest()
  const removed = new NumberTable()
  for (let entry = 0; entry < pending.count; entry++) if (pending.replaces(entry) !== 0) removed.set(pending.replaces(entry), pending.next(entry))
  for (let entry = 0; entry < pending.count; entry++) {
    const replaced = pending.replaces(entry)
    const before = pending.before(entry)
    if (replaced === 0 || removed.has(before)) continue
    const next = nextValid(engine, removed, replaced)
    if (before === 0) {
      pending.digest(entry, digest)
      heads.set(buckets.of(digest), next)
    } else redo.addPointer('pointer', before + NEXT_AT, replaced, next)
  }
}

function nextValid(engine: Engine, removed: NumberTable, position: number): number {
  let next = position
  let valid = position
  for (let steps = 0; next >= 0; steps++) {
    if (steps > removed.size) throw new FormatError(`${engine.path} is damaged: a chain of its index runs in a circle at ${position}. Open it anew to repair it.`)
    valid = next
    next = removed.get(next)
  }
  return valid
}

/* Writes into each new block where it leads: `lead` takes it as the head of a bucket and says what was the head before. */
function linkNew(engine: Engine, tail: Tail, buckets: Buckets, lead: (bucket: number, position: number) => number): void {
  const { pending } = engine
  const digest = newDigest()
  const patches = new PointerPatches()
  for (let entry = 0; entry < pending.count; entry++) {
    const position = pending.position(entry)
    if (position === 0) continue
    pending.digest(entry, digest)
    const next = lead(buckets.of(digest), position)
    // Blocks are written as the last of their chain; a sync that failed may have linked them already.
    if (next > LAST || engine.syncFailed) patches.add(position + NEXT_AT, Math.max(next, LAST))
  }
  tail.patch(patches)
}

function addOverwrites(engine: Engine, redo: RedoList): void {
  for (const [position, bytes] of engine.newBytes) {
    for (let at = 0; at < bytes.length; at += MAX_REDO_LENGTH) {
      const after = bytes.subarray(at, at + MAX_REDO_LENGTH)
      const before = new Uint8Array(after.length)
      engine.file.read(position + at, before)
      redo.add('bytes', position + at, before, after)
    }
  }
  for (const [position, timestamp] of engine.newTimestamps) {
    const before = new Uint8Array(7)
    const after = new Uint8Array(7)
    engine.file.read(position + TIMESTAMP_AT, before)
    writeU56(after, 0, timestamp)
    if (readU56(before, 0) !== timestamp) redo.add('bytes', position + TIMESTAMP_AT, before, after)
  }
}

/* What uncovers the new blocks comes first; the rest is in the order of its kinds already. */
function finishList(engine: Engine, tail: Tail, redo: RedoList): Uint8Array {
  tail.flush()
  const uncover = new RedoList()
  for (const { position, bytes } of tail.covered()) uncover.add('uncover', position, undefined, bytes)
  const list = new Uint8Array(uncover.bytes.length + redo.bytes.length)
  list.set(uncover.bytes)
  list.set(redo.bytes, uncover.bytes.length)
  return list
}

/** The number of buckets to grow to; undefined when there are enough, or no more steps. */
export function bucketsToGrowTo(engine: Engine): number | undefined {
  let count = engine.header.nBuckets
  if (engine.keyCount <= count) return undefined
  while (engine.keyCount > count) {
    const next = nextBucketCount(count)
    if (next === undefined) break
    count = next
  }
  return count === engine.header.nBuckets ? undefined : count
}

/**
 * Whether the file can grow in place: dead blocks must be able to cover the old index exactly where it lies
 * amid the data, and the new one while it is being written. Otherwise the file has to be rewritten.
 */
export function canGrowInPlace(engine: Engine): boolean {
  const { indexOffset, dataOffset, nBuckets } = engine.header
  const { layout } = engine
  if (layout.zeroLength > 0x4000 || engine.livePositions) return false
  return indexOffset < dataOffset || fillerSpans(layout, nBuckets * BUCKET_LENGTH) !== undefined
}

/* Links all valid blocks, old and new, into a larger index behind the data. Returns the header that results. */
function linkIntoNewIndex(engine: Engine, tail: Tail, redo: RedoList, count: number): BookletHeader {
  const { header } = engine
  const heads = relinkAll(engine, tail, redo, count)
  const indexOffset = tail.end
  const bytes = new Uint8Array(count * BUCKET_LENGTH)
  for (let bucket = 0; bucket < count; bucket++) writeU48(bytes, bucket * BUCKET_LENGTH, heads[bucket] || LAST)
  tail.appendIndex(bytes)
  addOverwrites(engine, redo)
  if (header.indexOffset >= header.dataOffset) coverOldIndex(engine, redo)
  const now = engine.headerBytes
  const next = now.slice()
  patchHeader(next, { nBuckets: count, layout: { indexOffset, dataOffset: header.dataOffset } })
  redo.add('bytes', BUCKETS_AT, now.slice(BUCKETS_AT, BUCKETS_AT + 4), next.subarray(BUCKETS_AT, BUCKETS_AT + 4))
  redo.add('bytes', LAYOUT_AT, now.slice(LAYOUT_AT, LAYOUT_AT + 12), next.subarray(LAYOUT_AT, LAYOUT_AT + 12))
  addKills(engine, redo)
  return { ...header, nBuckets: count, indexOffset }
}

/* The heads of all buckets, once every valid block is linked into one of them. */
function relinkAll(engine: Engine, tail: Tail, redo: RedoList, count: number): Float64Array {
  const heads = new Float64Array(count)
  const buckets = new Buckets(count)
  const lead = (bucket: number, position: number) => {
    const head = heads[bucket]! || LAST
    heads[bucket] = position
    return head
  }
  const cursor = new BlockCursor(engine, { internal: true })
  const digest = newDigest()
  while (cursor.next() && cursor.position < tail.start) {
    cursor.digest(digest)
    const next = lead(buckets.of(digest), cursor.position)
    if (next !== cursor.head.next) redo.addPointer('pointer', cursor.position + NEXT_AT, cursor.head.next, next)
  }
  linkNew(engine, tail, buckets, lead)
  return heads
}

function coverOldIndex(engine: Engine, redo: RedoList): void {
  const { layout, header } = engine
  let at = header.indexOffset
  for (const span of fillerSpans(layout, header.nBuckets * BUCKET_LENGTH) ?? []) {
    redo.add('bytes', at, undefined, fillerHead(layout, span)!)
    at += span
  }
}

function addKills(engine: Engine, redo: RedoList): void {
  const { pending } = engine
  for (let entry = 0; entry < pending.count; entry++) {
    const position = pending.replaces(entry)
    if (position !== 0) redo.addPointer('kill', position + NEXT_AT, pending.next(entry), 0)
  }
}
