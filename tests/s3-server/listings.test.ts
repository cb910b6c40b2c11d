import { inMemory } from '../../dev/s3-server/body.js'
import { ListObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../dev/s3-server/key-order.js'
import type { S3Server } from '../../dev/s3-server/index.js'
import { sdk, signedAsk, start } from './harness.js'

const Bucket = 'box'

/* Objects put straight into the storage: listings are what is tested here. */
function fill(server: S3Server, keys: Iterable<string>) {
  for (const key of keys) server.storage.bucket(Bucket).put(key, { body: inMemory(Buffer.from(key)), metadata: new Map(), headers: new Map(), publicRead: false, checksum: undefined })
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

test('keys are compared as their UTF-8 bytes', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u{7f}', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}'), maxLength: 5 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(byBytes(a, b))
    }),
  )
})

describe('ListObjectsV2', () => {
  test('pages of 1000, in order, each key once', async () => {
    const server = await start()
    const keys = [...Array(2345).keys()].map((i) => `list/${String(i).padStart(5, '0')}`)
    fill(server, [...keys, 'lisa', 'listz', 'list'])
    const client = sdk(server)
    const seen: string[] = []
    const sizes: number[] = []
    for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', ContinuationToken: token }))
      sizes.push(page.KeyCount ?? 0)
      seen.push(...(page.Contents ?? []).map((item) => item.Key ?? ''))
      token = page.NextContinuationToken
      expect(page.IsTruncated).toBe(token !== undefined)
    }
    expect(sizes).toEqual([1000, 1000, 345])
    expect(seen).toEqual(keys)
  })

  test('the entries say what HEAD says', async () => {
    const server = await start()
    fill(server, ['k'])
    const { Contents } = await sdk(server).send(new ListObjectsV2Command({ Bucket }))
    const version = server.storage.bucket(Bucket).current('k')
    expect(Contents).toEqual([{ Key: 'k', ETag: `"${version?.etag}"`, Size: 1, StorageClass: 'STANDARD', LastModified: new Date(version?.lastModified ?? 0) }])
  })

  test('start-after, whether such a key exists or not', async () => {
    const server = await start()
    fill(server, ['a', 'b', 'c'])
    const list = async (StartAfter: string) => (await sdk(server).send(new ListObjectsV2Command({ Bucket, StartAfter }))).Contents?.map((item) => item.Key)
    expect(await list('a')).toEqual(['b', 'c'])
    expect(await list('a!')).toEqual(['b', 'c'])
    expect(await list('c')).toBeUndefined()
  })

  test('a delimiter rolls keys up', async () => {
    const server = await start()
    fill(server, ['lisa', 'list', 'list/', 'list/1', 'list/2/3', 'listz', 'm/1'])
    const list = await sdk(server).send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'lis' }))
    expect([list.Contents?.map((item) => item.Key), list.CommonPrefixes, list.KeyCount]).toEqual([['lisa', 'list', 'listz'], [{ Prefix: 'list/' }], 4])
    const inside = await sdk(server).send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'list/' }))
    expect([inside.Contents?.map((item) => item.Key), inside.CommonPrefixes]).toEqual([['list/', 'list/1'], [{ Prefix: 'list/2/' }]])
  })

  test('encoding-type=url encodes as S3 does: a blank is a plus', async () => {
    const server = await start()
    fill(server, ['a b/c+d%20é*~<&>', 'ctl\u0001\r\n'])
    const text = (await signedAsk(server, { target: '/box?list-type=2&encoding-type=url&prefix=a%20' })).body.toString()
    expect(text).toContain('<Key>a+b/c%2Bd%2520%C3%A9*~%3C%26%3E</Key>')
    expect(text).toContain('<Prefix>a+</Prefix>')
    expect(text).toContain('<EncodingType>url</EncodingType>')
    expect((await signedAsk(server, { target: '/box?list-type=2&encoding-type=url&prefix=ctl' })).body.toString()).toContain('<Key>ctl%01%0D%0A</Key>')
    expect((await signedAsk(server, { target: '/box?list-type=2&prefix=ctl' })).body.toString()).toContain('<Key>ctl&#x1;&#xd;\n</Key>')
  })

  test.each([
    ['max-keys=x', 'InvalidArgument'],
    ['max-keys=-1', 'InvalidArgument'],
    ['encoding-type=base64', 'InvalidArgument'],
    ['continuation-token=bm9uc2Vuc2U%3D', 'InvalidArgument'],
    ['continuation-token=', 'InvalidArgument'],
    ['marker=a', 'NotImplemented'],
    ['something=else', 'NotImplemented'],
  ])('%s is refused', async (query, code) => {
    const server = await start()
    expect((await signedAsk(server, { target: `/box?list-type=2&${query}` })).code).toBe(code)
  })

  test('max-keys: 0 gives nothing, more than 1000 gives 1000', async () => {
    const server = await start()
    fill(server, [...Array(1001).keys()].map(String))
    const client = sdk(server)
    expect(await client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }))).toMatchObject({ KeyCount: 0, IsTruncated: false })
    expect(await client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 5000 }))).toMatchObject({ KeyCount: 1000, MaxKeys: 1000, IsTruncated: true })
  })
})

