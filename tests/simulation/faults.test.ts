import { describe, expect, it } from 'vitest'
import type { StoreRequestError} from '../../src/store/errors.js';
import { IncompleteResponseError, PreconditionFailedError, StoreUnreachableError } from '../../src/store/errors.js'
import { MemoryStore } from '../../src/store/memory-store.js'
import { SeededRandom } from '../support/seed.js'
import { FaultStore, type FaultKind } from './fault-store.js'
import { OddServer, type OddServerOptions } from './odd-server.js'
import { Timeline } from './timeline.js'

const bytes = (text: string) => new TextEncoder().encode(text)

/** A store to which one kind of fault happens at every call, and the server behind it. */
function always(kind: FaultKind, random = new SeededRandom(1)) {
  const timeline = new Timeline()
  const server = new MemoryStore()
  const store = new FaultStore(server, { random: () => random.next(), sleep: (ms) => timeline.sleep(ms), rates: { [kind]: 1 } })
  return { timeline, server, store }
}

async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listing) keys.push(key)
  return keys
}

describe('a way to the store on which', () => {
  it('a connection is refused: nothing is done', async () => {
    const { store, server } = always('refused')
    await expect(store.put('a', bytes('1'))).rejects.toThrow(StoreUnreachableError)
    expect(await server.get('a')).toEqual({ status: 'missing' })
  })

  it('the server is busy: 429 with Retry-After or 503, and nothing is done', async () => {
    const { store, server } = always('busy')
    const errors: StoreRequestError[] = []
    for (let i = 0; i < 20; i++) await store.put('a', bytes('1')).catch((error: unknown) => errors.push(error as StoreRequestError))
    expect(errors).toHaveLength(20)
    expect(new Set(errors.map(({ status, retryAfter }) => `${status} ${retryAfter}`))).toEqual(new Set(['429 2000', '503 undefined']))
    expect(await server.get('a')).toEqual({ status: 'missing' })
  })

  it('the server breaks: 500, done or not', async () => {
    const { store, server } = always('broken')
    const done = new Set<boolean>()
    for (let i = 0; i < 20; i++) {
      await expect(store.put(`a${i}`, bytes('1'))).rejects.toMatchObject({ status: 500 })
      done.add((await server.get(`a${i}`)).status === 'ok')
    }
    expect(done).toEqual(new Set([true, false]))
  })

  it('the acknowledgement is lost: it is done', async () => {
    const { store, server } = always('lost')
    await expect(store.put('a', bytes('1'))).rejects.toThrow(StoreUnreachableError)
    expect(await server.get('a')).toMatchObject({ status: 'ok', bytes: bytes('1') })
  })

  it('a request is late: it fails, and is done afterwards', async () => {
    const { store, server, timeline } = always('late')
    await expect(store.put('a', bytes('1'))).rejects.toThrow(StoreUnreachableError)
    expect(await server.get('a')).toEqual({ status: 'missing' })
    await timeline.until(timeline.sleep(10_001))
    expect(await server.get('a')).toMatchObject({ status: 'ok' })
  })

  it('bodies break off, ranges are short, or answered with the whole', async () => {
    const range = { offset: 2, length: 5 }
    const body = bytes('0123456789')
    const cut = always('cut')
    await cut.server.put('a', body)
    await expect(cut.store.get('a')).rejects.toThrow(IncompleteResponseError)
    const short = always('short')
    await short.server.put('a', body)
    const answer = await short.store.get('a', { range })
    expect(answer).toMatchObject({ status: 'ok', offset: 2 })
    expect(answer.status === 'ok' && answer.bytes.length).toBeLessThan(5)
    expect(await short.store.get('a')).toMatchObject({ bytes: body })
    const whole = always('whole')
    await whole.server.put('a', body)
    expect(await whole.store.get('a', { range, maxBytes: 5 })).toMatchObject({ status: 'ok', offset: 0, bytes: body })
  })

  it('listings break off, and deletes leave some', async () => {
    const listing = always('list-cut')
    const deletes = always('undeleted')
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    for (const key of keys) await Promise.all([listing.server.put(key, bytes('1')), deletes.server.put(key, bytes('1'))])
    await expect(keysOf(listing.store.list(''))).rejects.toThrow(StoreUnreachableError)
    await expect(keysOf(listing.store.listVersions(''))).rejects.toThrow(StoreUnreachableError)
    const { failures } = await deletes.store.delete(keys.map((key) => ({ key })))
    expect(failures.length).toBeGreaterThan(0)
    expect(await keysOf(deletes.server.list(''))).toEqual(failures.map(({ target }) => target.key))
  })

  it('answers are slow, in the time of the simulation', async () => {
    const { store, timeline } = always('slow')
    const before = timeline.now
    await timeline.until(store.put('a', bytes('1')))
    expect(timeline.now - before).toBeGreaterThan(100_000)
  })

  it('one seed means one history', async () => {
    const history = async (seed: number) => {
      const random = new SeededRandom(seed)
      const store = new FaultStore(new MemoryStore(), { random: () => random.next(), sleep: async () => undefined, rates: { refused: 0.2, lost: 0.2, busy: 0.2 } })
      const out: string[] = []
      for (let i = 0; i < 50; i++) out.push(await store.put(`k${i}`, bytes('1')).then(() => 'ok', String))
      return out
    }
    expect(await history(7)).toEqual(await history(7))
    expect(await history(7)).not.toEqual(await history(8))
  })
})

