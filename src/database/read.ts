/** Reading many values in an order that suits the remote. */
import type { ValueSource } from '../sync/fetch.js'
import type { WantedValue } from '../sync/plan-reads.js'
import type { ProgressMeter } from '../sync/progress.js'
import type { SyncState } from '../sync/state.js'

/** Which of the keys have to be fetched, each once. */
function wantedValues(state: SyncState, keys: Iterable<string>): WantedValue[] {
  const wanted = new Map<string, WantedValue>()
  for (const key of keys) {
    const found = state.locate(key)
    if (found.where === 'remote') wanted.set(key, { key, entry: found.entry })
  }
  return [...wanted.values()]
}

/** All that have to be fetched: like `wantedValues` of every key, in one walk through the index. */
function allWantedValues({ visibleIndex, pending, local }: SyncState): WantedValue[] {
  const wanted: WantedValue[] = []
  const { holdsNothing } = local
  const somePending = pending.written.size + pending.deletes.size > 0
  for (const [key, entry] of visibleIndex.entries()) {
    if (somePending && pending.has(key)) continue
    if (holdsNothing || (local.getTimestamp(key) ?? -1) < entry.timestamp) wanted.push({ key, entry })
  }
  return wanted
}

/** Fetches what is not local yet of these keys (default: of all), and keeps it. */
export async function loadValues(state: SyncState, fetcher: ValueSource, keys: Iterable<string> | undefined, { signal, meter }: { signal: AbortSignal; meter: ProgressMeter }): Promise<void> {
  const wanted = keys ? wantedValues(state, keys) : allWantedValues(state)
  const bytes = wanted.reduce((sum, { entry }) => sum + entry.length, 0)
  const groups = new Set<number>()
  if (typeof state.pending.numGroups === 'number') for (const value of wanted) groups.add((value.gid = state.groupOf(value.key)))
  meter.begin('fetch', { bytes, groups: groups.size || wanted.length })
  await fetcher.fetch(wanted, { signal, meter })
}

/** The bytes of keys in their order, undefined where there is none. */
export async function readMany(state: SyncState, fetcher: ValueSource, keys: readonly string[], signal: AbortSignal): Promise<[string, Uint8Array | undefined][]> {
  const fetched = new Map<string, Uint8Array | undefined>()
  await fetcher.fetch(wantedValues(state, keys), { signal, deliver: (key, value) => fetched.set(key, value) })
  const found: [string, Uint8Array | undefined][] = []
  for (const key of keys) found.push([key, fetched.has(key) ? fetched.get(key) : await readOne(state, fetcher, key, signal)])
  return found
}

/** Bytes of values that are fetched ahead of the reader. */
const batchBytes = 8 * 1024 * 1024
const batchKeys = 1024

export interface ReadEachOptions {
  signal: AbortSignal
  /** Default: every key there is. */
  keys?: Iterable<string> | undefined
}

/** Keys with their bytes: first what is local, then the rest, fetched in batches of near values, one batch ahead. */
export async function* readEach(state: SyncState, fetcher: ValueSource, { signal, keys = state.keys() }: ReadEachOptions): AsyncGenerator<[string, Uint8Array]> {
  const asked = new Set(keys)
  fetcher.checkReachable(() => wantedValues(state, asked))
  const remote: WantedValue[] = []
  for (const key of asked) {
    const found = state.locate(key)
    if (found.where === 'remote') remote.push({ key, entry: found.entry })
    else if (found.where === 'local') yield [key, state.local.getBytes(key)!]
  }
  const batches = inBatches(nearFirst(state, remote))
  const fetch = (batch: WantedValue[] | undefined) => {
    const run = batch && fetcher.fetch(stillRemote(state, batch), { signal })
    run?.catch(() => undefined)
    return run
  }
  let ahead = batches.shift()
  let running = fetch(ahead)
  while (ahead) {
    const batch = ahead
    await running
    ahead = batches.shift()
    running = fetch(ahead)
    for (const { key } of batch) {
      const bytes = await readOne(state, fetcher, key, signal)
      if (bytes) yield [key, bytes]
    }
  }
}

/** The value of a key as things are now: what was local or fetched a moment ago may have been pruned, or be old since a pull. */
async function readOne(state: SyncState, fetcher: ValueSource, key: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const found = state.locate(key)
  if (found.where === 'absent') return undefined
  return found.where === 'local' ? state.local.getBytes(key) : fetcher.fetchOne({ key, entry: found.entry }, signal)
}

function stillRemote(state: SyncState, batch: readonly WantedValue[]): WantedValue[] {
  return wantedValues(state, batch.map(({ key }) => key))
}

function nearFirst(state: SyncState, wanted: WantedValue[]): WantedValue[] {
  if (typeof state.pending.numGroups !== 'number') return wanted
  const placed = wanted.map((value) => ({ value, gid: state.groupOf(value.key) }))
  placed.sort((a, b) => a.gid - b.gid || a.value.entry.offset - b.value.entry.offset)
  return placed.map(({ value }) => value)
}

function inBatches(wanted: readonly WantedValue[]): WantedValue[][] {
  const batches: WantedValue[][] = []
  let batch: WantedValue[] = []
  let bytes = 0
  for (const value of wanted) {
    if (batch.length >= batchKeys || (batch.length > 0 && bytes + value.entry.length > batchBytes)) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(value)
    bytes += value.entry.length
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
