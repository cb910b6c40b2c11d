/** Finding every whole entry of a damaged file, by its chains where they lead somewhere and by looking where they don't. */
import { FormatError } from '../../base/error.js'
import { blockLayout, DEAD } from '../../format/block.js'
import { type BookletHeader, type BookletKind, CURRENT_VERSION, decodeHeader, DEFAULT_BUCKETS, HEADER_LENGTH, headerVersion, MAX_NEW_BUCKETS, patchHeader, typeIdOf } from '../../format/booklet-header.js'
import { readU32, writeU16, writeU32 } from '../../format/integers.js'
import { nextBucketCount } from '../../format/bucket.js'
import { BlockList, BlockReader, firstAfter, type Gap, type Surveyed, stretches } from '../survey.js'
import { readHeads, type Verdict, walkChains } from '../verify.js'
import type { Assessment } from './assess.js'
import { isRealVersion } from './finding.js'

export interface Salvage {
  /** In terms of which the blocks were found. */
  what: Surveyed
  /** The header of the mended file, but for its contents. */
  headerBytes: Uint8Array
  blocks: BlockList
  /** By block: whether it stays. */
  kept: Uint8Array
  /** By block: whether a chain leads to it. */
  linked: Uint8Array
  gaps: Gap[]
}

/** @param keepUnlinked whether blocks stay that no chain leads to, and whose key has no other */
export function salvage(found: Assessment, keepUnlinked: boolean): Salvage {
  const attempts = found.verdict && found.header
    ? [{ header: found.header, headerBytes: tidied(found.headerBytes, found.header), end: found.contentEnd }]
    : guesses(found).map((guess) => ({ ...guess, end: found.end }))
  let best: Salvage | undefined
  for (const { header, headerBytes, end } of attempts) {
    const what = { file: found.file, header, layout: blockLayout({ ...header, fixed: header.kind === 'fixed' }), end }
    const result = choose(what, headerBytes, found.verdict, keepUnlinked || found.verdict === undefined)
    if (best === undefined || total(result.kept) > total(best.kept)) best = result
  }
  if (best === undefined) throw new FormatError('the header of the booklet does not tell enough to find its entries; restore the file from a copy')
  return best
}

function total(kept: Uint8Array): number {
  return kept.reduce((sum, one) => sum + one, 0)
}

/* Headers that the file may have had, where its own can't be believed: without an index, with the data behind the header. */
function guesses(found: Assessment): { header: BookletHeader; headerBytes: Uint8Array }[] {
  const { kind, end } = found
  if (kind === undefined) return []
  const version = headerVersion(found.headerBytes)
  const versions = version >= 3 && version <= CURRENT_VERSION ? [version] : [CURRENT_VERSION]
  const stamps = kind === 'fixed' ? [0] : [1, 0]
  return versions.flatMap((each) => stamps.map((stamp) => guess(kind, found.headerBytes, each, stamp, end)))
}

function guess(kind: BookletKind, damaged: Uint8Array, version: number, stamps: number, fileBytes: number): { header: BookletHeader; headerBytes: Uint8Array } {
  const headerBytes = damaged.slice()
  headerBytes.set(typeIdOf(kind))
  headerBytes.set([6, 2, kind === 'fixed' ? 0 : 4], 18)
  const nBuckets = readU32(headerBytes, 21)
  const believable = nBuckets > 0 && nBuckets <= MAX_NEW_BUCKETS && nBuckets <= Math.max(DEFAULT_BUCKETS, fileBytes)
  patchHeader(headerBytes, { version, nBuckets: believable ? nBuckets : DEFAULT_BUCKETS, layout: { indexOffset: 0, dataOffset: 0 } })
  headerBytes[41] = stamps
  const header = { ...decodeHeader(headerBytes), indexOffset: 0, dataOffset: HEADER_LENGTH }
  return { header, headerBytes: tidied(headerBytes, header) }
}

