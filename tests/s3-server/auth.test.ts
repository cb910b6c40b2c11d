import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { ask, failure, sdk, sign, signedAsk, start, type SignOptions } from './harness.js'

const minute = 60_000

describe('signatures in headers', () => {
  test.each<[string, SignOptions, number, string]>([
    ['a wrong secret', { secretAccessKey: 'wrong' }, 403, 'SignatureDoesNotMatch'],
    ['an unknown key', { accessKeyId: 'NOBODY' }, 403, 'InvalidAccessKeyId'],
    ['a clock 16 minutes slow', { time: Date.now() - 16 * minute }, 403, 'RequestTimeTooSkewed'],
    ['a clock 16 minutes fast', { time: Date.now() + 16 * minute }, 403, 'RequestTimeTooSkewed'],
    ['another region', { region: 'eu-west-1' }, 400, 'AuthorizationHeaderMalformed'],
    ['the hash of another body', { payloadHash: 'a'.repeat(64) }, 400, 'XAmzContentSHA256Mismatch'],
    ['a hash that is none', { payloadHash: 'nonsense' }, 400, 'InvalidArgument'],
    ['a host that is not signed', { unsigned: ['host'] }, 403, 'AccessDenied'],
    ['a date that is not signed', { unsigned: ['x-amz-date'] }, 403, 'AccessDenied'],
  ])('%s is refused, and nothing is written', async (_, options, status, code) => {
    const server = await start()
    const reply = await signedAsk(server, { method: 'PUT', target: '/box/key', body: 'hello' }, options)
    expect([reply.status, reply.code]).toEqual([status, code])
    expect(server.storage.bucket('box').keys.length).toBe(0)
  })

  test('14 minutes of skew are fine, by the clock of the server', async () => {
    const server = await start({ buckets: ['box'], clock: () => Date.parse('2030-01-01T00:00:00Z') })
    const put = (time: string) => signedAsk(server, { method: 'PUT', target: '/box/key' }, { time: Date.parse(time) })
    expect((await put('2030-01-01T00:14:00Z')).status).toBe(200)
    expect((await put('2029-12-31T23:46:00Z')).status).toBe(200)
    expect((await put('2029-12-31T23:44:00Z')).code).toBe('RequestTimeTooSkewed')
    expect((await put('2030-01-01T00:14:00Z')).headers.date).toBe('Tue, 01 Jan 2030 00:00:00 GMT')
  })

  test('the region of the server is named to who got it wrong', async () => {
    const server = await start({ buckets: ['box'], region: 'eu-central-1' })
    const reply = await signedAsk(server, { target: '/box/key' })
    expect(reply.body.toString()).toContain('<Region>eu-central-1</Region>')
  })

  test('what is added after signing is noticed', async () => {
    const server = await start()
    const what = { method: 'PUT', target: '/box/key', body: 'x' }
    const headers = sign(server, what)
    for (const extra of [{ 'x-amz-meta-a': 'b' }, { 'x-amz-acl': 'public-read' }]) {
      const reply = await ask(server, { ...what, headers: { ...headers, ...extra } })
      expect([reply.status, reply.code]).toEqual([403, 'AccessDenied'])
    }
    for (const target of ['/box/key2', '/box/key?x-id=PutObject']) expect((await ask(server, { ...what, target, headers })).code).toBe('SignatureDoesNotMatch')
    expect((await ask(server, { ...what, body: 'y', headers })).code).toBe('XAmzContentSHA256Mismatch')
    expect((await ask(server, { ...what, headers })).status).toBe(200)
  })

  test.each([
    ['Basic dTpw', 400, 'InvalidArgument'],
    ['AWS AKID:c2ln', 400, 'InvalidRequest'],
    ['AWS4-HMAC-SHA256', 400, 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x', 400, 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x', 400, 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/s3/aws4_request, SignedHeaders=x;host, Signature=x', 400, 'AuthorizationHeaderMalformed'],
    ['AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/s3/aws4_request, Signature=x', 400, 'AuthorizationHeaderMalformed'],
    ['AWS4-ECDSA-P256-SHA256 Credential=a', 501, 'NotImplemented'],
  ])('Authorization: %s', async (authorization, status, code) => {
    const server = await start()
    const reply = await ask(server, { target: '/box/key', headers: { authorization, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': '20240101T000000Z' } })
    expect([reply.status, reply.code]).toEqual([status, code])
  })

  test('a request without x-amz-content-sha256 or without a date is refused', async () => {
    const server = await start()
    const headers = sign(server, { target: '/box/key' })
    const without = (name: string) => Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name))
    expect((await ask(server, { target: '/box/key', headers: without('x-amz-content-sha256') })).code).toBe('InvalidRequest')
    expect((await ask(server, { target: '/box/key', headers: { ...without('x-amz-date'), date: 'soon' } })).code).toBe('AccessDenied')
  })

  test('an unsigned payload is taken as it is', async () => {
    const server = await start()
    expect((await signedAsk(server, { method: 'PUT', target: '/box/key', body: 'hello' }, { payloadHash: 'UNSIGNED-PAYLOAD' })).status).toBe(200)
  })
})

describe('several key pairs', () => {
  const credentials = [
    { accessKeyId: 'OWNER', secretAccessKey: 'owner-secret' },
    { accessKeyId: 'READER', secretAccessKey: 'reader-secret', readOnly: true },
    { accessKeyId: 'GUEST', secretAccessKey: 'guest-secret', sessionToken: 'guest/token+1=', expires: Date.parse('2030-01-01T01:00:00Z') },
  ]

  test('each works with its own secret only', async () => {
    const server = await start({ buckets: ['box'], credentials })
    expect([server.accessKeyId, server.secretAccessKey]).toEqual(['OWNER', 'owner-secret'])
    expect((await signedAsk(server, { target: '/box?location' }, { accessKeyId: 'READER', secretAccessKey: 'reader-secret' })).status).toBe(200)
    expect((await signedAsk(server, { target: '/box?location' }, { accessKeyId: 'READER', secretAccessKey: 'owner-secret' })).code).toBe('SignatureDoesNotMatch')
  })

  test('read-only ones read, list, and change nothing', async () => {
    const server = await start({ buckets: ['box'], credentials })
    await sdk(server).send(new PutObjectCommand({ Bucket: 'box', Key: 'k', Body: 'v' }))
    const reader = sdk(server, { credentials: { accessKeyId: 'READER', secretAccessKey: 'reader-secret' } })
    expect(await (await reader.send(new GetObjectCommand({ Bucket: 'box', Key: 'k' }))).Body?.transformToString()).toBe('v')
    expect((await reader.send(new ListObjectsV2Command({ Bucket: 'box' }))).KeyCount).toBe(1)
    for (const [method, target] of [['PUT', '/box/k2'], ['DELETE', '/box/k'], ['POST', '/box?delete'], ['PUT', '/box2'], ['DELETE', '/box'], ['PUT', '/box?versioning']] as const) {
      const reply = await signedAsk(server, { method, target }, { accessKeyId: 'READER', secretAccessKey: 'reader-secret' })
      expect([method, target, reply.code]).toEqual([method, target, 'AccessDenied'])
    }
    expect(server.storage.bucket('box').keys.length).toBe(1)
  })

  test('a session token must come with its key, until it expires, and only then', async () => {
    let now = Date.parse('2030-01-01T00:59:59Z')
    const server = await start({ buckets: ['box'], credentials, clock: () => now })
    const get = (key: string, token?: string) =>
      signedAsk(server, { target: '/box?location', headers: token === undefined ? {} : { 'x-amz-security-token': token } }, { accessKeyId: key.toUpperCase(), secretAccessKey: `${key}-secret`, time: now })
    expect((await get('guest', 'guest/token+1=')).status).toBe(200)
    expect((await get('guest')).code).toBe('InvalidToken')
    expect((await get('guest', 'other')).code).toBe('InvalidToken')
    expect((await get('owner', 'guest/token+1=')).code).toBe('InvalidToken')
    now += 1000
    expect((await get('guest', 'guest/token+1=')).code).toBe('ExpiredToken')
  })
})

describe('presigned URLs', () => {
  const day = '20300101'
  const now = Date.parse('2030-01-01T00:00:00Z')

  /* The query of a presigned URL, signed over the host header and those given. */
  async function presign(server: Awaited<ReturnType<typeof start>>, path: string, extra: Record<string, string> = {}, method = 'GET') {
    const { signature, signingKey, stringToSign } = await import('../../dev/s3-server/sigv4.js')
    const scope = { date: day, region: 'us-east-1', service: 's3' }
    const query = new Map(Object.entries({ 'X-Amz-Algorithm': 'AWS4-HMAC-SHA256', 'X-Amz-Credential': `${server.accessKeyId}/${day}/us-east-1/s3/aws4_request`, 'X-Amz-Date': `${day}T000000Z`, 'X-Amz-Expires': '60', 'X-Amz-SignedHeaders': 'host', ...extra }))
    const text = stringToSign({ method, canonicalPath: path, query, headers: new Map([['host', `127.0.0.1:${server.port}`]]), signedHeaders: ['host'], payloadHash: 'UNSIGNED-PAYLOAD' }, `${day}T000000Z`, scope)
    query.set('X-Amz-Signature', signature(signingKey(server.secretAccessKey, scope), text))
    return `${path}?${[...query].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
  }

  test('they read, and write where signed for it, until they expire', async () => {
    let time = now
    const server = await start({ buckets: ['box'], clock: () => time })
    const put = await presign(server, '/box/key', {}, 'PUT')
    const get = await presign(server, '/box/key', { 'response-content-type': 'text/x-special' })
    expect((await ask(server, { method: 'PUT', target: put, body: 'by url' })).status).toBe(200)
    const reply = await ask(server, { target: get })
    expect([reply.body.toString(), reply.headers['content-type']]).toEqual(['by url', 'text/x-special'])
    expect((await ask(server, { method: 'PUT', target: get, body: 'x' })).code).toBe('SignatureDoesNotMatch')
    expect((await ask(server, { method: 'PUT', target: put, body: 'x', headers: { 'x-amz-meta-a': 'b' } })).code).toBe('AccessDenied')
    time += 61_000
    expect((await ask(server, { target: get })).code).toBe('AccessDenied')
  })

  test.each([
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA1'],
    ['X-Amz-Date', 'today'],
    ['X-Amz-Expires', '604801'],
    ['X-Amz-Expires', '0'],
    ['X-Amz-Expires', 'x'],
    ['X-Amz-Credential', 'AKID'],
    ['X-Amz-SignedHeaders', ''],
  ])('%s=%s is refused', async (name, value) => {
    const server = await start({ buckets: ['box'], clock: () => now })
    expect((await ask(server, { target: await presign(server, '/box/key', { [name]: value }) })).code).toBe('AuthorizationQueryParametersError')
  })

  test('mixed with a header they are refused', async () => {
    const server = await start({ buckets: ['box'], clock: () => now })
    const target = await presign(server, '/box/key')
    expect((await signedAsk(server, { target }, { time: now })).code).toBe('InvalidArgument')
  })

  test('the old signature version is refused', async () => {
    const server = await start()
    expect((await ask(server, { target: '/box/key?AWSAccessKeyId=a&Signature=b&Expires=9999999999' })).code).toBe('InvalidRequest')
  })
})

describe('without credentials', () => {
  const everything: [string, string][] = [
    ['GET', '/'],
    ['GET', '/box'],
    ['HEAD', '/box'],
    ['GET', '/box?list-type=2'],
    ['GET', '/box?versions'],
    ['GET', '/box/key'],
    ['HEAD', '/box/key'],
    ['GET', '/box/none'],
    ['PUT', '/box/key'],
    ['DELETE', '/box/key'],
    ['POST', '/box?delete'],
    ['PUT', '/new'],
    ['POST', '/box/key?uploads'],
    ['PUT', '/box?policy'],
  ]
  test.each(everything)('%s %s is refused in a private bucket', async (method, target) => {
    const server = await start()
    await sdk(server).send(new PutObjectCommand({ Bucket: 'box', Key: 'key', Body: 'v' }))
    const reply = await ask(server, { method, target })
    expect([reply.status, reply.code]).toEqual([403, method === 'HEAD' ? undefined : 'AccessDenied'])
  })

  test('a public bucket is read and listed, and told what is missing; nothing else', async () => {
    const server = await start({ buckets: [{ name: 'box', publicRead: true }] })
    await sdk(server).send(new PutObjectCommand({ Bucket: 'box', Key: 'key', Body: 'v' }))
    const status = async (method: string, target: string) => (await ask(server, { method, target })).status
    expect(await status('GET', '/box/key')).toBe(200)
    expect(await status('GET', '/box/none')).toBe(404)
    expect(await status('GET', '/box?list-type=2')).toBe(200)
    expect(await status('HEAD', '/box')).toBe(200)
    expect(await status('GET', '/other/key')).toBe(404)
    for (const [method, target] of [['GET', '/box?versions'], ['GET', '/box/key?versionId=null'], ['PUT', '/box/key'], ['DELETE', '/box/key'], ['POST', '/box?delete']] as const) {
      expect([method, target, await status(method, target)]).toEqual([method, target, 403])
    }
  })

  test('public prefixes are exact, and a missing key is not told apart from a refused one', async () => {
    const server = await start({ buckets: [{ name: 'box', publicRead: ['db', 'x/'] }] })
    const client = sdk(server)
    for (const Key of ['db', 'db/1.a', 'dbx', 'x/1', 'x', 'other']) await client.send(new PutObjectCommand({ Bucket: 'box', Key, Body: Key }))
    const found: string[] = []
    for (const key of ['db', 'db/1.a', 'dbx', 'x/1', 'x', 'other', 'db/none', 'none']) if ((await ask(server, { target: `/box/${key}` })).status === 200) found.push(key)
    expect(found).toEqual(['db', 'db/1.a', 'dbx', 'x/1'])
    expect((await ask(server, { target: '/box/db/none' })).status).toBe(403)
    expect((await ask(server, { target: '/box?list-type=2' })).status).toBe(403)
  })

  test('what a wrong signature asks for is refused even where everybody may', async () => {
    const server = await start({ buckets: [{ name: 'box', publicRead: true }] })
    const wrong = sdk(server, { credentials: { accessKeyId: server.accessKeyId, secretAccessKey: 'wrong' } })
    expect((await failure(wrong.send(new HeadObjectCommand({ Bucket: 'box', Key: 'key' })))).status).toBe(403)
  })
})
