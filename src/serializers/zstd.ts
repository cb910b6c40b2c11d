import { compress, decompress } from '#zstd'
import { FormatError } from '../base/error.js'
import { asPlainBytes } from './bytes.js'
import type { Serializer } from './serializer.js'
import { decompressedBound } from './zstd-frame.js'

/** The most bytes that a compressed value may decompress to: just under 1 GiB, also the limit of the codec beneath. */
export const MAX_DECOMPRESSED_BYTES = 2 ** 30 - 1

/** The level that Python's serializers use. */
export const ZSTD_LEVEL = 1

/**
 * Another serializer's bytes in one zstd frame. Reads frames with and without a content size; how much
 * a frame can unfold to is bounded from its headers before any memory is taken for it.
 *
 * @param maxBytes the most that a value may unfold to
 */
export function zstdSerializer<T>(inner: Serializer<T>, maxBytes = MAX_DECOMPRESSED_BYTES): Serializer<T> {
  const limit = Math.min(maxBytes, MAX_DECOMPRESSED_BYTES)
  return {
    encode: value => asPlainBytes(compress(asPlainBytes(inner.encode(value)), ZSTD_LEVEL)),
    decode: bytes => inner.decode(unpack(asPlainBytes(bytes), limit)),
  }
}

function unpack(bytes: Uint8Array, limit: number): Uint8Array {
  const bound = decompressedBound(bytes)
  if (bound > limit) throw new FormatError(`it would unfold to ${bound} bytes, more than the limit of ${limit} (the option maxValueBytes, up to ${MAX_DECOMPRESSED_BYTES}).`)
  return asPlainBytes(decompress(bytes))
}