/* Fields that nobody reads, as they should be. */
function tidied(bytes: Uint8Array, { kind, timestamps }: BookletHeader): Uint8Array {
  const headerBytes = bytes.slice()
  writeU32(headerBytes, 25, 0)
  if (kind === 'variable') writeU32(headerBytes, 37, 0)
  else writeU16(headerBytes, 29, 0)
  headerBytes[41] = timestamps ? 1 : 0
  return headerBytes
}

function choose(what: Surveyed, headerBytes: Uint8Array, verdict: Verdict | undefined, keepUnlinked: boolean): Salvage {
  const reachable = verdict === undefined ? new Float64Array(0) : walkChains(what, readHeads(what))
  const { blocks, gaps } = collect(what, reachable)
  const linked = new Uint8Array(blocks.count)
  for (let i = 0; i < blocks.count; i++) linked[i] = isAmong(reachable, blocks.position[i]!) ? 1 : 0
  const hidden = new Set(verdict?.hidden.map((i) => verdict.blocks.position[i]!))
  const kept = new Uint8Array(blocks.count)
  const chosen = new Map<string, number>()
  for (let i = 0; i < blocks.count; i++) {
    if (hidden.has(blocks.position[i]!) || (linked[i] === 0 && !keepUnlinked)) continue
    const name = blocks.keyName(i)
    const rival = chosen.get(name)
    // What a lookup finds goes before what it doesn't; else what was written later.
    if (rival !== undefined && linked[rival]! > linked[i]!) continue
    if (rival !== undefined) kept[rival] = 0
    kept[i] = 1
    chosen.set(name, i)
  }
  // Enough buckets for a file whose own number is not known.
  if (verdict === undefined) while (readU32(headerBytes, 21) < chosen.size && nextBucketCount(readU32(headerBytes, 21)) !== undefined) writeU32(headerBytes, 21, nextBucketCount(readU32(headerBytes, 21))!)
  return { what, headerBytes, blocks, kept, linked, gaps }
}

function isAmong(positions: Float64Array, position: number): boolean {
  return firstAfter(positions, position - 1) === position
}

/*
 * All whole live blocks. A block that would cover another one to which a chain leads is itself damaged: its length is
 * wrong. Where nothing is a block, the next one is looked for byte by byte.
 */
function collect(what: Surveyed, reachable: Float64Array): { blocks: BlockList; gaps: Gap[] } {
  const reader = new BlockReader(what)
  const blocks = new BlockList()
  const gaps: Gap[] = []
  for (const [start, end] of stretches(what)) {
    for (let at = start; at < end; ) {
      const length = soundLength(reader, at, end, reachable)
      if (length > 0 && reader.isBlock(at, end)) {
        if (reader.head.next !== DEAD) reader.appendTo(blocks, at)
        at += length
        continue
      }
      const next = nextBlock(reader, at + 1, end, reachable)
      gaps.push({ start: at, end: next })
      at = next
    }
  }
  return { blocks, gaps }
}

/* The length of the block at a position; 0 when there is none, or when its length is damaged and would swallow others. */
function soundLength(reader: BlockReader, at: number, end: number, reachable: Float64Array): number {
  if (!reader.isBlock(at, end)) return 0
  const { length } = reader.head
  if ((firstAfter(reachable, at) ?? Infinity) < at + length) return 0
  if (at + length === end || reader.isBlock(at + length, end)) return length
  // What follows is no block: either that one is damaged, or the length of this one is.
  return nextBlock(reader, at + 1, at + length, reachable, end) < at + length ? 0 : length
}

function nextBlock(reader: BlockReader, from: number, end: number, reachable: Float64Array, limit = end): number {
  const known = Math.min(firstAfter(reachable, from - 1) ?? end, end)
  try {
    for (let at = from; at < known; at++) if (reader.couldBeLive(at) && reader.isBlock(at, limit)) return at
  } catch (error) {
    // Too much looks like a block: what lies here is not looked through any further.
    if (!(error instanceof FormatError)) throw error
  }
  return known
}

/** Whether a version is one of another release, rather than damage. */
export function isOfAnotherRelease(headerBytes: Uint8Array): boolean {
  const version = headerVersion(headerBytes)
  return isRealVersion(version) && (version < 3 || version > CURRENT_VERSION)
}
