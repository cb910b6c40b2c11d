import { DeleteBucketPolicyCommand, GetBucketCorsCommand, GetBucketPolicyCommand, PutBucketAclCommand, PutBucketCorsCommand, PutBucketPolicyCommand, PutObjectAclCommand, PutObjectCommand, type CORSRule } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import type { S3Server } from '../../dev/s3-server/index.js'
import { ask, failure, sdk, start } from './harness.js'

const Bucket = 'box'
const statement = (action: string | string[], resource: string | string[]) => ({ Effect: 'Allow', Principal: '*', Action: action, Resource: resource })
const policy = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements })
const arn = `arn:aws:s3:::${Bucket}`

async function readable(server: S3Server, targets: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const target of targets) if ((await ask(server, { target })).status === 200) found.push(target)
  return found
}

describe('bucket policies', () => {
  const targets = ['/box/pub/x', '/box/pub', '/box/pubx', '/box/exact', '/box?list-type=2']

  test('open what they name to everybody, until they go', async () => {
    const server = await start()
    const client = sdk(server)
    for (const Key of ['pub/x', 'pub', 'pubx', 'exact']) await client.send(new PutObjectCommand({ Bucket, Key, Body: 'v' }))
    expect(await readable(server, targets)).toEqual([])
    const Policy = policy(statement('s3:GetObject', [`${arn}/pub/*`, `${arn}/exact`]))
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    expect(await readable(server, targets)).toEqual(['/box/pub/x', '/box/exact'])
    expect((await client.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toBe(Policy)
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy: policy({ ...statement(['s3:ListBucket', 's3:GetObject'], [arn, `${arn}/*`]), Principal: { AWS: ['*'] } }) }))
    expect(await readable(server, targets)).toEqual(targets)
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(statement('s3:ListBucket', arn)) }))
    expect(await readable(server, targets)).toEqual(['/box?list-type=2'])
    await client.send(new DeleteBucketPolicyCommand({ Bucket }))
    expect(await readable(server, targets)).toEqual([])
    expect((await failure(client.send(new GetBucketPolicyCommand({ Bucket })))).name).toBe('NoSuchBucketPolicy')
  })

  test.each([
    ['{', 'MalformedPolicy'],
    ['[]', 'MalformedPolicy'],
    ['{"Statement":[]}', 'MalformedPolicy'],
    [policy(statement('s3:GetObject', 'arn:aws:s3:::other/*')), 'MalformedPolicy'],
    [policy(statement('s3:GetObject', arn)), 'MalformedPolicy'],
    [policy(statement('s3:ListBucket', `${arn}/*`)), 'MalformedPolicy'],
    [policy(statement('s3:*', `${arn}/*`)), 'NotImplemented'],
    [policy(statement('s3:PutObject', `${arn}/*`)), 'NotImplemented'],
    [policy(statement('s3:GetObject', `${arn}/a*b`)), 'NotImplemented'],
    [policy({ ...statement('s3:GetObject', `${arn}/*`), Effect: 'Deny' }), 'NotImplemented'],
    [policy({ ...statement('s3:GetObject', `${arn}/*`), Principal: { AWS: 'arn:aws:iam::1:root' } }), 'NotImplemented'],
    [policy({ ...statement('s3:GetObject', `${arn}/*`), Condition: {} }), 'NotImplemented'],
  ])('%s: %s, and nothing is open', async (Policy, name) => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'pub/x', Body: 'v' }))
    expect((await failure(client.send(new PutBucketPolicyCommand({ Bucket, Policy })))).name).toBe(name)
    expect(await readable(server, targets)).toEqual([])
  })
})

