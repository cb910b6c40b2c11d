import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import type { S3Server } from '../../dev/s3-server/index.js'
import { failure, md5, sdk, sign, signedAsk, start, type Ask } from './harness.js'

const Bucket = 'box'

describe('objects', () => {
  test('what is put is got, with everything said about it', async () => {
    const client = sdk(await start())
    const body = Buffer.from('hello')
    const metadata = { timestamp: '1700000000000000', init_bytes: 'T36KP-dcR1_=', 'with-dash': 'a b=c;d,e' }
    const put = await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: body, Metadata: metadata, ContentType: 'text/x', CacheControl: 'no-cache', ContentEncoding: 'gzip', ContentDisposition: 'inline', ContentLanguage: 'en' }))
    expect(put.ETag).toBe(`"${md5(body)}"`)
    for (const Command of [GetObjectCommand, HeadObjectCommand]) {
      const got = await client.send(new Command({ Bucket, Key: 'k' }))
      expect(got).toMatchObject({ Metadata: metadata, ContentType: 'text/x', CacheControl: 'no-cache', ContentEncoding: 'gzip', ContentDisposition: 'inline', ContentLanguage: 'en', ContentLength: 5, ETag: put.ETag, AcceptRanges: 'bytes' })
    }
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'k' }))
    expect(await got.Body?.transformToString()).toBe('hello')
  })

  test('a plain object has the default type; an empty one is one', async () => {
    const client = sdk(await start())
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '' }))
    const got = await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }))
    expect(got).toMatchObject({ ContentLength: 0, ETag: `"${md5('')}"`, Metadata: {} })
    expect((await client.send(new PutObjectCommand({ Bucket, Key: 'k2', Body: new Uint8Array() }))).ETag).toBe(got.ETag)
  })

  test('what is missing is told so, by GET with a document, by HEAD without', async () => {
    const server = await start()
    const client = sdk(server)
    expect(await failure(client.send(new GetObjectCommand({ Bucket, Key: 'none' })))).toEqual({ status: 404, name: 'NoSuchKey' })
    expect(await failure(client.send(new GetObjectCommand({ Bucket: 'none', Key: 'none' })))).toEqual({ status: 404, name: 'NoSuchBucket' })
    expect(await failure(client.send(new PutObjectCommand({ Bucket: 'none', Key: 'none', Body: 'x' })))).toEqual({ status: 404, name: 'NoSuchBucket' })
    expect((await failure(client.send(new HeadObjectCommand({ Bucket, Key: 'none' })))).status).toBe(404)
    const head = await signedAsk(server, { method: 'HEAD', target: '/box/none' })
    expect([head.status, head.body.length]).toEqual([404, 0])
    const get = await signedAsk(server, { target: '/box/no%20ne' })
    expect(get.body.toString()).toMatch(/<Code>NoSuchKey<\/Code><Message>[^<]+<\/Message><Key>no ne<\/Key><Resource>\/box\/no%20ne<\/Resource><RequestId>[0-9A-F]{16}<\/RequestId>/)
    expect(get.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
  })

  test('deleting twice succeeds twice', async () => {
    const client = sdk(await start())
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    for (let i = 0; i < 2; i++) expect((await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))).$metadata.httpStatusCode).toBe(204)
    expect((await failure(client.send(new GetObjectCommand({ Bucket, Key: 'k' })))).status).toBe(404)
  })

  test('user metadata up to 2048 bytes of names and values', async () => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', Metadata: { m: 'x'.repeat(2047) } }))
    expect(await failure(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'w', Metadata: { m: 'x'.repeat(2048) } })))).toEqual({ status: 400, name: 'MetadataTooLarge' })
    expect(server.storage.bucket(Bucket).current('k')?.body.read().toString()).toBe('v')
  })

  test('LastModified has ms in listings and seconds in headers', async () => {
    const now = Date.now() - 1
    const server = await start({ buckets: [Bucket], clock: () => Math.floor(now / 1000) * 1000 + 789 })
    await signedAsk(server, { method: 'PUT', target: '/box/k', body: 'v' })
    const iso = new Date(Math.floor(now / 1000) * 1000 + 789).toISOString()
    expect((await signedAsk(server, { target: '/box?list-type=2' })).body.toString()).toContain(`<LastModified>${iso}</LastModified>`)
    expect((await signedAsk(server, { target: '/box/k' })).headers['last-modified']).toBe(new Date(iso).toUTCString())
  })
})

