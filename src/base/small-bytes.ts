/*
 * Small byte arrays that callers keep. To ask for memory takes longer than to copy a hundred bytes (above 64 bytes, 0.7 µs),
 * so small ones lie side by side, as those of Node's Buffer.from do: their `buffer` holds others too. Each begins at a
 * multiple of 8, as views of longer numbers need.
 */
const ROOM = 0x2000
/** The longest that lies beside others, bytes. */
export const SMALL = 0x400

let room = new Uint8Array(ROOM)
let used = 0

/** A copy of a part of `bytes` that nobody else writes to. */
export function ownCopy(bytes: Uint8Array, at: number, length: number): Uint8Array<ArrayBuffer> {
  if (length > SMALL) return bytes.slice(at, at + length)
  makeRoom(length)
  room.set(bytes.subarray(at, at + length), used)
  return take(length)
}

/** Lets `fill` write up to `most` (at most `SMALL`) bytes and say how many; they are nobody else's. */
export function smallBytes(most: number, fill: (target: Uint8Array<ArrayBuffer>) => number): Uint8Array<ArrayBuffer> {
  makeRoom(most)
  return take(fill(room.subarray(used, used + most)))
}

function makeRoom(length: number): void {
  if (used + length <= ROOM) return
  room = new Uint8Array(ROOM)
  used = 0
}

function take(length: number): Uint8Array<ArrayBuffer> {
  const taken = new Uint8Array(room.buffer, used, length)
  used = (used + length + 7) & ~7
  return taken
}