describe('canned ACLs', () => {
  test('public-read on an object, at the PUT or later', async () => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'open', Body: 'v', ACL: 'public-read' }))
    await client.send(new PutObjectCommand({ Bucket, Key: 'shut', Body: 'v' }))
    expect(await readable(server, ['/box/open', '/box/shut'])).toEqual(['/box/open'])
    await client.send(new PutObjectAclCommand({ Bucket, Key: 'shut', ACL: 'public-read' }))
    await client.send(new PutObjectAclCommand({ Bucket, Key: 'open', ACL: 'private' }))
    expect(await readable(server, ['/box/open', '/box/shut'])).toEqual(['/box/shut'])
    // The next PUT says anew who may read.
    await client.send(new PutObjectCommand({ Bucket, Key: 'shut', Body: 'w' }))
    expect(await readable(server, ['/box/open', '/box/shut'])).toEqual([])
  })

  test('public-read on a bucket opens its listing, not its objects; other ACLs are not implemented', async () => {
    const server = await start()
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    await client.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }))
    expect(await readable(server, ['/box', '/box/k'])).toEqual(['/box'])
    expect((await failure(client.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' })))).name).toBe('NotImplemented')
    expect((await failure(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', ACL: 'authenticated-read' })))).name).toBe('NotImplemented')
    expect((await failure(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', GrantRead: 'id=x' })))).name).toBe('NotImplemented')
  })
})

describe('CORS', () => {
  const rules: CORSRule[] = [
    { AllowedOrigins: ['https://app.example'], AllowedMethods: ['GET', 'PUT'], AllowedHeaders: ['Authorization', 'x-amz-*'], ExposeHeaders: ['ETag', 'x-amz-meta-init_bytes'], MaxAgeSeconds: 300 },
    { AllowedOrigins: ['https://*.wild.example', 'null', 'x://a*a'], AllowedMethods: ['GET'] },
  ]

  async function prepared(CORSRules = rules) {
    const server = await start({ buckets: [{ name: Bucket, publicRead: true }] })
    const client = sdk(server)
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
    return { server, client }
  }
  const preflight = (server: S3Server, headers: Record<string, string>, target = '/box/k') => ask(server, { method: 'OPTIONS', target, headers })

  test('the configuration comes back as it was put', async () => {
    const { client } = await prepared()
    expect((await client.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toEqual(rules)
  })

  test('a preflight that fits a rule is told what is allowed', async () => {
    const { server } = await prepared()
    const reply = await preflight(server, { origin: 'https://app.example', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization, X-Amz-Date' })
    expect([reply.status, reply.headers]).toMatchObject([
      200,
      {
        'access-control-allow-origin': 'https://app.example',
        'access-control-allow-methods': 'GET, PUT',
        'access-control-allow-headers': 'authorization, x-amz-date',
        'access-control-expose-headers': 'ETag, x-amz-meta-init_bytes',
        'access-control-max-age': '300',
        'access-control-allow-credentials': 'true',
        vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
      },
    ])
    expect(server.log.at(-1)).toMatchObject({ op: 'Preflight', key: 'k', status: 200 })
  })

  test.each<[string, Record<string, string>, number]>([
    ['another origin', { origin: 'https://evil.example', 'access-control-request-method': 'GET' }, 403],
    ['an origin that only begins the same', { origin: 'https://app.example.evil', 'access-control-request-method': 'GET' }, 403],
    ['a method that is not allowed', { origin: 'https://app.example', 'access-control-request-method': 'DELETE' }, 403],
    ['a header that is not allowed', { origin: 'https://app.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' }, 403],
    ['a wildcard with nothing before the dot', { origin: 'https://.wild.example', 'access-control-request-method': 'GET' }, 200],
    ['a wildcard', { origin: 'https://a.wild.example', 'access-control-request-method': 'GET' }, 200],
    ['a wildcard too short', { origin: 'https://wild.example', 'access-control-request-method': 'GET' }, 403],
    ['an origin in which both ends of a wildcard would overlap', { origin: 'x://a', 'access-control-request-method': 'GET' }, 403],
    ['no origin', { 'access-control-request-method': 'GET' }, 400],
    ['no method', { origin: 'https://app.example' }, 400],
    ['no such method', { origin: 'https://app.example', 'access-control-request-method': 'BREW' }, 400],
  ])('a preflight with %s', async (_, headers, status) => {
    const { server } = await prepared()
    const reply = await preflight(server, headers)
    expect([reply.status, reply.headers['access-control-allow-origin']]).toEqual([status, status === 200 ? headers.origin : undefined])
  })

  test('answers carry the headers for origins that may see them, errors too', async () => {
    const { server } = await prepared()
    const get = async (target: string, origin?: string) => {
      const reply = await ask(server, { target, headers: origin === undefined ? {} : { origin } })
      return [reply.status, reply.headers['access-control-allow-origin'], reply.headers['access-control-expose-headers']]
    }
    expect(await get('/box/k', 'https://app.example')).toEqual([200, 'https://app.example', 'ETag, x-amz-meta-init_bytes'])
    expect(await get('/box/none', 'https://app.example')).toEqual([404, 'https://app.example', 'ETag, x-amz-meta-init_bytes'])
    expect(await get('/box/k', 'https://evil.example')).toEqual([200, undefined, undefined])
    expect(await get('/box/k')).toEqual([200, undefined, undefined])
  })

  test('an open rule answers with a star, without credentials', async () => {
    const { server } = await prepared([{ AllowedOrigins: ['*'], AllowedMethods: ['GET'] }])
    const reply = await ask(server, { target: '/box/k', headers: { origin: 'https://any.example' } })
    expect([reply.headers['access-control-allow-origin'], reply.headers['access-control-allow-credentials']]).toEqual(['*', undefined])
  })

  test('a bucket without rules allows nobody; the option of the server makes rules', async () => {
    const server = await start({ buckets: [Bucket, { name: 'open', publicRead: true, cors: true }] })
    const headers = { origin: 'https://any.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' }
    expect((await preflight(server, headers)).code).toBe('AccessForbidden')
    expect((await preflight(server, headers, '/none/k')).code).toBe('NoSuchBucket')
    expect((await preflight(server, headers, '/open/k')).headers['access-control-allow-origin']).toBe('*')
    expect((await ask(server, { target: '/open/k', headers: { origin: 'x' } })).headers['access-control-expose-headers']).toContain('x-amz-meta-init_bytes')
  })

  test.each<[CORSRule[], string]>([
    [[{ AllowedOrigins: ['*'], AllowedMethods: ['PATCH'] }], 'InvalidRequest'],
    [[{ AllowedOrigins: ['https://*.*.example'], AllowedMethods: ['GET'] }], 'InvalidRequest'],
    [[{ AllowedOrigins: ['*'], AllowedMethods: ['GET'], ExposeHeaders: ['x-amz-meta-*'] }], 'InvalidRequest'],
    [[{ AllowedOrigins: [], AllowedMethods: ['GET'] }], 'MalformedXML'],
    [[], 'MalformedXML'],
  ])('%j is refused', async (CORSRules, name) => {
    const client = sdk(await start())
    expect((await failure(client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } })))).name).toBe(name)
    expect((await failure(client.send(new GetBucketCorsCommand({ Bucket })))).name).toBe('NoSuchCORSConfiguration')
  })
})
