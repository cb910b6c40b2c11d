import { FormatError } from '../base/error.js'
import { DEAD, LAST, NEXT_AT } from '../format/block.js'
import { BUCKET_LENGTH, HEADER_LENGTH } from '../format/booklet-header.js'
import { readU48 } from '../format/integers.js'
import type { Engine } from './engine.js'
import { type BlockList, BlockReader, firstAfter, type Gap, KeySet, survey, type Surveyed, stretches } from './survey.js'

/** A pointer that doesn't lead to the next block of its chain. */
export interface ChainProblem {
  bucket: number
  /** Where the pointer lies: in the index or in a block. */
  at: number
  to: number
  /** The block that lies there; -1 when none does. */
  block: number
}

/** How a file's chains and its blocks fit together. */
export interface Verdict {
  blocks: BlockList
  /** One for each damaged chain: where it stops to be one. */
  problems: ChainProblem[]
  /** By block: 1 = a lookup finds it. */
  valid: Uint8Array
  /** Blocks that a chain leads to, but that another block of the same key hides. */
  hidden: number[]
  /** Blocks that no chain leads to, in sound buckets: writes that were cut off. */
  orphans: number[]
  /** Buckets whose chain is damaged, with the blocks that belong into it, best first. */
  broken: Map<number, number[]>
  /** How many of them lookups stumble over (and not only pass a hidden block). */
  damaged: number
  /** Blocks of broken buckets that no chain led to any more: they are taken in again. */
  taken: number[]
  /** Pointers that led nowhere. */
  dangling: number
  gaps: Gap[]
  /** Where the last whole block ends. */
  end: number
  /** Valid blocks without internal ones. */
  keyCount: number
}

/**
 * Goes through a whole file. What lookups find is the truth; what lies there without a chain leading to it was
 * never finished. Only where a chain itself is damaged do the blocks count that belong to its bucket.
 *
 * @throws FormatError when the header contradicts the index
 */
export function verify(what: Surveyed): Verdict {
  const heads = readHeads(what)
  let reachable: Float64Array | undefined
  const found = survey(what, (after) => {
    reachable ??= walkChains(what, heads)
    return firstAfter(reachable, after)
  })
  const { blocks } = found
  const verdict: Verdict = {
    blocks, problems: [], valid: new Uint8Array(blocks.count), hidden: [], orphans: [], broken: new Map(), damaged: 0, taken: [], dangling: 0,
    gaps: found.gaps, end: found.end, keyCount: 0,
  }
  checkHeader(what, verdict, heads)
  for (let bucket = 0; bucket < what.header.nBuckets; bucket++) {
    const head = readU48(heads, bucket * BUCKET_LENGTH)
    if (head > LAST) followChain(verdict, bucket, head, what.header.indexOffset + bucket * BUCKET_LENGTH)
  }
  sortOrphans(verdict)
  for (let i = 0; i < blocks.count; i++) if (verdict.valid[i] && !blocks.internal[i]) verdict.keyCount++
  return verdict
}

export function readHeads({ file, header }: Surveyed): Uint8Array {
  const heads = new Uint8Array(header.nBuckets * BUCKET_LENGTH)
  file.read(header.indexOffset, heads)
  return heads
}

/*
 * A header whose layout fields or number of buckets were hit contradicts the index all over. Mending the chains by
 * it would make things worse, so it is refused.
 */
function checkHeader(what: Surveyed, verdict: Verdict, heads: Uint8Array): void {
  const { blocks } = verdict
  const reader = new BlockReader(what)
  let used = 0
  let strange = 0
  for (let bucket = 0; bucket < what.header.nBuckets; bucket++) {
    const head = readU48(heads, bucket * BUCKET_LENGTH)
    if (head <= LAST) continue
    used++
    const i = blocks.find(head)
    if (i >= 0 ? blocks.bucket[i] !== bucket : head >= HEADER_LENGTH && reader.isBlock(head, what.end) && reader.head.next !== DEAD) strange++
  }
  if (strange * 2 > used) {
    throw new FormatError(`the index of the booklet contradicts its header in ${strange} of ${used} buckets: the header is damaged. Restore the file from a copy.`)
  }
}

