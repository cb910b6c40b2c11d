/** A copy takes as much memory as it was allowed, whatever the size of what it copies. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { DirectoryConnection, DirectoryStore, openEbooklet } from '../../src/index.js'
import { objectSource, putLarge, readInPieces, type LargeSource } from '../../src/store/transfer/index.js'

const MiB = 1024 * 1024
const size = 320 * MiB + 77
/** A process that did nothing but load this library takes about 130. */
const megabytes = 280
const child = fileURLToPath(new URL('copy-child.ts', import.meta.url))

/** Bytes of which no two parts are the same. */
const source: LargeSource = {
  size,
  read(offset, length) {
    const out = new Uint8Array(length)
    const words = new Uint32Array(out.buffer, 0, length >> 2)
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(offset + i, 2654435761)
    return out
  },
}

async function sumOf(root: string, key: string): Promise<string> {
  const store = new DirectoryStore({ root })
  const head = await store.head(key)
  if (head.status !== 'ok') throw new Error(`${key} is missing`)
  const hash = createHash('sha256')
  for await (const piece of readInPieces(objectSource(store, key, head.info))) hash.update(piece)
  await store.close()
  return hash.digest('hex')
}

async function copy(from: string, to: string): Promise<{ copied: { objects: number; bytes: number }; megabytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-old-space-size=96', '--import', 'tsx', child, from, to], { timeout: 120_000 })
  return JSON.parse(stdout) as Awaited<ReturnType<typeof copy>>
}

test('of 320 MB from a directory to S3 and back, in a process that has little', { timeout: 240_000 }, async () => {
  const root = await mkdtemp(join(tmpdir(), 'ebooklet-large-'))
  await using server = await startS3Server({ buckets: ['bucket'], maxBytes: 2 * 1024 * MiB })
  try {
    {
      await using db = await openEbooklet<number>(new DirectoryConnection(join(root, 'db.blt')), ':memory:', { flag: 'c', numGroups: null, lockTiming: { settle: 5, poll: 5 } })
      db.set('large', 1).set('small', 2)
      await db.push()
    }
    const store = new DirectoryStore({ root })
    const head = await store.head('db.blt/large')
    if (head.status !== 'ok') throw new Error('the value is missing')
    await putLarge(store, 'db.blt/large', source, { metadata: head.info.metadata })
    await store.close()
    const { endpoint, accessKeyId, secretAccessKey } = server
    const remote = JSON.stringify({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket', dbKey: 'copy.blt' })
    for (const [from, to] of [[join(root, 'db.blt'), remote], [remote, join(root, 'back.blt')]] as const) {
      const result = await copy(from, to)
      expect(result.copied).toEqual({ objects: 2, bytes: size + 1 })
      expect(result.megabytes).toBeLessThan(megabytes)
    }
    expect(await sumOf(root, 'back.blt/large')).toBe(await sumOf(root, 'db.blt/large'))
  } finally {
    await rm(root, { recursive: true })
  }
})
