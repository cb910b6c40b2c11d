/** Keys and values of the benchmarks of remotes, the same for Python (python_remote.py), and where values lie in groups. */
import type { BareObject, BareRead } from './bare-client.js'

/** 16 bytes. */
export const keyOf = (i: number) => `key${String(i).padStart(13, '0')}`
export const valueOf = (i: number, bytes: number, edition: number) => new Uint8Array(bytes).fill((i + edition) % 256)

/** Numbers of keys from all over, each once, in no order; always the same. */
export function some(count: number, keys: number): number[] {
  return [...new Set(Array.from({ length: count }, (_, i) => (i * 7919 + 11) % keys))]
}

interface Place {
  object: string
  /** Where its entry begins, and the value ends. */
  start: number
  end: number
}

/** Where every key lies; a group is a count, and entries of key, timestamp and value with their lengths. */
export function placesIn(objects: readonly BareObject[], db: string): Map<string, Place> {
  const places = new Map<string, Place>()
  for (const { key: object, body } of objects) {
    if (object === db) continue
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    let at = 4
    for (let left = view.getUint32(0); left > 0; left--) {
      const keyEnd = at + 2 + view.getUint16(at)
      const end = keyEnd + 11 + view.getUint32(keyEnd + 7)
      places.set(Buffer.from(body.subarray(at + 2, keyEnd)).toString(), { object, start: at, end })
      at = end
    }
  }
  return places
}

/** The requests that read these keys when up to `gap` bytes between two of them are read along. */
export function rangesOf(keys: readonly string[], places: ReadonlyMap<string, Place>, gap: number): BareRead[] {
  const wanted = keys.map((key) => places.get(key)!).sort((a, b) => (a.object === b.object ? a.start - b.start : a.object < b.object ? -1 : 1))
  const reads: Required<BareRead>[] = []
  let last: Required<BareRead> | undefined
  for (const { object, start, end } of wanted) {
    if (last?.key === object && start - (last.range.offset + last.range.length) <= gap) last.range.length = end - last.range.offset
    else reads.push((last = { key: object, range: { offset: start, length: end - start } }))
  }
  return gap === Infinity ? reads.map(({ key }) => ({ key })) : reads
}
