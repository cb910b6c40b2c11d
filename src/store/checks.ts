import { InvalidArgumentError } from '../base/error.js'
import { ResponseTooLargeError } from './errors.js'
import type { ByteRange, GetOptions, PutOptions } from './object-store.js'

const MAX_METADATA_BYTES = 2048

/** Throws an InvalidArgumentError unless the range is one of whole, exact numbers and at least one byte. */
export function checkRange(range: ByteRange | undefined): void {
  if (range === undefined) return
  const { offset, length } = range
  if (!Number.isSafeInteger(offset) || offset < 0) throw new InvalidArgumentError(`a range starts at a whole number from 0 on, not ${offset}`)
  if (!Number.isSafeInteger(length) || length < 1) throw new InvalidArgumentError(`a range has at least 1 byte, not ${length}`)
  if (!Number.isSafeInteger(offset + length)) throw new InvalidArgumentError('the range ends beyond 2^53')
}

/** Checks range, limit and condition of a get. */
export function checkGet(options: GetOptions | undefined): void {
  checkRange(options?.range)
  const max = options?.maxBytes
  if (max !== undefined && !(max >= 0)) throw new InvalidArgumentError(`maxBytes must be a number from 0 on, not ${max}`)
  checkEtag(options?.ifNoneMatch)
}

/** Checks metadata and conditions of a put. */
export function checkPut(options: PutOptions | undefined): void {
  if (options === undefined) return
  if (options.ifMatch !== undefined && options.ifNoneMatch !== undefined) {
    throw new InvalidArgumentError('ifMatch and ifNoneMatch exclude each other')
  }
  checkEtag(options.ifMatch)
  if (options.metadata !== undefined) checkMetadata(options.metadata)
  if (options.contentType !== undefined && !/^[\x20-\x7e]+$/.test(options.contentType)) {
    throw new InvalidArgumentError('a content type is printable ASCII')
  }
}

/** An ETag travels in a header: nothing that could end its quotes or the line. */
export function checkEtag(etag: string | undefined): void {
  if (etag !== undefined && !/^[\x21\x23-\x7e]+$/.test(etag)) {
    throw new InvalidArgumentError('an ETag condition must be the ETag as the store gave it, without quotes')
  }
}

function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  let bytes = 0
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[a-z0-9_-]+$/.test(name)) throw new InvalidArgumentError(`a metadata name has only a-z, 0-9, _ and -: ${JSON.stringify(name)}`)
    if (!/^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value)) {
      throw new InvalidArgumentError(`the metadata value of ${name} must be printable ASCII without spaces at its ends; encode it otherwise`)
    }
    if (seen.has(metadataName(name))) throw new InvalidArgumentError(`two metadata names differ only by - and _: ${name}`)
    seen.add(metadataName(name))
    bytes += name.length + value.length
  }
  if (bytes > MAX_METADATA_BYTES) {
    throw new InvalidArgumentError(`user metadata has at most ${MAX_METADATA_BYTES} bytes of names and values, this has ${bytes}`)
  }
}

/** The form in which a metadata name is read back: lower case, `_` for `-`. */
export function metadataName(name: string): string {
  return name.toLowerCase().replaceAll('-', '_')
}

/** Metadata as it is read back. The result has no prototype: names such as `constructor` are only names. */
export function readableMetadata(entries: Iterable<readonly [string, string]>): Record<string, string> {
  const out = Object.create(null) as Record<string, string>
  for (const [name, value] of entries) out[metadataName(name)] = value
  return out
}

/** The bytes that a range means in an object of `size` bytes; undefined when it starts behind its end. */
export function resolveRange(range: ByteRange | undefined, size: number): { start: number; end: number } | undefined {
  if (range === undefined) return { start: 0, end: size }
  if (range.offset >= size) return undefined
  return { start: range.offset, end: Math.min(size, range.offset + range.length) }
}

/** @throws ResponseTooLargeError when `length` bytes are more than the caller accepts. */
export function checkSize(store: string, key: string, length: number, maxBytes: number | undefined): void {
  if (maxBytes !== undefined && length > maxBytes) {
    throw new ResponseTooLargeError(`${store}: ${key} has ${length} bytes, more than the ${maxBytes} accepted`, { store, key })
  }
}
