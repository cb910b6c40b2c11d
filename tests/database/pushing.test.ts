import { describe, expect, it } from 'vitest'
import { CommitFailedError, IntegrityError, PushInProgressError, type Ebooklet, type Progress } from '../../src/index.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { groupId } from '../../src/format/group-id.js'
import { parseGroupKey } from '../../src/format/names.js'
import { Bench, memoryKind } from './remotes.js'

const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i}`, i]))

async function publish(bench: Bench, numGroups: number | null = 7): Promise<{ db: Ebooklet; path: string }> {
  const path = bench.freshPath()
  const db = await bench.open(path, { flag: 'c', numGroups })
  db.update(Object.entries(many))
  await db.push()
  return { db, path }
}

const isGroup = (key: string, gid: number) => parseGroupKey('db.blt', key)?.gid === gid

describe('the order of a push', () => {
  it('uploads, verifies the lock, commits once, then deletes', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'new')
    bench.store.take()
    await db.push()
    const calls = bench.store.take()
    const commit = calls.findIndex(({ op, key }) => op === 'put' && key === 'db.blt')
    const uploads = calls.flatMap(({ op, key }, i) => (op === 'put' && key !== 'db.blt' ? [i] : []))
    const deletes = calls.flatMap(({ op }, i) => (op === 'delete' ? [i] : []))
    const looks = calls.flatMap(({ op }, i) => (op.startsWith('list') ? [i] : []))
    expect(calls.filter(({ key, op }) => op === 'put' && key === 'db.blt').length).toBe(1)
    expect(uploads.length).toBe(1)
    expect(deletes.length).toBe(1)
    expect(Math.max(...uploads)).toBeLessThan(commit)
    expect(Math.min(...deletes)).toBeGreaterThan(commit)
    expect(looks.some((i) => i < uploads[0]!)).toBe(true)
    expect(looks.some((i) => i > uploads.at(-1)! && i < commit)).toBe(true)
    expect(calls.length).toBeLessThanOrEqual(6)
  })

  it('fetches the members of a group that are not local, and no others', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await publish(bench)).db.close()
    await using db = await bench.open(bench.freshPath(), { flag: 'w' })
    db.set('key1', 'new')
    bench.store.take()
    await db.push()
    const gid = groupId('key1', 7)
    const gets = bench.store.take().filter(({ op }) => op === 'get')
    expect(gets.length).toBe(1)
    expect(isGroup(gets[0]!.key, gid)).toBe(true)
    expect(await bench.contents()).toEqual({ ...many, key1: 'new' })
  })

  it('reports bytes, groups, rate and phases', async () => {
    await using bench = await Bench.on(memoryKind)
    const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 7 })
    db.update(Object.entries(many))
    const seen: Progress[] = []
    await db.push({ onProgress: (progress) => seen.push(progress) })
    expect([...new Set(seen.map(({ phase }) => phase))]).toEqual(['upload', 'commit', 'cleanup'])
    const last = seen.filter(({ phase }) => phase === 'upload').at(-1)!
    expect(last).toMatchObject({ groupsDone: 7, groupsTotal: 7 })
    expect(last.bytesDone).toBe(last.bytesTotal)
  })
})

describe('a push that fails', () => {
  it('leaves a group that fails pending, sends the others, and a retry sends only it', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    const [bad, good] = ['key1', Object.keys(many).find((key) => groupId(key, 7) !== groupId('key1', 7))!]
    db.set(bad, 'bad').set(good, 'good')
    bench.store.hooks.before = (op, key) => {
      if (op === 'put' && isGroup(key, groupId(bad, 7))) throw new Error('disk full')
    }
    const result = await db.push()
    expect(result).toMatchObject({ ok: false, updated: true, written: [good] })
    expect(result.failures).toMatchObject([{ group: groupId(bad, 7), keys: [bad], error: { message: 'disk full' } }])
    expect(await bench.contents()).toEqual({ ...many, [good]: 'good' })
    expect([...db.changes()].map(({ key }) => key)).toEqual([bad])
    bench.store.hooks = {}
    bench.store.take()
    expect(await db.push()).toMatchObject({ ok: true, written: [bad] })
    const uploads = bench.store.take().filter(({ op, key }) => op === 'put' && key !== 'db.blt')
    expect(uploads.length).toBe(1)
    expect(await bench.contents()).toEqual({ ...many, [good]: 'good', [bad]: 'bad' })
  })

  it('does not upload a group whose members are gone from the store', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await publish(bench)).db.close()
    await using db = await bench.open(bench.freshPath(), { flag: 'w' })
    const gid = groupId('key1', 7)
    const object = (await bench.objects('db.blt/')).find((key) => isGroup(key, gid))!
    await bench.store.delete([{ key: object }])
    db.set('key1', 'new')
    const result = await db.push()
    expect(result).toMatchObject({ ok: false, updated: false })
    expect(result.failures[0]!.error).toBeInstanceOf(IntegrityError)
    expect(db.changes().size).toBe(1)
  })

  it('keeps everything pending when the commit fails, and readers on the old state', async () => {
    for (const numGroups of [7, null]) {
      await using bench = await Bench.on(memoryKind)
      const { db } = await publish(bench, numGroups)
      db.set('fresh', 1)
      db.delete('key2')
      bench.store.hooks.before = (op, key) => {
        if (op === 'put' && key === 'db.blt') throw new Error('no')
      }
      await expect(db.push()).rejects.toThrow(CommitFailedError)
      expect(db.changes().size).toBe(2)
      bench.store.hooks = {}
      expect(await bench.contents()).toEqual(many)
      expect(await db.push()).toMatchObject({ ok: true, updated: true })
      const { key2: _gone, ...rest } = many
      expect(await bench.contents()).toEqual({ ...rest, fresh: 1 })
    }
  })

  it('stops when the lock was broken, with everything still pending', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'mine')
    bench.store.hooks.after = async (op, key) => {
      if (op === 'put' && key.startsWith('db.blt/')) {
        bench.store.hooks = {}
        await bench.store.delete((await bench.objects('db.blt.lock.')).map((key) => ({ key })))
      }
    }
    await expect(db.push()).rejects.toMatchObject({ code: 'LOCK_LOST' })
    expect([...db.changes()].map(({ key }) => key)).toEqual(['key1'])
    expect(await bench.contents()).toEqual(many)
    await expect(db.push()).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('is cancelled by its signal, before the commit', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'mine')
    const controller = new AbortController()
    bench.store.hooks.after = (op, key) => {
      if (op === 'put' && key.startsWith('db.blt/')) controller.abort(new Error('enough'))
    }
    await expect(db.push({ signal: controller.signal })).rejects.toThrow('enough')
    bench.store.hooks = {}
    expect(db.changes().size).toBe(1)
    expect(await bench.contents()).toEqual(many)
    expect(await db.push()).toMatchObject({ ok: true })
    expect(await bench.contents()).toEqual({ ...many, key1: 'mine' })
  })

  it('makes a replacement all or nothing', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await publish(bench)).db.close()
    await using db = await bench.open(bench.freshPath(), { flag: 'n', numGroups: 7 })
    db.set('key1', 'a').set('key2', 'b').set('key3', 'c').set('key4', 'd')
    bench.store.hooks.before = (op, key) => {
      if (op === 'put' && isGroup(key, groupId('key1', 7))) throw new Error('disk full')
    }
    expect(await db.push()).toMatchObject({ ok: false, updated: false })
    bench.store.hooks = {}
    expect(await bench.contents()).toEqual(many)
    expect(db.changes().replacesRemote).toBe(true)
    expect(await db.push()).toMatchObject({ ok: true, updated: true })
    expect(await bench.contents()).toEqual({ key1: 'a', key2: 'b', key3: 'c', key4: 'd' })
  })

  it('tells what it could not clean up', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'new')
    bench.store.hooks.before = (op) => {
      if (op === 'delete') throw new Error('not allowed')
    }
    const result = await db.push()
    expect(result).toMatchObject({ ok: true, updated: true })
    expect(result.leftovers.length).toBe(1)
  })
})

describe('changes that are made while a push runs', () => {
  it('stay pending and go with the next push', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'first')
    bench.store.hooks.before = (op, key) => {
      if (op === 'put' && key === 'db.blt') {
        db.set('key1', 'second')
        db.set('late', 1)
        db.delete('key9')
        db.metadata = { late: true }
      }
    }
    await db.push()
    bench.store.hooks = {}
    expect(await bench.contents()).toEqual({ ...many, key1: 'first' })
    expect([...db.changes()].map(({ key }) => key).sort()).toEqual(['key1', 'key9', 'late'])
    expect(db.changes().metadataChanged).toBe(true)
    await db.push()
    const { key9: _gone, ...rest } = many
    expect(await bench.contents()).toEqual({ ...rest, key1: 'second', late: 1 })
  })

  it('refuses prune, clear, discard and a second push meanwhile', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'x')
    const running = db.push()
    expect(() => db.prune()).toThrow(PushInProgressError)
    expect(() => db.clear()).toThrow(PushInProgressError)
    expect(() => db.discard()).toThrow(PushInProgressError)
    await expect(db.push()).rejects.toThrow(PushInProgressError)
    expect(await running).toMatchObject({ ok: true })
    db.prune()
  })
})

describe('clocks, crashes and choices', () => {
  it('pushes an edit of a clock that is behind with a timestamp just after, and says so', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    await db.close()
    const slow = { ...systemEnvironment(), now: () => Date.now() * 1000 - 3_600_000_000 }
    await using late = await bench.open(bench.freshPath(), { flag: 'w', environment: slow })
    const theirs = late.getTimestamp('key1')!
    late.set('key1', 'late edit')
    const result = await late.push()
    const { to } = result.adjusted[0]!
    expect(result.adjusted).toMatchObject([{ key: 'key1' }])
    expect(to).toBeGreaterThan(theirs)
    expect(to).toBeLessThan(theirs + 300)
    expect(await bench.contents()).toEqual({ ...many, key1: 'late edit' })
    await using reader = await bench.open(':memory:')
    expect(reader.getTimestamp('key1')).toBe(to)
  })

  it('remembers a number of groups that was chosen before the first push', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = bench.freshPath()
    await using db = await bench.open(path, { flag: 'c', numGroups: 8 })
    db.set('a', 1)
    await db.close()
    await expect(bench.open(path, { flag: 'c', numGroups: null })).rejects.toMatchObject({ code: 'CONFLICTING_OPTION' })
    await using again = await bench.open(path, { flag: 'w' })
    expect(again.numGroups).toBe(11)
    await again.push()
    expect(await bench.contents()).toEqual({ a: 1 })
  })

  it('prunes local copies but never what is pending, and never the remote', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    db.set('key1', 'pending', { timestamp: 5 })
    const size = db.size
    expect(db.prune({ before: Number.MAX_SAFE_INTEGER })).toBeGreaterThan(0)
    expect(db.size).toBe(size)
    expect(await db.get('key1')).toBe('pending')
    bench.store.take()
    expect(await db.get('key2')).toBe(2)
    expect(bench.store.take().length).toBe(1)
    expect(db.changes().size).toBe(1)
    await db.push()
    expect(await bench.contents()).toEqual({ ...many, key1: 'pending' })
  })

  it('sets a timestamp as a change, also of a value that is not local', async () => {
    await using bench = await Bench.on(memoryKind)
    await (await publish(bench)).db.close()
    await using db = await bench.open(bench.freshPath(), { flag: 'w' })
    const stamp = db.getTimestamp('key5')! + 1_000_000
    expect(await db.setTimestamp('key5', stamp)).toBe(true)
    expect(await db.setTimestamp('nothing', stamp)).toBe(false)
    await db.push()
    await using reader = await bench.open(':memory:')
    expect(reader.getTimestamp('key5')).toBe(stamp)
    expect(await reader.get('key5')).toBe(5)
    expect(new Map(reader.timestamps()).get('key5')).toBe(stamp)
  })

  it('changes nothing when one of many values is bad', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    const entries: [string, unknown][] = [['key1', 'x'], ['key2', () => 0]]
    expect(() => db.update(entries)).toThrow()
    expect(() => db.update([['key1', 'x'], ['adb01ebc1ba3433eb043527', 1]])).toThrow()
    expect(() => db.set('k'.repeat(70_000), 1)).toThrow()
    expect(() => db.set('key1', undefined)).toThrow()
    expect(db.changes().size).toBe(0)
  })

  it('closes twice, and refuses work afterwards', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench)
    await db.close()
    await db.close()
    expect(() => db.set('a', 1)).toThrow(/closed/)
    await expect(db.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => db.size).toThrow(/closed/)
  })
})
