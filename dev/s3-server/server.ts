import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Credential, Identity } from './auth.js'
import { authenticate } from './auth.js'
import { bodiesIn } from './body.js'
import type { Answer } from './call.js'
import { checkRule, corsHeaders, preflightHeaders } from './cors.js'
import { S3Error } from './errors.js'
import { collectHeaders, errorAnswer, readWire, send, sentBytes } from './exchange.js'
import type { BucketOptions, S3ServerOptions } from './options.js'
import { openCors } from './options.js'
import type { ReadWire } from './payload.js'
import { announcedLength, checkPayloadHash, readPayload } from './payload.js'
import type { LoggedRequest } from './request-log.js'
import { RequestStats } from './request-log.js'
import { authorize, findOperation, refuseUnknown } from './router.js'
import type { PublicAccess } from './storage.js'
import { Storage } from './storage.js'
import type { Target } from './target.js'
import { parseTarget } from './target.js'

/** A running server. */
export interface S3Server extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string
  readonly port: number
  readonly region: string
  /** Of the first key pair. */
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** What was asked of it: counters and log. */
  readonly stats: RequestStats
  /** Short for `stats.log`. */
  readonly log: readonly LoggedRequest[]
  /** Short for `stats.reset()`. */
  clearLog(): void
  /** Its buckets and what is in them, to look at and to prepare without requests. */
  readonly storage: Storage
  /** Creates a bucket. @throws S3Error InvalidBucketName */
  createBucket(bucket: string | BucketOptions): void
  /** Resolves when no client is connected any more, so that nothing a dead one had sent is still to come. */
  abandoned(): Promise<void>
  /** Stops listening and cuts every connection. May be called twice. */
  close(): Promise<void>
}

interface Settings {
  readonly storage: Storage
  readonly region: string
  readonly clock: () => number
  readonly credentials: ReadonlyMap<string, Credential>
  readonly virtualHosts: readonly string[]
  readonly idleTimeout: number
  readonly stats: RequestStats
}

/** Starts an S3-compatible server in this process, on 127.0.0.1; everything it holds is in memory and goes with it. */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const clock = options.clock ?? Date.now
  const credentials = options.credentials ?? [{ accessKeyId: `AK${randomBytes(9).toString('hex').toUpperCase()}`, secretAccessKey: randomBytes(30).toString('base64url') }]
  const [first] = credentials
  if (first === undefined) throw new TypeError('credentials must hold at least one key pair')
  const settings: Settings = {
    storage: new Storage(options.maxBytes ?? 1024 ** 3, clock, bodiesIn(options.folder)),
    region: options.region ?? 'us-east-1',
    clock,
    credentials: new Map(credentials.map((credential) => [credential.accessKeyId, credential])),
    virtualHosts: options.virtualHosts ?? ['localhost'],
    idleTimeout: options.idleTimeout ?? 20_000,
    stats: new RequestStats(options.logLimit ?? 100_000),
  }
  for (const bucket of options.buckets ?? []) createBucket(settings.storage, bucket)
  const http = await listen(settings, options)
  const { port } = http.address() as AddressInfo
  const close = () =>
    new Promise<void>((resolve) => {
      http.close(() => {
        settings.storage.bodies.close()
        resolve()
      })
      http.closeAllConnections()
    })
  const connections = promisify(http.getConnections.bind(http))
  const abandoned = async () => {
    while ((await connections()) > 0) await sleep(2)
  }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    region: settings.region,
    accessKeyId: first.accessKeyId,
    secretAccessKey: first.secretAccessKey,
    stats: settings.stats,
    get log() {
      return settings.stats.log
    },
    clearLog: () => settings.stats.reset(),
    storage: settings.storage,
    createBucket: (bucket) => createBucket(settings.storage, bucket),
    abandoned,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listen(settings: Settings, options: S3ServerOptions) {
  const http = createServer({ keepAliveTimeout: options.keepAliveTimeout ?? 60_000, requestTimeout: 0, headersTimeout: 60_000, maxHeaderSize: 32_768, noDelay: true })
  http.on('request', (request: IncomingMessage, response: ServerResponse) => void serve(settings, request, response, false))
  // Only a request that is going to be read is told to send its body.
  http.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => void serve(settings, request, response, true))
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(options.port ?? 0, '127.0.0.1', () => resolve())
  })
  return http
}

