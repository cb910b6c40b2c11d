/** Bringing the snapshots of a group's members up to date. */
import { stringifyJson } from '../../format/json-write.js'
import { forEachConcurrent } from '../../sync/concurrency.js'
import type { RemoteSummary } from '../../sync/remote-summary.js'
import { encodeRefreshed, type GroupEntry } from './entry.js'

/** What became of the members. */
export interface RefreshResult {
  /** Their snapshots differed and are new now: changes of the group, to push. */
  readonly changed: readonly string[]
  readonly unchanged: readonly string[]
  /** There is no database any more. Their entries are left as they were. */
  readonly gone: readonly string[]
  /** Another database is there than the UUID of the key says. Their entries are left as they were. */
  readonly replaced: readonly { readonly key: string; readonly uuid: string }[]
  /** Could not be looked at. Their entries are left as they were. */
  readonly failures: readonly { readonly key: string; readonly error: Error }[]
}

/** What refreshing needs of a group. */
export interface RefreshedGroup {
  /** Undefined when there is no such entry any more. */
  read(key: string): Promise<GroupEntry | undefined>
  /** Changes whenever the entry does. */
  version(key: string): number | undefined
  write(key: string, stored: Record<string, unknown>): void
  look(key: string, entry: GroupEntry): Promise<RemoteSummary | undefined>
  /** Told when a member was looked at. */
  done(): void
}

type Found = { kind: 'changed' | 'unchanged' | 'gone' | 'deleted' } | { kind: 'replaced'; uuid: string }

export async function refreshEntries(group: RefreshedGroup, keys: Iterable<string>, concurrency: number, signal: AbortSignal): Promise<RefreshResult> {
  const lists = { changed: [] as string[], unchanged: [] as string[], gone: [] as string[], deleted: [] as string[] }
  const replaced: { key: string; uuid: string }[] = []
  const failures: { key: string; error: Error }[] = []
  await forEachConcurrent(keys, concurrency, async (key) => {
    signal.throwIfAborted()
    try {
      const found = await refreshOne(group, key)
      if (found.kind === 'replaced') replaced.push({ key, uuid: found.uuid })
      else lists[found.kind].push(key)
    } catch (cause) {
      signal.throwIfAborted()
      failures.push({ key, error: cause instanceof Error ? cause : new Error(String(cause), { cause }) })
    }
    group.done()
  })
  const { changed, unchanged, gone } = lists
  return { changed, unchanged, gone, replaced, failures }
}

async function refreshOne(group: RefreshedGroup, key: string): Promise<Found> {
  for (;;) {
    const version = group.version(key)
    const entry = await group.read(key)
    if (!entry) return { kind: 'deleted' }
    const summary = await group.look(key, entry)
    // Somebody changed or deleted the entry while its member was looked at: theirs counts.
    if (group.version(key) !== version) continue
    if (!summary) return { kind: 'gone' }
    if (isUuid(key) && key !== summary.uuid) return { kind: 'replaced', uuid: summary.uuid }
    if (isCurrent(entry, summary)) return { kind: 'unchanged' }
    group.write(key, encodeRefreshed(entry, summary))
    return { kind: 'changed' }
  }
}

function isUuid(key: string): boolean {
  return /^[0-9a-f]{32}$/.test(key)
}

function isCurrent(entry: GroupEntry, summary: RemoteSummary): boolean {
  if (entry.entryVersion !== 1 || entry.type !== summary.type || entry.timestamp !== summary.timestamp) return false
  return stringifyJson(entry.remoteMeta) === stringifyJson(summary.metadata)
}
