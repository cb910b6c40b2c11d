/** An S3 server in a process of its own, reached directly and through a proxy that makes the network slow. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Helper } from './process.js'
import type { SlowLink } from './proxy.js'

/** A bucket, and who may write there. */
export interface Place {
  endpoint: string
  accessKeyId: string
  secretAccessKey: string
  bucket: string
}

export interface Lab extends AsyncDisposable {
  /** The bucket without anything in between. */
  readonly direct: Place
  /** The same bucket by a slower way. */
  through(link: SlowLink): Promise<Place>
  /** A path where no file is yet. */
  freshPath(): string
}

/** @param maxBytes that the server holds at most */
export async function openLab(maxBytes = 4 * 2 ** 30): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'ebooklet-bench-'))
  const server = Helper.script('dev/s3-server/main.ts', '--bucket', 'bench', '--max-bytes', maxBytes, '--stdin')
  const helpers = [server]
  const { endpoint, accessKeyId, secretAccessKey } = await server.answer<Place>()
  const direct = { endpoint, accessKeyId, secretAccessKey, bucket: 'bench' }
  let files = 0
  return {
    direct,
    async through({ delay, bandwidth }) {
      const proxy = Helper.script('bench/remote/proxy-main.ts', new URL(endpoint).port, delay, bandwidth)
      helpers.push(proxy)
      const { port } = await proxy.answer<{ port: number }>()
      return { ...direct, endpoint: `http://127.0.0.1:${port}` }
    },
    freshPath: () => join(folder, `file${files++}.blt`),
    async [Symbol.asyncDispose]() {
      for (const helper of helpers.reverse()) await helper.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
