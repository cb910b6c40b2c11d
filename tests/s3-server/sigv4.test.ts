import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { authenticate } from '../../dev/s3-server/auth.js'
import { decodeChunks } from '../../dev/s3-server/chunked.js'
import { S3Error } from '../../dev/s3-server/errors.js'
import { scopeText, signingKey } from '../../dev/s3-server/sigv4.js'
import { parseTarget } from '../../dev/s3-server/target.js'

interface Golden {
  access_key: string
  secret: string
  region: string
  now: string
  cases: { method: string; url: string; headers_out: Record<string, string> }[]
}

const { sigv4 } = JSON.parse(readFileSync(new URL('../fixtures/golden/vectors.json', import.meta.url), 'utf8')) as { sigv4: Golden }

/* Signs in as the server would see it. */
function check(method: string, url: string, headers: Record<string, string>, secret: string, now: number, region = sigv4.region, key = sigv4.access_key) {
  const [, target = '/'] = /^https?:\/\/[^/]+(.*)$/.exec(url) ?? []
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return authenticate(method, parseTarget(target, undefined, []), lower, { credentials: new Map([[key, { accessKeyId: key, secretAccessKey: secret }]]), region, now })
}

describe('requests signed by the Python original', () => {
  const now = Date.parse(sigv4.now)
  test.each(sigv4.cases.map((golden) => [`${golden.method} ${golden.url}`, golden] as const))('%s', (_, golden) => {
    const { method, url, headers_out: headers } = golden
    expect(check(method, url, headers, sigv4.secret, now).credential?.accessKeyId).toBe(sigv4.access_key)
    expect(() => check(method, url, headers, `${sigv4.secret}x`, now)).toThrow(S3Error)
    expect(() => check(method, `${url}x`, headers, sigv4.secret, now)).toThrow(/signature/)
    expect(() => check('OPTIONS', url, headers, sigv4.secret, now)).toThrow(/signature/)
  })
})

/* The examples of the S3 API reference, "Signature Calculations": the same key pair and time in each. */
const example = { key: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', now: Date.parse('2013-05-24T00:00:00Z') }
const scope = '20130524/us-east-1/s3/aws4_request'
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('the published examples', () => {
  const run = (method: string, target: string, headers: Record<string, string>, secret = example.secret, now = example.now) =>
    check(method, `https://examplebucket.s3.amazonaws.com${target}`, { host: 'examplebucket.s3.amazonaws.com', ...headers }, secret, now, 'us-east-1', example.key)

  test('GET with a range', () => {
    const headers = {
      range: 'bytes=0-9',
      'x-amz-content-sha256': empty,
      'x-amz-date': '20130524T000000Z',
      authorization: `AWS4-HMAC-SHA256 Credential=${example.key}/${scope},SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41`,
    }
    expect(run('GET', '/test.txt', headers).payloadHash).toBe(empty)
    expect(() => run('GET', '/test.txt', { ...headers, range: 'bytes=0-8' })).toThrow(/signature/)
  })

  test('a presigned URL, until it expires', () => {
    const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${example.key}/${scope}`)}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`
    expect(run('GET', `/test.txt?${query}`, {}).payloadHash).toBe('UNSIGNED-PAYLOAD')
    expect(run('GET', `/test.txt?${query}`, {}, example.secret, example.now + 86_400_000).payloadHash).toBe('UNSIGNED-PAYLOAD')
    expect(() => run('GET', `/test.txt?${query}`, {}, example.secret, example.now + 86_401_000)).toThrow('Request has expired')
    expect(() => run('GET', `/test.txt?${query}`, {}, example.secret, example.now - 901_000)).toThrow('not yet valid')
    expect(() => run('GET', `/test.txt?${query.replace('86400', '86399')}`, {})).toThrow(/signature/)
  })

  const parts = [65_536, 1024, 0]
  const signatures = ['ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9']
  const chunked = (given: readonly string[]) => Buffer.from(parts.map((size, i) => `${size.toString(16)};chunk-signature=${given[i]}\r\n${'a'.repeat(size)}\r\n`).join(''))
  const fields = { date: '20130524', region: 'us-east-1', service: 's3' }
  const signing = { key: signingKey(example.secret, fields), scope: scopeText(fields), amzDate: '20130524T000000Z', seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9' }

  test('an upload in signed chunks', () => {
    expect(decodeChunks(chunked(signatures), { signing, trailer: false, decodedLength: 66_560 }).bytes.equals(Buffer.alloc(66_560, 'a'))).toBe(true)
  })

  test.each([0, 1, 2])('a wrong signature of chunk %i', (index) => {
    const wrong = signatures.map((text, i) => (i === index ? text.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) : text))
    expect(() => decodeChunks(chunked(wrong), { signing, trailer: false, decodedLength: 66_560 })).toThrow('signature of a chunk')
  })
})
