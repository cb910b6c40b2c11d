import { describe, expect, it } from 'vitest'
import { IntegrityError, type Ebooklet } from '../../src/index.js'
import { groupId } from '../../src/format/group-id.js'
import { Bench, memoryKind } from './remotes.js'

const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`key${i}`, `value ${i} ${'.'.repeat(i)}`]))

async function publish(bench: Bench, numGroups: number | null = 7, content: Record<string, unknown> = many): Promise<Ebooklet> {
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return db
}

describe('what reading costs', () => {
  it('opens and reads one key with two requests, and the next with one', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    bench.store.take()
    await using reader = await bench.open(bench.freshPath())
    expect(await reader.get('key17')).toBe(many['key17'])
    const calls = bench.store.take()
    expect(calls.map(({ op }) => op)).toEqual(['get', 'get'])
    expect(calls[1]!.bytesDown).toBeLessThan(60)
    expect(await reader.get('key18')).toBe(many['key18'])
    expect(bench.store.take().length).toBe(1)
    expect(await reader.get('key17')).toBe(many['key17'])
    expect(bench.store.take()).toEqual([])
  })

  it('reads a warm copy without asking for values again', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    const path = bench.freshPath()
    await using cold = await bench.open(path)
    await cold.load()
    await cold.close()
    bench.store.take()
    await using warm = await bench.open(path)
    for (const [key, value] of Object.entries(many)) expect(await warm.get(key)).toBe(value)
    expect(bench.store.take()).toMatchObject([{ op: 'get', key: 'db.blt', status: 'not-modified' }])
  })

  it('shares one request among readers of the same key at the same time', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    await using reader = await bench.open(':memory:')
    bench.store.take()
    const values = await Promise.all([reader.get('key5'), reader.get('key5'), reader.getMany(['key5']), reader.get('key5')])
    expect(values).toEqual([many['key5'], many['key5'], [many['key5']], many['key5']])
    expect(bench.store.take().length).toBe(1)
  })

  it('lets the others go on when the one who began a request gives up', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    await using reader = await bench.open(':memory:')
    let release = () => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    bench.store.hooks.before = async (op) => {
      if (op === 'get') await gate
    }
    const giveUp = new AbortController()
    const first = reader.get('key5', { signal: giveUp.signal })
    const second = reader.get('key5')
    giveUp.abort()
    release()
    await Promise.allSettled([first])
    expect(await second).toBe(many['key5'])
  })

  it('reads near values of a group together, one request for each of the groups', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    await using reader = await bench.open(':memory:')
    bench.store.take()
    await reader.load()
    expect(bench.store.take().length).toBe(7)
    expect(await reader.getMany(Object.keys(many))).toEqual(Object.values(many))
    expect(bench.store.take()).toEqual([])
  })

  it('reads far values of a group by several ranges, not the bytes between', async () => {
    await using bench = await Bench.on(memoryKind)
    const content: Record<string, string> = { a: 'first' }
    for (let i = 0; i < 40; i++) content[`filler${i}`] = 'f'.repeat(10_000)
    content['z'] = 'last'
    await publish(bench, 2, content)
    await using reader = await bench.open(':memory:')
    const [x, y] = groupId('a', 2) === groupId('z', 2) ? ['a', 'z'] : ['filler0', 'filler39']
    bench.store.take()
    expect(await reader.getMany([x, y])).toEqual([content[x], content[y]])
    expect(bench.store.take().reduce((sum, { bytesDown }) => sum + bytesDown, 0)).toBeLessThan(100_000)
  })

  it('reports progress of a load', async () => {
    await using bench = await Bench.on(memoryKind)
    await publish(bench)
    await using reader = await bench.open(':memory:')
    const seen: number[] = []
    let last
    await reader.load(undefined, { onProgress: (progress) => (seen.push(progress.bytesDone), (last = progress)) })
    expect(last).toMatchObject({ phase: 'fetch', groupsDone: 7, groupsTotal: 7 })
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(last!.bytesDone).toBe(last!.bytesTotal)
  })
})

