/**
 * Sending one object of a push so that a failure or a kill costs as little as may be: what an earlier push has sent of
 * it, and is still right, is not sent again. Right is what the record tells and the bytes here still give the MD5 of;
 * and what the store has, it is asked for.
 */
import type { UploadTarget } from '../../format/upload-record.js'
import { AccessDeniedError, StoreRequestError, UnsupportedOperationError } from '../../store/errors.js'
import type { HeadResult, PartUpload, UploadedPart } from '../../store/object-store.js'
import { md5Of, partLayout, partsEtag, putLarge, readExactly, type LargeSource, type UploadNotes } from '../../store/transfer/index.js'
import type { ProgressMeter } from '../progress.js'
import type { RemoteLocation } from '../remote.js'
import type { Transfer } from '../transfer.js'
import { objectKey, type SentPart, type UploadRecord, type UploadTry } from './upload-record.js'

export interface SendContext {
  remote: RemoteLocation
  record: UploadRecord
  transfer: Transfer
  meter: ProgressMeter
  signal: AbortSignal | undefined
}

/** What became of an object. */
export interface SentObject<T extends UploadTarget> {
  target: T
  /** Bytes that were sent now. The others were there. */
  sent: number
}

/** A value up to this size costs as much to ask for as to send: nothing is recorded of it. Of smaller parts, a quarter. */
const UNRECORDED_BYTES = 64 * 1024

type Group = Extract<UploadTarget, { group: number }>
type Value = Extract<UploadTarget, { key: string }>

/** @param generation a new one, in case that none is there that may be gone on with */
export async function sendGroup(context: SendContext, source: LargeSource, group: number, generation: string, live: string | undefined): Promise<SentObject<Group>> {
  const earlier = context.record.newest(group)
  // One that a commit refers to already is as it is, and may be about to be deleted.
  const usable = earlier !== undefined && 'group' in earlier.target && earlier.target.generation !== live
  const found = usable ? await goOn(context, earlier, source) : undefined
  if (found !== undefined) return { target: earlier!.target as Group, sent: found }
  const target = { group, generation }
  return { target, sent: await sendAnew(context, target, source) }
}

/** Of the same name as long as the key is the same: others may have overwritten what an earlier push sent. */
export async function sendValue(context: SendContext, source: LargeSource, target: Value): Promise<SentObject<Value>> {
  const { remote, transfer, signal } = context
  if (source.size <= Math.min(UNRECORDED_BYTES, transfer.partSize / 4)) {
    await transfer.budget.with(source.size, signal, async () => {
      const body = source.size === 0 ? new Uint8Array() : await readExactly(source, 0, source.size, signal)
      await remote.store.put(objectKey(remote.dbKey, target), body, { metadata: metadataOf(target), checksum: true, signal })
    })
    context.meter.done({ bytes: source.size })
    return { target, sent: source.size }
  }
  const earlier = context.record.newest(target.key)
  const usable = earlier !== undefined && 'key' in earlier.target && earlier.target.timestamp === target.timestamp
  const found = usable ? await goOn(context, earlier, source) : undefined
  return { target, sent: found ?? (await sendAnew(context, target, source)) }
}

function metadataOf(target: UploadTarget): Record<string, string> | undefined {
  return 'key' in target ? { timestamp: String(target.timestamp) } : undefined
}

async function sendAnew(context: SendContext, target: UploadTarget, source: LargeSource): Promise<number> {
  const { remote, record, transfer, signal } = context
  const layout = partLayout(remote.store, source.size, transfer.partSize)
  if (layout !== undefined) {
    const { partSize } = layout
    const begun = record.begin(target, { size: source.size, partSize })
    return sendInParts(context, begun, source, { notes: {} })
  }
  return transfer.budget.with(source.size, signal, async () => {
    const body = await readExactly(source, 0, source.size, signal)
    const md5 = md5Of(body)
    return sendWhole(context, record.begin(target, { size: source.size, md5 }), body)
  })
}

async function sendWhole({ remote, record, meter, signal }: SendContext, of: UploadTry, body: Uint8Array): Promise<number> {
  const put = await remote.store.put(objectKey(remote.dbKey, of.target), body, { metadata: metadataOf(of.target), checksum: of.md5, signal })
  if ('key' in of.target) record.sent(of, put.etag)
  meter.done({ bytes: body.length })
  return body.length
}

async function sendInParts(context: SendContext, of: UploadTry, source: LargeSource, { notes }: { notes: Pick<UploadNotes, 'upload' | 'has' | 'find'> }): Promise<number> {
  const { remote, record, transfer, meter, signal } = context
  let sent = 0
  let moved = 0
  const onMoved = (bytes: number) => {
    moved += bytes
    meter.done({ bytes })
  }
  const put = await putLarge(remote.store, objectKey(remote.dbKey, of.target), source, {
    budget: transfer.budget,
    partSize: of.partSize,
    metadata: metadataOf(of.target),
    signal,
    onSent: (bytes) => {
      sent += bytes
      onMoved(bytes)
    },
    notes: {
      ...notes,
      onFound: onMoved,
      begun: ({ id }) => record.uploadBegun(of, id),
      sent: ({ number, etag }, md5) => record.partSent(of, number, { md5, etag }),
    },
  }).catch((error: unknown) => {
    // All of it will move again.
    if (isLost(error)) meter.grow({ bytes: moved })
    throw error
  })
  if ('key' in of.target) record.sent(of, put.etag)
  return sent
}

