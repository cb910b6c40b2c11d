import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer } from './call.js'
import { S3Error } from './errors.js'
import { leaf } from './xml.js'

/** Headers by lower-case name, from what came over the wire: nothing dropped, repeated ones joined with commas. */
export function collectHeaders(request: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  const raw = request.rawHeaders
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const value = raw[i + 1] as string
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before},${value}`)
  }
  return headers
}

/**
 * Reads a body as it comes over the wire.
 * @param idleTimeout ms of silence after which it gives up
 * @throws S3Error EntityTooLarge, RequestTimeout, IncompleteBody (the client went away)
 */
export function readWire(request: IncomingMessage, maxBytes: number, idleTimeout: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => stop(new S3Error('RequestTimeout', undefined, { headers: { Connection: 'close' } })), idleTimeout)
    const stop = (error: S3Error | undefined) => {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', lost).off('error', lost)
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
      else reject(error)
    }
    const take = (chunk: Buffer) => {
      timer.refresh()
      length += chunk.length
      if (length > maxBytes) stop(new S3Error('EntityTooLarge', undefined, { details: { MaxSizeAllowed: String(maxBytes) } }))
      else chunks.push(chunk)
    }
    const end = () => stop(undefined)
    const lost = () => stop(new S3Error('IncompleteBody'))
    request.on('data', take).on('end', end).on('close', lost).on('error', lost)
  })
}

/** The error document, and the headers that go with it. */
export function errorAnswer(error: S3Error, resource: string, requestId: string): Answer {
  const details = Object.entries(error.details).map(([name, value]) => leaf(name, value))
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${leaf('Code', error.code)}${leaf('Message', error.message)}${details.join('')}${leaf('Resource', resource)}${leaf('RequestId', requestId)}${leaf('HostId', requestId)}</Error>`
  return { status: error.status, headers: error.headers, body }
}

/** How many bytes of body an answer sends. */
export function sentBytes(answer: Answer, method: string): number {
  return method === 'HEAD' || answer.body === undefined ? 0 : Buffer.byteLength(answer.body)
}

/** Sends an answer. A body in it goes out in one piece: it is a buffer that never changes. */
export function send(response: ServerResponse, method: string, answer: Answer): void {
  response.statusCode = answer.status
  for (const [name, value] of Object.entries(answer.headers ?? {})) if (value !== undefined) response.setHeader(name, value)
  if (typeof answer.body === 'string' && !response.hasHeader('content-type')) response.setHeader('Content-Type', 'application/xml')
  const bodiless = method === 'HEAD' || answer.status === 204 || answer.status === 304
  if (method === 'HEAD' && answer.contentLength !== undefined) response.setHeader('Content-Length', answer.contentLength)
  else if (!bodiless) response.setHeader('Content-Length', answer.body === undefined ? 0 : Buffer.byteLength(answer.body))
  if (bodiless || answer.body === undefined) response.end()
  else response.end(answer.body)
}
