import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fc } from '../support/property.js'
import { describe, expect, test } from 'vitest'
import type { Environment } from '../../src/base/environment.js'
import { DirectoryStore } from '../../src/store/directory/directory-store.js'
import { AccessDeniedError, IncompleteResponseError, PreconditionFailedError, StoreRequestError, StoreUnreachableError } from '../../src/store/errors.js'
import { withLimit } from '../../src/store/limit.js'
import { MemoryBucket, MemoryStore } from '../../src/store/memory-store.js'
import type { ListedObject, ObjectStore, PartUploads } from '../../src/store/object-store.js'
import { isRetryable, withRetry } from '../../src/store/retry.js'
import { putLarge } from '../../src/store/transfer/index.js'
import { countingStore } from '../support/counting-store.js'
import { altered } from './altered.js'
import { objectStoreConformance } from './conformance.js'

const text = (value: string) => new TextEncoder().encode(value)
const broken = () => new StoreUnreachableError('the connection broke', { store: 'memory' })
const busy = (retryAfter?: number) => new StoreRequestError('busy', { store: 'memory', status: 503, reason: 'SlowDown', retryAfter })

/** Sleeps not at all, and notes for how long it should have. */
function impatient(): Environment & { slept: number[] } {
  const slept: number[] = []
  return {
    slept,
    now: () => Date.now() * 1000,
    randomBytes: (length) => new Uint8Array(length).fill(255),
    sleep(ms, signal) {
      signal?.throwIfAborted()
      slept.push(ms)
      return Promise.resolve()
    },
  }
}

/** A store of which each call fails some times before it works; `after`: the failure comes once the store has acted. */
function failing(store: ObjectStore, times: number, options: { after?: boolean; error?: () => Error } = {}): ObjectStore {
  const { after = false, error = broken } = options
  let left = times
  const calls: Partial<ObjectStore> = {}
  for (const name of ['get', 'head', 'put', 'delete', 'copy'] as const) {
    const call = (...args: unknown[]) => (store[name] as (...args: unknown[]) => Promise<unknown>)(...args)
    Object.assign(calls, {
      [name]: async (...args: unknown[]) => {
        if (left <= 0) return call(...args)
        left--
        if (after) await call(...args)
        throw error()
      },
    })
  }
  return altered(store, calls)
}

/* The buckets of a memory store are objects of this process, so none can be missing. */
const missingBuckets = false

async function retryOverMemory() {
  const bucket = new MemoryBucket()
  return { open: () => withRetry(new MemoryStore({ bucket })) }
}

objectStoreConformance('retry over memory', retryOverMemory, { missingBuckets })

objectStoreConformance(
  'limit over retry over memory, versioned',
  async () => {
    const bucket = new MemoryBucket({ versioned: true })
    return { open: () => withLimit(withRetry(new MemoryStore({ bucket })), 3) }
  },
  { versions: true, missingBuckets },
)

/**
 * Every third call fails, before or after the store has acted; but never the same call twice in a row, however calls that
 * run side by side take their turns: a retry must come through.
 */
function turnsThatFail(): (call: string) => 'before' | 'after' | undefined {
  let calls = 0
  const failed = new Set<string>()
  return (call) => {
    const turn = calls++ % 6
    if (failed.delete(call) || (turn !== 2 && turn !== 5)) return undefined
    failed.add(call)
    return turn === 2 ? 'before' : 'after'
  }
}

