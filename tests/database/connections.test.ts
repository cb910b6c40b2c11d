/** How a remote can be given, and what is told when it can't be had. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { DirectoryConnection, HttpConnection, openEbooklet, ReadOnlyError, S3Connection, type S3ConnectionOptions } from '../../src/index.js'

const quick = { settle: 20, poll: 20 }
const quiet = { onWarning: () => undefined }
let server: S3Server
let folder: string

beforeAll(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  server = await startS3Server({ buckets: [{ name: 'bucket', publicRead: true }, { name: 'closed' }] })
  folder = await mkdtemp(join(tmpdir(), 'ebooklet-connections-'))
})
afterAll(async () => {
  vi.restoreAllMocks()
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

function s3(options: Partial<S3ConnectionOptions> = {}): S3Connection {
  const { endpoint, accessKeyId, secretAccessKey } = server
  return new S3Connection({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket', dbKey: 'a b/данные+%41?.blt', ...options })
}

async function fill(remote: S3Connection | string, numGroups: number | null = 3): Promise<void> {
  await using db = await openEbooklet<string>(remote, ':memory:', { flag: 'n', numGroups, lockTiming: quick })
  for (const key of ['one', 'two', 'a//b', '%41', 'q?x#y', '/lead', 'ü ', 'plus+']) db.set(key, `value of ${key}`)
  expect(await db.push()).toMatchObject({ ok: true })
}

async function read(remote: S3Connection | string | URL): Promise<Record<string, unknown>> {
  await using db = await openEbooklet(remote, ':memory:', quiet)
  const found: Record<string, unknown> = {}
  for await (const [key, value] of db) found[key] = value
  return found
}

const content = Object.fromEntries(['one', 'two', 'a//b', '%41', 'q?x#y', '/lead', 'ü ', 'plus+'].map((key) => [key, `value of ${key}`]))

describe('ways to give a remote', () => {
  it.each([3, null])('S3Connection, by its own credentials and by public URL (%s groups)', async (numGroups) => {
    await fill(s3(), numGroups)
    expect(await read(s3())).toEqual(content)
    const dbUrl = `${server.endpoint}/bucket/a%20b/${encodeURIComponent('данные+%41?.blt')}`
    expect(await read(dbUrl)).toEqual(content)
    expect(await read(new URL(dbUrl))).toEqual(content)
    server.clearLog()
    expect(await read(s3({ dbUrl, accessKeyId: 'nobody', secretAccessKey: 'nothing' }))).toEqual(content)
  })

  it('s3:// URL, with the credentials and the endpoint of the environment', async () => {
    await fill(s3({ dbKey: 'plain.blt' }))
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.secretAccessKey)
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint)
    try {
      expect(await read('s3://bucket/plain.blt')).toEqual(content)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('file:// URL and DirectoryConnection', async () => {
    const url = pathToFileURL(join(folder, 'Shared data.blt')).href
    await fill(url)
    expect(await read(url)).toEqual(content)
    expect(new DirectoryConnection(join(folder, 'Shared data.blt')).dbKey).toBe('Shared data.blt')
  })

  it('refuses what is none', async () => {
    for (const remote of ['ftp://x/y', 'bucket/key', '', 's3://bucket', 's3://', 'https://', 42, null, undefined, {}]) {
      await expect(openEbooklet(remote as string, ':memory:')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(() => s3({ bucket: '' })).toThrow(/bucket/)
    expect(() => s3({ dbKey: '' })).toThrow(/key/)
    expect(() => new S3Connection({ bucket: 'b', dbKey: 'd', accessKeyId: 'half' })).toThrow(/both/)
  })
})

describe('a remote that can not be had', () => {
  it('says that credentials are wrong', async () => {
    for (const options of [{ secretAccessKey: 'wrong-secret' }, { accessKeyId: 'NOBODY' }]) {
      await expect(openEbooklet(s3(options), ':memory:', { flag: 'c', lockTiming: quick })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
      await expect(openEbooklet(s3(options), ':memory:')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    }
    await expect(openEbooklet(`${server.endpoint}/closed/db.blt`, ':memory:')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })

  it('says that the bucket is missing', async () => {
    for (const flag of ['r', 'c'] as const) {
      await expect(openEbooklet(s3({ bucket: 'nowhere' }), ':memory:', { flag, lockTiming: quick })).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND' })
    }
    const missing = pathToFileURL(join(folder, 'no', 'such', 'folder', 'db.blt')).href
    await expect(openEbooklet(missing, ':memory:', { flag: 'c', lockTiming: quick })).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND' })
  })

  it('says that nobody is there, within seconds', async () => {
    const gone = await startS3Server({ buckets: [] })
    const { endpoint } = gone
    await gone.close()
    const start = performance.now()
    await expect(openEbooklet(s3({ endpoint }), ':memory:')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(performance.now() - start).toBeLessThan(30_000)
  })

  it('does not write over a public URL', async () => {
    await fill(s3({ dbKey: 'plain.blt' }))
    await expect(openEbooklet(`${server.endpoint}/bucket/plain.blt`, ':memory:', { flag: 'w' })).rejects.toThrow(ReadOnlyError)
  })

  it('refuses an object that is no database', async () => {
    await using db = await openEbooklet(s3({ dbKey: 'outer.blt' }), ':memory:', { flag: 'c', numGroups: null, lockTiming: quick })
    db.set('inner', 'x')
    await db.push()
    await expect(openEbooklet(s3({ dbKey: 'outer.blt/inner' }), ':memory:')).rejects.toMatchObject({ code: expect.stringMatching(/FORMAT|UNSUPPORTED/) as string })
  })
})

describe('secrets', () => {
  it('show nowhere: JSON, inspection, errors', async () => {
    const secret = 'S3cr3t-of-the-test/+x'
    const remote = s3({ secretAccessKey: secret, sessionToken: `token-${secret}` })
    const error: unknown = await openEbooklet(remote, ':memory:').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Error)
    const shown = [JSON.stringify(remote), String(remote.name)]
    for (const thing of [remote, error]) shown.push(inspect(thing, { depth: Infinity, showHidden: true, getters: true }), JSON.stringify(thing))
    for (let cause = error; cause instanceof Error; cause = cause.cause) shown.push(cause.message, cause.stack ?? '')
    for (const text of shown) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(encodeURIComponent(secret))
    }
    const url = new HttpConnection(`${server.endpoint.replace('http://', 'http://user:hidden-password@')}/bucket/x.blt`)
    expect(inspect(url, { depth: Infinity, showHidden: true }) + url.name + JSON.stringify(url)).not.toContain('hidden-password')
  })
})
