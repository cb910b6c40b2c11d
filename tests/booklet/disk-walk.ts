import { blake2s } from '@noble/hashes/blake2'

/** What a walk through a booklet file found. */
export interface Walked {
  /** Key → value, in latin1: what lookups find. */
  entries: Map<string, { value: string; timestamp: number | undefined }>
  nKeys: number
}

const INTERNAL = new Set(['adb01ebc1ba3433eb043527', '7c40d2ea915b4f3a8e6d201', 'f19a5c3d7e2b48069ab34c5'])

/**
 * Reads a closed booklet file by the specification alone, with none of the code under test: by its chains, and front to
 * back. Throws when these two disagree, a digest isn't that of its key, a chain leads nowhere or holds a dead
 * block or a key twice, or the number of keys is wrong.
 */
export function walk(bytes: Uint8Array): Walked {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const fixed = Buffer.from(bytes.subarray(0, 16)).toString('hex') === '04d3b294f2104162958d0400738c9e0a'
  const u48 = (at: number) => view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32
  const nBuckets = view.getUint32(21, true)
  const nKeys = view.getUint32(33, true)
  const valueLength = view.getUint32(37, true)
  const stamped = !fixed && bytes[41] === 1
  const indexAt = u48(65) || 200
  const dataAt = u48(71) || 200 + 6 * nBuckets
  const headLength = fixed ? 21 : stamped ? 32 : 25
  if (view.getUint16(16, true) !== 5) throw new Error(`version ${view.getUint16(16, true)}`)

  const blockAt = (at: number) => {
    const keyLength = view.getUint16(at + 19, true)
    const length = fixed ? valueLength : view.getUint32(at + 21, true)
    const key = bytes.subarray(at + headLength, at + headLength + keyLength)
    const end = at + headLength + keyLength + length
    if (end > bytes.length) throw new Error(`the block at ${at} ends at ${end} of ${bytes.length}`)
    const value = Buffer.from(bytes.subarray(end - length, end)).toString('latin1')
    return { next: u48(at + 13), key, value, end, digest: bytes.subarray(at, at + 13), timestamp: stamped ? u48(at + 25) + bytes[at + 31]! * 2 ** 48 : undefined }
  }

  const reached = new Set<number>()
  const entries: Walked['entries'] = new Map()
  for (let bucket = 0; bucket < nBuckets; bucket++) {
    for (let at = u48(indexAt + 6 * bucket); at > 1; ) {
      const block = blockAt(at)
      const text = Buffer.from(block.key).toString('latin1')
      const digest = blake2s(block.key, { dkLen: 13 })
      if (Buffer.compare(digest, block.digest) !== 0) throw new Error(`the block at ${at} has not the digest of its key`)
      if (Number(BigInt(`0x${Buffer.from(digest).reverse().toString('hex')}`) % BigInt(nBuckets)) !== bucket) throw new Error(`the block at ${at} is in the wrong chain`)
      if (block.next === 0) throw new Error(`a dead block in a chain, at ${at}`)
      if (reached.has(at)) throw new Error(`two ways to the block at ${at}`)
      if (entries.has(text)) throw new Error(`the key ${text} comes twice`)
      reached.add(at)
      entries.set(text, block)
      at = block.next
    }
  }
  let seen = 0
  const stretches = indexAt < dataAt ? [[dataAt, bytes.length]] : [[dataAt, indexAt], [indexAt + 6 * nBuckets, bytes.length]]
  for (const [start, end] of stretches as [number, number][]) {
    let at = start
    while (at < end) {
      const block = blockAt(at)
      if (block.next !== 0) {
        if (!reached.has(at)) throw new Error(`no chain leads to the block at ${at}`)
        seen++
      }
      at = block.end
    }
    if (at !== end) throw new Error(`the last block of a stretch ends at ${at}, not ${end}`)
  }
  if (seen !== reached.size) throw new Error(`front to back there are ${seen} blocks, by chains ${reached.size}`)
  if (!fixed) for (const key of INTERNAL) entries.delete(key)
  if (nKeys !== entries.size) throw new Error(`n_keys is ${nKeys}, there are ${entries.size}`)
  return { entries, nKeys }
}
