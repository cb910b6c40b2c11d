import { fc } from '../support/property.js'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { checksum } from '../../dev/s3-server/checksums.js'

describe('checksums', () => {
  // The check values of the catalogue of parametrised CRC algorithms.
  test.each([
    ['crc32', 'cbf43926'],
    ['crc32c', 'e3069283'],
    ['crc64nvme', 'ae8b14860a799888'],
    ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
    ['sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
  ] as const)('%s of 123456789', (name, hex) => {
    expect(checksum(name, Buffer.from('123456789')).toString('hex')).toBe(hex)
  })

  test('CRC-32 agrees with zlib', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(checksum('crc32', bytes).readUInt32BE()).toBe(crc32(bytes))
      }),
    )
  })
})
