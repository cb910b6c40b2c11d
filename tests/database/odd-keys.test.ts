/** Keys that a URL or a path would take for something else: in per-key mode each names its own object, or is refused. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { openEbooklet, S3Connection, type Ebooklet, type RemoteConnection } from '../../src/index.js'
import { UnsupportedKeyError } from '../../src/store/index.js'

const oddKeys = ['../x', 'x', 'a//b', 'a/b', '.', '..', './x', 'a/../b', '%41', 'A', '%2e%2e/x', 'q?x#y', 'q', '', '/', '/lead', 'lead', 'trail', 'trail/', 'a\\b', 'plus+', 'plus ', 'é', 'e\u0301', '\u{1f600}', 'CON', '_metadata', '_writable_probe_1']

const quick = { lockTiming: { settle: 5, poll: 5 }, onWarning: () => undefined }
const content = new Map(oddKeys.map((key, at) => [key, `value ${String(at)} of ${key}`]))

let server: S3Server
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ebooklet-odd-'))
  server = await startS3Server({ buckets: [{ name: 'bucket', publicRead: true }] })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

function s3(dbKey: string): S3Connection {
  const { endpoint, accessKeyId, secretAccessKey } = server
  return new S3Connection({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket', dbKey })
}

function open(remote: RemoteConnection | string, flag: 'r' | 'n' | 'w', path = ':memory:'): Promise<Ebooklet<string>> {
  return openEbooklet<string>(remote, path, { ...quick, flag, ...(flag === 'n' ? { numGroups: null, valueSerializer: 'str' as const } : {}) })
}

/** What a reader with nothing local gets for each key: its value, or the error that refuses it. */
async function readEach(remote: RemoteConnection | string): Promise<Map<string, string | Error | undefined>> {
  await using db = await open(remote, 'r')
  const found = new Map<string, string | Error | undefined>()
  for (const key of db.keys()) found.set(key, await db.get(key).catch((error: unknown) => error as Error))
  return found
}

describe('odd keys, one object each', () => {
  it('name their own objects on S3, and can be changed and deleted one by one', async () => {
    const remote = s3('f/db.blt')
    await using db = await open(remote, 'n')
    db.update(content)
    expect(await db.push()).toMatchObject({ ok: true })
    const bucket = server.storage.bucket('bucket')
    for (const [key, value] of content) expect(bucket.current(`f/db.blt/${key}`)?.body.read().toString(), key).toBe(value)
    expect(await readEach(remote)).toEqual(content)
    expect(db.delete('../x')).toBe(true)
    expect(db.delete('.')).toBe(true)
    db.set('a//b', 'changed')
    expect(await db.push()).toMatchObject({ ok: true, leftovers: [] })
    const left = new Map(content).set('a//b', 'changed')
    left.delete('../x')
    left.delete('.')
    expect(await readEach(remote)).toEqual(left)
    expect(bucket.current('f/db.blt/../x')).toBeUndefined()
  })

  it('are read by public URL, each its own value, or refused', async () => {
    const remote = s3('f/public.blt')
    await using db = await open(remote, 'n')
    db.update(content)
    await db.push()
    const refused: string[] = []
    for (const [key, found] of await readEach(`${server.endpoint}/bucket/f/public.blt`)) {
      if (found instanceof Error) {
        expect(found, key).toBeInstanceOf(UnsupportedKeyError)
        refused.push(key)
      } else expect(found, key).toBe(content.get(key))
    }
    // No URL can name these: clients and servers resolve the dots.
    for (const key of refused) expect(key.split('/')).toEqual(expect.arrayContaining([expect.stringMatching(/^\.\.?$/)]))
  })

  it('are files of their own in a folder, or refused, and then only those', async () => {
    const remote = pathToFileURL(join(folder, 'db.blt')).href
    await using db = await open(remote, 'n')
    db.update(content)
    const { failures, written } = await db.push()
    const refused = failures.flatMap(({ keys, error }) => {
      expect(error).toBeInstanceOf(UnsupportedKeyError)
      return keys
    })
    expect([...written, ...refused].sort()).toEqual([...oddKeys].sort())
    const kept = new Map([...content].filter(([key]) => !refused.includes(key)))
    expect(kept.size).toBeGreaterThan(10)
    expect(await readEach(remote)).toEqual(kept)
    expect(db.changes().size).toBe(refused.length)
  })
})
