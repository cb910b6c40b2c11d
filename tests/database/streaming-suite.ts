/** Pushes and loads of groups that are larger than a part, on every kind of remote. */
import { describe, expect, it } from 'vitest'
import type { Ebooklet, OpenEbookletOptions } from '../../src/index.js'
import { groupId } from '../../src/format/group-id.js'
import { Bench, type RemoteKind } from './remotes.js'

const MiB = 1024 * 1024

/** Bytes of a part, and of values, as the kind of remote asks for. */
export interface Scale {
  partSize: number
  /** About a tenth of a part. */
  unit: number
}

export function scaleOf({ name }: RemoteKind): Scale {
  const partSize = name === 'memory' || name === 'directory' ? 4000 : 5 * MiB
  return { partSize, unit: Math.floor(partSize / 10) }
}

/** Bytes of which no two places, names or versions are alike. */
export function bytesOf(name: string, length: number): Uint8Array {
  let state = 0x9e3779b9
  for (const char of name) state = Math.imul(state ^ char.charCodeAt(0), 0x85ebca6b)
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i
    bytes[i] = state >>> 24
  }
  return bytes
}

export type Content = Map<string, Uint8Array>

/** Of every size: empty, small, about a part, more than two. About seven parts in all. */
export function largeContent({ partSize, unit }: Scale): Content {
  const sizes = [0, 1, 700, unit, unit, unit + 1, 3 * unit, 5 * unit, partSize - 1, partSize, 2 * partSize + 77, unit, unit, 2 * unit]
  return new Map(sizes.map((size, i) => [`key ${i}`, bytesOf(`key ${i}`, size)]))
}

export async function contentOf(db: Ebooklet<Uint8Array>): Promise<Content> {
  const found: Content = new Map()
  for (const key of db.keys()) found.set(key, (await db.get(key))!)
  return found
}

export function expectSame(found: Content, expected: Content): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [key, value] of expected) expect(Buffer.compare(found.get(key)!, value), key).toBe(0)
}

export function streamingSuite(kind: RemoteKind): void {
  const scale = scaleOf(kind)
  const options: OpenEbookletOptions<Uint8Array> = { valueSerializer: 'bytes', partSize: scale.partSize }
  const open = (bench: Bench, rest: OpenEbookletOptions<Uint8Array> = {}) => bench.open<Uint8Array>(bench.freshPath(), { ...options, ...rest })

  describe(`large groups on ${kind.name}`, () => {
    for (const numGroups of [2, null]) {
      const mode = numGroups === null ? 'per key' : 'grouped'

      it(`are sent in parts, and loaded elsewhere in ranges (${mode})`, async () => {
        await using bench = await Bench.on(kind)
        bench.wholeAtTheEnd.push('db.blt')
        const content = largeContent(scale)
        const db = await open(bench, { flag: 'c', numGroups })
        for (const [key, value] of content) db.set(key, value)
        const largest = largestBody(bench)
        expect(await db.push()).toMatchObject({ ok: true, updated: true, failures: [] })
        expect(largest()).toBeLessThanOrEqual(scale.partSize)
        await using reader = await open(bench)
        await reader.load()
        expectSame(await contentOf(reader), content)
        // A value is set and one goes; what is kept is fetched where it isn't local.
        await db.close()
        await using other = await open(bench, { flag: 'w' })
        content.set('key 3', bytesOf('edited', scale.unit * 2))
        content.delete('key 10')
        other.set('key 3', content.get('key 3')!).delete('key 10')
        expect(await other.push()).toMatchObject({ ok: true, written: ['key 3'], deleted: ['key 10'] })
        await using again = await open(bench)
        expectSame(await contentOf(again), content)
      })

      it(`hold what was here when they were laid out, whatever is edited while they are sent (${mode})`, async () => {
        await using bench = await Bench.on(kind)
        bench.wholeAtTheEnd.push('db.blt')
        const content = largeContent(scale)
        const before = new Map(content)
        const db = await open(bench, { flag: 'c', numGroups, bufferSize: 2000 })
        for (const [key, value] of content) db.set(key, value)
        let edits = 0
        bench.store.hooks.before = (op) => {
          if (op !== 'putPart') return
          // All of them are laid out by now: fewer groups than are sent side by side.
          const key = `key ${++edits % 14}`
          if (edits % 4 === 0) db.delete(key)
          else db.set(key, bytesOf(`edit ${edits}`, edits % 2 === 0 ? scale.unit : content.get(key)?.length ?? 5), { timestamp: db.getTimestamp(key) ?? 1 })
          if (edits % 3 === 0) db.sync()
          if (edits % 4 === 0) content.delete(key)
          else content.set(key, bytesOf(`edit ${edits}`, edits % 2 === 0 ? scale.unit : content.get(key)?.length ?? 5))
        }
        const result = await db.push()
        bench.store.hooks = {}
        expect(result).toMatchObject({ ok: true, updated: true })
        if (numGroups !== null) {
          await using reader = await open(bench)
          expectSame(await contentOf(reader), before)
        }
        expect(await db.push()).toMatchObject({ ok: true, updated: edits > 0 })
        await using last = await open(bench)
        expectSame(await contentOf(last), content)
      })
    }

    it('whose object lies otherwise than the index says are read in pieces', async () => {
      await using bench = await Bench.on(kind)
      const content = largeContent(scale)
      const db = await open(bench, { flag: 'c', numGroups: 2 })
      for (const [key, value] of content) db.set(key, value)
      await db.push()
      let lies = 0
      await using reader = await open(bench, { maxMemory: 5 * MiB })
      const gid = groupId('key 10', 2)
      const near = [...content.keys()].filter((key) => groupId(key, 2) === gid)
      bench.store.hooks.afterGet = (_key, { range }, result) => {
        if (range === undefined || result.status !== 'ok' || lies++ > 0) return result
        return { ...result, bytes: result.bytes.slice(0, 3) }
      }
      const values = await reader.getMany(near)
      expect(lies).toBeGreaterThan(0)
      near.forEach((key, i) => expect(Buffer.compare(values[i]!, content.get(key)!), key).toBe(0))
    })
  })
}

/** The most bytes of one request that sends some, but for the db object. */
function largestBody(bench: Bench): () => number {
  bench.store.take()
  return () => Math.max(...bench.store.take().filter(({ key }) => key !== 'db.blt').map(({ bytesUp }) => bytesUp))
}