function createBucket(storage: Storage, options: string | BucketOptions): void {
  const given: BucketOptions = typeof options === 'string' ? { name: options } : options
  const bucket = storage.create(given.name, publicAccess(given.publicRead))
  if (given.versioned === true) bucket.versioning = 'Enabled'
  if (given.cors === true) bucket.cors = [openCors]
  else if (given.cors !== undefined) bucket.cors = given.cors.map((rule) => checkRule({ allowedHeaders: [], exposeHeaders: [], ...rule }))
}

function publicAccess(option: BucketOptions['publicRead']): PublicAccess | undefined {
  if (option === undefined || option === false) return undefined
  if (option === true) return { prefixes: [''], exact: [], list: true }
  return 'prefixes' in option ? { prefixes: option.prefixes, exact: [], list: option.list } : { prefixes: option, exact: [], list: false }
}

/* What became of a request so far: for the log, and for the answer of an error. */
interface Progress {
  readonly headers: ReadonlyMap<string, string>
  op: string
  target: Target | undefined
  identity: Identity | undefined
  bytesUp: number
  continueOwed: boolean
}

async function serve(settings: Settings, request: IncomingMessage, response: ServerResponse, continueOwed: boolean): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase()
  const method = request.method ?? ''
  const progress: Progress = { headers: collectHeaders(request), op: 'Unknown', target: undefined, identity: undefined, bytesUp: 0, continueOwed }
  let answer: Answer
  let failure: string | null = null
  try {
    answer = await respond(settings, request, response, progress)
  } catch (error) {
    const refusal = error instanceof S3Error ? error : new S3Error('InternalError', error instanceof Error ? error.message : undefined)
    failure = refusal.code
    answer = errorAnswer(refusal, request.url ?? '', requestId)
  }
  const bucket = progress.target === undefined ? undefined : settings.storage.find(progress.target.bucket)
  response.setHeader('Server', 'ebooklet-dev-s3')
  response.setHeader('Date', new Date(settings.clock()).toUTCString())
  response.setHeader('x-amz-request-id', requestId)
  response.setHeader('x-amz-id-2', requestId)
  for (const [name, value] of Object.entries(method === 'OPTIONS' ? {} : corsHeaders(bucket, method, progress.headers))) response.setHeader(name, value)
  log(settings, method, progress, answer, failure)
  send(response, method, answer)
}

function log(settings: Settings, method: string, progress: Progress, answer: Answer, error: string | null): void {
  const { target, identity, headers, op, bytesUp } = progress
  settings.stats.add({
    method,
    op,
    bucket: target?.bucket ?? '',
    key: target?.key ?? '',
    query: target?.rawQuery ?? '',
    range: headers.get('range') ?? null,
    status: answer.status,
    error,
    accessKeyId: identity?.credential?.accessKeyId,
    bytesUp,
    bytesDown: sentBytes(answer, method),
  })
}

async function respond(settings: Settings, request: IncomingMessage, response: ServerResponse, progress: Progress): Promise<Answer> {
  const { headers } = progress
  const { storage, region } = settings
  const method = request.method ?? ''
  const target = (progress.target = parseTarget(request.url ?? '', headers.get('host'), settings.virtualHosts))
  if (method === 'OPTIONS') {
    progress.op = 'Preflight'
    return { status: 200, headers: preflightHeaders(storage.bucket(target.bucket), headers) }
  }
  const operation = findOperation(method, target, headers)
  progress.op = operation.name
  const identity = authenticate(method, target, headers, { credentials: settings.credentials, region, now: settings.clock() })
  progress.identity = identity
  checkPayloadHash(identity.payloadHash)
  authorize(operation, target, identity, storage)
  refuseUnknown(operation, target, headers)
  const wire: ReadWire = async (maxBytes) => {
    if (progress.continueOwed) response.writeContinue()
    progress.continueOwed = false
    const bytes = await readWire(request, maxBytes, settings.idleTimeout)
    progress.bytesUp = bytes.length
    return bytes
  }
  const body = async (maxBytes: number) => {
    const length = announcedLength(headers, identity)
    if (length > maxBytes) throw new S3Error(operation.on === 'object' && method === 'PUT' ? 'EntityTooLarge' : 'MaxMessageLengthExceeded', undefined, { details: { ProposedSize: String(length), MaxSizeAllowed: String(maxBytes) } })
    storage.quota.check(length)
    return readPayload(headers, identity, wire)
  }
  return operation.run({ storage, region, method, target, headers, identity, body })
}
