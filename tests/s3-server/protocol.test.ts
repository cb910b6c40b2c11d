import { spawn } from 'node:child_process'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, DeleteBucketCommand, GetBucketLocationCommand, HeadBucketCommand, ListBucketsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { signature, signingKey, scopeText, sha256Hex } from '../../dev/s3-server/sigv4.js'
import { operationNames } from '../../dev/s3-server/router.js'
import { ask, failure, rawExchange, sdk, sign, signedAsk, start } from './harness.js'

const Bucket = 'box'
const lines = (headers: Record<string, string>) => Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')

describe('buckets', () => {
  test('are created, found, listed and deleted', async () => {
    const server = await start({ buckets: [] })
    const client = sdk(server)
    await client.send(new CreateBucketCommand({ Bucket: 'b-two' }))
    await client.send(new CreateBucketCommand({ Bucket: 'a.one' }))
    expect((await client.send(new HeadBucketCommand({ Bucket: 'a.one' }))).BucketRegion).toBe('us-east-1')
    expect((await client.send(new ListBucketsCommand({}))).Buckets?.map((bucket) => bucket.Name)).toEqual(['a.one', 'b-two'])
    await client.send(new PutObjectCommand({ Bucket: 'a.one', Key: 'k', Body: 'v' }))
    expect(await failure(client.send(new DeleteBucketCommand({ Bucket: 'a.one' })))).toEqual({ status: 409, name: 'BucketNotEmpty' })
    await client.send(new DeleteBucketCommand({ Bucket: 'b-two' }))
    expect((await failure(client.send(new HeadBucketCommand({ Bucket: 'b-two' })))).status).toBe(404)
    expect(await failure(client.send(new DeleteBucketCommand({ Bucket: 'b-two' })))).toEqual({ status: 404, name: 'NoSuchBucket' })
  })

  test('creating again keeps what is there in us-east-1, and is an error elsewhere', async () => {
    const server = await start()
    await sdk(server).send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    await sdk(server).send(new CreateBucketCommand({ Bucket }))
    expect(server.storage.bucket(Bucket).keys.length).toBe(1)
    const other = await start({ buckets: [Bucket], region: 'eu-west-1' })
    const client = sdk(other, { region: 'eu-west-1' })
    expect((await failure(client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } })))).name).toBe('BucketAlreadyOwnedByYou')
    expect((await client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBe('eu-west-1')
    expect((await failure(client.send(new CreateBucketCommand({ Bucket: 'new', CreateBucketConfiguration: { LocationConstraint: 'us-west-2' } })))).name).toBe('IllegalLocationConstraintException')
  })

  test.each(['ab', 'Upper', 'under_score', '-dash', 'dot.', 'a..b', '127.0.0.1', 'x'.repeat(64)])('%s is no name for one', async (name) => {
    const server = await start()
    expect((await signedAsk(server, { method: 'PUT', target: `/${name}` })).code).toBe('InvalidBucketName')
    expect(() => server.createBucket(name)).toThrow('bucket name')
  })
})

describe('nothing is ignored silently', () => {
  test.each([
    ['GET', '/box/k?tagging', {}, 501],
    ['GET', '/box/k?acl', {}, 501],
    ['GET', '/box/k?partNumber=1', {}, 501],
    ['PUT', '/box/k?legal-hold', {}, 501],
    ['GET', '/box?lifecycle', {}, 501],
    ['PUT', '/box?encryption', {}, 501],
    ['POST', '/box/k?select&select-type=2', {}, 501],
    ['DELETE', '/box?tagging', {}, 501],
    ['PUT', '/box/k', { 'x-amz-server-side-encryption': 'AES256' }, 501],
    ['PUT', '/box/k', { 'x-amz-tagging': 'a=b' }, 501],
    ['PUT', '/box/k', { 'x-amz-storage-class': 'GLACIER' }, 501],
    ['PUT', '/box/k', { 'x-amz-object-lock-mode': 'GOVERNANCE' }, 501],
    ['PUT', '/box/k', { 'x-amz-website-redirect-location': '/x' }, 501],
    ['GET', '/box/k', { 'x-amz-meta-a': 'b' }, 501],
    ['GET', '/box/k', { 'x-amz-something-new': 'b' }, 501],
    ['POST', '/box/k', {}, 405],
    ['PATCH', '/box/k', {}, 405],
    ['POST', '/', {}, 405],
  ] as [string, string, Record<string, string>, number][])('%s %s %j gives %i', async (method, target, headers, status) => {
    const server = await start()
    const reply = await signedAsk(server, { method, target, headers })
    expect([reply.status, reply.code]).toEqual([status, status === 501 ? 'NotImplemented' : 'MethodNotAllowed'])
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })
})