describe('ranges', () => {
  const body = Buffer.from([...Array(100).keys()])

  test.each([
    ['bytes=0-9', 0, 10],
    ['bytes=90-', 90, 100],
    ['bytes=-10', 90, 100],
    ['bytes=-1000', 0, 100],
    ['bytes=0-0', 0, 1],
    ['bytes=99-99', 99, 100],
    ['bytes=95-5000', 95, 100],
    ['bytes=0-99999999999999999999', 0, 100],
  ])('%s', async (range, first, end) => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body })
    for (const method of ['GET', 'HEAD']) {
      const reply = await signedAsk(server, { method, target: '/box/k', headers: { range } })
      expect([reply.status, reply.headers['content-range'], reply.headers['content-length']]).toEqual([206, `bytes ${first}-${end - 1}/100`, String(end - first)])
      expect(reply.body.equals(method === 'HEAD' ? Buffer.alloc(0) : body.subarray(first, end))).toBe(true)
    }
    expect(server.log.at(-2)).toMatchObject({ op: 'GetObject', range, bytesDown: end - first })
    expect(server.log.at(-1)).toMatchObject({ op: 'HeadObject', range, bytesDown: 0 })
  })

  test.each(['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=99999999999999999999-'])('%s is behind the end', async (range) => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body })
    const reply = await signedAsk(server, { target: '/box/k', headers: { range } })
    expect([reply.status, reply.code, reply.headers['content-range']]).toEqual([416, 'InvalidRange', 'bytes */100'])
  })

  test.each(['bytes=', 'bytes=-', 'bytes=a-b', 'bytes=9-5', 'items=0-5', 'bytes 0-5'])('%s is no range: the whole object comes', async (range) => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body })
    const reply = await signedAsk(server, { target: '/box/k', headers: { range } })
    expect([reply.status, reply.headers['content-range'], reply.body.length]).toEqual([200, undefined, 100])
  })

  test('an empty object satisfies no range; several ranges are not implemented', async () => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/empty', body: '' })
    for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) expect((await signedAsk(server, { target: '/box/empty', headers: { range } })).status).toBe(416)
    expect((await signedAsk(server, { target: '/box/empty', headers: { range: 'bytes=0-1,4-5' } })).status).toBe(501)
  })

  test('If-Range with another ETag gives the whole', async () => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body })
    const get = (ifRange: string) => signedAsk(server, { target: '/box/k', headers: { range: 'bytes=0-9', 'if-range': ifRange } })
    expect((await get(`"${md5(body)}"`)).status).toBe(206)
    expect((await get('"other"')).status).toBe(200)
  })
})