async function retryOverFailures() {
  const bucket = new MemoryBucket()
  const environment = impatient()
  const failingTurns = turnsThatFail()
  // Listings break off every few entries.
  const open = () => {
    const store = new MemoryStore({ bucket })
    const flaky: Partial<ObjectStore> = {}
    for (const name of ['get', 'head', 'put', 'delete', 'copy'] as const) {
      const call = (...args: unknown[]) => (store[name] as (...args: unknown[]) => Promise<unknown>)(...args)
      Object.assign(flaky, {
        [name]: async (...args: unknown[]) => {
          const fails = failingTurns(`${name} ${JSON.stringify(args[0])}`)
          if (fails === 'before') throw busy()
          const result = await call(...args)
          if (fails === 'after') throw broken()
          return result
        },
      })
    }
    for (const name of ['list', 'listVersions'] as const) {
      Object.assign(flaky, {
        [name]: async function* (...args: unknown[]) {
          let given = 0
          for await (const item of (store[name] as (...args: unknown[]) => AsyncIterable<unknown>)(...args)) {
            if (given++ === 7) throw broken()
            yield item
          }
        },
      })
    }
    return withRetry(altered(store, flaky), { environment })
  }
  return { open }
}

objectStoreConformance('retry over a store that keeps failing', retryOverFailures, { missingBuckets })

async function countingOverMemory() {
  const bucket = new MemoryBucket()
  return { open: () => countingStore(new MemoryStore({ bucket })).store }
}

objectStoreConformance('counting over memory', countingOverMemory, { missingBuckets })

/** The directory store takes parts; each third call of it and of its uploads fails, before or after it has acted. */
async function failingDirectory() {
  const root = await mkdtemp(join(tmpdir(), 'ebooklet-wrapped-'))
  const environment = impatient()
  const failingTurns = turnsThatFail()
  const flaky = <T extends object>(inner: T, names: readonly (keyof T)[]): Partial<T> =>
    Object.fromEntries(
      names.map((name) => [
        name,
        async (...args: unknown[]) => {
          const fails = failingTurns(`${String(name)} ${typeof args[0] === 'string' ? args[0] : JSON.stringify(args.slice(0, 2))}`)
          if (fails === 'before') throw busy()
          const result = await (inner[name] as (...args: unknown[]) => Promise<unknown>).apply(inner, args)
          if (fails === 'after') throw broken()
          return result
        },
      ]),
    ) as Partial<T>
  const open = () => {
    const store = new DirectoryStore({ root })
    const { minPartSize, maxParts } = store.parts
    const uploads = { minPartSize, maxParts, list: store.parts.list.bind(store.parts), listParts: store.parts.listParts.bind(store.parts), ...flaky<PartUploads>(store.parts, ['begin', 'put', 'complete', 'abort']) } as PartUploads
    return withLimit(withRetry(altered(store, { ...flaky<ObjectStore>(store, ['get', 'head', 'put', 'delete', 'copy']), parts: uploads }), { environment }), 5)
  }
  return { open, missing: () => withRetry(new DirectoryStore({ root: join(root, 'not-there') })), dispose: () => rm(root, { recursive: true }) }
}

objectStoreConformance('limit over retry over a directory that keeps failing', failingDirectory, { pagingObjects: 50 })

