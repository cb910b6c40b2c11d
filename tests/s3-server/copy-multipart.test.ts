import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, ListPartsCommand, PutObjectCommand, UploadPartCommand, UploadPartCopyCommand, type S3Client } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { failure, md5, sdk, signedAsk, start } from './harness.js'

const Bucket = 'box'
const part = 5 * 1024 * 1024

describe('CopyObject', () => {
  const source = "cp/b c!$&'()+,;=@é%41"
  const copySource = `${Bucket}/${source.split('/').map(encodeURIComponent).join('/')}`

  async function prepared() {
    const server = await start({ buckets: [Bucket, { name: 'versions', versioned: true }] })
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: source, Body: 'copy me', Metadata: { a_b: '1' }, ContentType: 'text/x', ACL: 'public-read' }))
    return { server, client }
  }
  const head = (client: S3Client, Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }))

  test('body, metadata and type travel; the ACL does not', async () => {
    const { server, client } = await prepared()
    for (const CopySource of [copySource, `/${copySource}`]) {
      const copied = await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource }))
      expect(copied.CopyObjectResult?.ETag).toBe(`"${md5('copy me')}"`)
      expect(await head(client, 'to')).toMatchObject({ Metadata: { a_b: '1' }, ContentType: 'text/x', ContentLength: 7 })
      expect(server.storage.bucket(Bucket).current('to')?.publicRead).toBe(false)
    }
  })

  test('REPLACE takes the metadata of the request', async () => {
    const { client } = await prepared()
    await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: copySource, MetadataDirective: 'REPLACE', Metadata: { b: '2' } }))
    expect((await head(client, 'to')).Metadata).toEqual({ b: '2' })
  })

  test('conditions on the source and on the target', async () => {
    const { server, client } = await prepared()
    const copy = (options: object) => client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: copySource, ...options }))
    expect((await failure(copy({ CopySourceIfMatch: '"other"' }))).status).toBe(412)
    expect((await failure(copy({ CopySourceIfNoneMatch: md5('copy me') }))).status).toBe(412)
    expect((await failure(copy({ CopySourceIfModifiedSince: new Date('2050-01-01') }))).status).toBe(412)
    expect((await failure(copy({ CopySourceIfUnmodifiedSince: new Date('2000-01-01') }))).status).toBe(412)
    expect(server.storage.bucket(Bucket).current('to')).toBeUndefined()
    await copy({ CopySourceIfMatch: md5('copy me') })
    expect((await signedAsk(server, { method: 'PUT', target: '/box/to', headers: { 'x-amz-copy-source': copySource, 'if-none-match': '*' } })).status).toBe(412)
  })

  test.each([
    [`${Bucket}/none`, 404, 'NoSuchKey'],
    ['none/none', 404, 'NoSuchBucket'],
    ['nothing', 400, 'InvalidArgument'],
    [`${Bucket}/%zz`, 400, 'InvalidURI'],
    [copySource, 400, 'InvalidRequest'],
  ])('from %s: refused', async (CopySource, status, name) => {
    const { client } = await prepared()
    const Key = CopySource === copySource ? source : 'to'
    expect(await failure(client.send(new CopyObjectCommand({ Bucket, Key, CopySource })))).toEqual({ status, name })
  })

  test('one version of several', async () => {
    const { client } = await prepared()
    const first = await client.send(new PutObjectCommand({ Bucket: 'versions', Key: 'k?', Body: 'first' }))
    await client.send(new PutObjectCommand({ Bucket: 'versions', Key: 'k?', Body: 'second' }))
    const copied = await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `versions/k%3F?versionId=${first.VersionId}` }))
    expect(copied.CopySourceVersionId).toBe(first.VersionId)
    expect((await head(client, 'to')).ETag).toBe(`"${md5('first')}"`)
  })
})

