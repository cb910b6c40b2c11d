import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { HttpStore } from '../../src/store/http/http-store.js'
import { S3Store } from '../../src/store/s3/s3-store.js'
import { EXOTIC_KEYS } from './conformance.js'
import { rawServer } from './raw-server.js'

const text = (value: string) => new TextEncoder().encode(value)

describe('public HTTP store', () => {
  let server: S3Server
  let writer: S3Store
  let store: HttpStore
  const body = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)

  beforeAll(async () => {
    server = await startS3Server({ buckets: [{ name: 'pub', publicRead: true }] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    writer = new S3Store({ endpoint, bucket: 'pub', credentials: { accessKeyId, secretAccessKey } })
    store = new HttpStore({ url: `${endpoint}/pub/some%20dir/my%2541.blt` })
  })
  afterAll(async () => {
    await store.close()
    await writer.close()
    await server.close()
  })

  test('the key of the database is the last part of the URL, or what is said', () => {
    expect(store.dbKey).toBe('my%41.blt')
    expect(new HttpStore({ url: 'https://h/a/b.blt?x=1#y' }).dbKey).toBe('b.blt')
    expect(new HttpStore({ url: new URL('https://h/a/b.blt'), dbKey: 'a/b.blt' }).dbKey).toBe('a/b.blt')
    expect(store.writable).toBe(false)
  })

  test('reads whole objects, ranges, facts', async () => {
    const put = await writer.put('some dir/my%41.blt', body, { metadata: { init_bytes: 'x', format_version: '2' } })
    const got = await store.get(store.dbKey)
    expect(got).toMatchObject({ status: 'ok', bytes: body, offset: 0, info: { size: 1000, etag: put.etag, metadata: { init_bytes: 'x', format_version: '2' } } })
    expect(await store.head(store.dbKey)).toMatchObject({ status: 'ok', info: { size: 1000, etag: put.etag } })
    expect(await store.get(store.dbKey, { range: { offset: 10, length: 20 } })).toMatchObject({ offset: 10, bytes: body.slice(10, 30), info: { size: 1000 } })
    expect(await store.get(store.dbKey, { range: { offset: 990, length: 20 } })).toMatchObject({ bytes: body.slice(990) })
    expect(await store.get(store.dbKey, { range: { offset: 1000, length: 1 } })).toEqual({ status: 'range-not-satisfiable' })
    expect(await store.get(store.dbKey, { ifNoneMatch: put.etag })).toEqual({ status: 'not-modified' })
    expect(await store.head(store.dbKey, { ifNoneMatch: put.etag })).toEqual({ status: 'not-modified' })
    await expect(store.get(store.dbKey, { maxBytes: 999 })).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE' })
  })

  test('each exotic key is its own object, or refused', async () => {
    const root = 'some dir/my%41.blt/'
    for (const exotic of EXOTIC_KEYS) await writer.put(root + exotic, text(exotic))
    for (const exotic of EXOTIC_KEYS) {
      const key = `${store.dbKey}/${exotic}`
      if (exotic.split('/').some((part) => part === '.' || part === '..')) await expect(store.get(key), exotic).rejects.toMatchObject({ code: 'UNSUPPORTED_KEY' })
      else expect(await store.get(key), JSON.stringify(exotic)).toMatchObject({ status: 'ok', bytes: text(exotic) })
    }
  })

  test('what is missing, what is another database', async () => {
    expect(await store.get(`${store.dbKey}/none`)).toEqual({ status: 'missing' })
    expect(await store.head(`${store.dbKey}/none`)).toEqual({ status: 'missing' })
    await expect(store.get('other')).rejects.toMatchObject({ code: 'UNSUPPORTED_KEY' })
    const lost = new HttpStore({ url: `${server.endpoint}/nobucket/x` })
    await expect(lost.get('x')).rejects.toMatchObject({ code: expect.stringMatching(/BUCKET_NOT_FOUND|ACCESS_DENIED/) as string })
    await lost.close()
  })

  test('nothing can be written or listed', async () => {
    await expect(store.put(store.dbKey)).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' })
    await expect(store.delete()).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' })
    await expect(store.copy('a', 'b')).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' })
    for (const listing of [store.list(), store.listVersions()]) {
      await expect(listing[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' })
    }
  })

  test('signals and closing', async () => {
    const reason = new Error('stop')
    await expect(store.get(store.dbKey, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const other = new HttpStore({ url: `${server.endpoint}/pub/x` })
    await other.close()
    await other.close()
    await expect(other.get('x')).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(other.head('x')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('HTTP answers of the web', () => {
  test('the query goes with every request and is shown nowhere; user and password neither', async () => {
    await using server = await rawServer((_, response) => response.writeHead(500).end())
    const url = server.origin.replace('http://', 'http://user:hush-hush@')
    const store = new HttpStore({ url: `${url}/db.blt?token=top-secret` })
    const error: unknown = await store.get('db.blt/1.a').catch((cause: unknown) => cause)
    expect(server.requests[0]).toMatchObject({ target: '/db.blt/1.a?token=top-secret', headers: { authorization: `Basic ${btoa('user:hush-hush')}`, 'accept-encoding': 'identity' } })
    for (const shown of [inspect(store, { depth: Infinity, showHidden: true }), inspect(error, { depth: Infinity, showHidden: true }), JSON.stringify(store), store.name, (error as Error).stack]) {
      expect(shown).not.toMatch(/top-secret|hush-hush/)
    }
  })

  test.each(['not a url of top-secret', 'ftp://u:top-secret@h/x', 'https://h', 'https://h/', 'https://h/a/../b', 'https://h/a/%2e%2E/b'])('refused: %s', (url) => {
    expect(() => new HttpStore({ url })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.not.stringContaining('top-secret') as string }) as Error)
  })

  test('redirects are followed, also to another host, without the password', async () => {
    await using target = await rawServer((_, response) => response.end('there'))
    await using server = await rawServer((request, response) => {
      response.writeHead(302, { location: request.url === '/db' ? '/moved?x=1' : `${target.origin}/final` }).end()
    })
    const store = new HttpStore({ url: `${server.origin.replace('http://', 'http://u:p@')}/db` })
    expect(await store.get('db', { range: { offset: 0, length: 5 } })).toMatchObject({ status: 'ok', bytes: text('there') })
    expect(server.requests.map((request) => request.target)).toEqual(['/db', '/moved?x=1'])
    expect(target.requests[0]?.headers).toMatchObject({ range: 'bytes=0-4' })
    expect(target.requests[0]?.headers.authorization).toBeUndefined()
    await store.close()
  })

  test('redirects in circles, to nonsense, to another protocol', async () => {
    let location = '/db'
    await using server = await rawServer((_, response) => response.writeHead(301, { location }).end())
    const store = new HttpStore({ url: `${server.origin}/db` })
    await expect(store.get('db')).rejects.toThrow(/too many redirects/)
    for (location of ['http://', 'file:///etc/passwd', 'ftp://h/x']) await expect(store.get('db')).rejects.toMatchObject({ code: 'STORE_REQUEST' })
    await store.close()
  })

  test('a 200 to a range is cut, an encoded answer refused, a bare refusal explained', async () => {
    let answer: (response: ServerResponse) => void = (response) => response.end('0123456789')
    await using server = await rawServer((_, response) => answer(response))
    const store = new HttpStore({ url: `${server.origin}/db` })
    expect(await store.get('db', { range: { offset: 3, length: 4 } })).toMatchObject({ offset: 3, bytes: text('3456'), info: { size: 10, etag: '', lastModified: undefined } })
    answer = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
    await expect(store.get('db')).rejects.toThrow(/compression/)
    answer = (response) => response.writeHead(403).end()
    await expect(store.get('db')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    answer = (response) => response.writeHead(410).end()
    expect(await store.get('db')).toEqual({ status: 'missing' })
    answer = (response) => response.writeHead(503, { 'retry-after': '2' }).end()
    await expect(store.get('db')).rejects.toMatchObject({ code: 'STORE_REQUEST', status: 503, retryAfter: 2000 })
    answer = (response) => response.writeHead(304).end()
    await expect(store.get('db')).rejects.toMatchObject({ code: 'STORE_REQUEST', status: 304 })
    answer = (response) => response.writeHead(200, { etag: 'W/"weak"' }).end('x')
    expect(await store.get('db')).toMatchObject({ info: { etag: 'weak' } })
    await store.close()
  })

  test('plain http gives a warning, once per origin', async () => {
    await using server = await rawServer((_, response) => response.end())
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    for (let i = 0; i < 3; i++) await new HttpStore({ url: `${server.origin}/db?token=top-secret` }).get('db')
    const told = warn.mock.calls.filter(([message]) => String(message).includes(server.origin))
    warn.mockRestore()
    expect(told.length).toBe(1)
    expect(String(told[0]?.[0])).not.toContain('top-secret')
  })
})