describe('bodies on the wire', () => {
  test('one without a length is refused, as is one in HTTP chunks', async () => {
    const server = await start()
    const headers = sign(server, { method: 'PUT', target: '/box/k' }, { payloadHash: 'UNSIGNED-PAYLOAD' })
    expect(await rawExchange(server, `PUT /box/k HTTP/1.1\r\n${lines(headers)}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 411 /)
    expect(await rawExchange(server, `PUT /box/k HTTP/1.1\r\n${lines(headers)}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 501 /)
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })

  test('one that is cut short writes nothing', async () => {
    const server = await start()
    const body = 'x'.repeat(100)
    const headers = { ...sign(server, { method: 'PUT', target: '/box/k', body }), 'content-length': '100' }
    await rawExchange(server, `PUT /box/k HTTP/1.1\r\n${lines(headers)}\r\n${body.slice(0, 99)}`, 100)
    await expect.poll(() => server.log.at(-1)?.error).toBe('IncompleteBody')
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })

  test('a silent sender is told so', async () => {
    const server = await start({ buckets: [Bucket], idleTimeout: 50 })
    const headers = { ...sign(server, { method: 'PUT', target: '/box/k' }, { payloadHash: 'UNSIGNED-PAYLOAD' }), 'content-length': '100' }
    const answer = await rawExchange(server, `PUT /box/k HTTP/1.1\r\n${lines(headers)}\r\nx`, 1000)
    expect(answer).toMatch(/\r\nConnection: close\r\n[^]*<Code>RequestTimeout</)
  })

  test('a slow one is not, as long as something comes', async () => {
    const server = await start({ buckets: [Bucket], idleTimeout: 300 })
    const headers = { ...sign(server, { method: 'PUT', target: '/box/k' }, { payloadHash: 'UNSIGNED-PAYLOAD' }), 'content-length': '10' }
    const socket = connect(server.port, '127.0.0.1')
    const answer = new Promise<string>((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    socket.write(`PUT /box/k HTTP/1.1\r\n${lines(headers)}\r\n`)
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 60))
      socket.write('x')
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
  })

  test('Expect: 100-continue is answered when the body is wanted, and only then', async () => {
    const server = await start()
    const target = '/box/k'
    const body = 'hello'
    const expecting = { 'content-length': '5', expect: '100-continue' }
    const good = `PUT ${target} HTTP/1.1\r\n${lines({ ...sign(server, { method: 'PUT', target, body }), ...expecting })}\r\n`
    expect(await rawExchange(server, good, 100)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(await rawExchange(server, `${good}${body}`, 100)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    const wrong = { ...sign(server, { method: 'PUT', target, body }, { secretAccessKey: 'wrong' }), ...expecting }
    const refused = await rawExchange(server, `PUT ${target} HTTP/1.1\r\n${lines(wrong)}\r\n`, 100)
    expect(refused).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[^]*Connection: close\r\n/)
  })

  test('framing that is out of all proportion is given up, and the connection goes on behind it', async () => {
    const server = await start()
    const what = { method: 'PUT', target: '/box/k', headers: { 'x-amz-decoded-content-length': '1', 'x-amz-trailer': 'x-amz-checksum-crc32' } }
    const headers = { ...sign(server, what, { payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }), 'content-length': '500000' }
    const next = `GET /box/k HTTP/1.1\r\n${lines(sign(server, { target: '/box/k' }))}Connection: close\r\n\r\n`
    const answer = await rawExchange(server, `PUT /box/k HTTP/1.1\r\n${lines(headers)}\r\n${'0'.repeat(500_000)}${next}`)
    expect([...answer.matchAll(/<Code>(\w+)</g)].map(([, code]) => code)).toEqual(['EntityTooLarge', 'NoSuchKey'])
  })

  const trailer = { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc32' }
  test.each([
    ['right', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n', 200],
    ['in two chunks', '2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n', 200],
    ['with the wrong checksum', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', 400],
    ['without its trailer', '5\r\nhello\r\n0\r\n\r\n', 400],
    ['with another trailer', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n', 400],
    ['with one trailer more', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-other:1\r\n\r\n', 400],
    ['shorter than announced', '4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n', 400],
    ['longer than announced', '6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n', 400],
    ['without its end', '5\r\nhello\r\n', 400],
    ['with a size that is none', 'five\r\nhello\r\n0\r\n\r\n', 400],
    ['with a size beyond its end', 'ffffffffff\r\nhello\r\n0\r\n\r\n', 400],
    ['with something behind', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nmore', 400],
    ['signed where it should not be', `5;chunk-signature=${'a'.repeat(64)}\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n`, 400],
  ])('an aws-chunked body %s', async (_, body, status) => {
    const server = await start()
    const reply = await signedAsk(server, { method: 'PUT', target: '/box/k', headers: trailer, body }, { payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' })
    expect(reply.status).toBe(status)
    const stored = server.storage.bucket(Bucket).current('k')
    expect([stored?.body.read().toString(), stored?.checksum?.value]).toEqual(status === 200 ? ['hello', 'NhCmhg=='] : [undefined, undefined])
  })

  test.each([true, false])('signed chunks with a signed trailer, right: %s', async (right) => {
    const server = await start()
    const what = { method: 'PUT', target: '/box/k', headers: trailer }
    const headers = sign(server, what, { payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' })
    const amzDate = headers['x-amz-date'] as string
    const scope = { date: amzDate.slice(0, 8), region: 'us-east-1', service: 's3' }
    const key = signingKey(server.secretAccessKey, scope)
    const chain = (kind: string, previous: string, ...rest: string[]) => signature(key, [`AWS4-HMAC-SHA256-${kind}`, amzDate, scopeText(scope), previous, ...rest].join('\n'))
    const seed = /Signature=(\w+)/.exec(headers.authorization as string)?.[1] as string
    const first = chain('PAYLOAD', seed, sha256Hex(''), sha256Hex('hello'))
    const last = chain('PAYLOAD', first, sha256Hex(''), sha256Hex(''))
    const end = chain('TRAILER', last, sha256Hex('x-amz-checksum-crc32:NhCmhg==\n'))
    const body = `5;chunk-signature=${first}\r\nhello\r\n0;chunk-signature=${last}\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:${right ? end : first}\r\n\r\n`
    const reply = await ask(server, { ...what, headers, body })
    expect([reply.status, reply.code]).toEqual(right ? [200, undefined] : [403, 'SignatureDoesNotMatch'])
  })

  test('more than the server may hold is refused, and room that was freed can be used', async () => {
    const server = await start({ buckets: [Bucket], maxBytes: 100 })
    const put = async (target: string, size: number) => (await signedAsk(server, { method: 'PUT', target, body: 'x'.repeat(size) })).code
    expect(await put('/box/a', 60)).toBeUndefined()
    expect(await put('/box/b', 41)).toBe('QuotaExceeded')
    expect(await put('/box/b', 40)).toBeUndefined()
    await signedAsk(server, { method: 'DELETE', target: '/box/a' })
    expect(await put('/box/c', 60)).toBeUndefined()
    expect(server.storage.quota.used).toBe(100)
  })

  test('a document that is too large is refused before it is read', async () => {
    const server = await start()
    const headers = { ...sign(server, { method: 'POST', target: '/box?delete' }), 'content-length': String(9 * 1024 * 1024) }
    expect(await rawExchange(server, `POST /box?delete HTTP/1.1\r\n${lines(headers)}\r\n`, 100)).toContain('<Code>MaxMessageLengthExceeded</Code>')
  })
})

describe('connections', () => {
  test('one serves many requests, refused bodies included', async () => {
    const server = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    const send = (secretAccessKey: string | undefined) =>
      new Promise<number | undefined>((resolve, reject) => {
        const what = { method: 'PUT', target: '/box/k', body: 'x'.repeat(200_000) }
        const headers = sign(server, what, secretAccessKey === undefined ? {} : { secretAccessKey })
        const outgoing = httpRequest({ host: '127.0.0.1', port: server.port, method: 'PUT', path: what.target, headers: { ...headers, 'content-length': what.body.length }, agent }, (response) => {
          ports.add(response.socket.localPort)
          response.resume().on('end', () => resolve(response.statusCode))
        })
        outgoing.on('error', reject).end(what.body)
      })
    const statuses: (number | undefined)[] = []
    for (const secret of [undefined, 'wrong', undefined, 'wrong', undefined]) statuses.push(await send(secret))
    agent.destroy()
    expect(statuses).toEqual([200, 403, 200, 403, 200])
    expect(ports.size).toBe(1)
  })

  test('close() cuts them, twice is fine, and the port is free', async () => {
    const server = await start()
    const socket = connect(server.port, '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined))
    await new Promise((resolve) => socket.on('connect', resolve))
    await server.close()
    await server.close()
    await closed
    await start({ port: server.port })
  })

  test('HEAD and errors of HEAD have no body, whatever the length says', async () => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body: 'hello' })
    const head = await rawExchange(server, `HEAD /box/k HTTP/1.1\r\n${lines(sign(server, { method: 'HEAD', target: '/box/k' }))}Connection: close\r\n\r\n`)
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 5\r\n[^]*\r\n\r\n$/)
    const none = await rawExchange(server, `HEAD /box/none HTTP/1.1\r\n${lines(sign(server, { method: 'HEAD', target: '/box/none' }))}Connection: close\r\n\r\n`)
    expect(none).toMatch(/^HTTP\/1\.1 404 Not Found\r\n[^]*\r\n\r\n$/)
  })
})

describe('what was asked of it', () => {
  test('is logged in order and counted, until reset', async () => {
    const server = await start({ buckets: [{ name: Bucket, publicRead: true }] })
    await signedAsk(server, { method: 'PUT', target: '/box/a%20b', body: 'hello' })
    await ask(server, { target: '/box/a%20b', headers: { range: 'bytes=1-2' } })
    await ask(server, { target: '/box/none' })
    await signedAsk(server, { target: '/box?prefix=a%20&list-type=2' })
    expect(server.log).toMatchObject([
      { method: 'PUT', op: 'PutObject', bucket: Bucket, key: 'a b', query: '', range: null, status: 200, error: null, accessKeyId: server.accessKeyId, bytesUp: 5, bytesDown: 0 },
      { method: 'GET', op: 'GetObject', key: 'a b', range: 'bytes=1-2', status: 206, accessKeyId: undefined, bytesUp: 0, bytesDown: 2 },
      { op: 'GetObject', key: 'none', status: 404, error: 'NoSuchKey' },
      { op: 'ListObjectsV2', key: '', query: 'prefix=a%20&list-type=2', status: 200 },
    ])
    expect([server.stats.requests, server.stats.count('GetObject'), server.stats.bytesUp]).toEqual([4, 2, 5])
    expect(server.stats.operations.GetObject?.bytesDown).toBe(2 + (server.log[2]?.bytesDown ?? 0))
    expect(server.log.every((entry) => operationNames.includes(entry.op))).toBe(true)
    server.stats.reset()
    expect([server.log, server.stats.requests, server.stats.operations]).toEqual([[], 0, {}])
  })

  test('the log has a bound, the counters have none', async () => {
    const server = await start({ buckets: [Bucket], logLimit: 2 })
    for (const key of ['a', 'b', 'c']) await signedAsk(server, { target: `/box/${key}` })
    expect([server.log.map((entry) => entry.key), server.stats.dropped, server.stats.requests]).toEqual([['b', 'c'], 1, 3])
  })
})

test('as a program it tells in one line where it is, and ends with its input', async () => {
  const main = fileURLToPath(new URL('../../dev/s3-server/main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', main, '--public', 'open', '--versioned', 'old', '--bucket', 'plain', '--stdin'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())))
  const told = JSON.parse(line) as { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string; buckets: string[] }
  expect(line.split('\n')).toEqual([expect.any(String), ''])
  expect([...told.buckets].sort()).toEqual(['old', 'open', 'plain'])
  const client = sdk({ ...told, port: 0 } as never)
  expect((await client.send(new ListBucketsCommand({}))).Buckets?.map((bucket) => bucket.Name)).toEqual(['old', 'open', 'plain'])
  expect((await client.send(new PutObjectCommand({ Bucket: 'old', Key: 'k', Body: 'v' }))).VersionId).toBeDefined()
  await client.send(new PutObjectCommand({ Bucket: 'open', Key: 'k', Body: 'v' }))
  expect(await (await fetch(`${told.endpoint}/open/k`)).text()).toBe('v')
  client.destroy()
  child.stdin.end()
  expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0)
})
