import { FormatError } from '../base/error.js'

/*
 * Just enough of RFC 8878 to know how much a frame can unfold to, without unfolding it.
 *
 *   frame   magic FD2FB528 LE 4 | descriptor 1 | [window 1] | [dictionary id 0..4] | [content size 0..8] | blocks | [checksum 4]
 *   block   header 3 LE: last 1 bit, type 2 bits (0 raw, 1 run, 2 compressed), size 21 bits | content
 */
const magic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const maxBlock = 128 * 1024

/**
 * The most bytes that the frames in `bytes` can unfold to: their content size where they state one,
 * else the sum over their blocks.
 *
 * @throws FormatError when `bytes` is not a whole number of zstd frames, or a stated content size is more
 *   than the blocks could ever give
 */
export function decompressedBound(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let total = 0
  let at = 0
  if (bytes.length === 0) throw new FormatError('no zstd frame: it is empty.')
  while (at < bytes.length) {
    need(bytes, at, 4)
    const found = view.getUint32(at, true)
    if ((found & 0xfffffff0) >>> 0 === skippableMagic) {
      need(bytes, at, 8)
      at += 8 + view.getUint32(at + 4, true)
      need(bytes, at, 0)
    } else if (found === magic) {
      const frame = readFrame(bytes, view, at)
      total += frame.bound
      at = frame.end
    } else {
      throw new FormatError(`no zstd frame at byte ${at}: it starts with ${found.toString(16).padStart(8, '0')}.`)
    }
  }
  return total
}

function readFrame(bytes: Uint8Array, view: DataView, start: number): { bound: number; end: number } {
  need(bytes, start, 5)
  const descriptor = view.getUint8(start + 4)
  const single = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag
  const sizeAt = start + 5 + (single ? 0 : 1) + dictionaryBytes
  need(bytes, sizeAt, sizeBytes)
  const stated = readContentSize(view, sizeAt, sizeBytes)
  const blocks = readBlocks(bytes, view, sizeAt + sizeBytes)
  if (stated !== undefined && stated > blocks.bound) throw new FormatError(`a zstd frame states ${stated} bytes, but its blocks give ${blocks.bound} at most.`)
  const end = blocks.end + ((descriptor & 4) !== 0 ? 4 : 0)
  need(bytes, end, 0)
  return { bound: stated ?? blocks.bound, end }
}

function readContentSize(view: DataView, at: number, width: number): number | undefined {
  switch (width) {
    case 0:
      return undefined
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    default:
      return Number(view.getBigUint64(at, true))
  }
}

function readBlocks(bytes: Uint8Array, view: DataView, start: number): { bound: number; end: number } {
  let bound = 0
  let at = start
  for (;;) {
    need(bytes, at, 3)
    const header = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16)
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3) throw new FormatError(`a zstd block of a reserved type at byte ${at}.`)
    at += 3 + (type === 1 ? 1 : size)
    need(bytes, at, 0)
    bound += type === 2 ? maxBlock : size
    if ((header & 1) !== 0) return { bound, end: at }
  }
}

function need(bytes: Uint8Array, at: number, count: number): void {
  if (at + count > bytes.length) throw new FormatError('a zstd frame is cut short.')
}
