import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { afterEach } from 'vitest'
import { startS3Server, type S3Server, type S3ServerOptions } from '../../dev/s3-server/index.js'
import { formatAmzDate, sha256Hex, signature, signingKey, stringToSign } from '../../dev/s3-server/sigv4.js'
import { parseTarget } from '../../dev/s3-server/target.js'

const running: (() => unknown)[] = []

afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

/** A server that ends with the test. */
export async function start(options: S3ServerOptions = { buckets: ['box'] }): Promise<S3Server> {
  const server = await startS3Server(options)
  running.push(() => server.close())
  return server
}

/** The AWS SDK as a client that nobody here wrote. It tries once, so that every answer is seen. */
export function sdk(server: S3Server, config: S3ClientConfig = {}): S3Client {
  const { accessKeyId, secretAccessKey } = server
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey }, ...config })
  running.push(() => client.destroy())
  return client
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** The error code of the body; undefined where there is none. */
  readonly code: string | undefined
}

export interface Ask {
  readonly method?: string
  /** The request target, exactly as it is to be sent. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** A request with nothing added and nothing normalised: anonymous unless its headers say otherwise. */
export function ask(server: S3Server, { method = 'GET', target, headers = {}, body }: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = httpRequest({ host: '127.0.0.1', port: server.port, method, path: target, headers: { ...length, ...headers }, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, code: /<Code>(\w+)<\/Code>/.exec(bytes.toString())?.[1] })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export interface SignOptions {
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly region?: string
  /** ms since the epoch. Default: now. */
  readonly time?: number
  /** x-amz-content-sha256. Default: that of the body. */
  readonly payloadHash?: string
  /** Header names that are sent but not signed. */
  readonly unsigned?: readonly string[]
}

/** The headers that sign a request for this server, with what is wanted wrong with them. */
export function sign(server: S3Server, { method = 'GET', target, headers = {}, body = '' }: Ask, options: SignOptions = {}): Record<string, string> {
  const amzDate = formatAmzDate(options.time ?? Date.now())
  const own: Record<string, string> = {
    host: `127.0.0.1:${server.port}`,
    ...headers,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': options.payloadHash ?? sha256Hex(body),
  }
  const scope = { date: amzDate.slice(0, 8), region: options.region ?? 'us-east-1', service: 's3' }
  const signedHeaders = Object.keys(own).map((name) => name.toLowerCase()).filter((name) => options.unsigned?.includes(name) !== true).sort()
  const { canonicalPath, query } = parseTarget(target, undefined, [])
  const values = new Map(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]))
  const text = stringToSign({ method, canonicalPath, query, headers: values, signedHeaders, payloadHash: own['x-amz-content-sha256'] as string }, amzDate, scope)
  const signed = signature(signingKey(options.secretAccessKey ?? server.secretAccessKey, scope), text)
  const credential = `${options.accessKeyId ?? server.accessKeyId}/${scope.date}/${scope.region}/s3/aws4_request`
  return { ...own, authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signed}` }
}

/** A signed request. */
export function signedAsk(server: S3Server, what: Ask, options: SignOptions = {}): Promise<Reply> {
  return ask(server, { ...what, headers: sign(server, what, options) })
}

/** What a server sends back for these very bytes, until it or a silence of 300 ms ends it. */
export function rawExchange(server: S3Server, text: string, silence = 300): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text, 'latin1'))
    socket.setTimeout(silence, () => socket.destroy())
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** Status and error name of an SDK call that must fail. */
export async function failure(call: Promise<unknown>): Promise<{ status: number | undefined; name: string }> {
  try {
    await call
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } }
    return { status: $metadata?.httpStatusCode, name }
  }
  throw new Error('the call succeeded')
}
