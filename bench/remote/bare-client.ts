/** The floor: the HTTP client that the library uses too (undici), with a signature and nothing else. */
import { createHash, createHmac } from 'node:crypto'
import { Pool } from 'undici'
import type { Place } from './lab.js'

export interface BareObject {
  key: string
  body: Uint8Array
}

/** What to read: a whole object or a range of it. */
export interface BareRead {
  key: string
  range?: { offset: number; length: number }
}

/** As many connections as the library opens by default. */
const connections = 16

export class BareClient {
  readonly #pool: Pool
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
    this.#pool = new Pool(place.endpoint, { connections })
  }

  /** PUTs them all, side by side; returns how many bytes that were. */
  async put(objects: readonly BareObject[]): Promise<number> {
    await eachOf(objects, async ({ key, body }) => void (await this.#request('PUT', key, body)))
    return objects.reduce((sum, { body }) => sum + body.length, 0)
  }

  /** GETs them all, side by side; returns the bodies. */
  async get(reads: readonly BareRead[]): Promise<Uint8Array[]> {
    const bodies: Uint8Array[] = []
    await eachOf(reads, async ({ key, range }, at) => {
      const headers: Record<string, string> = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {}
      bodies[at] = await this.#request('GET', key, undefined, headers)
    })
    return bodies
  }

  /** Asks whether an object still has an ETag; returns the status. */
  async isUnchanged(key: string, etag: string): Promise<boolean> {
    return (await this.#request('GET', key, undefined, { 'if-none-match': etag }, [304])).length === 0
  }

  async etagOf(key: string): Promise<string> {
    let etag = ''
    await this.#request('HEAD', key, undefined, {}, [200], (headers) => (etag = String(headers['etag'])))
    return etag
  }

  /** Keys that start with a prefix. */
  async list(prefix: string): Promise<string[]> {
    const keys: string[] = []
    for (let after = ''; ; after = keys.at(-1)!) {
      const query = `list-type=2&prefix=${encodeURIComponent(prefix)}${after === '' ? '' : `&start-after=${encodeURIComponent(after)}`}`
      const page = Buffer.from(await this.#request('GET', '', undefined, {}, [200], undefined, query)).toString()
      const found = [...page.matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1]!)
      keys.push(...found)
      if (!page.includes('<IsTruncated>true')) return keys
    }
  }

  async remove(prefix: string): Promise<void> {
    await eachOf(await this.list(prefix), async (key) => void (await this.#request('DELETE', key, undefined, {}, [204])))
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  async #request(method: 'GET' | 'HEAD' | 'PUT' | 'DELETE', key: string, body?: Uint8Array, extra: Readonly<Record<string, string>> = {}, accept: readonly number[] = [200, 206], seen?: (headers: Record<string, string | string[] | undefined>) => void, query = ''): Promise<Uint8Array> {
    const path = `/${this.#place.bucket}${key === '' ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`}`
    const headers = { ...extra, ...this.#signature(method, path, query, body) }
    const answer = await this.#pool.request({ method, path: query === '' ? path : `${path}?${query}`, headers, body: body ?? null })
    const bytes = await answer.body.bytes()
    if (!accept.includes(answer.statusCode)) throw new Error(`${method} ${path}: ${answer.statusCode} ${Buffer.from(bytes).toString()}`)
    seen?.(answer.headers)
    return bytes
  }

  /* AWS Signature Version 4, the body included, as the library does where no TLS protects it. */
  #signature(method: string, path: string, query: string, body: Uint8Array | undefined): Record<string, string> {
    const { endpoint, accessKeyId, secretAccessKey } = this.#place
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`
    const hash = createHash('sha256').update(body ?? '').digest('hex')
    const signed = 'host;x-amz-content-sha256;x-amz-date'
    const canonical = [method, path, query.split('&').sort().join('&'), `host:${new URL(endpoint).host}`, `x-amz-content-sha256:${hash}`, `x-amz-date:${time}`, '', signed, hash].join('\n')
    const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
    let secret: string | Buffer = `AWS4${secretAccessKey}`
    for (const part of scope.split('/')) secret = createHmac('sha256', secret).update(part).digest()
    const signature = createHmac('sha256', secret).update(toSign).digest('hex')
    return { 'x-amz-content-sha256': hash, 'x-amz-date': time, authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}` }
  }
}

async function eachOf<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const at = next++
      await work(items[at]!, at)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
}
