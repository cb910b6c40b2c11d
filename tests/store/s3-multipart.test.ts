import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import type { PartUpload } from '../../src/store/object-store.js'
import { withRetry } from '../../src/store/retry.js'
import { S3Store } from '../../src/store/s3/s3-store.js'
import { fittingPartSize, putLarge, type LargeSource } from '../../src/store/transfer/put-large.js'
import { rawServer, type RawServer } from './raw-server.js'

const MiB = 1024 * 1024
const text = (value: string) => new TextEncoder().encode(value)
const zeros = (size: number): LargeSource => ({ size, read: (_, length) => new Uint8Array(length) })
const at = (server: RawServer) => new S3Store({ endpoint: server.origin, bucket: 'b', credentials: { accessKeyId: 'AKID', secretAccessKey: 's' } })
const upload: PartUpload = { key: 'k', id: 'u&1', layout: { size: 3, partSize: 5 * MiB }, options: {} }
const part = { number: 1, etag: 'e"1' }
const answer = (status: number, body: string) => rawServer((_, response) => response.writeHead(status, { 'content-type': 'application/xml' }).end(body))
const complete = (etag: string) => `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`
const error = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`

describe('uploads by parts on the wire', () => {
  test('an object of three parts is five requests; each part has an MD5 for the server', async () => {
    await using server = await startS3Server({ buckets: ['one'] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    const store = new S3Store({ endpoint, bucket: 'one', credentials: { accessKeyId, secretAccessKey } })
    await putLarge(store, 'k', zeros(11 * MiB), { partSize: 5 * MiB })
    await putLarge(store, 'small', zeros(5 * MiB), { partSize: 5 * MiB })
    const asked = server.log.map((entry) => entry.op)
    expect(asked[0]).toBe('CreateMultipartUpload')
    expect(asked.slice(1, 4)).toEqual(['UploadPart', 'UploadPart', 'UploadPart'])
    expect(asked.slice(4)).toEqual(['CompleteMultipartUpload', 'PutObject'])
    await store.close()
  })

  test('every part and small object carries Content-MD5', async () => {
    await using server = await rawServer((request, response) => {
      request.resume()
      if (request.url?.includes('uploads=') === true) response.end('<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>')
      else if (request.method === 'POST') response.end(complete('&quot;x-2&quot;'))
      else response.writeHead(200, { etag: '"p"' }).end()
    })
    await putLarge(at(server), 'k', zeros(5 * MiB + 1), { partSize: 5 * MiB })
    await putLarge(at(server), 'k', zeros(3))
    const sent = server.requests.filter((request) => request.method === 'PUT').map((request) => request.headers['content-md5'])
    const md5 = (size: number) => createHash('md5').update(new Uint8Array(size)).digest('base64')
    expect(sent.sort()).toEqual([md5(5 * MiB), md5(1), md5(3)].sort())
  })

  test('a part that arrives otherwise than it was sent is refused by the embedded server', async () => {
    await using server = await startS3Server({ buckets: ['one'] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    const store = new S3Store({ endpoint, bucket: 'one', credentials: { accessKeyId, secretAccessKey } })
    const begun = await store.parts.begin('k', upload.layout)
    // The bytes change after their checksum was taken.
    const bytes = text('abc')
    const sending = store.parts.put(begun, { number: 1, offset: 0 }, bytes)
    bytes[0] = 0
    await expect(sending).rejects.toMatchObject({ code: expect.stringMatching(/STORE_REQUEST|ACCESS_DENIED/) as string })
    await store.parts.abort(begun)
    await store.close()
  })

  test('parts are as small as asked, as large as the server wants, and not too many', () => {
    const limits = { minPartSize: 5 * MiB, maxParts: 10_000 } as Parameters<typeof fittingPartSize>[2]
    expect(fittingPartSize(100 * MiB, 8 * MiB, limits)).toBe(8 * MiB)
    expect(fittingPartSize(100 * MiB, 1, limits)).toBe(5 * MiB)
    expect(fittingPartSize(80_000 * MiB, 8 * MiB, limits)).toBe(8 * MiB)
    expect(fittingPartSize(80_000 * MiB + 1, 8 * MiB, limits)).toBe(9 * MiB)
    for (const size of [5e12, 1e11, 4294967295]) expect(Math.ceil(size / fittingPartSize(size, 8 * MiB, limits))).toBeLessThanOrEqual(10_000)
  })

  describe('complete', () => {
    test('an error document under status 200 is a failure that may pass', async () => {
      await using server = await answer(200, error('InternalError'))
      await expect(at(server).parts.complete(upload, [part])).rejects.toMatchObject({ code: 'STORE_REQUEST', reason: 'InternalError', status: 500 })
    })

    test('blanks before the document, which keep the connection alive, are no harm', async () => {
      await using server = await answer(200, `  \n\n   ${complete('&quot;x-1&quot;')}`)
      expect(await at(server).parts.complete(upload, [part])).toEqual({ etag: 'x-1', versionId: undefined })
    })

    test('an answer without an ETag, as of Ceph, gives the one that the parts make', async () => {
      await using server = await answer(200, complete(''))
      const etag = createHash('md5').update('abc').digest('hex')
      const whole = createHash('md5').update(Buffer.from(etag, 'hex')).digest('hex')
      expect((await at(server).parts.complete(upload, [{ number: 1, etag }])).etag).toBe(`${whole}-1`)
    })

    test('an answer that breaks off is no success', async () => {
      await using server = await answer(200, '<CompleteMultipartUploadResult><ETag>&quot;x')
      const outcome = await at(server).parts.complete(upload, [part]).then(() => 'done', (caught: unknown) => caught)
      if (outcome === 'done') throw new Error('half an answer was taken for a success')
    })

    test('a condition that does not hold, and one that could not be decided', async () => {
      for (const [status, code] of [[412, 'PreconditionFailed'], [409, 'ConditionalRequestConflict']] as const) {
        await using server = await answer(status, error(code))
        await expect(at(server).parts.complete(upload, [part], { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
        expect(server.requests[0]).toMatchObject({ headers: { 'if-none-match': '*' }, target: '/b/k?uploadId=u%261' })
      }
    })
  })

  test('a part without an ETag in the answer is a failure: the upload could not be completed', async () => {
    await using plain = await rawServer((request, response) => {
      request.resume()
      response.end()
    })
    await expect(at(plain).parts.put(upload, { number: 1, offset: 0 }, text('abc'))).rejects.toMatchObject({ reason: 'MalformedAnswer' })
  })

  test('an upload without a name is a failure', async () => {
    await using server = await answer(200, '<InitiateMultipartUploadResult/>')
    await expect(at(server).parts.begin('k', upload.layout)).rejects.toMatchObject({ reason: 'MalformedAnswer' })
  })

  describe('listing uploads', () => {
    const page = (uploads: string, more = '') => `<ListMultipartUploadsResult><EncodingType>url</EncodingType>${uploads}${more}</ListMultipartUploadsResult>`
    const one = (key: string, id: string) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>2024-01-01T00:00:00Z</Initiated></Upload>`
    const list = async (server: RawServer, prefix = 'p') => {
      const found: string[] = []
      for await (const { key, id } of withRetry(at(server), { attempts: 1 }).parts?.list(prefix) ?? []) found.push(`${key} ${id}`)
      return found
    }

    test('goes over pages', async () => {
      await using server = await rawServer((request, response) => {
        const second = request.url?.includes('key-marker=p%2F1') === true
        response.end(second ? page(one('p%2F2', 'c')) : page(one('p%2F1', 'a') + one('p%2F1', 'b'), '<IsTruncated>true</IsTruncated><NextKeyMarker>p%2F1</NextKeyMarker><NextUploadIdMarker>b</NextUploadIdMarker>'))
      })
      expect(await list(server)).toEqual(['p/1 a', 'p/1 b', 'p/2 c'])
      expect(server.requests[1]?.target).toContain('upload-id-marker=b')
    })

    test.each([
      ['in circles', page(one('p', 'a'), '<IsTruncated>true</IsTruncated><NextKeyMarker>p</NextKeyMarker>')],
      ['outside of the prefix', page(one('q', 'a'))],
      ['without an id', page('<Upload><Key>p</Key></Upload>')],
      ['that goes on nowhere', page(one('p', 'a'), '<IsTruncated>true</IsTruncated>')],
    ])('%s is refused', async (_, body) => {
      await using server = await answer(200, body)
      await expect(list(server)).rejects.toMatchObject({ code: 'STORE_REQUEST', reason: 'MalformedListing' })
    })

    test('keys that come encoded though nothing says so, as of Ceph, are asked for once more, plain', async () => {
      await using server = await rawServer((request, response) => {
        const encoded = request.url?.includes('encoding-type') === true
        response.end(page(one(encoded ? 'p%20x' : 'p x', 'a')).replace('<EncodingType>url</EncodingType>', ''))
      })
      expect(await list(server)).toEqual(['p x a'])
    })
  })
})
