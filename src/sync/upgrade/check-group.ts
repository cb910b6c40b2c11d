/** Whether a group object of format 1 holds what the index says, and where it really lies. */
import { decodeGroup, MAX_GROUP_BYTES, takeEntryHeader } from '../../format/group.js'
import type { IndexEntry } from '../../format/index-entry.js'
import { format1GroupKey } from '../../format/names.js'
import type { ObjectStore } from '../../store/object-store.js'
import { forEachConcurrent } from '../concurrency.js'
import { planRangeReads, type WantedValue } from '../plan-reads.js'

export interface CheckedGroup {
  gid: number
  /** Of the object that was checked. */
  etag: string
  /** Bytes. */
  size: number
  /** Where the values lie, with the timestamps that stand before them. */
  entries: Map<string, IndexEntry>
  /** Keys that it doesn't hold, or only older than the index says. */
  missing: string[]
}

const rangesAtOnce = 4

/**
 * Reads the headers of the entries, and the whole object only when one is not where the index says: an upload of a writer
 * that died before it wrote the index. Undefined when there is no such object.
 */
export async function checkGroup(store: ObjectStore, dbKey: string, gid: number, wanted: readonly WantedValue[], signal: AbortSignal | undefined): Promise<CheckedGroup | undefined> {
  const object = format1GroupKey(dbKey, gid)
  const head = await store.head(object, { signal })
  if (head.status !== 'ok') return undefined
  const { etag, size } = head.info
  const checked: CheckedGroup = { gid, etag, size, entries: new Map(), missing: [] }
  // The values themselves need not be read.
  const headers = wanted.map(({ key, entry }) => ({ key, entry: { ...entry, length: 0 } }))
  const lengths = new Map(wanted.map(({ key, entry }) => [key, entry.length]))
  await forEachConcurrent(planRangeReads(headers), rangesAtOnce, async ({ offset, length, wanted: inRange }) => {
    const result = await store.get(object, { range: { offset, length }, maxBytes: length, signal })
    if (result.status !== 'ok' || result.info.etag !== etag) return
    for (const { key, entry } of inRange) {
      const bytes = lengths.get(key)!
      const timestamp = takeEntryHeader(result.bytes, entry.offset - result.offset, key, bytes)
      if (timestamp === undefined || timestamp < entry.timestamp || entry.offset + bytes > size) continue
      checked.entries.set(key, { timestamp, offset: entry.offset, length: bytes })
    }
  })
  return checked.entries.size === wanted.length ? checked : checkWholeGroup(store, object, checked, wanted, signal)
}

async function checkWholeGroup(store: ObjectStore, object: string, checked: CheckedGroup, wanted: readonly WantedValue[], signal: AbortSignal | undefined): Promise<CheckedGroup | undefined> {
  const result = await store.get(object, { maxBytes: MAX_GROUP_BYTES, signal })
  if (result.status !== 'ok') return undefined
  const found = new Map<string, IndexEntry>()
  for (const { key, timestamp, offset, value } of decodeGroup(result.bytes)) found.set(key, { timestamp, offset, length: value.length })
  const entries = new Map<string, IndexEntry>()
  const missing: string[] = []
  for (const { key, entry } of wanted) {
    const place = found.get(key)
    if (place && place.timestamp >= entry.timestamp) entries.set(key, place)
    else missing.push(key)
  }
  return { ...checked, etag: result.info.etag, size: result.info.size, entries, missing }
}
