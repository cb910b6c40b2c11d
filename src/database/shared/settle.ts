/** What is done while nobody else has the local file open: putting it right, and taking in what readers kept. */
import { readdirSync, statSync, utimesSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Environment } from '../../base/environment.js'
import { EbookletError, FormatError } from '../../base/error.js'
import { type Booklet, FileLockedError, FileNotFoundError, openBooklet } from '../../booklet/index.js'
import type { DatabaseType } from '../../format/db-metadata.js'
import { isOverlayName } from '../../format/names.js'
import { SyncState } from '../../sync/state.js'
import { indexFileBeside } from '../index-file.js'
import { keepValues, newestRemote, takeInNewest, type Kept, type KeptRemote, type KeptValue } from './kept.js'
import { remoteOf, removeDamaged, removeOverlay, valuesOf } from './overlay.js'
import { isRefused } from './refused.js'

export interface SharedFile {
  path: string
  type: DatabaseType
  environment: Environment
  bufferSize: number
  cacheBytes: number
}

/** What a reader that is about to end brings along. */
export interface OwnPart {
  uuid: string
  kept: Kept | undefined
  /** A prune that this reader was told to do. */
  prune: { before?: number } | undefined
}

/** Why the local file could not be had alone: others have it open, or it may not be written to, or is not there. */
export type Outcome = 'done' | 'held' | 'refused' | 'gone'

/**
 * Opens the local file exclusively, if that is possible at once; repairs it, takes in what readers that are gone left
 * beside it, and what `own` has. Goes on as long as something new was left meanwhile.
 *
 * @returns what became of the first attempt, the one that `own` is part of
 */
export function settle(shared: SharedFile, own?: OwnPart): Outcome {
  const taken = new Set<string>()
  const outcome = settleOnce(shared, own, taken)
  for (let last = outcome; last === 'done' && anyOwnerless(shared, taken); ) last = settleOnce(shared, undefined, taken)
  return outcome
}

function settleOnce(shared: SharedFile, own: OwnPart | undefined, taken: Set<string>): Outcome {
  const file = openAlone(shared)
  if (typeof file === 'string') return file
  try {
    settleAndClose(shared, file, own, taken)
    return 'done'
  } catch (error) {
    if (!isRefused(error)) throw error
    return 'refused'
  }
}

/** Does the same in a file that is open exclusively, and closes it. */
export function settleAndClose(shared: SharedFile, file: Booklet<string, unknown>, own?: OwnPart, taken?: Set<string>): void {
  let searched: boolean
  try {
    searched = settleInto(shared, file, own, taken)
  } finally {
    file.close()
  }
  if (!searched) markUnknown(shared.path)
}

function openAlone({ path, environment, bufferSize, cacheBytes }: SharedFile): Booklet<string, unknown> | Exclude<Outcome, 'done'> {
  try {
    return openBooklet<string, unknown>(path, { flag: 'w', keySerializer: 'str', lockTimeout: 0, environment, bufferSize, cacheBytes })
  } catch (error) {
    if (error instanceof FileLockedError) return 'held'
    if (error instanceof FileNotFoundError) return 'gone'
    if (isRefused(error)) return 'refused'
    throw error
  }
}

/**
 * @param taken is told of the overlays that were taken in
 * @returns false when the file is still to be searched for lost writes
 */
export function settleInto({ path, type }: SharedFile, file: Booklet<string, unknown>, own?: OwnPart, taken = new Set<string>()): boolean {
  // None of ours: who opens it is told.
  if (!file.hasTimestamps) return true
  const left: LeftOverlay[] = []
  try {
    for (const overlay of openOwnerless(path, file, taken)) left.push(overlay)
    const indexFile = indexFileBeside(path)
    const state = SyncState.load(file, indexFile, type)
    // What it lacks is taken for deletes of Python's, which a repaired file may not be told apart from.
    if (file.repair && state.indexIsShort) indexFile.remove()
    const all: Kept[] = left.map(({ kept }) => kept)
    if (own?.kept && own.uuid === file.uuid) all.push(own.kept)
    const searched = takeInNewest(state, newestRemote(state, all))
    if (own?.prune && own.uuid === file.uuid) {
      state.saveJournal()
      file.prune({ ...own.prune, keep: state.pending.written })
    }
    for (const kept of all) keepValues(state, file, kept)
    state.save()
    for (const { path: overlay, file: opened } of left) {
      opened.abandon()
      taken.add(overlay)
      removeOverlay(overlay)
    }
    return searched
  } finally {
    for (const { file: opened } of left) opened.abandon()
  }
}

/** Makes the next open of a closed file find that somebody wrote to it, and search it when it knows the remote's index. */
export function markUnknown(path: string): void {
  const seconds = statSync(path).mtimeMs / 1000 - 1
  try {
    utimesSync(path, seconds, seconds)
  } catch (error) {
    // Only its owner may set that: after a repair by somebody else it isn't what was recorded, as it is.
    if (!isRefused(error)) throw error
  }
}

interface LeftOverlay {
  path: string
  file: Booklet<string, unknown>
  kept: Kept
}

/** The overlays whose owner is gone, locked. What is damaged or belongs to another database is removed: nothing is lost by that. */
function* openOwnerless(path: string, shared: Booklet<string, unknown>, taken: Set<string>): Generator<LeftOverlay> {
  for (const overlay of overlaysBeside(path)) {
    const file = openOverlay(overlay)
    if (file === 'owned') continue
    if (file !== 'damaged' && file.uuid === shared.uuid && file.valueSerializerCode === shared.valueSerializerCode && file.hasTimestamps) {
      yield { path: overlay, file, kept: { remote: readableRemote(overlay, file), values: () => untilDamage(valuesOf(file)) } }
      continue
    }
    taken.add(overlay)
    if (file === 'damaged') removeDamaged(overlay)
    else {
      file.abandon()
      removeOverlay(overlay)
    }
  }
}

function openOverlay(path: string): Booklet<string, unknown> | 'owned' | 'damaged' {
  try {
    return openBooklet<string, unknown>(path, { flag: 'w', keySerializer: 'str', lockTimeout: 0 })
  } catch (error) {
    if (error instanceof FormatError) return 'damaged'
    // Locked; or gone, or not to be opened: then there is nothing to be done about it either.
    if (error instanceof EbookletError || (error as NodeJS.ErrnoException).code !== undefined) return 'owned'
    throw error
  }
}

function readableRemote(path: string, file: Booklet<string, unknown>): KeptRemote | undefined {
  try {
    return remoteOf(path, file)
  } catch (error) {
    if (error instanceof EbookletError) return undefined
    throw error
  }
}

function* untilDamage(values: Iterable<KeptValue>): Generator<KeptValue> {
  try {
    yield* values
  } catch (error) {
    if (!(error instanceof EbookletError)) throw error
  }
}

/** Overlays of the file, of readers that live and of others. */
export function overlaysBeside(path: string): string[] {
  const folder = dirname(path)
  const name = basename(path)
  try {
    return readdirSync(folder).filter((entry) => isOverlayName(name, entry)).sort().map((entry) => join(folder, entry))
  } catch (error) {
    // A folder that may be passed through but not looked into.
    if (isRefused(error)) return []
    throw error
  }
}

/* Whatever was taken in and is there still, somebody else has to remove. */
function anyOwnerless({ path }: SharedFile, taken: ReadonlySet<string>): boolean {
  for (const overlay of overlaysBeside(path)) {
    if (taken.has(overlay)) continue
    const file = openOverlay(overlay)
    if (file === 'damaged') return true
    if (file === 'owned') continue
    file.abandon()
    return true
  }
  return false
}
