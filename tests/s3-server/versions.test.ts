import { inMemory } from '../../dev/s3-server/body.js'
import { DeleteObjectCommand, DeleteObjectsCommand, GetBucketVersioningCommand, GetObjectCommand, HeadObjectCommand, ListObjectVersionsCommand, ListObjectsV2Command, PutBucketVersioningCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { failure, md5, sdk, signedAsk, start } from './harness.js'

const Bucket = 'box'
const versioned = { buckets: [{ name: Bucket, versioned: true }] }

const put = async (client: S3Client, Key: string, Body: string) => (await client.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId
const read = async (client: S3Client, Key: string, VersionId?: string) => (await client.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body?.transformToString()

/* Versions and markers in the order listed: id, what it is, whether it is the latest. */
async function list(client: S3Client, options: { Prefix?: string } = {}) {
  const page = await client.send(new ListObjectVersionsCommand({ Bucket, ...options }))
  return { versions: (page.Versions ?? []).map((v) => [v.VersionId, v.IsLatest]), markers: (page.DeleteMarkers ?? []).map((v) => [v.VersionId, v.IsLatest]) }
}

describe('versions', () => {
  test('each PUT adds one; each is read by its id', async () => {
    const client = sdk(await start(versioned))
    const ids = [await put(client, 'k', 'one'), await put(client, 'k', 'two'), await put(client, 'k', 'three')]
    expect(new Set(ids).size).toBe(3)
    expect(await list(client)).toEqual({ versions: [[ids[2], true], [ids[1], false], [ids[0], false]], markers: [] })
    expect(await Promise.all(ids.map((id) => read(client, 'k', id)))).toEqual(['one', 'two', 'three'])
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).toMatchObject({ VersionId: ids[2], ETag: `"${md5('three')}"` })
    expect(await failure(read(client, 'k', 'none'))).toEqual({ status: 404, name: 'NoSuchVersion' })
    expect(await failure(read(client, 'none', ids[0]))).toEqual({ status: 404, name: 'NoSuchVersion' })
  })

  test('a delete makes a marker; deleting the marker brings the object back', async () => {
    const server = await start(versioned)
    const client = sdk(server)
    const id = await put(client, 'k', 'v')
    const deleted = await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect(deleted.DeleteMarker).toBe(true)
    const get = await signedAsk(server, { target: '/box/k' })
    expect([get.status, get.code, get.headers['x-amz-delete-marker'], get.headers['x-amz-version-id']]).toEqual([404, 'NoSuchKey', 'true', deleted.VersionId])
    const marker = await signedAsk(server, { target: `/box/k?versionId=${deleted.VersionId}` })
    expect([marker.status, marker.code, marker.headers.allow]).toEqual([405, 'MethodNotAllowed', 'DELETE'])
    expect(await list(client)).toEqual({ versions: [[id, false]], markers: [[deleted.VersionId, true]] })
    expect((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(0)
    const restored = await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: deleted.VersionId }))
    expect([restored.DeleteMarker, restored.VersionId]).toEqual([true, deleted.VersionId])
    expect(await read(client, 'k')).toBe('v')
  })

  test('deleting the latest by id uncovers the one before; the last leaves nothing', async () => {
    const server = await start(versioned)
    const client = sdk(server)
    const ids = [await put(client, 'k', 'one'), await put(client, 'k', 'two')]
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[1] }))
    expect(await read(client, 'k')).toBe('one')
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[0] }))
    expect((await failure(read(client, 'k'))).status).toBe(404)
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
    expect(server.storage.quota.used).toBe(0)
    expect((await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[0] }))).$metadata.httpStatusCode).toBe(204)
  })

  test('an unversioned bucket lists each object once, as null; by that id it is read and deleted', async () => {
    const client = sdk(await start())
    expect(await put(client, 'k', 'one')).toBeUndefined()
    await put(client, 'k', 'two')
    expect(await list(client)).toEqual({ versions: [['null', true]], markers: [] })
    expect(await read(client, 'k', 'null')).toBe('two')
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: 'null' }))
    expect((await failure(read(client, 'k'))).status).toBe(404)
  })

  test('switched on, suspended: null versions are replaced, others stay', async () => {
    const client = sdk(await start())
    const status = async () => (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status
    const set = (Status: 'Enabled' | 'Suspended') => client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
    expect(await status()).toBeUndefined()
    await put(client, 'k', 'before')
    await set('Enabled')
    expect(await status()).toBe('Enabled')
    const id = await put(client, 'k', 'kept')
    await set('Suspended')
    expect(await status()).toBe('Suspended')
    expect(await put(client, 'k', 'again')).toBe('null')
    expect(await list(client)).toEqual({ versions: [['null', true], [id, false]], markers: [] })
    const deleted = await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect([deleted.VersionId, deleted.DeleteMarker]).toEqual(['null', true])
    expect(await list(client)).toEqual({ versions: [[id, false]], markers: [['null', true]] })
    expect(await read(client, 'k', id)).toBe('kept')
  })

  test('pages go on behind a version that was deleted meanwhile', async () => {
    const client = sdk(await start(versioned))
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 5; i++) ids.push(await put(client, 'k', String(i)))
    await put(client, 'l', 'other')
    const first = await client.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2 }))
    expect(first).toMatchObject({ IsTruncated: true, NextKeyMarker: 'k', NextVersionIdMarker: ids[3] })
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[3] }))
    const rest = await client.send(new ListObjectVersionsCommand({ Bucket, KeyMarker: 'k', VersionIdMarker: ids[3] }))
    expect(rest.Versions?.map((v) => v.VersionId).slice(0, 3)).toEqual([ids[2], ids[1], ids[0]])
    expect(rest.Versions?.[3]?.Key).toBe('l')
    expect((await client.send(new ListObjectVersionsCommand({ Bucket, KeyMarker: 'k' }))).Versions?.map((v) => v.Key)).toEqual(['l'])
    expect((await failure(client.send(new ListObjectVersionsCommand({ Bucket, VersionIdMarker: ids[3] })))).name).toBe('InvalidArgument')
  })

  test('conditions look at the latest version, and a marker is no object', async () => {
    const client = sdk(await start(versioned))
    await put(client, 'k', 'v')
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect((await failure(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', IfMatch: md5('v') })))).status).toBe(404)
    expect((await failure(client.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch: md5('v') })))).status).toBe(412)
    expect((await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', IfNoneMatch: '*' }))).VersionId).toBeDefined()
  })
})

