/** Local files in step with made-up remotes, and what readers leave beside them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { systemEnvironment } from '../../src/base/environment.js'
import { openBooklet } from '../../src/booklet/index.js'
import { indexFileBeside } from '../../src/database/index-file.js'
import { Overlay } from '../../src/database/shared/overlay.js'
import type { SharedFile } from '../../src/database/shared/settle.js'
import { overlayPath } from '../../src/format/names.js'
import { encodeRemoteState, type RemoteState } from '../../src/format/remote-state.js'
import { takeIn } from '../../src/sync/pull.js'
import { encodeRemoteIndex, RemoteIndex } from '../../src/sync/remote-index.js'
import { SyncState } from '../../src/sync/state.js'

const environment = systemEnvironment()

/** One committed state of a remote: its number, and which commit each key was last set in. */
export type Commit = ReadonlyMap<string, number>

/** The µs of a commit, and of the values that were set for it: they lie a little before. */
export const timeOf = (commit: number) => 1_000_000 * (commit + 1)
export const setFor = (commit: number) => timeOf(commit) - 10

export const valueOf = (key: string, commit: number) => new TextEncoder().encode(`${key} of ${commit} ${'x'.repeat(commit * 50)}`)

export function remoteOf(commits: readonly Commit[], number: number): { state: RemoteState; index: RemoteIndex } {
  const entries = [...commits[number]!].map(([key, commit]): [string, { timestamp: number; offset: number; length: number }] => [key, { timestamp: setFor(commit), offset: 0, length: 0 }])
  const index = RemoteIndex.decode(encodeRemoteIndex(entries, { minBuckets: 7, timestamp: timeOf(number) }))
  return { state: { timestamp: timeOf(number), manifest: new Map(), metaSection: null, etag: `"${number}"`, numGroups: null }, index }
}

export function sharedAt(path: string): SharedFile {
  return { path, type: 'EVariableLengthValue', environment, bufferSize: 1000, cacheBytes: 10_000 }
}

/** A local file in step with a commit. */
export function makeShared(path: string, commits: readonly Commit[], number: number, held: Iterable<string>): void {
  const file = openBooklet<string, unknown>(path, { flag: 'n', buckets: 7 })
  const state = SyncState.load(file, indexFileBeside(path), 'EVariableLengthValue')
  take(state, commits, number)
  for (const key of held) {
    const commit = commits[number]!.get(key)
    if (commit !== undefined) file.setBytes(key, valueOf(key, commit), { timestamp: setFor(commit) })
  }
  file.close()
}

function take(state: SyncState, commits: readonly Commit[], number: number): void {
  takeIn(state, { ...remoteOf(commits, number), metadata: { numGroups: undefined, timestamp: timeOf(number) } })
}

export function headerOf(path: string): Uint8Array {
  const file = openBooklet(path)
  try {
    return file.headerBytes()
  } finally {
    file.close()
  }
}

export interface Reader {
  /** The commit that it took in; undefined where it saw nothing new. */
  took: number | undefined
  /** What it fetched, as of which commit. */
  kept: readonly (readonly [string, number])[]
  ending: 'leaves' | 'is killed'
}

/** Does what a reader does that can't merge, and returns what that leaves. */
export function leave(path: string, commits: readonly Commit[], { took, kept, ending }: Reader): void {
  const overlay = new Overlay({ path, headerBytes: headerOf(path), bufferSize: 100, cacheBytes: 0, environment })
  for (const [key, commit] of kept) overlay.set(key, valueOf(key, commit), setFor(commit))
  if (took !== undefined) {
    const { state, index } = remoteOf(commits, took)
    overlay.setIndex(index.bytes)
    overlay.setRemoteState(encodeRemoteState({ ...state, type: 'EVariableLengthValue' }))
  }
  if (ending === 'leaves') overlay.leave()
  else if (overlay.path !== undefined) {
    // As it is on disk at this moment: the original goes when the process does.
    const id = overlay.path.slice(-13)
    const bytes = readFileSync(overlay.path)
    const index = indexFileBeside(overlay.path).read()
    overlay.drop()
    const killed = overlayPath(path, id)
    writeFileSync(killed, bytes)
    if (index) indexFileBeside(killed).write(index)
  }
}