/** @returns how many bytes had to be sent; undefined when what was begun before is of no use */
async function goOn(context: SendContext, earlier: UploadTry, source: LargeSource): Promise<number | undefined> {
  if (earlier.size !== source.size) return undefined
  return earlier.md5 === undefined ? goOnInParts(context, earlier, source) : goOnWhole(context, earlier, source)
}

function goOnWhole(context: SendContext, earlier: UploadTry, source: LargeSource): Promise<number | undefined> {
  const { remote, transfer, meter, signal } = context
  return transfer.budget.with(source.size, signal, async () => {
    const body = await readExactly(source, 0, source.size, signal)
    if (md5Of(body) !== earlier.md5) return undefined
    const head = await remote.store.head(objectKey(remote.dbKey, earlier.target), { signal })
    // It never arrived, or it is somebody else's by now.
    if (!isThere(earlier, head)) return sendWhole(context, earlier, body)
    meter.done({ bytes: body.length })
    return 0
  })
}

async function goOnInParts(context: SendContext, earlier: UploadTry, source: LargeSource): Promise<number | undefined> {
  const { remote, meter, signal } = context
  const { upload: id, partSize } = earlier
  if (id === undefined || partSize === undefined || !isUsableSize(context, earlier)) return undefined
  // An upload is of one content: late requests of the process that began it must not make a mixture.
  if (!(await areStillRight(context, earlier, source))) return undefined
  if (earlier.parts.size === Math.ceil(earlier.size / partSize) && isThere(earlier, await remote.store.head(objectKey(remote.dbKey, earlier.target), { signal }))) {
    meter.done({ bytes: source.size })
    return 0
  }
  const upload: PartUpload = { key: objectKey(remote.dbKey, earlier.target), id, layout: { size: earlier.size, partSize }, options: { metadata: metadataOf(earlier.target) } }
  try {
    const held = await partsHeld(context, earlier, upload)
    const part = (number: number, found: SentPart | undefined): UploadedPart | undefined => found && { number, etag: found.etag }
    return await sendInParts(context, earlier, source, {
      notes: {
        upload,
        // What is recorded was compared with the bytes here a moment ago.
        has: (number) => (earlier.parts.get(number)?.etag === held.get(number)?.etag ? part(number, held.get(number)) : undefined),
        find: (number, md5) => {
          const found = held.get(number)
          if (found?.md5 !== md5) return undefined
          // Known from now on: when all are, the object may be there already.
          context.record.partSent(earlier, number, found)
          return part(number, found)
        },
      },
    })
  } catch (error) {
    if (isLost(error)) return undefined
    throw error
  }
}

/** What another session or an odd record asked for may be more than this one may hold. */
function isUsableSize({ remote, transfer }: SendContext, { size, partSize = 0 }: UploadTry): boolean {
  const least = remote.store.parts?.minPartSize ?? 0
  return partSize <= Math.max(transfer.budget.total, least) && partLayout(remote.store, size, partSize)?.partSize === partSize
}

/** Whether the parts that were acknowledged are those that would be sent now. */
async function areStillRight({ transfer, signal }: SendContext, { parts, size, partSize = size }: UploadTry, source: LargeSource): Promise<boolean> {
  for (const [number, { md5 }] of parts) {
    const offset = (number - 1) * partSize
    const length = Math.min(partSize, size - offset)
    if (number < 1 || length < 1) return false
    const found = await transfer.budget.with(length, signal, async () => {
      const piece = await readExactly(source, offset, length, signal)
      const sum = md5Of(piece)
      source.release?.(piece)
      return sum
    })
    if (found !== md5) return false
  }
  return true
}

/** Whether the object is there as it was sent: a group has a name that nobody else uses, a value may have been overwritten. */
function isThere(of: UploadTry, head: HeadResult): boolean {
  if (head.status !== 'ok' || head.info.size !== of.size) return false
  if (!('key' in of.target)) return true
  const expected = of.etag ?? of.md5 ?? partsEtag([...of.parts].sort(([a], [b]) => a - b).map(([number, { etag }]) => ({ number, etag })))
  return head.info.metadata['timestamp'] === String(of.target.timestamp) && head.info.etag === expected
}

/** The parts that the store has, as it says; where it doesn't say, as it has acknowledged. */
async function partsHeld({ remote, signal }: SendContext, earlier: UploadTry, upload: PartUpload): Promise<ReadonlyMap<number, SentPart>> {
  const held = new Map<number, SentPart>()
  try {
    for await (const { number, etag, size } of remote.store.parts?.listParts(upload, { signal }) ?? []) {
      const recorded = earlier.parts.get(number)
      const { layout } = upload
      if (size !== Math.min(layout.partSize, layout.size - (number - 1) * layout.partSize)) continue
      // One whose acknowledgement was lost: most ETags are the MD5.
      held.set(number, recorded?.etag === etag ? recorded : { md5: etag, etag })
    }
    return held
  } catch (error) {
    if (error instanceof AccessDeniedError || error instanceof UnsupportedOperationError) return earlier.parts
    throw error
  }
}

/** Whether a store has lost the upload or parts of it: it was given up, or completed, or swept away. */
function isLost(error: unknown): boolean {
  return error instanceof StoreRequestError && ['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall'].includes(error.reason ?? '')
}