describe('conditions of reads', () => {
  const etag = `"${md5('v')}"`
  const past = 'Sat, 01 Jan 2000 00:00:00 GMT'
  const future = 'Sat, 01 Jan 2050 00:00:00 GMT'

  test.each<[Record<string, string>, number]>([
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': etag.slice(1, -1) }, 304],
    [{ 'if-none-match': `"a", ${etag}` }, 304],
    [{ 'if-none-match': `W/${etag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"other"' }, 200],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': etag.slice(1, -1) }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"other"' }, 412],
    [{ 'if-modified-since': future }, 304],
    [{ 'if-modified-since': past }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-unmodified-since': past }, 412],
    [{ 'if-unmodified-since': future }, 200],
    // An ETag speaks louder than a time.
    [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
    [{ 'if-none-match': '"other"', 'if-modified-since': future }, 200],
    [{ 'if-match': '"other"', 'if-none-match': etag }, 412],
    [{ 'if-none-match': etag, range: 'bytes=0-0' }, 304],
  ])('%j gives %i', async (headers, status) => {
    const server = await start()
    await signedAsk(server, { method: 'PUT', target: '/box/k', body: 'v' })
    for (const method of ['GET', 'HEAD']) {
      const reply = await signedAsk(server, { method, target: '/box/k', headers })
      expect(reply.status).toBe(status)
      if (status === 304) expect([reply.headers.etag, reply.body.length]).toEqual([etag, 0])
      if (status === 412 && method === 'GET') expect(reply.code).toBe('PreconditionFailed')
    }
  })

  test('the time of the very second counts as not modified since', async () => {
    const server = await start({ buckets: [Bucket], clock: () => Math.floor(Date.now() / 60_000) * 60_000 + 999 })
    await signedAsk(server, { method: 'PUT', target: '/box/k', body: 'v' })
    const time = (await signedAsk(server, { target: '/box/k' })).headers['last-modified'] as string
    expect((await signedAsk(server, { target: '/box/k', headers: { 'if-modified-since': time } })).status).toBe(304)
    expect((await signedAsk(server, { target: '/box/k', headers: { 'if-unmodified-since': time } })).status).toBe(200)
  })
})

describe('conditions of writes', () => {
  const etag = (body: string) => `"${md5(body)}"`

  test('If-None-Match: * creates, and never overwrites', async () => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'one', IfNoneMatch: '*' }))
    expect(await failure(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'two', IfNoneMatch: '*' })))).toEqual({ status: 412, name: 'PreconditionFailed' })
    expect(server.storage.bucket(Bucket).current('k')?.body.read().toString()).toBe('one')
  })

  test('If-Match replaces only what it names', async () => {
    const server = await start()
    const client = sdk(server)
    const put = (Body: string, IfMatch: string, Key = 'k') => client.send(new PutObjectCommand({ Bucket, Key, Body, IfMatch }))
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'one' }))
    expect(await failure(put('two', etag('none')))).toEqual({ status: 412, name: 'PreconditionFailed' })
    expect(await failure(put('two', etag('one'), 'missing'))).toEqual({ status: 404, name: 'NoSuchKey' })
    expect((await put('two', etag('one'))).ETag).toBe(etag('two'))
    expect((await put('three', md5('two'))).ETag).toBe(etag('three'))
  })

  test.each<[Record<string, string>]>([[{ 'if-none-match': '"etag"' }], [{ 'if-match': '*' }], [{ 'if-match': '"a","b"' }], [{ 'if-match': '"a"', 'if-none-match': '*' }], [{ 'if-modified-since': 'Sat, 01 Jan 2000 00:00:00 GMT' }]])(
    '%j is not implemented rather than ignored',
    async (headers) => {
      const server = await start()
      const reply = await signedAsk(server, { method: 'PUT', target: '/box/k', headers, body: 'v' })
      expect([reply.status, server.storage.bucket(Bucket).keys.length]).toEqual([501, 0])
    },
  )

  test('of many that create or replace at once, exactly one wins', async () => {
    const server = await start()
    const client = sdk(server)
    for (const condition of ['create', 'replace']) {
      for (let round = 0; round < 5; round++) {
        const Key = `${condition}${round}`
        if (condition === 'replace') await client.send(new PutObjectCommand({ Bucket, Key, Body: 'base' }))
        const how = condition === 'create' ? { IfNoneMatch: '*' } : { IfMatch: etag('base') }
        const results = await Promise.allSettled([...Array(12).keys()].map((i) => client.send(new PutObjectCommand({ Bucket, Key, Body: `by ${i}`, ...how }))))
        const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [`by ${i}`] : []))
        expect(winners).toEqual([server.storage.bucket(Bucket).current(Key)?.body.read().toString()])
      }
    }
  })

  test('a condition that held when the body began to come must hold when it is there', async () => {
    const server = await start()
    const target = '/box/k'
    const conditions: [Record<string, string>, string | undefined][] = [[{ 'if-none-match': '*' }, undefined], [{ 'if-match': etag('base') }, 'base']]
    for (const [headers, base] of conditions) {
      server.storage.bucket(Bucket).removeVersion('k', 'null')
      if (base !== undefined) await signedAsk(server, { method: 'PUT', target, body: base })
      const what = { method: 'PUT', target, headers, body: 'slow' }
      const slow = slowly(server, { ...what, headers: sign(server, what) }, async () => {
        expect((await signedAsk(server, { method: 'PUT', target, body: 'fast' })).status).toBe(200)
      })
      expect(await slow).toBe(412)
      expect(server.storage.bucket(Bucket).current('k')?.body.read().toString()).toBe('fast')
    }
  })

  /* Sends headers and half of the body, does something else when they have arrived, then sends the rest. */
  async function slowly(server: S3Server, what: Required<Pick<Ask, 'method' | 'target' | 'headers' | 'body'>>, meanwhile: () => Promise<void>): Promise<number | undefined> {
    const body = Buffer.from(what.body)
    const outgoing = httpRequest({ host: '127.0.0.1', port: server.port, method: what.method, path: what.target, headers: { ...what.headers, 'content-length': body.length, expect: '100-continue' }, agent: false })
    const status = new Promise<number | undefined>((resolve, reject) => outgoing.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject))
    // The server asks for the body only after its first look at the conditions.
    const asked = new Promise((resolve) => outgoing.on('continue', resolve))
    outgoing.flushHeaders()
    await asked
    outgoing.write(body.subarray(0, 2))
    await meanwhile()
    outgoing.end(body.subarray(2))
    return status
  }

  test('a delete with If-Match', async () => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    expect((await failure(client.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch: etag('w') })))).status).toBe(412)
    expect((await failure(client.send(new DeleteObjectCommand({ Bucket, Key: 'none', IfMatch: '*' })))).status).toBe(404)
    expect((await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch: etag('v') }))).$metadata.httpStatusCode).toBe(204)
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })
})

describe('integrity of bodies', () => {
  const base64Md5 = (text: string) => createHash('md5').update(text).digest('base64')

  test.each([
    ['CRC32', 'ChecksumCRC32'],
    ['CRC32C', 'ChecksumCRC32C'],
    ['CRC64NVME', 'ChecksumCRC64NVME'],
    ['SHA1', 'ChecksumSHA1'],
    ['SHA256', 'ChecksumSHA256'],
  ] as const)('%s of the SDK is verified, kept and given back', async (algorithm, field) => {
    const server = await start()
    const client = sdk(server)
    const put = await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hello', ChecksumAlgorithm: algorithm }))
    expect(put[field]).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k', ChecksumMode: 'ENABLED' }))
    expect([head[field], head.ChecksumType]).toEqual([put[field], 'FULL_OBJECT'])
    expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'k' })))[field]).toBeUndefined()
  })

  test('a stream, whose checksum comes in a trailer', async () => {
    const server = await start()
    const parts = [Buffer.alloc(30_000, 1), Buffer.alloc(1, 2), Buffer.alloc(40_000, 3)]
    const put = await sdk(server).send(new PutObjectCommand({ Bucket, Key: 'k', Body: Readable.from(parts), ContentLength: 70_001 }))
    const stored = server.storage.bucket(Bucket).current('k')
    expect(stored?.body.read().equals(Buffer.concat(parts))).toBe(true)
    expect(stored?.headers.has('content-encoding')).toBe(false)
    expect(put.ChecksumCRC32).toBe(stored?.checksum?.value)
  })

  const hello = Buffer.from('hello')
  test.each<[string, Record<string, string>, string]>([
    ['a wrong Content-MD5', { 'content-md5': base64Md5('other') }, 'BadDigest'],
    ['a Content-MD5 that is none', { 'content-md5': 'abc' }, 'InvalidDigest'],
    ['a wrong CRC32', { 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
    ['a CRC32 that is none', { 'x-amz-checksum-crc32': 'AAAA' }, 'InvalidRequest'],
    ['a wrong CRC64NVME', { 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }, 'BadDigest'],
    ['two checksums', { 'x-amz-checksum-crc32': 'NhCmhg==', 'x-amz-checksum-sha1': 'qvTGHdzF6KLavt4PO0gs2a6pQ00=' }, 'InvalidRequest'],
    ['an algorithm without a checksum', { 'x-amz-sdk-checksum-algorithm': 'SHA256' }, 'InvalidRequest'],
    ['an unknown algorithm', { 'x-amz-sdk-checksum-algorithm': 'MD2' }, 'InvalidRequest'],
    ['a trailer without a body that has one', { 'x-amz-trailer': 'x-amz-checksum-crc32' }, 'InvalidRequest'],
  ])('%s is refused, and nothing is written', async (_, headers, code) => {
    const server = await start()
    const reply = await signedAsk(server, { method: 'PUT', target: '/box/k', headers, body: hello })
    expect([reply.status, reply.code, server.storage.bucket(Bucket).keys.length]).toEqual([400, code, 0])
  })

  test('right ones are taken', async () => {
    const server = await start()
    for (const headers of [{ 'content-md5': base64Md5('hello') }, { 'x-amz-checksum-crc32': 'NhCmhg==' }, { 'x-amz-checksum-sha1': 'qvTGHdzF6KLavt4PO0gs2a6pQ00=' }]) {
      expect((await signedAsk(server, { method: 'PUT', target: '/box/k', headers, body: hello })).status).toBe(200)
    }
  })
})

describe('overwriting while reading', () => {
  test('a reader gets one of the two, whole', async () => {
    const server = await start()
    const client = sdk(server)
    const bodies = [Buffer.alloc(600_000, 'a'), Buffer.alloc(300_000, 'b')] as const
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: bodies[0] }))
    let writing = true
    const writer = (async () => {
      for (let i = 0; i < 40; i++) await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: bodies[i % 2] as Buffer }))
      writing = false
    })()
    const seen = new Set<string>()
    while (writing) {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'k' }))
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? [])
      expect(got.ETag).toBe(`"${md5(bytes)}"`)
      seen.add(md5(bytes))
    }
    await writer
    for (const hash of seen) expect(bodies.map(md5)).toContain(hash)
  })
})
