/** What the suite of object stores asks of large objects: written part by part, read piece by piece. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ClosedError, InvalidArgumentError } from '../../src/base/error.js'
import { ObjectChangedError, PreconditionFailedError, StoreError } from '../../src/store/errors.js'
import type { ListedUpload, ObjectInfo, ObjectStore, PartUpload, PartUploads } from '../../src/store/object-store.js'
import { ByteBudget, objectSource, putLarge, readInPieces, type LargeSource } from '../../src/store/transfer/index.js'

export interface LargeContext {
  readonly store: ObjectStore
  readonly bucket: { open(): ObjectStore }
  readonly features: { parts?: boolean; conditionalPut?: boolean; conditionalComplete?: boolean; refuses?: (key: string) => boolean }
  prefix(): string
}

const describeIf = (has: boolean) => (has ? describe : () => undefined)
const testIf = (has: boolean) => (has ? test : () => undefined)
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
const text = (value: string) => new TextEncoder().encode(value)
const MiB = 1024 * 1024
/** The smallest that S3 takes. */
const partSize = 5 * MiB
const size = 2 * partSize + 12_345

/** Bytes made as they are asked for; notes what is asked, and how much at a time. */
class MadeSource implements LargeSource {
  readonly asked: [number, number][] = []
  most = 0
  #now = 0

  constructor(
    readonly size: number,
    readonly step?: (offset: number) => void | Promise<void>,
  ) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.asked.push([offset, length])
    this.most = Math.max(this.most, ++this.#now)
    try {
      await this.step?.(offset)
      await new Promise((resolve) => setImmediate(resolve))
      return made(offset, length)
    } finally {
      this.#now--
    }
  }
}

function made(offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = ((offset + i) * 7 + ((offset + i) >> 9)) & 255
  return out
}

export function largeObjects(c: LargeContext): void {
  describe('large objects', () => {
    writing(c)
    failing(c)
    describeIf(c.features.parts ?? true)('uploads by parts', () => uploads(c))
    pieces(c)
  })
}

async function stored(c: LargeContext, key: string): Promise<{ info: ObjectInfo; sum: string }> {
  const head = await c.store.head(key)
  if (head.status !== 'ok') throw new Error(`expected the object, got ${head.status}`)
  const hash = createHash('md5')
  for await (const piece of readInPieces(objectSource(c.store, key, head.info), 3_000_001)) hash.update(piece)
  return { info: head.info, sum: hash.digest('hex') }
}

async function left(c: LargeContext, prefix: string): Promise<ListedUpload[]> {
  const found: ListedUpload[] = []
  for await (const upload of c.store.parts?.list(prefix) ?? []) found.push(upload)
  return found
}