function odd(options: Partial<OddServerOptions>) {
  const timeline = new Timeline()
  const random = new SeededRandom(3)
  const inner = new MemoryStore({ environment: { now: () => timeline.now, randomBytes: (length) => random.bytes(length), sleep: (ms) => timeline.sleep(ms) } })
  return { timeline, inner, server: new OddServer(inner, { random: () => random.next(), now: () => timeline.now, sleep: (ms) => timeline.sleep(ms), ...options }) }
}

describe('a server that', () => {
  it('gives dates by the second', async () => {
    const { server, timeline } = odd({ granularity: 1000 })
    timeline.now += 123_000
    await server.put('a', bytes('1'))
    for await (const { lastModified } of server.list('')) expect(lastModified! % 1000).toBe(0)
    const head = await server.head('a')
    expect(head.status === 'ok' && head.info.lastModified! % 1000).toBe(0)
  })

  it('ignores conditions', async () => {
    const { server } = odd({ conditions: 'ignored' })
    await server.put('a', bytes('1'))
    await server.put('a', bytes('2'), { ifNoneMatch: '*' })
    await server.put('a', bytes('3'), { ifMatch: 'nothing-like-it' })
    expect(await server.get('a')).toMatchObject({ bytes: bytes('3') })
  })

  it('looks at conditions, but not in one step with the write', async () => {
    const { server, timeline } = odd({ conditions: 'racy' })
    const results = await timeline.until(Promise.allSettled([1, 2].map((n) => server.put('a', bytes(String(n)), { ifNoneMatch: '*' }))))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    await expect(server.put('a', bytes('3'), { ifNoneMatch: '*' })).rejects.toThrow(PreconditionFailedError)
  })

  it('lists what was, for a while', async () => {
    const { server, timeline } = odd({ staleness: 1000, staleDeletes: 5000 })
    await server.put('old', bytes('1'))
    await timeline.until(timeline.sleep(6000))
    await server.put('new', bytes('1'))
    await server.delete([{ key: 'old' }])
    const seen = async () => {
      const views = new Set<string>()
      for (let i = 0; i < 60; i++) views.add((await keysOf(i % 2 ? server.list('') : server.listVersions(''))).join())
      return [...views].sort()
    }
    expect(await seen()).toEqual(['', 'new', 'new,old', 'old'])
    await timeline.until(timeline.sleep(2000))
    expect(await seen()).toEqual(['new', 'new,old'])
    await timeline.until(timeline.sleep(4000))
    expect(await seen()).toEqual(['new'])
    expect(await server.get('new')).toMatchObject({ status: 'ok' })
  })
})
