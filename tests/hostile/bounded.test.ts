import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeGroup } from '../../src/format/group.js'
import { utf8Encode } from '../../src/base/bytes.js'
import { rawServer, type RawServer } from '../store/raw-server.js'
import { database, dbKey, indexOf, payload } from './remotes.js'

/*
 * What takes memory or time without end if it is believed, in a process of its own with little memory: it must end with
 * a typed error, soon.
 */
const SOON = 45_000
/** A process that did nothing but load this library takes about 130. */
const MEGABYTES = 400
const childPath = fileURLToPath(new URL('bounded-child.ts', import.meta.url))

let server: RawServer

/* Bytes for as long as the other end takes them. */
function endless(response: ServerResponse): void {
  // An answer to HEAD has no body: nothing would ever stop it.
  if (response.req.method === 'HEAD') return void response.end()
  const piece = new Uint8Array(1 << 18)
  const more = () => {
    while (!response.destroyed && response.write(piece));
  }
  response.on('drain', more)
  more()
}

beforeAll(async () => {
  const db = (await database({ numGroups: 1, valueSerializer: 'json' }, { k: 1 })).find(({ key }) => key === dbKey)!
  const headers = Object.fromEntries(Object.entries(db.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]))
  const { bytes: group } = encodeGroup([{ key: 'k', timestamp: 5, value: utf8Encode('1') }])
  const body = payload({ manifest: '{"0":"0123456789abc","1":"0123456789abc"}', meta: '', index: indexOf([['k', { timestamp: 5, offset: 18, length: 1 }]]) })
  server = await rawServer((request, response) => {
    const [, scenario, , object] = (request.url ?? '').split('/')
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    if (object === undefined) {
      if (scenario === 'endless-db') return endless(response.writeHead(200, headers))
      if (scenario === 'huge-db') return endless(response.writeHead(200, { ...headers, 'content-length': 2 ** 32 }))
      return response.writeHead(200, headers).end(body)
    }
    if (scenario === 'endless-group') return endless(response.writeHead(200))
    if (scenario === 'huge-group') return endless(response.writeHead(200, { 'content-length': 2 ** 40 }))
    if (scenario === 'long-range') return endless(response.writeHead(206, { 'content-range': `bytes ${range![1]}-${range![2]}/${2 ** 32}`, 'content-length': 2 ** 32 }))
    if (scenario === 'endless-range') return endless(response.writeHead(206, { 'content-range': `bytes ${range![1]}-${range![2]}/${2 ** 32}` }))
    return response.writeHead(200).end(group)
  })
})
afterAll(() => server[Symbol.asyncDispose]())

async function run(scenario: string): Promise<{ code: string; megabytes: number }> {
  const child = spawn(process.execPath, ['--max-old-space-size=128', '--import', 'tsx', childPath, scenario, server.origin], { stdio: ['ignore', 'pipe', 'pipe'], timeout: SOON, killSignal: 'SIGKILL' })
  let out = ''
  let complaint = ''
  child.stdout.on('data', (data) => (out += String(data)))
  child.stderr.on('data', (data) => (complaint += String(data)))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${complaint.slice(0, 2000)}`)
  return JSON.parse(out) as { code: string; megabytes: number }
}

test.each([
  ['none', 'ordinary'],
  ['REMOTE_TOO_LARGE', 'endless-db'],
  ['REMOTE_TOO_LARGE', 'huge-db'],
  ['RESPONSE_TOO_LARGE', 'endless-group'],
  ['RESPONSE_TOO_LARGE', 'huge-group'],
  ['RESPONSE_TOO_LARGE', 'long-range'],
  ['RESPONSE_TOO_LARGE', 'endless-range'],
  ['DESERIALIZATION', 'bomb'],
  ['DESERIALIZATION', 'deep-json'],
  ['DESERIALIZATION', 'deep-msgpack'],
  ['FORMAT', 'deep-xml'],
  ['FORMAT', 'many-buckets'],
  ['none', 'many-keys'],
  ['INVALID_ARGUMENT', 'init-buckets'],
  ['FORMAT', 'forged-clear'],
  ['FORMAT', 'long-values'],
])('%s for %s', { timeout: SOON + 10_000 }, async (code, scenario) => {
  const result = await run(scenario)
  expect(result.code).toBe(code)
  expect(result.megabytes).toBeLessThan(MEGABYTES)
})