function writing(c: LargeContext) {
  test('are written from pieces, with metadata, and read back the same', async () => {
    const key = `${c.prefix()}k`
    const source = new MadeSource(size)
    let sent = 0
    const put = await putLarge(c.store, key, source, { partSize, concurrency: 2, metadata: { init_bytes: 'AA==' }, onSent: (bytes) => (sent += bytes) })
    const { info, sum } = await stored(c, key)
    expect(sum).toBe(md5(made(0, size)))
    expect(info).toMatchObject({ size, etag: put.etag, metadata: { init_bytes: 'AA==' } })
    expect(sent).toBe(size)
    if (c.features.parts ?? true) {
      expect(source.asked.sort(([a], [b]) => a - b)).toEqual([[0, partSize], [partSize, partSize], [2 * partSize, 12_345]])
      expect(source.most).toBeLessThanOrEqual(2)
      expect(put.etag).toMatch(/-3$/)
    }
    expect(await left(c, key)).toEqual([])
  })

  test('within a budget of bytes, shared by several', async () => {
    const prefix = c.prefix()
    let now = 0
    let most = 0
    const budget = new ByteBudget(2 * partSize)
    const counting = (bytes: number): LargeSource => ({
      size: bytes,
      async read(offset, length) {
        now += length
        most = Math.max(most, now)
        await new Promise((resolve) => setTimeout(resolve, 2))
        now -= length
        return made(offset, length)
      },
    })
    if (!(c.features.parts ?? true)) return
    await Promise.all(['a', 'b'].map((tail) => putLarge(c.store, prefix + tail, counting(partSize + 9), { partSize, budget })))
    expect(most).toBeLessThanOrEqual(2 * partSize)
    for (const tail of ['a', 'b']) expect((await stored(c, prefix + tail)).sum).toBe(md5(made(0, partSize + 9)))
  })

  test('one that is not larger than a part is one request; an empty one too', async () => {
    const prefix = c.prefix()
    for (const bytes of [0, 1, 70_000]) {
      const put = await putLarge(c.store, `${prefix}${bytes}`, new MadeSource(bytes), { metadata: { a: '1' } })
      const head = await c.store.head(`${prefix}${bytes}`)
      expect(head).toMatchObject({ status: 'ok', info: { size: bytes, etag: put.etag, metadata: { a: '1' } } })
      expect(put.etag).not.toContain('-')
    }
  })

  test('readers see the old object until all of the new one is there', async () => {
    const key = `${c.prefix()}k`
    await c.store.put(key, text('old'))
    const seen: unknown[] = []
    await putLarge(c.store, key, new MadeSource(size, async () => void seen.push(await c.store.get(key))), { partSize })
    for (const result of seen) expect(result).toMatchObject({ status: 'ok', bytes: text('old') })
    expect((await c.store.head(key)).status === 'ok' && (await stored(c, key)).info.size).toBe(size)
  })

  testIf(c.features.conditionalComplete ?? c.features.conditionalPut ?? true)('hold to their condition', async () => {
    const key = `${c.prefix()}k`
    const first = await putLarge(c.store, key, new MadeSource(size), { partSize, ifNoneMatch: '*' })
    await expect(putLarge(c.store, key, new MadeSource(size + 2), { partSize, ifNoneMatch: '*' })).rejects.toBeInstanceOf(PreconditionFailedError)
    await expect(putLarge(c.store, key, new MadeSource(size + 3), { partSize, ifMatch: 'other' })).rejects.toBeInstanceOf(PreconditionFailedError)
    expect((await stored(c, key)).info.etag).toBe(first.etag)
    await putLarge(c.store, key, new MadeSource(size + 1), { partSize, ifMatch: first.etag })
    expect((await stored(c, key)).info.size).toBe(size + 1)
    expect(await left(c, key)).toEqual([])
  })
}

function failing(c: LargeContext) {
  test('a source that fails leaves neither object nor parts', async () => {
    const key = `${c.prefix()}k`
    const broken = new Error('the disk is gone')
    const source = new MadeSource(size, (offset) => {
      if (offset > 0 || !(c.features.parts ?? true)) throw broken
    })
    await expect(putLarge(c.store, key, source, { partSize })).rejects.toBe(broken)
    expect(await c.store.head(key)).toEqual({ status: 'missing' })
    expect(await left(c, key)).toEqual([])
  })

  test('a source that gives too little or too much is refused', async () => {
    const key = `${c.prefix()}k`
    for (const other of [-1, 1]) {
      const source: LargeSource = { size, read: (offset, length) => made(offset, length + other) }
      await expect(putLarge(c.store, key, source, { partSize })).rejects.toBeInstanceOf(InvalidArgumentError)
    }
    expect(await c.store.head(key)).toEqual({ status: 'missing' })
    expect(await left(c, key)).toEqual([])
  })

  test('an abort leaves neither object nor parts, and gives its reason', async () => {
    const key = `${c.prefix()}k`
    const reason = new Error('stop it')
    for (const at of (c.features.parts ?? true) ? [0, partSize] : [0]) {
      const controller = new AbortController()
      const source = new MadeSource(size, (offset) => {
        if (offset >= at) controller.abort(reason)
      })
      const { signal } = controller
      await expect(putLarge(c.store, key, source, { partSize, concurrency: 1, signal })).rejects.toBe(reason)
      await expect(putLarge(c.store, key, source, { partSize, signal })).rejects.toBe(reason)
    }
    expect(await c.store.head(key)).toEqual({ status: 'missing' })
    expect(await left(c, key)).toEqual([])
  })

  test.each([{ partSize: 0 }, { partSize: 1.5 }, { concurrency: 0 }, { partSize: NaN }])('an option that makes no sense is refused: %j', async (options) => {
    await expect(putLarge(c.store, `${c.prefix()}k`, new MadeSource(10), options)).rejects.toBeInstanceOf(InvalidArgumentError)
  })

  test('a closed store refuses', async () => {
    const store = c.bucket.open()
    await store.close()
    await expect(putLarge(store, `${c.prefix()}k`, new MadeSource(size), { partSize })).rejects.toBeInstanceOf(ClosedError)
  })
}

