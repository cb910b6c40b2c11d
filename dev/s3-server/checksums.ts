import { createHash } from 'node:crypto'

/** The checksums of S3: base64 of the big-endian value, in `x-amz-checksum-<name>`. */
export type ChecksumName = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256'

export const checksumNames: readonly ChecksumName[] = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']

/** Bytes of each. */
export const checksumLength: Readonly<Record<ChecksumName, number>> = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 }

/** `CRC32` … as in headers and XML → our name; undefined for one that S3 doesn't know. */
export function checksumOfAlgorithm(text: string): ChecksumName | undefined {
  return checksumNames.find((name) => name.toUpperCase() === text.toUpperCase())
}

/** Element name of a checksum in XML: `ChecksumCRC32` … */
export function checksumElement(name: ChecksumName): string {
  return `Checksum${name.toUpperCase()}`
}

export function checksum(name: ChecksumName, bytes: Uint8Array): Buffer {
  switch (name) {
    case 'crc32':
      return crc32(table32(0xedb88320), bytes)
    case 'crc32c':
      return crc32(table32(0x82f63b78), bytes)
    case 'crc64nvme':
      return crc64(bytes)
    case 'sha1':
    case 'sha256':
      return createHash(name).update(bytes).digest()
  }
}

const tables = new Map<number, Int32Array>()

/* Table of a reflected 32-bit polynomial. */
function table32(polynomial: number): Int32Array {
  const known = tables.get(polynomial)
  if (known !== undefined) return known
  const table = new Int32Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[i] = crc
  }
  tables.set(polynomial, table)
  return table
}

function crc32(table: Int32Array, bytes: Uint8Array): Buffer {
  let crc = -1
  for (let i = 0; i < bytes.length; i++) crc = (table[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  const out = Buffer.alloc(4)
  out.writeInt32BE(~crc)
  return out
}

let table64: { low: Int32Array; high: Int32Array } | undefined

/* CRC-64/NVME: polynomial ad93d23594c93659, reflected 9a6c9329ac4bc9b5, in two 32-bit halves. */
function makeTable64(): { low: Int32Array; high: Int32Array } {
  const low = new Int32Array(256)
  const high = new Int32Array(256)
  for (let i = 0; i < 256; i++) {
    let l = i
    let h = 0
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1
      l = (l >>> 1) | (h << 31)
      h >>>= 1
      if (odd) {
        l ^= 0xac4bc9b5
        h ^= 0x9a6c9329
      }
    }
    low[i] = l
    high[i] = h
  }
  return { low, high }
}

function crc64(bytes: Uint8Array): Buffer {
  table64 ??= makeTable64()
  const { low, high } = table64
  let l = -1
  let h = -1
  for (let i = 0; i < bytes.length; i++) {
    const slot = (l ^ (bytes[i] as number)) & 0xff
    l = ((l >>> 8) | (h << 24)) ^ (low[slot] as number)
    h = (h >>> 8) ^ (high[slot] as number)
  }
  const out = Buffer.alloc(8)
  out.writeInt32BE(~h, 0)
  out.writeInt32BE(~l, 4)
  return out
}
