/** What a verdict on the chains of a file means, finding by finding. */
import type { FindingList } from '../../base/findings.js'
import { DEAD, newBlockHead, readBlockHead } from '../../format/block.js'
import { HEADER_LENGTH } from '../../format/booklet-header.js'
import type { Surveyed } from '../survey.js'
import { BlockReader } from '../survey.js'
import type { ChainProblem, Verdict } from '../verify.js'
import { bookletFinding, namedKey, type BookletFinding, type NamedKey, type WrongTarget } from './finding.js'

/** Code of the key serializer `str`. */
const textCode = 2

/** @param end where the contents should end */
export function tellOfChains(what: Surveyed, verdict: Verdict, end: number, findings: FindingList<BookletFinding>): void {
  const { blocks } = verdict
  for (const problem of verdict.problems) {
    const { bucket, at, to } = problem
    findings.add(bookletFinding('bad-pointer', { bucket, at, to, leadsTo: targetOf(what, verdict, problem) }))
  }
  for (const i of verdict.hidden) {
    const position = blocks.position[i]!
    findings.add(bookletFinding('duplicate-entry', { bucket: blocks.bucket[i]!, position, ...keyAt(what, position) }))
  }
  for (const i of unlinked(verdict)) {
    const position = blocks.position[i]!
    const { bytes, ...key } = blockAt(what, position)
    findings.add(bookletFinding('unlinked-block', { position, bytes, ...key }))
  }
  for (const { start, end } of verdict.gaps) findings.add(bookletFinding('stray-bytes', { start, end }))
  if (verdict.end < end) findings.add(bookletFinding('truncated-tail', { start: verdict.end, end }))
}

/* Blocks that no chain leads to: those left aside, and those that mending a chain takes in again. */
function unlinked(verdict: Verdict): number[] {
  return [...verdict.orphans, ...verdict.taken].sort((a, b) => a - b)
}

function targetOf(what: Surveyed, { blocks }: Verdict, { bucket, to, block }: ChainProblem): WrongTarget {
  if (block >= 0) return blocks.bucket[block] === bucket ? 'loop' : 'other-bucket'
  const { layout } = what
  if (to < HEADER_LENGTH || to + layout.headerLength > what.end) return to < what.end && to >= HEADER_LENGTH ? 'cut-short-block' : 'outside'
  const bytes = new Uint8Array(layout.headerLength)
  what.file.read(to, bytes)
  const head = newBlockHead()
  readBlockHead(layout, bytes, 0, head)
  if (head.next === DEAD) return 'dead-block'
  if (new BlockReader(what).isBlock(to, what.end)) return 'covered-block'
  return to + head.length > what.end ? 'cut-short-block' : 'damaged-block'
}

/** The key of the whole block at a position. */
export function keyAt(what: Surveyed, position: number): NamedKey {
  const { bytes: _bytes, ...key } = blockAt(what, position)
  return key
}

/** The key and the length of the whole block at a position. */
export function blockAt({ file, layout, header }: Surveyed, position: number): NamedKey & { bytes: number } {
  const bytes = new Uint8Array(layout.headerLength)
  file.read(position, bytes)
  const head = newBlockHead()
  readBlockHead(layout, bytes, 0, head)
  const key = new Uint8Array(head.keyLength)
  file.read(position + layout.headerLength, key)
  return { ...namedKey(key, header.keySerializer === textCode), bytes: head.length }
}
