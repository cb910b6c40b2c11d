import { compress, decompress } from '#zstd'
import { FormatError } from '../base/error.js'
import { asPlainBytes } from './bytes.js'
import type { Serializer } from './serializer.js'
import { decompressedBound } from './zstd-frame.js'

/** The most bytes that a compressed value may decompress to: just under 1 GiB, also the limit of the codec beneath. */
export const MAX_DECOMPRESSED_BYTES = 2 ** 30 - 1

/** The level that Python's serializers use. */
const level = 1

/**
 * Another serializer's bytes in one zstd frame. Reads frames with and without a content size; how much
 * a frame can unfold to is bounded from its headers before any memory is taken for it.
 */
export function zstdSerializer<T>(inner: Serializer<T>): Serializer<T> {
  return {
    encode: value => asPlainBytes(compress(asPlainBytes(inner.encode(value)), level)),
    decode: bytes => inner.decode(unpack(asPlainBytes(bytes))),
  }
}

function unpack(bytes: Uint8Array): Uint8Array {
  const bound = decompressedBound(bytes)
  if (bound > MAX_DECOMPRESSED_BYTES) throw new FormatError(`it would unfold to ${bound} bytes, more than the limit of ${MAX_DECOMPRESSED_BYTES}.`)
  return asPlainBytes(decompress(bytes))
}