describe('a remote that is not what the index says', () => {
  it('reads the whole group when a range holds something else, comes short, or is a 416', async () => {
    for (const trick of ['shifted', 'short', 'unsatisfiable'] as const) {
      await using bench = await Bench.on(memoryKind)
      await publish(bench)
      await using reader = await bench.open(':memory:')
      bench.store.hooks.afterGet = (_key, options, result) => {
        if (!options.range || result.status !== 'ok') return result
        if (trick === 'unsatisfiable') return { status: 'range-not-satisfiable' }
        const bytes = trick === 'short' ? result.bytes.subarray(0, 20) : Uint8Array.from(result.bytes, (byte) => byte ^ 1)
        return { ...result, bytes }
      }
      bench.store.take()
      expect(await reader.get('key33')).toBe(many['key33'])
      expect(bench.store.take().length).toBe(2)
    }
  })

  it('takes a whole body for a range, as some servers answer', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await publish(bench)
    await using reader = await bench.open(':memory:')
    bench.store.hooks.afterGet = async (key, options, result) => {
      if (!options.range) return result
      bench.store.hooks = {}
      return bench.store.get(key)
    }
    expect(await reader.get('key33')).toBe(many['key33'])
    expect(db.has('key33')).toBe(true)
  })

  it('finds a value in its newer generation after the old one went', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await publish(bench)
    await using reader = await bench.open(':memory:')
    const near = Object.keys(many).find((key) => key !== 'key3' && groupId(key, 7) === groupId('key3', 7))!
    db.set(near, 'changed')
    await db.push()
    bench.store.take()
    expect(await reader.get('key3')).toBe(many['key3'])
    expect(bench.store.take().map(({ key, status }) => `${key.split('.')[0]} ${status}`)).toHaveLength(3)
    expect(await reader.get(near)).toBe('changed')
  })

  it('is cleanly absent when the key went with its object, and the stale local value goes too', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await publish(bench)
    const path = bench.freshPath()
    await using reader = await bench.open(path)
    expect(await reader.get('key3')).toBe(many['key3'])
    const near = Object.keys(many).find((key) => key !== 'key3' && groupId(key, 7) === groupId('key3', 7))!
    db.delete('key3')
    db.delete(near)
    await db.push()
    expect(await reader.get(near)).toBeUndefined()
    expect(reader.has('key3')).toBe(false)
    expect(await reader.get('key3')).toBeUndefined()
  })

  it('says which keys and object are broken, never that they are absent', async () => {
    for (const numGroups of [7, null]) {
      await using bench = await Bench.on(memoryKind)
      await publish(bench, numGroups)
      await using reader = await bench.open(':memory:')
      const objects = await bench.objects('db.blt/')
      await bench.store.delete(objects.map((key) => ({ key })))
      const error = await reader.get('key3').catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(IntegrityError)
      expect((error as IntegrityError).keys).toEqual(['key3'])
      expect((error as IntegrityError).object).toContain('db.blt/')
      await expect(reader.load()).rejects.toThrow(IntegrityError)
    }
  })

  it('never lets what comes from the remote overwrite a write that was made meanwhile', async () => {
    await using bench = await Bench.on(memoryKind)
    const first = await publish(bench)
    await first.close()
    await using db = await bench.open(bench.freshPath(), { flag: 'w' })
    let release = () => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    bench.store.hooks.before = async (op) => {
      if (op === 'get') await gate
    }
    const loading = db.load()
    db.set('key3', 'mine')
    db.delete('key4')
    release()
    await loading
    expect(await db.get('key3')).toBe('mine')
    expect(db.has('key4')).toBe(false)
    expect(await db.get('key4')).toBeUndefined()
    expect(db.changes().size).toBe(2)
  })
})
