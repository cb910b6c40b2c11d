import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fc } from '../support/property.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DirectoryStore } from '../../src/store/directory/directory-store.js'
import { decodePart, keyPath, readComponent } from '../../src/store/directory/names.js'
import { EXOTIC_KEYS } from './conformance.js'

const text = (value: string) => new TextEncoder().encode(value)

describe('names of files', () => {
  test.each([
    ['a/b', 'a.d/b.o'],
    ['Ab//ключ', '%41b.d/.d/%d0%ba%d0%bb%d1%8e%d1%87.o'],
    ['..', '...o'],
    ['../x', '...d/x.o'],
    ['/lead/', '.d/lead.d/.o'],
    ['con/nul.txt', '%63on.d/%6eul.txt.o'],
    ['%41', '%2541.o'],
    ['x'.repeat(450), `${'x'.repeat(200)}.c/${'x'.repeat(200)}.c/${'x'.repeat(50)}.o`],
  ])('%j', (key, path) => expect(keyPath(key)).toBe(path))

  const key = fc.oneof(
    fc.string({ minLength: 1, maxLength: 30, unit: fc.constantFrom('a', 'A', '.', '/', '%', 'o', 'd', 'c', 'é', '\0', '~', '4', '1') }),
    fc.string({ minLength: 1, maxLength: 300, unit: 'binary' }).filter((text) => text.isWellFormed()),
    fc.constantFrom(...EXOTIC_KEYS),
  )

  test('stay below the root, are short, and have no character that a file system bends', () => {
    fc.assert(
      fc.property(key, (k) => {
        for (const component of keyPath(k).split('/')) {
          expect(component).toMatch(/^[a-z0-9._%-]*\.[odc]$/)
          expect(component.length).toBeLessThanOrEqual(202)
        }
      }),
    )
  })

  test('never collide, and can be read back', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(keyPath(a).toLowerCase() === keyPath(b).toLowerCase()).toBe(a === b)
        let read = ''
        let part = ''
        for (const component of keyPath(a).split('/')) {
          const found = readComponent(component)
          part += found?.text
          if (found?.kind === 'piece') continue
          read += decodePart(part) + (found?.kind === 'folder' ? '/' : '')
          part = ''
        }
        expect(read).toBe(a)
      }),
      { numRuns: 500 },
    )
  })
})

describe('directory store', () => {
  let root: string
  let store: DirectoryStore
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'ebooklet-store-'))
    store = new DirectoryStore({ root })
  })
  afterEach(() => rm(root, { recursive: true, force: true }))
  const keys = async (prefix = '') => {
    const out: string[] = []
    for await (const object of store.list(prefix)) out.push(object.key)
    return out
  }

  test('a missing folder is told, or made', async () => {
    const missing = join(root, 'a', 'b')
    await expect(new DirectoryStore({ root: missing }).put('k', text('x'))).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND', message: expect.stringContaining(missing) as string })
    await expect(stat(missing)).rejects.toThrow()
    const made = new DirectoryStore({ root: missing, create: true })
    expect(await made.get('k')).toEqual({ status: 'missing' })
    await made.put('k', text('x'))
    expect((await made.get('k')).status).toBe('ok')
    await writeFile(join(root, 'file'), '')
    await expect(new DirectoryStore({ root: join(root, 'file'), create: true }).put('k', text('x'))).rejects.toMatchObject({ code: 'BUCKET_NOT_FOUND' })
  })

  test('nothing is left of deleted objects but lock files', async () => {
    for (const key of ['a/b/c', 'a/b/d', 'a/x', `${'long'.repeat(100)}/y`]) await store.put(key, text(key))
    await store.delete((await keys()).map((key) => ({ key })))
    expect((await readdir(root)).sort()).toEqual(['.locks', '.tmp'])
    expect(await readdir(join(root, '.tmp'))).toEqual([])
  })

  test('failed and refused writes leave no temporary file', async () => {
    await store.put('k', text('x'))
    await expect(store.put('k', text('y'), { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(store.put('k', text('y'), { ifMatch: 'z' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    const controller = new AbortController()
    const write = store.put('big', new Uint8Array(20_000_000), { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('stop')), 3)
    await write.catch((error: unknown) => expect(error).toMatchObject({ message: 'stop' }))
    expect(await readdir(join(root, '.tmp'))).toEqual([])
  })

  test('temporary files of a crash are swept after a day', async () => {
    const temporary = join(root, '.tmp')
    await mkdir(temporary)
    await writeFile(join(temporary, 'old'), 'x')
    await writeFile(join(temporary, 'young'), 'x')
    const yesterday = Date.now() / 1000 - 25 * 3600
    await utimes(join(temporary, 'old'), yesterday, yesterday)
    await store.put('k', text('x'))
    expect(await readdir(temporary)).toEqual(['young'])
  })

  test('foreign files are no objects', async () => {
    await store.put('k', text('x'))
    for (const name of ['README', 'X.o', '%zz.o', '%4.o', '%41', '%6B.o', '%6b.o', '%ff.o']) await writeFile(join(root, name), 'foreign')
    expect(await keys()).toEqual(['k'])
  })

  test('a damaged file is an error, never other bytes', async () => {
    await store.put('k', text('0123456789'), { metadata: { a: 'b' } })
    const path = join(root, 'k.o')
    const whole = await readFile(path)
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length))
      await expect(store.get('k')).rejects.toMatchObject({ code: 'FORMAT' })
    }
    await writeFile(path, Buffer.concat([whole, Buffer.from('x')]))
    await expect(store.get('k')).rejects.toMatchObject({ code: 'FORMAT' })
    const huge = Buffer.from(whole)
    huge.writeUInt32BE(0xffffffff, 8)
    await writeFile(path, huge)
    await expect(store.get('k')).rejects.toMatchObject({ code: 'FORMAT' })
    await writeFile(path, whole)
    expect(await store.get('k')).toMatchObject({ status: 'ok', bytes: text('0123456789') })
  })

  test('handles in one process and conditional writes: one winner per round, none lost', async () => {
    const stores = Array.from({ length: 4 }, () => new DirectoryStore({ root }))
    const count = async (handle: DirectoryStore) => {
      for (let done = 0; done < 10; ) {
        const got = await handle.get('n')
        const [n, condition] = got.status === 'ok' ? [Number(new TextDecoder().decode(got.bytes)), { ifMatch: got.info.etag }] : [0, { ifNoneMatch: '*' as const }]
        try {
          await handle.put('n', text(String(n + 1)), condition)
          done++
        } catch (error) {
          expect(error).toMatchObject({ code: 'PRECONDITION_FAILED' })
        }
      }
    }
    await Promise.all(stores.map(count))
    expect(await store.get('n')).toMatchObject({ bytes: text('40') })
  })
})
