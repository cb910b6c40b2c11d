/**
 * Which byte ranges to ask for, decided purely from index entries: near values of one group become one
 * request, far ones several. The bytes of each value's own header are included, to check it against.
 */
import type { IndexEntry } from '../format/index-entry.js'
import { entryHeaderBytes } from '../format/group.js'

export interface WantedValue {
  key: string
  entry: IndexEntry
  /** Its group, where that was found out before: each time hashes the key. */
  gid?: number | undefined
}

export interface RangeRead {
  /** First byte in the group object. */
  offset: number
  /** Bytes to read. */
  length: number
  /** What lies in this range, by offset. */
  wanted: WantedValue[]
}

export interface ReadPlanLimits {
  /**
   * Bytes between two wanted values that are cheaper to read along than to ask for again: bandwidth × delay / requests side by
   * side, which is 20 to 100 KB on most ways to a store (docs/performance.md). Default 64 KiB.
   */
  maxGap?: number
  /** Bytes after which a range is ended, so that long ones run side by side. Default 16 MiB; one value may be longer. */
  maxRange?: number
}

/** Ranges that cover every wanted value of one group. */
export function planRangeReads(wanted: readonly WantedValue[], limits: ReadPlanLimits = {}): RangeRead[] {
  const { maxGap = 64 * 1024, maxRange = 16 * 1024 * 1024 } = limits
  const ranges: RangeRead[] = []
  let last: RangeRead | undefined
  for (const value of [...wanted].sort((a, b) => a.entry.offset - b.entry.offset)) {
    const start = Math.max(0, value.entry.offset - entryHeaderBytes(value.key))
    const end = value.entry.offset + value.entry.length
    if (last && start - (last.offset + last.length) <= maxGap && end - last.offset <= maxRange) {
      last.length = Math.max(last.length, end - last.offset)
      last.wanted.push(value)
    } else {
      last = { offset: start, length: end - start, wanted: [value] }
      ranges.push(last)
    }
  }
  return ranges
}

/** Splits wanted values by the group they belong to. */
export function byGroup(wanted: Iterable<WantedValue>, groupOf: (key: string) => number): Map<number, WantedValue[]> {
  const groups = new Map<number, WantedValue[]>()
  for (const value of wanted) {
    const gid = value.gid ?? groupOf(value.key)
    const list = groups.get(gid)
    if (list) list.push(value)
    else groups.set(gid, [value])
  }
  return groups
}
