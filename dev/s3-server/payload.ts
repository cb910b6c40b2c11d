import { createHash } from 'node:crypto'
import type { Identity } from './auth.js'
import type { ChecksumName } from './checksums.js'
import { checksum, checksumLength, checksumNames, checksumOfAlgorithm } from './checksums.js'
import { decodeChunks } from './chunked.js'
import { S3Error } from './errors.js'
import { sha256Hex } from './sigv4.js'

/** A checksum that came with a body and was found right. */
export interface GivenChecksum {
  readonly name: ChecksumName
  /** base64 */
  readonly value: string
}

/** A verified body. */
export interface Payload {
  readonly bytes: Buffer
  readonly checksum: GivenChecksum | undefined
  /** Whether Content-MD5 came with it, and was right. */
  readonly hasMd5: boolean
}

/** Gives the body as it comes over the wire. */
export type ReadWire = (maxBytes: number) => Promise<Buffer>

type Headers = ReadonlyMap<string, string>

interface Streaming {
  readonly signed: boolean
  readonly trailer: boolean
}

const streaming: Readonly<Record<string, Streaming>> = {
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { signed: true, trailer: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { signed: true, trailer: true },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { signed: false, trailer: true },
}

/** Refuses an x-amz-content-sha256 that isn't one of the forms of S3. */
export function checkPayloadHash(hash: string | undefined): void {
  if (hash === undefined || hash === 'UNSIGNED-PAYLOAD' || /^[0-9a-f]{64}$/.test(hash) || Object.hasOwn(streaming, hash)) return
  if (hash.startsWith('STREAMING-AWS4-ECDSA')) throw new S3Error('NotImplemented', 'Signature Version 4A is not implemented.')
  throw new S3Error('InvalidArgument', 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value.')
}

/** How many bytes of content the headers announce. @throws S3Error MissingContentLength, NotImplemented (chunked without aws-chunked) */
export function announcedLength(headers: Headers, identity: Identity): number {
  const hash = identity.payloadHash
  const chunked = hash !== undefined && Object.hasOwn(streaming, hash)
  if (!chunked && headers.has('transfer-encoding')) throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented: Transfer-Encoding')
  const text = headers.get(chunked ? 'x-amz-decoded-content-length' : 'content-length')
  if (text === undefined) throw new S3Error('MissingContentLength')
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', 'The content length is not a number.')
  return Number(text)
}

/**
 * Reads a body and proves it: length, chunk signatures, x-amz-content-sha256, Content-MD5, x-amz-checksum-….
 * Nothing reaches the storage before.
 */
export async function readPayload(headers: Headers, identity: Identity, read: ReadWire): Promise<Payload> {
  const length = announcedLength(headers, identity)
  const mode = identity.payloadHash === undefined ? undefined : streaming[identity.payloadHash]
  const announced = announcedChecksum(headers, mode?.trailer ?? false)
  // Framing of tiny chunks may be many times the content; beyond that it is no honest body.
  const wire = await read(mode === undefined ? length : length * 16 + 65_536)
  const { bytes, trailers } = mode === undefined ? { bytes: wire, trailers: undefined } : decodeChunks(wire, { signing: mode.signed ? identity.chunkSigning : undefined, trailer: mode.trailer, decodedLength: length })
  if (bytes.length !== length) throw new S3Error('IncompleteBody')
  const hash = identity.payloadHash
  if (hash !== undefined && /^[0-9a-f]{64}$/.test(hash) && sha256Hex(bytes) !== hash) {
    throw new S3Error('XAmzContentSHA256Mismatch', undefined, { details: { ClientComputedContentSHA256: hash, S3ComputedContentSHA256: sha256Hex(bytes) } })
  }
  return { bytes, hasMd5: checkMd5(headers, bytes), checksum: checkChecksum(announced, trailers, bytes) }
}

function checkMd5(headers: Headers, bytes: Buffer): boolean {
  const given = headers.get('content-md5')
  if (given === undefined) return false
  if (!isBase64(given, 16)) throw new S3Error('InvalidDigest', undefined, { details: { 'Content-MD5': given } })
  const found = createHash('md5').update(bytes).digest('base64')
  if (found !== given) throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.', { details: { ExpectedDigest: given, CalculatedDigest: found } })
  return true
}

interface Announced {
  readonly name: ChecksumName
  /** Undefined: it comes in the trailer. */
  readonly value: string | undefined
}

/* Which checksum the headers announce: one at most, in a header or in the trailer. */
function announcedChecksum(headers: Headers, trailer: boolean): Announced | undefined {
  const found: Announced[] = []
  for (const name of checksumNames) {
    const value = headers.get(`x-amz-checksum-${name}`)
    if (value !== undefined) found.push({ name, value })
  }
  for (const entry of headers.get('x-amz-trailer')?.split(',') ?? []) {
    const name = checksumNames.find((known) => entry.trim().toLowerCase() === `x-amz-checksum-${known}`)
    if (name === undefined) throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported')
    if (!trailer) throw new S3Error('InvalidRequest', 'x-amz-trailer needs an x-amz-content-sha256 of a kind that has a trailer.')
    found.push({ name, value: undefined })
  }
  if (found.length > 1) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  const algorithm = headers.get('x-amz-sdk-checksum-algorithm')
  if (algorithm !== undefined) {
    const name = checksumOfAlgorithm(algorithm)
    if (name === undefined) throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
    if (found[0]?.name !== name && !headers.has('content-md5')) throw new S3Error('InvalidRequest', 'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.')
  }
  return found[0]
}

function checkChecksum(announced: Announced | undefined, trailers: ReadonlyMap<string, string> | undefined, bytes: Buffer): GivenChecksum | undefined {
  const expected = announced?.value === undefined && announced !== undefined ? [`x-amz-checksum-${announced.name}`] : []
  if (trailers !== undefined && [...trailers.keys()].join() !== expected.join()) throw new S3Error('MalformedTrailerError')
  if (announced === undefined) return undefined
  const { name } = announced
  const value = announced.value ?? trailers?.get(`x-amz-checksum-${name}`) ?? ''
  if (!isBase64(value, checksumLength[name])) throw new S3Error('InvalidRequest', `Value for x-amz-checksum-${name} header is invalid.`)
  if (checksum(name, bytes).toString('base64') !== value) throw new S3Error('BadDigest', `The ${name.toUpperCase()} you specified did not match the calculated checksum.`)
  return { name, value }
}

/** Whether a text is the base64 form of so many bytes, exactly as it would be written. */
export function isBase64(text: string, length: number): boolean {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === length && bytes.toString('base64') === text
}