function uploads(c: LargeContext) {
  const parts = (): PartUploads => {
    if (c.store.parts === undefined) throw new Error('this store was said to have uploads by parts')
    return c.store.parts
  }
  const begin = (key: string, bytes = 3): Promise<PartUpload> => parts().begin(key, { size: bytes, partSize }, { metadata: { a: 'b' } })
  const place = { number: 1, offset: 0 }

  test('exotic keys', async () => {
    const prefix = c.prefix()
    for (const exotic of ['../x', 'a//b', '%41', 'q?x#y', 'a+b c', 'ключ🔑', '.', 'x&y=z', '<&>"\'']) {
      const key = prefix + exotic
      if (c.features.refuses?.(key) === true) continue
      const upload = await begin(key)
      const part = await parts().put(upload, place, text('abc'))
      const put = await parts().complete(upload, [part])
      expect(await c.store.get(key)).toMatchObject({ status: 'ok', bytes: text('abc'), info: { etag: put.etag, metadata: { a: 'b' } } })
    }
    expect(await left(c, prefix)).toEqual([])
  })

  test('under way show nothing to readers; given up they are gone', async () => {
    const prefix = c.prefix()
    const upload = await begin(`${prefix}k`)
    const part = await parts().put(upload, place, text('abc'))
    expect(await c.store.head(`${prefix}k`)).toEqual({ status: 'missing' })
    const seen: string[] = []
    for await (const object of c.store.list(prefix)) seen.push(object.key)
    expect(seen).toEqual([])
    await parts().abort(upload)
    await parts().abort(upload)
    expect(await left(c, prefix)).toEqual([])
    await expect(parts().put(upload, place, text('abc'))).rejects.toMatchObject({ code: 'STORE_REQUEST', reason: 'NoSuchUpload' })
    await expect(parts().complete(upload, [part])).rejects.toMatchObject({ code: 'STORE_REQUEST' })
    expect(await c.store.head(`${prefix}k`)).toEqual({ status: 'missing' })
  })

  test('are listed by prefix, where the store keeps them, and can be given up by what is listed', async () => {
    const prefix = c.prefix()
    const begun = [await begin(`${prefix}a`), await begin(`${prefix}a`), await begin(`${prefix}b/c d`), await begin(`${prefix}é`)]
    const seen = await left(c, prefix)
    if (seen.length > 0) {
      expect(seen.map(({ key, id }) => `${key} ${id}`).sort()).toEqual(begun.map(({ key, id }) => `${key} ${id}`).sort())
      for (const { initiated } of seen) expect(Math.abs((initiated ?? 0) - Date.now())).toBeLessThan(60_000)
      expect((await left(c, `${prefix}b`)).map(({ key }) => key)).toEqual([`${prefix}b/c d`])
      expect(await left(c, `${prefix}x`)).toEqual([])
    }
    for (const upload of seen.length > 0 ? seen : begun) await parts().abort(upload)
    expect(await left(c, prefix)).toEqual([])
  })

  test('tell which parts they have, with their sizes', async () => {
    const key = `${c.prefix()}k`
    const upload = await begin(key, 2 * partSize)
    const listed = async () => {
      const found = []
      for await (const part of parts().listParts({ key, id: upload.id })) found.push(part)
      return found
    }
    expect(await listed()).toEqual([])
    const second = await parts().put(upload, { number: 2, offset: partSize }, text('second'), { md5: md5(text('second')) })
    const first = await parts().put(upload, place, text('first'))
    expect(await listed()).toEqual([{ ...first, size: 5 }, { ...second, size: 6 }])
    await parts().abort(upload)
    await expect(listed()).rejects.toMatchObject({ code: 'STORE_REQUEST', reason: 'NoSuchUpload' })
  })

  test('a part may be sent again: the last one counts', async () => {
    const key = `${c.prefix()}k`
    const upload = await begin(key)
    const first = await parts().put(upload, place, text('one'))
    const second = await parts().put(upload, place, text('two'))
    expect(second.etag).not.toBe(first.etag)
    await parts().complete(upload, [second])
    expect(await c.store.get(key)).toMatchObject({ bytes: text('two') })
  })

  test('no object is made of parts that are not there', async () => {
    const key = `${c.prefix()}k`
    const upload = await begin(key, partSize + 3)
    const part = await parts().put(upload, { number: 2, offset: partSize }, text('abc'))
    const missing = { number: 1, etag: md5(text('never sent')) }
    await expect(parts().complete(upload, [missing, part])).rejects.toBeInstanceOf(StoreError)
    await expect(parts().complete(upload, [])).rejects.toBeInstanceOf(StoreError)
    expect(await c.store.head(key)).toEqual({ status: 'missing' })
    await parts().abort(upload)
  })
}