describe('completing an upload again', () => {
  const setup = async (fail: (attempt: number, complete: () => Promise<unknown>) => Promise<unknown>) => {
    const root = await mkdtemp(join(tmpdir(), 'ebooklet-complete-'))
    const plain = new DirectoryStore({ root })
    const { store: counted, counts } = countingStore(plain)
    let attempt = 0
    const uploads = { ...(counted.parts as PartUploads), complete: (...args: Parameters<PartUploads['complete']>) => fail(++attempt, () => (counted.parts as PartUploads).complete(...args)) } as PartUploads
    const store = withRetry(altered(counted, { parts: uploads }), { environment: impatient(), attempts: 3 })
    return { root, plain, counts, store, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
  }
  const source = { size: 10, read: (offset: number, length: number) => text('0123456789').subarray(offset, offset + length) }
  const write = (store: ObjectStore) => putLarge(store, 'k', source, { partSize: 4 })

  test('that did arrive is a success, found by its ETag and size, not by trying again', async () => {
    await using it = await setup(async (_, complete) => {
      await complete()
      throw broken()
    })
    const put = await write(it.store)
    expect(await it.plain.get('k')).toMatchObject({ bytes: text('0123456789'), info: { etag: put.etag } })
    expect(it.counts.calls).toMatchObject({ completeUpload: 1, head: 1, abortUpload: 0 })
  })

  test('that did not arrive is tried again', async () => {
    await using it = await setup(async (attempt, complete) => {
      if (attempt === 1) throw busy()
      return complete()
    })
    await write(it.store)
    expect(it.counts.calls).toMatchObject({ beginUpload: 1, putPart: 3, completeUpload: 1, head: 1 })
  })

  test('that arrives late, so that the second one finds no upload, is a success', async () => {
    await using it = await setup(async (attempt, complete) => {
      if (attempt === 1) throw broken()
      await complete()
      throw new StoreRequestError('gone', { store: 's', status: 404, reason: 'NoSuchUpload' })
    })
    await write(it.store)
    expect(await it.plain.get('k')).toMatchObject({ bytes: text('0123456789') })
  })

  test('where another object is there is a failure, and the upload is given up', async () => {
    await using it = await setup(async () => {
      await it.plain.put('k', text('9876543210'))
      throw broken()
    })
    await expect(write(it.store)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(await it.plain.get('k')).toMatchObject({ bytes: text('9876543210') })
    expect(it.counts.calls.abortUpload).toBe(1)
    expect(await readdir(join(it.root, '.tmp'))).toEqual([])
  })

  test('that is refused at the first try is an answer', async () => {
    await using it = await setup(async () => Promise.reject(new PreconditionFailedError('no', { store: 's' })))
    await expect(write(it.store)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(it.counts.calls).toMatchObject({ head: 0, abortUpload: 1 })
  })
})

describe('retry', () => {
  test('which errors pass', () => {
    for (const status of [408, 429, 500, 502, 503, 504]) expect(isRetryable(new StoreRequestError('x', { store: 's', status }))).toBe(true)
    for (const status of [400, 404, 405, 409, 411]) expect(isRetryable(new StoreRequestError('x', { store: 's', status }))).toBe(false)
    expect(isRetryable(new StoreRequestError('x', { store: 's', status: 400, reason: 'RequestTimeout' }))).toBe(true)
    expect(isRetryable(broken())).toBe(true)
    expect(isRetryable(new IncompleteResponseError('x', { store: 's' }))).toBe(true)
    expect(isRetryable(new AccessDeniedError('x', { store: 's' }))).toBe(false)
    expect(isRetryable(new Error('x'))).toBe(false)
  })

  test('pauses grow up to a limit, and heed Retry-After within reason', async () => {
    const environment = impatient()
    const store = withRetry(failing(new MemoryStore(), 5), { environment, attempts: 6, maxDelay: 1000 })
    await store.put('k', text('x'))
    expect(environment.slept).toEqual([200, 400, 800, 1000, 1000])
    for (const [asked, waited] of [[3000, 3000], [1, 200], [3_600_000, 60_000]] as const) {
      const patient = impatient()
      await withRetry(failing(new MemoryStore(), 1, { error: () => busy(asked) }), { environment: patient }).get('k')
      expect(patient.slept).toEqual([waited])
    }
  })

  test('gives up with the last error', async () => {
    const environment = impatient()
    const { store, counts } = countingStore(failing(new MemoryStore(), 100))
    await expect(withRetry(store, { environment, attempts: 3 }).get('k')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(counts.calls.get).toBe(3)
  })

  test('what will not pass is not tried again', async () => {
    const { store, counts } = countingStore(failing(new MemoryStore(), 100, { error: () => new AccessDeniedError('no', { store: 'm' }) }))
    await expect(withRetry(store).get('k')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(counts.calls.get).toBe(1)
  })

  test('an abort ends a pause at once', async () => {
    const controller = new AbortController()
    const store = withRetry(failing(new MemoryStore(), 100), { baseDelay: 60_000, maxDelay: 60_000 })
    const reason = new Error('enough')
    const outcome = expect(store.get('k', { signal: controller.signal })).rejects.toBe(reason)
    setTimeout(() => controller.abort(reason), 10)
    await outcome
  })

  test('closing ends a pause at once', async () => {
    const store = withRetry(failing(new MemoryStore(), 100), { baseDelay: 60_000, maxDelay: 60_000 })
    const outcome = expect(store.get('k')).rejects.toMatchObject({ code: 'CLOSED' })
    setTimeout(() => void store.close(), 10)
    await outcome
  })

  describe.each(['md5', 'opaque'] as const)('a conditional put with %s ETags', (etags) => {
    const setup = (times: number, after: boolean) => {
      const bucket = new MemoryBucket({ etags })
      const plain = new MemoryStore({ bucket })
      const { store: counted, counts } = countingStore(failing(plain, times, { after, error: after ? broken : busy }))
      return { plain, counts, store: withRetry(counted, { environment: impatient() }) }
    }

    test('that did arrive is a success, not a conflict with itself', async () => {
      const { plain, counts, store } = setup(1, true)
      const put = await store.put('k', text('mine'), { ifNoneMatch: '*', metadata: { timestamp: '1' } })
      expect(await plain.head('k')).toMatchObject({ info: { etag: put.etag } })
      expect(counts.calls.put).toBe(1)
      const { store: again, plain: second } = setup(0, true)
      const first = await second.put('k', text('old'))
      expect((await again.put('k', text('new'), { ifMatch: first.etag })).etag).toBeDefined()
    })

    test('that did not arrive is tried again', async () => {
      const { counts, store, plain } = setup(1, false)
      await store.put('k', text('mine'), { ifNoneMatch: '*' })
      expect(counts.calls.put).toBe(2)
      expect((await plain.head('k')).status).toBe('ok')
    })

    test('that lost to another writer meanwhile is a conflict', async () => {
      for (const other of ['theirs', 'mine']) {
        const { plain } = setup(0, false)
        const racing = altered(plain, {
          put: async () => {
            await plain.put('k', text(other), { metadata: { timestamp: '2' } })
            throw broken()
          },
        })
        // The same bytes with other metadata are another writer's too.
        await expect(withRetry(racing, { environment: impatient() }).put('k', text('mine'), { ifNoneMatch: '*', metadata: { timestamp: '1' } })).rejects.toMatchObject({
          code: 'PRECONDITION_FAILED',
        })
        expect(await plain.get('k')).toMatchObject({ bytes: text(other) })
      }
    })

    test('that arrives after it was read back is still found', async () => {
      const { plain } = setup(0, false)
      let puts = 0
      const late = altered(plain, {
        put: async (key, body, options) => {
          puts++
          if (puts === 1) throw broken()
          // The first request comes through just before the second.
          if (puts === 2) await plain.put(key, body, options)
          return plain.put(key, body, options)
        },
      })
      await withRetry(late, { environment: impatient() }).put('k', text('mine'), { ifNoneMatch: '*' })
      expect(puts).toBe(2)
    })

    test('on an object that was deleted meanwhile is a conflict', async () => {
      const { plain } = setup(0, false)
      const { etag } = await plain.put('k', text('old'))
      const racing = altered(plain, {
        put: async () => {
          await plain.delete([{ key: 'k' }])
          throw broken()
        },
      })
      await expect(withRetry(racing, { environment: impatient() }).put('k', text('mine'), { ifMatch: etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    })

    test('a refused condition is an answer at once', async () => {
      const { plain, counts, store } = setup(0, false)
      await plain.put('k', text('old'))
      await expect(store.put('k', text('mine'), { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
      expect(counts.calls).toMatchObject({ put: 1, head: 0, get: 0 })
    })

    test('that stays open after all attempts gives the failure', async () => {
      const { plain } = setup(0, false)
      const dead = altered(plain, { put: () => Promise.reject(broken()) })
      await expect(withRetry(dead, { environment: impatient(), attempts: 3 }).put('k', text('mine'), { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    })
  })

  test('deletes only what is left, and tells what stays', async () => {
    const memory = new MemoryStore()
    for (const key of ['a', 'b', 'c']) await memory.put(key, text(key))
    const asked: string[][] = []
    const picky = altered(memory, {
      delete: async (targets) => {
        asked.push(targets.map((target) => target.key))
        const kept = targets.filter((target) => target.key === 'b' || (target.key === 'a' && asked.length === 1))
        await memory.delete(targets.filter((target) => !kept.includes(target)))
        return { failures: kept.map((target) => ({ target, error: target.key === 'a' ? busy() : new AccessDeniedError('no', { store: 'm' }) })) }
      },
    })
    const { failures } = await withRetry(picky, { environment: impatient() }).delete([{ key: 'a' }, { key: 'b' }, { key: 'c' }])
    expect(failures.map((failure) => failure.target.key)).toEqual(['b'])
    expect(asked).toEqual([['a', 'b', 'c'], ['a']])
  })

  test('listings that break off anywhere give everything once', async () => {
    const bucket = new MemoryBucket({ versioned: true })
    const memory = new MemoryStore({ bucket })
    for (let i = 0; i < 12; i++) for (let version = 0; version <= i % 4; version++) await memory.put(`k${i % 5}${i}`, text(`${version}`))
    const wanted: unknown[] = []
    for await (const version of memory.listVersions('k')) wanted.push(version)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 8 }), { maxLength: 40 }), async (breaks) => {
        let at = 0
        const flaky = altered(memory, {
          async *listVersions(prefix, options) {
            let left = breaks[at++] ?? Infinity
            for await (const version of memory.listVersions(prefix, options)) {
              if (left-- <= 0) throw broken()
              yield version
            }
          },
        })
        const seen: unknown[] = []
        for await (const version of withRetry(flaky, { environment: impatient(), attempts: 60 }).listVersions('k')) seen.push(version)
        expect(seen).toEqual(wanted)
      }),
      { numRuns: 60 },
    )
  })

  test('a listing that never gets on is given up', async () => {
    const dead = altered(new MemoryStore(), {
      async *list(): AsyncGenerator<ListedObject> {
        yield* []
        throw broken()
      },
    })
    await expect((async () => {
      for await (const object of withRetry(dead, { environment: impatient() }).list('')) void object
    })()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })
})

describe('limit', () => {
  test('never runs more side by side, in order, also after failures and aborts', async () => {
    let running = 0
    let most = 0
    const order: string[] = []
    const memory = new MemoryStore()
    const store = withLimit(
      altered(memory, {
        get: async (key, options) => {
          running++
          most = Math.max(most, running)
          order.push(key)
          await new Promise((resolve) => setTimeout(resolve, 2))
          running--
          if (key === 'k3') throw broken()
          return memory.get(key, options)
        },
      }),
      3,
    )
    const controller = new AbortController()
    const calls = Array.from({ length: 20 }, (_, i) => store.get(`k${i}`, i === 10 ? { signal: controller.signal } : {}))
    controller.abort(new Error('not this one'))
    const results = await Promise.allSettled(calls)
    expect(most).toBe(3)
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => `k${i}`).filter((key) => key !== 'k10'))
    expect(results.map((result) => result.status === 'rejected')).toEqual(results.map((_, i) => i === 3 || i === 10))
    expect((await store.get('again')).status).toBe('missing')
  })

  test('a listing that is left open holds up nobody', async () => {
    const memory = new MemoryStore()
    for (const key of ['a', 'b', 'c']) await memory.put(key, text(key))
    const store = withLimit(memory, 1)
    for await (const object of store.list('')) expect(await store.get(object.key)).toMatchObject({ status: 'ok' })
  })

  test('a limit that makes no sense is refused', () => {
    for (const bad of [0, -1, 1.5, NaN]) expect(() => withLimit(new MemoryStore(), bad)).toThrow(/concurrency/)
    for (const bad of [0, -1, 1.5, NaN]) expect(() => withRetry(new MemoryStore(), { attempts: bad })).toThrow(/attempts/)
  })
})
