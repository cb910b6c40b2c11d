/** Opening the local file for a reader: shared with other readers, Python's too. */
import { EbookletError } from '../../base/error.js'
import { type Booklet, FileLockedError, FileNotFoundError } from '../../booklet/index.js'
import type { Patience } from '../patience.js'
import { holdsNothing } from '../unborn-file.js'
import { LayeredFile } from './layered-file.js'
import { Overlay } from './overlay.js'
import { isRefused } from './refused.js'
import { overlaysBeside, settle, settleAndClose, type SharedFile } from './settle.js'

/** Opens the shared file without waiting. */
export type OpenFile = (flag: 'r' | 'w') => Booklet<string, unknown>

/**
 * The file as a reader has it; undefined when there is none. What readers that are gone left beside it is taken in first,
 * and a file that isn't as its last writer should have left it is put right: if nobody else has it open. One that
 * can't be read as it is waits for that.
 */
export async function openShared(shared: SharedFile, open: OpenFile, patience: Patience): Promise<LayeredFile | undefined> {
  let base = await openBase(shared, open, patience)
  if (base && (!base.openedClean || overlaysBeside(shared.path).length > 0)) {
    base.close()
    settle(shared)
    base = await openBase(shared, open, patience)
  }
  if (!base) return undefined
  return new LayeredFile(shared, base, new Overlay({ ...shared, headerBytes: base.headerBytes() }))
}

async function openBase(shared: SharedFile, open: OpenFile, patience: Patience): Promise<Booklet<string, unknown> | undefined> {
  for (let repaired = false; ; ) {
    try {
      return open('r')
    } catch (error) {
      if (error instanceof FileNotFoundError) return undefined
      if (!(error instanceof EbookletError) || repaired) throw error
      if (error instanceof FileLockedError) await patience.wait(error)
      else {
        const outcome = putRight(shared, open, error)
        if (outcome === 'nothing') return undefined
        // Whoever holds it may be about to put it right, and then share it.
        if (outcome === 'right') repaired = true
        else await patience.wait(outcome)
      }
    }
  }
}

/** @returns `nothing` when there is no file yet, or only what somebody left who was stopped while making it */
function putRight(shared: SharedFile, open: OpenFile, problem: EbookletError): 'right' | 'nothing' | FileLockedError {
  let file: Booklet<string, unknown>
  try {
    file = open('w')
  } catch (error) {
    if (error instanceof FileLockedError) return error
    if (isRefused(error)) throw problem
    if (error instanceof FileNotFoundError || (error instanceof EbookletError && holdsNothing(shared.path))) return 'nothing'
    throw error
  }
  settleAndClose(shared, file)
  return 'right'
}
