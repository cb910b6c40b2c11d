import { S3Error } from './errors.js'
import type { ChunkSigning } from './auth.js'
import { sameText, sha256Hex, signature } from './sigv4.js'

/** What an aws-chunked body holds: its bytes, and trailing headers by lower-case name. */
export interface DecodedChunks {
  readonly bytes: Buffer
  readonly trailers: ReadonlyMap<string, string>
}

export interface ChunkOptions {
  /** Present: every chunk, and the trailer if there is one, must carry the signature that follows from this. */
  readonly signing: ChunkSigning | undefined
  /** Whether trailing headers are announced. */
  readonly trailer: boolean
  /** x-amz-decoded-content-length */
  readonly decodedLength: number
}

const maxLine = 4096

/**
 * Decodes the `aws-chunked` content coding (S3 API reference, "Signature Calculations for … chunked upload"):
 * `hex-size[;chunk-signature=…] CRLF bytes CRLF`, a chunk of size 0, then trailers. Refuses more than the decoded
 * length; that it is not less is for the caller to check.
 */
export function decodeChunks(wire: Buffer, options: ChunkOptions): DecodedChunks {
  const parts: Buffer[] = []
  let total = 0
  let previous = options.signing?.seed ?? ''
  let at = 0
  for (;;) {
    const line = readLine(wire, at)
    const { size, chunkSignature } = parseChunkHeader(line.text, options.signing !== undefined)
    const start = line.next
    total += size
    if (total > options.decodedLength || start + size > wire.length) throw new S3Error('IncompleteBody')
    const data = wire.subarray(start, start + size)
    if (options.signing !== undefined) previous = checkChunk(options.signing, previous, data, chunkSignature)
    if (size === 0) {
      return { bytes: Buffer.concat(parts), trailers: readTrailers(wire, start, options, previous) }
    }
    expectLineEnd(wire, start + size)
    parts.push(data)
    at = start + size + 2
  }
}

function readLine(wire: Buffer, at: number): { text: string; next: number } {
  const end = wire.indexOf('\r\n', at, 'latin1')
  if (end < 0 || end - at > maxLine) throw new S3Error('IncompleteBody')
  return { text: wire.toString('latin1', at, end), next: end + 2 }
}

function parseChunkHeader(text: string, signed: boolean): { size: number; chunkSignature: string } {
  const match = /^([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(text)
  if (match === null || (match[2] !== undefined) !== signed) throw new S3Error('InvalidRequest', 'A chunk of the aws-chunked body is malformed.')
  return { size: Number.parseInt(match[1] as string, 16), chunkSignature: match[2] ?? '' }
}

function expectLineEnd(wire: Buffer, at: number): void {
  if (wire[at] !== 0x0d || wire[at + 1] !== 0x0a) throw new S3Error('IncompleteBody')
}

function checkChunk(signing: ChunkSigning, previous: string, data: Buffer, given: string): string {
  const text = ['AWS4-HMAC-SHA256-PAYLOAD', signing.amzDate, signing.scope, previous, sha256Hex(''), sha256Hex(data)].join('\n')
  if (!sameText(signature(signing.key, text), given)) throw new S3Error('SignatureDoesNotMatch', 'The signature of a chunk does not match.')
  return given
}

function readTrailers(wire: Buffer, start: number, options: ChunkOptions, previous: string): Map<string, string> {
  const trailers = new Map<string, string>()
  let at = start
  let signatureGiven: string | undefined
  // The blank line at the end is left out by some clients when nothing but a trailer's line end precedes it.
  while (at < wire.length) {
    const line = readLine(wire, at)
    at = line.next
    if (line.text === '') break
    const colon = line.text.indexOf(':')
    if (colon < 1) throw new S3Error('MalformedTrailerError')
    const name = line.text.slice(0, colon).trim().toLowerCase()
    const value = line.text.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') signatureGiven = value
    else if (signatureGiven !== undefined || trailers.has(name)) throw new S3Error('MalformedTrailerError')
    else trailers.set(name, value)
  }
  if (at !== wire.length || (!options.trailer && trailers.size > 0)) throw new S3Error('MalformedTrailerError')
  if (options.trailer && options.signing !== undefined) checkTrailer(options.signing, previous, trailers, signatureGiven)
  return trailers
}

function checkTrailer(signing: ChunkSigning, previous: string, trailers: ReadonlyMap<string, string>, given: string | undefined): void {
  const canonical = [...trailers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}:${value}\n`).join('')
  const text = ['AWS4-HMAC-SHA256-TRAILER', signing.amzDate, signing.scope, previous, sha256Hex(canonical)].join('\n')
  if (!sameText(signature(signing.key, text), given ?? '')) throw new S3Error('SignatureDoesNotMatch', 'The signature of the trailer does not match.')
}