function pieces(c: LargeContext) {
  const drain = async (source: LargeSource, pieceSize: number, between?: () => Promise<unknown>): Promise<Uint8Array> => {
    const all: Uint8Array[] = []
    for await (const piece of readInPieces(source, pieceSize)) {
      all.push(piece)
      await between?.()
    }
    return Buffer.concat(all)
  }
  const known = async (key: string, bytes: Uint8Array) => {
    await c.store.put(key, bytes)
    const head = await c.store.head(key)
    if (head.status !== 'ok') throw new Error('the object is missing')
    return objectSource(c.store, key, head.info)
  }

  test('are read in pieces of any size', async () => {
    const key = `${c.prefix()}k`
    const source = await known(key, made(0, 1000))
    for (const pieceSize of [1000, 999, 300, 5000]) expect(md5(await drain(source, pieceSize))).toBe(md5(made(0, 1000)))
    expect((await drain(await known(key, new Uint8Array()), 10)).length).toBe(0)
  })

  test('an object that changes or goes between two pieces is an error, never a mixture', async () => {
    const key = `${c.prefix()}k`
    for (const change of [() => c.store.put(key, made(1, 1000)), () => c.store.put(key, made(0, 1001)), () => c.store.put(key, made(0, 10)), () => c.store.delete([{ key }])]) {
      const source = await known(key, made(0, 1000))
      await expect(drain(source, 400, change)).rejects.toBeInstanceOf(ObjectChangedError)
    }
  })

  test('are copied from one place to another without being whole anywhere', async () => {
    const prefix = c.prefix()
    await putLarge(c.store, `${prefix}from`, new MadeSource(size), { partSize, metadata: { timestamp: '5' } })
    const head = await c.store.head(`${prefix}from`)
    if (head.status !== 'ok') throw new Error('the object is missing')
    await putLarge(c.store, `${prefix}to`, objectSource(c.store, `${prefix}from`, head.info), { partSize, metadata: head.info.metadata })
    const copied = await stored(c, `${prefix}to`)
    expect(copied).toMatchObject({ sum: md5(made(0, size)), info: { size, metadata: { timestamp: '5' } } })
  })

  test('are copied by the store itself, also by the name of its bucket', async () => {
    const prefix = c.prefix()
    await putLarge(c.store, `${prefix}from`, new MadeSource(size), { partSize, metadata: { timestamp: '5' } })
    expect(await c.store.copy(`${prefix}from`, `${prefix}to`)).toMatchObject({ status: 'ok' })
    expect(await c.store.copy(`${prefix}from`, `${prefix}too`, { sourceBucket: c.store.place?.bucket })).toMatchObject({ status: 'ok' })
    for (const tail of ['to', 'too']) expect(await stored(c, prefix + tail)).toMatchObject({ sum: md5(made(0, size)), info: { metadata: { timestamp: '5' } } })
  })
}