describe('any listing, page by page, against a model', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '-', '+', ' ', 'é', '\uffff', '\u{1f600}'), minLength: 1, maxLength: 6 })

  function model(keys: readonly string[], prefix: string, delimiter: string): string[] {
    const names = keys.filter((name) => name.startsWith(prefix)).map((name) => {
      const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
      return cut < 0 ? name : `${name.slice(0, cut + delimiter.length)}…`
    })
    return [...new Set(names)]
  }

  test('v2 by token, v1 by marker, versions by both markers', async () => {
    const server = await start({ buckets: [] })
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 14 }), fc.constantFrom('', 'a', 'a/', 'b-'), fc.constantFrom('', '/', 'b', '//'), fc.integer({ min: 1, max: 5 }), async (keys, prefix, delimiter, pageSize) => {
        const bucket = `box-${round++}`
        server.createBucket(bucket)
        const box = server.storage.bucket(bucket)
        for (const name of keys) box.put(name, { body: inMemory(Buffer.from('v')), metadata: new Map(), headers: new Map(), publicRead: false, checksum: undefined })
        const expected = model([...keys].sort(byBytes), prefix, delimiter)
        const query = `prefix=${encodeURIComponent(prefix)}&max-keys=${pageSize}&encoding-type=url${delimiter === '' ? '' : `&delimiter=${encodeURIComponent(delimiter)}`}`
        for (const kind of ['v2', 'v1', 'versions'] as const) expect(await walk(server, bucket, kind, query, pageSize)).toEqual([...expected].sort(byBytes))
      }),
      { numRuns: 60 },
    )
  })

  async function walk(server: S3Server, bucket: string, kind: 'v1' | 'v2' | 'versions', query: string, pageSize: number): Promise<string[]> {
    const seen: string[] = []
    const fixed = { v1: query, v2: `list-type=2&${query}`, versions: `versions&${query}` }[kind]
    let next = ''
    for (let pages = 0; pages < 40; pages++) {
      const text = (await signedAsk(server, { target: `/${bucket}?${fixed}${next}` })).body.toString()
      const names = [...text.matchAll(/<Key>([^<]*)<\/Key>|<CommonPrefixes><Prefix>([^<]*)<\/Prefix>/g)].map(([, name, rolled]) => (name === undefined ? `${decode(rolled)}…` : decode(name)))
      expect(names.length).toBeLessThanOrEqual(pageSize)
      seen.push(...names)
      if (!text.includes('<IsTruncated>true</IsTruncated>')) return seen.sort(byBytes)
      next = nextPage(kind, text, names)
    }
    throw new Error('the listing does not end')
  }

  const decode = (text = '') => decodeURIComponent(text.replaceAll('+', ' '))
  const tag = (text: string, name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]

  function nextPage(kind: 'v1' | 'v2' | 'versions', text: string, names: readonly string[]): string {
    if (kind === 'v2') return `&continuation-token=${encodeURIComponent(tag(text, 'NextContinuationToken') as string)}`
    if (kind === 'v1') return `&marker=${encodeURIComponent(text.includes('<NextMarker>') ? decode(tag(text, 'NextMarker')) : (names.at(-1) as string))}`
    const id = tag(text, 'NextVersionIdMarker')
    return `&key-marker=${encodeURIComponent(decode(tag(text, 'NextKeyMarker')))}${id === undefined ? '' : `&version-id-marker=${id}`}`
  }
})

test('ListObjects, the older one, names the owner and gives NextMarker with a delimiter', async () => {
  const server = await start()
  fill(server, ['a', 'b/1', 'b/2', 'c'])
  const client = sdk(server)
  const first = await client.send(new ListObjectsCommand({ Bucket, Delimiter: '/', MaxKeys: 2 }))
  expect(first).toMatchObject({ NextMarker: 'b/', IsTruncated: true, Contents: [{ Key: 'a', Owner: { ID: 'owner' } }], CommonPrefixes: [{ Prefix: 'b/' }] })
  expect((await client.send(new ListObjectsCommand({ Bucket, Delimiter: '/', Marker: 'b/' }))).Contents?.map((item) => item.Key)).toEqual(['c'])
  expect((await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 2 }))).NextMarker).toBeUndefined()
})