function followChain(verdict: Verdict, bucket: number, head: number, headAt: number): void {
  const { blocks, valid } = verdict
  const chain: number[] = []
  const keys = new KeySet(blocks)
  let position = head
  let at = headAt
  while (position > LAST) {
    const i = blocks.find(position)
    if (i < 0 || blocks.bucket[i] !== bucket || valid[i]) {
      // A dead block, no block at all, one of another chain, or one that was passed before.
      verdict.broken.set(bucket, chain)
      verdict.damaged++
      verdict.problems.push({ bucket, at, to: position, block: i })
      if (i < 0) verdict.dangling++
      return
    }
    if (keys.add(i)) chain.push(i)
    else {
      verdict.hidden.push(i)
      verdict.broken.set(bucket, chain)
    }
    valid[i] = 1
    at = position + NEXT_AT
    position = blocks.next[i]!
  }
}

function sortOrphans(verdict: Verdict): void {
  const { blocks, valid, broken } = verdict
  for (const i of verdict.hidden) valid[i] = 0
  const hidden = new Set(verdict.hidden)
  const keysOf = new Map<number, KeySet>()
  // The latest first: of two blocks of one key it is the newer.
  for (let i = blocks.count - 1; i >= 0; i--) {
    if (valid[i] || hidden.has(i)) continue
    const bucket = blocks.bucket[i]!
    const chain = broken.get(bucket)
    let keys = keysOf.get(bucket)
    if (chain && !keys) keysOf.set(bucket, (keys = new KeySet(blocks, chain)))
    if (!chain || !keys?.add(i)) {
      verdict.orphans.push(i)
      continue
    }
    chain.push(i)
    valid[i] = 1
    verdict.taken.push(i)
  }
}

/** Positions of all whole blocks that chains lead to, ascending: the slow way, for files that can't be read front to back. */
export function walkChains(what: Surveyed, heads: Uint8Array): Float64Array {
  const reader = new BlockReader(what)
  const parts = stretches(what)
  const seen = new Set<number>()
  for (let at = 0; at < heads.length; at += BUCKET_LENGTH) {
    let position = readU48(heads, at)
    while (position > LAST && !seen.has(position)) {
      const part = parts.find(([start, end]) => position >= start && position < end)
      if (part === undefined || !reader.isBlock(position, part[1]) || reader.head.next === DEAD) break
      seen.add(position)
      position = reader.head.next
    }
  }
  return Float64Array.from(seen).sort()
}

/** True when the file can be read front to back, and each block that isn't dead is found by a lookup. */
export function isRegular(verdict: Verdict, end: number): boolean {
  return (
    verdict.end === end && verdict.gaps.length === 0 && verdict.orphans.length === 0 && verdict.hidden.length === 0 && verdict.broken.size === 0
  )
}

/** Positions of the valid blocks. */
export function livePositions({ blocks, valid }: Verdict): Float64Array {
  return blocks.position.subarray(0, blocks.count).filter((_position, i) => valid[i] === 1)
}

/**
 * For readers of files that others wrote: makes iteration and count agree with what lookups find.
 *
 * @throws FormatError when chains are damaged: entries may be missing then
 */
export function trustworthy(engine: Engine): void {
  const { file, layout, header, dataEnd } = engine
  const verdict = verify({ file, layout, header, end: dataEnd })
  if (verdict.damaged > 0) {
    throw new FormatError(`${engine.path} is damaged or cut short: ${verdict.damaged} chains of its index are broken. Open it for writing to repair it.`)
  }
  engine.keyCount = verdict.keyCount
  if (!isRegular(verdict, dataEnd)) engine.livePositions = livePositions(verdict)
}