describe('multipart uploads', () => {
  const begin = async (client: S3Client, Key: string, options: object = {}) => ({ Bucket, Key, UploadId: (await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }))).UploadId })
  const send = async (client: S3Client, upload: Awaited<ReturnType<typeof begin>>, PartNumber: number, Body: Buffer) => ({ PartNumber, ETag: (await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))).ETag })
  const bytes = (length: number, fill: number) => Buffer.alloc(length, fill)

  test('parts become one object with an ETag of ETags', async () => {
    const server = await start()
    const client = sdk(server)
    const upload = await begin(client, 'mp/x', { Metadata: { uuid: 'u' }, ContentType: 'text/x' })
    const parts = [bytes(part, 1), bytes(1000, 2)]
    const second = await send(client, upload, 7, parts[1] as Buffer)
    const first = await send(client, upload, 2, parts[0] as Buffer)
    expect((await client.send(new ListPartsCommand(upload))).Parts?.map((item) => [item.PartNumber, item.Size])).toEqual([[2, part], [7, 1000]])
    expect((await client.send(new ListPartsCommand({ ...upload, MaxParts: 1 })))).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '2' })
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'mp/' }))).Uploads).toMatchObject([{ Key: 'mp/x', UploadId: upload.UploadId }])
    const done = await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [first, second] } }))
    expect(done.ETag).toBe(`"${md5(Buffer.concat(parts.map((body) => Buffer.from(md5(body), 'hex'))))}-2"`)
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'mp/x' }))
    expect(got).toMatchObject({ ETag: done.ETag, Metadata: { uuid: 'u' }, ContentType: 'text/x' })
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Buffer.concat(parts))).toBe(true)
    expect(server.storage.quota.used).toBe(part + 1000)
    expect((await failure(client.send(new ListPartsCommand(upload)))).name).toBe('NoSuchUpload')
  })

  test('what does not fit is refused, and the upload stays', async () => {
    const client = sdk(await start())
    const upload = await begin(client, 'k')
    const [one, two] = [await send(client, upload, 1, bytes(10, 1)), await send(client, upload, 2, bytes(10, 2))]
    const complete = (Parts: object[]) => failure(client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })))
    expect((await complete([one, two])).name).toBe('EntityTooSmall')
    expect((await complete([two, one])).name).toBe('InvalidPartOrder')
    expect((await complete([two, two])).name).toBe('InvalidPartOrder')
    expect((await complete([{ ...one, ETag: '"other"' }])).name).toBe('InvalidPart')
    expect((await complete([{ ...one, PartNumber: 3 }])).name).toBe('InvalidPart')
    expect((await complete([])).name).toBe('MalformedXML')
    expect((await failure(client.send(new UploadPartCommand({ ...upload, PartNumber: 0, Body: 'x' })))).name).toBe('InvalidArgument')
    expect((await failure(client.send(new UploadPartCommand({ ...upload, PartNumber: 10_001, Body: 'x' })))).name).toBe('InvalidArgument')
    expect((await failure(client.send(new UploadPartCommand({ ...upload, Key: 'other', PartNumber: 1, Body: 'x' })))).name).toBe('NoSuchUpload')
    expect((await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [two] } }))).ETag).toMatch(/-1"$/)
  })

  test('a condition is checked when it is completed', async () => {
    const server = await start()
    const client = sdk(server)
    const upload = await begin(client, 'k')
    const only = await send(client, upload, 1, bytes(10, 1))
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'first' }))
    expect((await failure(client.send(new CompleteMultipartUploadCommand({ ...upload, IfNoneMatch: '*', MultipartUpload: { Parts: [only] } })))).status).toBe(412)
    expect(server.storage.bucket(Bucket).current('k')?.body.read().toString()).toBe('first')
    await client.send(new CompleteMultipartUploadCommand({ ...upload, IfMatch: md5('first'), MultipartUpload: { Parts: [only] } }))
    expect(server.storage.bucket(Bucket).current('k')?.body.read().length).toBe(10)
  })

  test('aborted, it leaves nothing', async () => {
    const server = await start()
    const client = sdk(server)
    const upload = await begin(client, 'k')
    await send(client, upload, 1, bytes(10, 1))
    await send(client, upload, 1, bytes(20, 2))
    expect(server.storage.quota.used).toBe(20)
    expect((await client.send(new AbortMultipartUploadCommand(upload))).$metadata.httpStatusCode).toBe(204)
    expect(server.storage.quota.used).toBe(0)
    expect((await failure(client.send(new AbortMultipartUploadCommand(upload)))).name).toBe('NoSuchUpload')
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads).toBeUndefined()
  })

  test('a part can be a piece of another object', async () => {
    const client = sdk(await start())
    await client.send(new PutObjectCommand({ Bucket, Key: 'from', Body: '0123456789' }))
    const upload = await begin(client, 'k')
    const copy = (CopySourceRange: string) => client.send(new UploadPartCopyCommand({ ...upload, PartNumber: 1, CopySource: `${Bucket}/from`, CopySourceRange }))
    expect((await failure(copy('bytes=5-10'))).name).toBe('InvalidArgument')
    expect((await failure(copy('bytes=5-'))).name).toBe('InvalidArgument')
    const { CopyPartResult } = await copy('bytes=2-5')
    expect(CopyPartResult?.ETag).toBe(`"${md5('2345')}"`)
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: CopyPartResult?.ETag }] } }))
    expect(await (await client.send(new GetObjectCommand({ Bucket, Key: 'k' }))).Body?.transformToString()).toBe('2345')
  })

  test('the checksum of the whole: of the parts, or of the bytes', async () => {
    const { checksum } = await import('../../dev/s3-server/checksums.js')
    const client = sdk(await start())
    const bodies = [bytes(part, 1), bytes(10, 2)]
    for (const [type, expected] of [
      ['COMPOSITE', `${checksum('crc32', Buffer.concat(bodies.map((body) => checksum('crc32', body)))).toString('base64')}-2`],
      ['FULL_OBJECT', checksum('crc32', Buffer.concat(bodies)).toString('base64')],
    ] as const) {
      const upload = await begin(client, type, { ChecksumAlgorithm: 'CRC32', ChecksumType: type })
      const Parts = [await send(client, upload, 1, bodies[0] as Buffer), await send(client, upload, 2, bodies[1] as Buffer)]
      const done = await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
      expect([done.ChecksumCRC32, done.ChecksumType]).toEqual([expected, type])
      expect((await client.send(new HeadObjectCommand({ Bucket, Key: type, ChecksumMode: 'ENABLED' }))).ChecksumCRC32).toBe(expected)
    }
  })
})
