/*
 * Values that callers keep. To ask the system for memory takes longer than to copy a hundred bytes, so small ones lie side by
 * side, as those of Node's Buffer.from do: their `buffer` holds others too. Each begins at a multiple of 8, as views of
 * longer numbers need.
 */
const ROOM = 0x2000
const SMALL = 0x400

let room = new Uint8Array(ROOM)
let used = 0

/** A copy of a part of `bytes` that nobody else writes to. */
export function ownCopy(bytes: Uint8Array, at: number, length: number): Uint8Array<ArrayBuffer> {
  if (length > SMALL) return bytes.slice(at, at + length)
  if (used + length > ROOM) {
    room = new Uint8Array(ROOM)
    used = 0
  }
  const copy = room.subarray(used, used + length)
  copy.set(bytes.subarray(at, at + length))
  used = (used + length + 7) & ~7
  return copy
}