describe('DeleteObjects', () => {
  test('deletes what is there and what is not, verbosely or quietly', async () => {
    const server = await start()
    const client = sdk(server)
    const exotic = ["b c!$&'()+,;=@é<>", '../x', ' blank ', 'a//b', '%41', 'line\nbreak', '"', ']]>']
    for (const Quiet of [true, false]) {
      for (const Key of exotic) await put(client, Key, 'v')
      const answer = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet, Objects: [...exotic, 'none'].map((Key) => ({ Key })) } }))
      expect(answer.Errors).toBeUndefined()
      expect(answer.Deleted?.map((item) => item.Key)).toEqual(Quiet ? undefined : [...exotic, 'none'])
      expect(server.storage.bucket(Bucket).keys.length).toBe(0)
    }
  })

  test('by version id, with markers told', async () => {
    const server = await start(versioned)
    const client = sdk(server)
    const id = await put(client, 'k', 'v')
    const first = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'k' }] } }))
    const marker = first.Deleted?.[0]?.DeleteMarkerVersionId
    expect(first.Deleted).toEqual([{ Key: 'k', DeleteMarker: true, DeleteMarkerVersionId: marker }])
    const second = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'k', VersionId: id }, { Key: 'k', VersionId: marker }] } }))
    expect(second.Deleted).toEqual([{ Key: 'k', VersionId: id }, { Key: 'k', VersionId: marker, DeleteMarker: true, DeleteMarkerVersionId: marker }])
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })

  test('one that fails is told, the others go', async () => {
    const server = await start()
    const client = sdk(server)
    for (const key of ['a', 'b']) await put(client, key, key)
    const answer = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'a', ETag: '"other"' }, { Key: 'x'.repeat(1025) }, { Key: 'b', ETag: md5('b') }] } }))
    expect(answer.Errors?.map((item) => item.Code)).toEqual(['PreconditionFailed', 'KeyTooLongError'])
    expect(answer.Deleted?.map((item) => item.Key)).toEqual(['b'])
    expect(server.storage.bucket(Bucket).current('a')).toBeDefined()
  })

  const document = (objects: string) => `<Delete>${objects}</Delete>`
  test.each([
    ['no digest', document('<Object><Key>k</Key></Object>'), false, 'InvalidRequest'],
    ['nothing to delete', document(''), true, 'MalformedXML'],
    ['no XML', 'k', true, 'MalformedXML'],
    ['another document', '<Other/>', true, 'MalformedXML'],
    ['an object without a key', document('<Object/>'), true, 'MalformedXML'],
    ['1001 objects', document('<Object><Key>k</Key></Object>'.repeat(1001)), true, 'MalformedXML'],
    ['a field that is not implemented', document('<Object><Key>k</Key><Size>1</Size></Object>'), true, 'NotImplemented'],
    ['a Quiet that is neither', document('<Quiet>maybe</Quiet><Object><Key>k</Key></Object>'), true, 'MalformedXML'],
  ])('%s: refused, nothing is deleted', async (_, body, digest, code) => {
    const server = await start()
    await put(sdk(server), 'k', 'v')
    const headers: Record<string, string> = digest ? { 'content-md5': Buffer.from(md5(body), 'hex').toString('base64') } : {}
    const reply = await signedAsk(server, { method: 'POST', target: '/box?delete', headers, body })
    expect([reply.code, server.storage.bucket(Bucket).keys.length]).toEqual([code, 1])
  })

  test('1000 objects go in one request', async () => {
    const server = await start()
    const client = sdk(server)
    const keys = [...Array(1000).keys()].map((i) => `k${i}`)
    for (const key of keys) server.storage.bucket(Bucket).put(key, { body: inMemory(Buffer.from('v')), metadata: new Map(), headers: new Map(), publicRead: false, checksum: undefined })
    expect((await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }))).Deleted?.length).toBe(1000)
    expect(server.storage.bucket(Bucket).keys.length).toBe(0)
  })
})
