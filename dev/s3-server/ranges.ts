import { S3Error } from './errors.js'

/** Bytes `start` up to, not including, `end`. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/**
 * What a Range header asks of an object of this size. Undefined: the whole object, because there is no
 * header or it isn't a byte range at all (RFC 9110: such a header is ignored).
 * @throws S3Error InvalidRange (416) when nothing of it lies in the object; NotImplemented for several ranges
 */
export function resolveRange(header: string | undefined, size: number): ByteSpan | undefined {
  if (header === undefined) return undefined
  if (/^bytes=.*,/.test(header)) throw new S3Error('NotImplemented', 'Several ranges in one request are not implemented.')
  const match = /^bytes=(\d*)-(\d*)$/.exec(header)
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const [, first, last] = match as unknown as [string, string, string]
  if (first === '') {
    const length = Number(last)
    if (length === 0 || size === 0) throw unsatisfiable(header, size)
    return { start: Math.max(0, size - length), end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) throw unsatisfiable(header, size)
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) }
}

function unsatisfiable(header: string, size: number): S3Error {
  return new S3Error('InvalidRange', undefined, {
    details: { RangeRequested: header, ActualObjectSize: String(size) },
    headers: { 'Content-Range': `bytes */${size}` },
  })
}

/** The range of `x-amz-copy-source-range`: both ends given, and inside the source. */
export function resolveCopyRange(header: string | undefined, size: number): ByteSpan {
  if (header === undefined) return { start: 0, end: size }
  const match = /^bytes=(\d+)-(\d+)$/.exec(header)
  if (match === null) throw new S3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy')
  const start = Number(match[1])
  const end = Number(match[2]) + 1
  if (start >= end || end > size) throw new S3Error('InvalidArgument', `Range specified is not valid for source object of size: ${size}`)
  return { start, end }
}
