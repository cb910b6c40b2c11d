/** Finding values in a group object that doesn't hold them where the index says: all of it is read, in pieces if it is large. */
import { decodeGroup, type GroupEntry, MAX_GROUP_BYTES } from '../format/group.js'
import { GroupScanner, type ScannedEntry } from '../format/group-scan.js'
import { ObjectChangedError, ResponseTooLargeError } from '../store/errors.js'
import type { ObjectStore } from '../store/object-store.js'
import { objectSource, readInPieces, type LargeSource } from '../store/transfer/index.js'
import type { Transfer } from './transfer.js'

/** Told of each entry of a wanted key, in no order; of several of one key the last one counts. The value is a view. */
export type TakeEntry = (entry: GroupEntry) => void

/**
 * @param keys which entries are wanted
 * @throws FormatError when the object is damaged; entries may have been given by then
 */
export async function findInGroup(store: ObjectStore, object: string, keys: ReadonlySet<string>, transfer: Transfer, take: TakeEntry, signal: AbortSignal | undefined): Promise<void> {
  const { budget } = transfer
  try {
    await budget.with(budget.total, signal, async () => {
      const result = await store.get(object, { maxBytes: Math.min(budget.total, MAX_GROUP_BYTES), signal })
      if (result.status !== 'ok') return
      const found = new Map<string, GroupEntry>()
      for (const entry of decodeGroup(result.bytes)) if (keys.has(entry.key)) found.set(entry.key, entry)
      found.forEach(take)
    })
  } catch (error) {
    if (!(error instanceof ResponseTooLargeError)) throw error
    await findInPieces(store, object, keys, transfer, take, error, signal).catch((changed: unknown) => {
      // What it holds now is not what it was read for: groups of format 1 are replaced, others deleted.
      if (!(changed instanceof ObjectChangedError)) throw changed
    })
  }
}

async function findInPieces(store: ObjectStore, object: string, keys: ReadonlySet<string>, { budget, partSize }: Transfer, take: TakeEntry, tooLarge: ResponseTooLargeError, signal: AbortSignal | undefined): Promise<void> {
  const head = await store.head(object, { signal })
  if (head.status !== 'ok') return
  // No group is.
  if (head.info.size > MAX_GROUP_BYTES) throw tooLarge
  const source = objectSource(store, object, head.info)
  const found = await budget.with(partSize, signal, () => scan(source, keys, partSize, signal))
  for (const { key, timestamp, offset, length } of found.values()) {
    await budget.with(length, signal, async () => take({ key, timestamp, value: length === 0 ? new Uint8Array() : await source.read(offset, length, signal) }))
  }
}

async function scan(source: LargeSource, keys: ReadonlySet<string>, pieceSize: number, signal: AbortSignal | undefined): Promise<Map<string, ScannedEntry>> {
  const found = new Map<string, ScannedEntry>()
  const scanner = new GroupScanner(source.size)
  for await (const piece of readInPieces(source, pieceSize, signal)) {
    for (const entry of scanner.push(piece)) if (keys.has(entry.key)) found.set(entry.key, entry)
  }
  scanner.finish()
  return found
}
