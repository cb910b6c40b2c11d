import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import { parseTarget } from '../../dev/s3-server/target.js'
import { ask, rawExchange, sign, signedAsk, start } from './harness.js'

/* Percent-encodes every byte, so that nothing between here and the server could take it for anything. */
const encoded = (key: string) => [...Buffer.from(key)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

describe('request targets', () => {
  // Target as sent, key that it means.
  const targets: [string, string][] = [
    ['../x', '../x'],
    ['..', '..'],
    ['.', '.'],
    ['./a/../b', './a/../b'],
    ['/lead', '/lead'],
    ['a//b', 'a//b'],
    ['//', '//'],
    ['a%2Fb', 'a/b'],
    ['%2e%2e', '..'],
    ['%2541', '%41'],
    ['q%3Fx%23y', 'q?x#y'],
    ['a+b', 'a+b'],
    ['a%2Bb', 'a+b'],
    ["!$&'()*,;=:@", "!$&'()*,;=:@"],
    ['%C3%A9', 'é'],
    ['back\\slash', 'back\\slash'],
    ['%00%01%7f', '\0\u0001\u007f'],
    ['%EF%BB%BFbom', '\ufeffbom'],
    ['%F0%9F%98%80', '😀'],
  ]

  test.each(targets)('%s is the key %j', async (target, key) => {
    const server = await start()
    const put = await signedAsk(server, { method: 'PUT', target: `/box/${target}`, body: key })
    expect(put.status).toBe(200)
    expect(server.storage.bucket('box').current(key)?.body.read().toString()).toBe(key)
    expect(server.storage.bucket('box').keys.length).toBe(1)
    const got = await signedAsk(server, { target: `/box/${encoded(key)}` })
    expect(got.body.toString()).toBe(key)
    expect(server.log.at(-1)).toMatchObject({ op: 'GetObject', bucket: 'box', key, status: 200 })
  })

  test('all of them are objects of their own', async () => {
    const server = await start()
    const keys = [...new Set(targets.map(([, key]) => key))]
    for (const key of keys) await signedAsk(server, { method: 'PUT', target: `/box/${encoded(key)}`, body: key })
    expect(server.storage.bucket('box').keys.length).toBe(keys.length)
    for (const key of keys) expect((await signedAsk(server, { target: `/box/${encoded(key)}` })).body.toString()).toBe(key)
  })

  test('any key survives the way through a target', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), fc.boolean(), (key, virtual) => {
        const target = virtual ? `/${encoded(key)}` : `/box/${encoded(key)}`
        expect(parseTarget(target, virtual ? 'box.localhost:9000' : '127.0.0.1:9000', ['localhost'])).toMatchObject({ bucket: 'box', key })
      }),
    )
  })

  test.each([
    ['/box/%', 'InvalidURI'],
    ['/box/%4', 'InvalidURI'],
    ['/box/%zz', 'InvalidURI'],
    ['/box/%ff', 'InvalidURI'],
    ['/box/%C3', 'InvalidURI'],
    ['/box/%ED%A0%80', 'InvalidURI'],
    ['/box?prefix=%', 'InvalidURI'],
    ['/box?prefix=a&prefix=b', 'InvalidArgument'],
    ['//key', 'InvalidBucketName'],
    [`/box/${'k'.repeat(1025)}`, 'KeyTooLongError'],
    [`/box/${'%C3%A9'.repeat(513)}`, 'KeyTooLongError'],
  ])('%s is refused', async (target, code) => {
    const server = await start()
    const reply = await ask(server, { target })
    expect([reply.status, reply.code]).toEqual([400, code])
  })

  test('a key of 1024 bytes is the longest', async () => {
    const server = await start()
    expect((await signedAsk(server, { method: 'PUT', target: `/box/${'%C3%A9'.repeat(512)}`, body: 'x' })).status).toBe(200)
  })

  test('an absolute target is refused', async () => {
    const server = await start()
    const answer = await rawExchange(server, `GET http://elsewhere/box/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('<Code>InvalidURI</Code>')
  })

  test('the target of a raw request is not touched on its way', async () => {
    const server = await start()
    const target = '/box/../%2e/a//b/./%2541?x-id=GetObject'
    const key = '.././a//b/./%41'
    await signedAsk(server, { method: 'PUT', target: `/box/${encoded(key)}`, body: 'raw' })
    const headers = Object.entries(sign(server, { target })).map(([name, value]) => `${name}: ${value}\r\n`)
    const answer = await rawExchange(server, `GET ${target} HTTP/1.1\r\n${headers.join('')}Connection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nraw$/)
  })

  test('bytes that are not ASCII are refused by the HTTP parser, and never become another key', async () => {
    const server = await start({ buckets: [{ name: 'box', publicRead: true }] })
    await signedAsk(server, { method: 'PUT', target: '/box/%C3%A9', body: 'accent' })
    expect(await rawExchange(server, 'GET /box/\u00c3\u00a9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect((await ask(server, { target: '/box/%c3%a9' })).body.toString()).toBe('accent')
  })
})

describe('virtual hosts', () => {
  test('the bucket comes from the host, the whole path is the key', async () => {
    const server = await start()
    const headers = { host: `box.localhost:${server.port}` }
    expect((await signedAsk(server, { method: 'PUT', target: '/box//key', headers, body: 'v' })).status).toBe(200)
    expect(server.storage.bucket('box').current('box//key')?.body.read().toString()).toBe('v')
    expect((await signedAsk(server, { target: '/?list-type=2', headers })).body.toString()).toContain('<Key>box//key</Key>')
    expect((await signedAsk(server, { target: '/box/box%2F%2Fkey' })).body.toString()).toBe('v')
  })

  test('other names can be given', async () => {
    const server = await start({ buckets: ['box.with.dots'], virtualHosts: ['s3.example'] })
    const headers = { host: 'box.with.dots.s3.example' }
    expect((await signedAsk(server, { method: 'PUT', target: '/k', headers, body: 'v' })).status).toBe(200)
    expect(server.storage.bucket('box.with.dots').current('k')?.body.read().toString()).toBe('v')
  })
})
