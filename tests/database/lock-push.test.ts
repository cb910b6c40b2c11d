/** Sessions that lock only while they push: without a network, over failures and crashes. */
import { cpSync, existsSync, rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { InvalidArgumentError, listLocks, LockTimeoutError, openRcg, PushConflictError, RemoteNotFoundError, StoreConnection, StoreUnreachableError, UuidMismatchError, type Conflict, type Ebooklet, type OpenEbookletOptions } from '../../src/index.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { openBooklet } from '../../src/booklet/index.js'
import { indexFileBeside } from '../../src/database/index-file.js'
import { baseValuesPath, remoteIndexPath } from '../../src/format/names.js'
import { takeIn } from '../../src/sync/pull.js'
import { readRemote } from '../../src/sync/remote.js'
import { SyncState } from '../../src/sync/state.js'
import { Bench, memoryKind } from './remotes.js'

type Db = Ebooklet<string>

const pushing: OpenEbookletOptions<string> = { flag: 'w', lock: 'push' }

/** Publishes, and returns a local file that holds all of it. */
async function published(bench: Bench, content: Record<string, string>, numGroups: number | null = 5): Promise<string> {
  const path = bench.freshPath()
  await using db = await bench.open<string>(path, { flag: 'c', lock: 'push', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return path
}

/** Somebody else's push. */
async function rivalPush(bench: Bench, edit: (db: Db) => void): Promise<void> {
  await using db = await bench.open<string>(bench.freshPath(), pushing)
  edit(db)
  await db.push()
}

/** Waits that are long only where there is a network. */
const impatient = { ...systemEnvironment(), sleep: (ms: number, signal?: AbortSignal) => systemEnvironment().sleep(Math.min(ms, 5), signal) }

function unreachable(bench: Bench): void {
  bench.store.hooks.before = (op, key) => {
    throw new StoreUnreachableError(`no route for ${op} ${key}`, { store: 'test' })
  }
}

const pendingOf = (db: Db) => [...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()

const locks = (bench: Bench) => listLocks(bench.store, 'db.blt')

describe('a session that locks only while it pushes', () => {
  it('opens at once, works and closes without a network, and pushes when it is back', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0', b: '0', c: '0' })
    unreachable(bench)
    {
      await using db = await bench.open<string>(path, pushing)
      bench.store.take()
      db.set('a', 'edited').set('new', '1')
      db.delete('b')
      expect(await db.getMany(['a', 'b', 'c', 'new'])).toEqual(['edited', undefined, '0', '1'])
      await expect(db.push()).rejects.toThrow(StoreUnreachableError)
      await expect(db.pull()).rejects.toThrow(StoreUnreachableError)
      expect(pendingOf(db)).toEqual(['added new', 'changed a', 'deleted b'])
    }
    bench.store.take()
    await using again = await bench.open<string>(path, pushing)
    expect(again.size).toBe(3)
    expect(again.uuid).toMatch(/^[0-9a-f]{32}$/)
    expect(bench.store.take()).toEqual([])
    bench.store.hooks = {}
    expect(await again.push()).toMatchObject({ ok: true, updated: true })
    expect(await bench.contents()).toEqual({ a: 'edited', c: '0', new: '1' })
    expect(await locks(bench)).toEqual([])
  })

  it('reads the remote once, without a lock, where there is no local file or its index is lost', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    rmSync(remoteIndexPath(path))
    for (const file of [path, bench.freshPath()]) {
      bench.store.take()
      await using db = await bench.open<string>(file, pushing)
      expect(bench.store.take().map(({ op, key }) => `${op} ${key}`)).toEqual(['get db.blt'])
      expect([...db.keys()]).toEqual(['a'])
    }
    await expect(bench.open(bench.freshPath(), pushing, 'nothing.blt')).rejects.toThrow(RemoteNotFoundError)
  })

  it('finds at its first push that somebody else has made a database there', async () => {
    await using bench = await Bench.on(memoryKind)
    await using mine = await bench.open<string>(bench.freshPath(), { flag: 'c', lock: 'push', numGroups: 5 })
    mine.set('a', 'mine')
    await published(bench, { a: '0' })
    await expect(mine.push()).rejects.toThrow(UuidMismatchError)
    expect(pendingOf(mine)).toEqual(['added a'])
    expect(await bench.contents()).toEqual({ a: '0' })
    expect(await locks(bench)).toEqual([])
  })

  it('is told when the remote is gone', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    await bench.store.delete([{ key: 'db.blt' }])
    await using db = await bench.open<string>(path, pushing)
    db.set('a', 'mine')
    await expect(db.push()).rejects.toThrow(RemoteNotFoundError)
    expect(pendingOf(db)).toEqual(['changed a'])
    expect(await locks(bench)).toEqual([])
  })

  it('waits for the lock of a session, no longer than it is told to', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    await using holder = await bench.open<string>(bench.freshPath(), { flag: 'w' })
    await using db = await bench.open<string>(path, { ...pushing, lockTimeout: 20 })
    db.set('a', 'mine')
    await expect(db.push()).rejects.toThrow(LockTimeoutError)
    expect(pendingOf(db)).toEqual(['changed a'])
    await holder.close()
    expect(await db.push()).toMatchObject({ ok: true })
  })

  it('gives up waiting for the lock when it is told to, or closed', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    await using holder = await bench.open<string>(bench.freshPath(), { flag: 'w' })
    const db = await bench.open<string>(path, pushing)
    db.set('a', 'mine')
    await expect(db.push({ signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: 'TimeoutError' })
    const waiting = db.push()
    const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await db.close()
    await refused
    expect((await locks(bench)).length).toBe(1)
    await holder.close()
    expect(await locks(bench)).toEqual([])
  })

  it('refuses options that make no sense', async () => {
    await using bench = await Bench.on(memoryKind)
    for (const bad of [{ lock: 'push' }, { lock: 'session' }, { onConflict: 'local' }, { flag: 'w', lock: 'never' }, { flag: 'w', onConflict: 'mine' }]) {
      await expect(bench.open('x.blt', bad as OpenEbookletOptions<unknown>)).rejects.toThrow(InvalidArgumentError)
    }
    await using db = await bench.open<string>(bench.freshPath(), { flag: 'c', lock: 'push' })
    db.set('a', '1')
    await expect(db.push({ onConflict: 'mine' as 'local' })).rejects.toThrow(InvalidArgumentError)
    expect(bench.store.take().filter(({ op }) => op === 'put')).toEqual([])
  })

  it('goes with connection groups', async () => {
    await using bench = await Bench.on(memoryKind)
    const connection = () => new StoreConnection(bench.store, 'group.rcg')
    const options = { lock: 'push', lockTiming: { settle: 5, poll: 5 } } as const
    await using first = await openRcg(connection(), bench.freshPath(), { ...options, flag: 'c' })
    first.metadata = { by: 'first' }
    await first.push()
    await using second = await openRcg(connection(), bench.freshPath(), { ...options, flag: 'w', onConflict: 'remote' })
    second.metadata = { by: 'second' }
    first.metadata = { by: 'first again' }
    await first.push()
    expect(await second.push()).toMatchObject({ conflicts: [{ kind: 'metadata', resolution: 'remote' }] })
    expect(second.metadata).toEqual({ by: 'first again' })
  })
})

describe('a session that holds the lock', () => {
  it('lets what is pending win unless it is told to look', async () => {
    for (const onConflict of [undefined, 'stop', 'remote'] as const) {
      await using bench = await Bench.on(memoryKind)
      const path = await published(bench, { a: '0' })
      {
        await using db = await bench.open<string>(path, pushing)
        db.set('a', 'mine')
      }
      await rivalPush(bench, (db) => db.set('a', 'theirs'))
      await using db = await bench.open<string>(path, { flag: 'w', ...(onConflict ? { onConflict } : {}) })
      if (onConflict === 'stop') await expect(db.push()).rejects.toThrow(PushConflictError)
      else expect(await db.push()).toMatchObject({ ok: true, conflicts: onConflict ? [{ key: 'a', resolution: 'remote' }] : [] })
      expect(await bench.contents()).toEqual({ a: onConflict ? 'theirs' : 'mine' })
    }
  })
})

describe('what edits were based on', () => {
  it('is the committed value for what was set again while the push ran', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    await using db = await bench.open<string>(path, pushing)
    db.set('a', 'first')
    bench.store.hooks.before = (op, key) => {
      if (op === 'put' && key === 'db.blt') db.set('a', 'second')
    }
    await db.push()
    bench.store.hooks = {}
    expect(pendingOf(db)).toEqual(['changed a'])
    expect(await db.push()).toMatchObject({ ok: true, conflicts: [] })
    expect(await bench.contents()).toEqual({ a: 'second' })
  })

  it('asks again about what was changed while it was decided', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0', b: '0' })
    await using db = await bench.open<string>(path, pushing)
    db.set('a', 'mine').set('b', 'mine')
    await rivalPush(bench, (rival) => rival.set('a', 'theirs').set('b', 'theirs'))
    const seen: unknown[] = []
    const onConflict = async ({ key, local }: Conflict<string>) => {
      seen.push(`${key} ${String(local.value)}`)
      await Promise.resolve()
      if (seen.length === 2) db.set('a', 'later')
      return 'remote' as const
    }
    expect(await db.push({ onConflict })).toMatchObject({ conflicts: [{ key: 'a' }, { key: 'b' }] })
    expect(seen).toEqual(['a mine', 'b mine', 'a later', 'b mine'])
    const restless = ({ key }: Conflict<string>) => {
      db.set(key!, `again ${seen.push('')}`)
      return 'remote' as const
    }
    db.set('a', 'mine')
    await rivalPush(bench, (rival) => rival.set('a', 'theirs again'))
    await expect(db.push({ onConflict: restless })).rejects.toThrow(PushConflictError)
    expect(pendingOf(db)).toEqual(['changed a'])
    expect(await bench.contents()).toEqual({ a: 'theirs again', b: 'theirs' })
  })

  it('is our own commit where only its acknowledgement was lost', async () => {
    for (const numGroups of [5, null]) {
      await using bench = await Bench.on(memoryKind)
      const path = await published(bench, { a: '0', b: '0', c: '0' }, numGroups)
      await using db = await bench.open<string>(path, pushing)
      db.set('a', 'sent').set('b', 'sent').delete('c')
      db.metadata = 'sent'
      const lost = () => {
        throw new StoreUnreachableError('the connection broke', { store: 'test' })
      }
      bench.store.hooks.after = (op, key) => {
        if (op !== 'put' || key !== 'db.blt') return
        bench.store.hooks.before = (next, object) => (next === 'head' && object === 'db.blt' ? lost() : undefined)
        lost()
      }
      await expect(db.push()).rejects.toMatchObject({ code: 'COMMIT_FAILED', inDoubt: true })
      bench.store.hooks = {}
      db.set('a', 'after').set('c', 'after')
      db.metadata = 'after'
      await rivalPush(bench, (rival) => rival.set('b', 'theirs').set('d', 'theirs'))
      const error = await db.push().then(() => undefined, (thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(PushConflictError)
      expect((error as PushConflictError).conflicts).toMatchObject([{ key: 'b', kind: 'both-changed' }])
      db.discard(['b'])
      expect(await db.push()).toMatchObject({ ok: true, conflicts: [] })
      expect(await bench.contents()).toEqual({ a: 'after', b: 'theirs', c: 'after', d: 'theirs' })
    }
  })

  it('lets a key that is deleted after a push in doubt stay deleted, whoever holds the lock and when', async () => {
    for (const lock of ['session', 'push'] as const) {
      await using bench = await Bench.on(memoryKind)
      const path = await published(bench, { a: '0' })
      await using db = await bench.open<string>(path, { flag: 'w', lock })
      db.set('new', 'sent')
      bench.store.hooks.after = (op, key) => {
        if (op === 'put' && key === 'db.blt') unreachable(bench)
        if (op === 'put' && key === 'db.blt') throw new StoreUnreachableError('the connection broke', { store: 'test' })
      }
      await expect(db.push()).rejects.toMatchObject({ code: 'COMMIT_FAILED', inDoubt: true })
      bench.store.hooks = {}
      expect(db.delete('new')).toBe(true)
      expect(db.has('new')).toBe(false)
      expect(await db.push({ onConflict: 'local' })).toMatchObject({ ok: true })
      expect(db.has('new')).toBe(false)
      expect(await bench.contents()).toEqual({ a: '0' })
    }
  })

  it('is our own commit also after a crash in its moment, with a network and without', async () => {
    for (const numGroups of [5, null]) {
      for (const offline of [false, true]) {
        await using bench = await Bench.on(memoryKind)
        const path = await published(bench, { a: '0', b: '0', c: '0', d: '0' }, numGroups)
        const crashed = bench.freshPath()
        await using db = await bench.open<string>(path, pushing)
        db.set('a', 'sent').set('b', 'sent').set('new', 'sent').set('new too', 'sent').delete('c')
        db.metadata = 'sent'
        bench.store.hooks.after = (op, key) => {
          if (op !== 'put' || key !== 'db.blt') return
          for (const name of [(file: string) => file, remoteIndexPath, baseValuesPath]) cpSync(name(path), name(crashed))
        }
        await db.push()
        bench.store.hooks = {}
        if (offline) unreachable(bench)
        await using again = await bench.open<string>(crashed, pushing)
        bench.store.hooks = {}
        expect(pendingOf(again)).toContain('changed a')
        again.set('a', 'after').set('c', 'after').set('d', 'after').delete('new')
        again.metadata = 'after'
        expect(again.has('new')).toBe(false)
        const result = await again.push().catch((error: unknown) => error)
        // Without having looked, what was set where the commit deleted can't be told from a rival's delete.
        if (offline) {
          expect((result as PushConflictError).conflicts.map(({ kind, key }) => `${kind} ${key}`).sort()).toEqual(['both-changed a', 'changed-deleted c', 'deleted-changed new', 'metadata undefined'])
          await again.push({ onConflict: 'local' })
        } else expect(result).toMatchObject({ ok: true, conflicts: [] })
        expect(await bench.contents()).toEqual({ a: 'after', b: 'sent', 'new too': 'sent', c: 'after', d: 'after' })
        expect(again.metadata).toBe('after')
      }
    }
  })

  it('is nothing that anybody could know when the index was lost and the remote has moved on', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { same: '0', other: '0', gone: '0', mine: '0' })
    const edit = (db: Db) => {
      db.set('same', 'same').set('other', 'mine').set('gone', 'mine').delete('mine')
      db.metadata = 'mine'
    }
    for (const moved of [false, true]) {
      {
        await using db = await bench.open<string>(path, pushing)
        db.discard()
        edit(db)
      }
      if (moved) await rivalPush(bench, (db) => db.set('same', 'same').delete('gone'))
      rmSync(remoteIndexPath(path))
      await using db = await bench.open<string>(path, pushing)
      if (!moved) continue
      const seen: string[] = []
      const onConflict = ({ kind, key, base }: Conflict<string>) => {
        seen.push(`${kind} ${key} ${base.known}`)
        return 'local' as const
      }
      expect(await db.push({ onConflict })).toMatchObject({ adopted: ['same'] })
      expect(seen.sort()).toEqual(['both-changed other false', 'changed-deleted gone false', 'deleted-changed mine false', 'metadata undefined false'])
      expect(await bench.contents()).toEqual({ same: 'same', other: 'mine', gone: 'mine' })
    }
  })

  it('survives a crash between the two files in which the remote is noted', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0', b: '0' })
    {
      await using db = await bench.open<string>(path, pushing)
      db.set('a', 'mine').delete('b')
      db.metadata = 'mine'
    }
    await rivalPush(bench, (db) => {
      db.set('a', 'theirs').set('b', 'theirs')
      db.metadata = 'theirs'
    })
    // As a crash leaves them: the index file is there, what follows is not.
    const crashed = bench.freshPath()
    const files = indexFileBeside(path)
    const booklet = openBooklet<string, unknown>(path, { flag: 'w' })
    const write = (bytes: Uint8Array) => {
      files.write(bytes)
      cpSync(path, crashed)
      cpSync(remoteIndexPath(path), remoteIndexPath(crashed))
    }
    const state = SyncState.load(booklet, { ...files, write }, 'EVariableLengthValue')
    const found = await readRemote({ store: bench.store, dbKey: 'db.blt' }, state.remote)
    if (found.status !== 'ok') throw new Error('the remote has changed')
    takeIn(state, found.snapshot)
    booklet.close()
    await using db = await bench.open<string>(crashed, pushing)
    expect(pendingOf(db)).toEqual(['changed a', 'deleted b'])
    const error = await db.push().then(() => undefined, (thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PushConflictError)
    expect((error as PushConflictError).conflicts.map(({ kind }) => kind).sort()).toEqual(['both-changed', 'deleted-changed', 'metadata'])
  })

  it('costs the journal nothing while the remote stays as it was', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key ${i}`, '0'])))
    {
      await using db = await bench.open<string>(path, pushing)
      for (const key of [...db.keys()]) db.set(key, 'mine')
    }
    const slot = () => {
      using booklet = openBooklet(path, { flag: 'r' })
      return new TextDecoder().decode(booklet.reserved.get(1)!.bytes)
    }
    expect(slot()).not.toContain('bases')
    await rivalPush(bench, (db) => db.set('key 7', 'theirs'))
    {
      await using db = await bench.open<string>(path, pushing)
      await db.pull()
    }
    expect(JSON.parse(slot())).toMatchObject({ bases: { keys: [['key 7', expect.any(Number), 3]] } })
  })
})

describe('values that were overwritten', () => {
  it('are kept beside the local file until they are pushed or taken back', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0', b: '0', c: '0' })
    const file = baseValuesPath(path)
    await using db = await bench.open<string>(path, pushing)
    expect(existsSync(file)).toBe(false)
    db.set('new', '1')
    expect(existsSync(file)).toBe(false)
    db.set('a', '1').set('a', '2').delete('b')
    expect(existsSync(file)).toBe(true)
    db.discard(['a'])
    expect(existsSync(file)).toBe(true)
    await db.push()
    expect(existsSync(file)).toBe(false)
    db.set('c', '1')
    expect(existsSync(file)).toBe(true)
    db.discard()
    expect(existsSync(file)).toBe(false)
  })

  it('are not missed: where the file is damaged or gone, the base says that it is not known', async () => {
    for (const harm of ['gone', 'damaged', 'none'] as const) {
      await using bench = await Bench.on(memoryKind)
      const path = await published(bench, { a: '0' })
      {
        await using db = await bench.open<string>(path, pushing)
        db.set('a', 'mine')
      }
      if (harm === 'gone') rmSync(baseValuesPath(path))
      if (harm === 'damaged') cpSync(remoteIndexPath(path), baseValuesPath(path))
      await rivalPush(bench, (db) => db.set('a', 'theirs'))
      await using db = await bench.open<string>(path, pushing)
      const bases: unknown[] = []
      await db.push({
        onConflict: ({ base }) => {
          bases.push([base.known, base.value, base.timestamp !== undefined])
          return 'local'
        },
      })
      expect(bases).toEqual([harm === 'none' ? [true, '0', true] : [false, undefined, true]])
      expect(await bench.contents()).toEqual({ a: 'mine' })
    }
  })
})

describe('values that were kept and are no base any more', () => {
  it('make no conflict after a decision whose push failed', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    {
      await using db = await bench.open<string>(path, pushing)
      db.set('a', 'mine')
      await rivalPush(bench, (rival) => rival.set('a', 'theirs'))
      bench.store.hooks.before = (op, key) => {
        if (op === 'put' && key.startsWith('db.blt/')) throw new Error('disk full')
      }
      expect(await db.push({ onConflict: 'local' })).toMatchObject({ ok: false, conflicts: [{ key: 'a', resolution: 'local' }] })
      bench.store.hooks = {}
    }
    await using db = await bench.open<string>(path, pushing)
    expect(await db.push()).toMatchObject({ ok: true, conflicts: [] })
    expect(await bench.contents()).toEqual({ a: 'mine' })
  })

  it('make none after a session that pushed without looking at them', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    {
      await using db = await bench.open<string>(path, pushing)
      db.set('a', 'first')
    }
    {
      await using db = await bench.open<string>(path, { flag: 'w' })
      await db.push()
      db.set('a', 'second')
      expect(existsSync(baseValuesPath(path))).toBe(false)
    }
    await using db = await bench.open<string>(path, pushing)
    expect(await db.push()).toMatchObject({ ok: true, conflicts: [] })
    expect(await bench.contents()).toEqual({ a: 'second' })
  })
})

describe('a push that fails', () => {
  /** Pushes while one request fails, or all from that one on. Returns false when the push made fewer requests. */
  async function pushFailingAt(nth: number, how: 'before' | 'after' | 'from', numGroups: number | null): Promise<boolean> {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0', b: '0', c: '0' }, numGroups)
    await using db = await bench.open<string>(path, { ...pushing, environment: impatient })
    await rivalPush(bench, (rival) => rival.set('a', 'theirs').set('d', 'theirs'))
    db.set('a', 'mine').set('b', 'mine').delete('c')
    let count = 0
    const fail = (position: 'before' | 'after') => (op: string, key: string) => {
      if (position === (how === 'after' ? 'before' : 'after')) return
      const at = count++
      if (at === nth || (how === 'from' && at > nth)) throw new StoreUnreachableError(`${op} ${key} failed`, { store: 'test' })
    }
    bench.store.hooks = { before: fail('before'), after: fail('after') }
    const before = pendingOf(db)
    const result = await db.push({ onConflict: 'local' }).catch((error: unknown) => error as Error)
    const happened = count > nth
    if (result instanceof Error) expect(pendingOf(db), `request ${nth}: ${result.message}`).toEqual(before)
    bench.store.hooks = {}
    if (how !== 'from') expect(await locks(bench), `request ${nth}`).toEqual([])
    await db.push({ onConflict: 'local' })
    expect(await bench.contents(), `request ${nth}`).toEqual({ a: 'mine', b: 'mine', d: 'theirs' })
    expect(pendingOf(db)).toEqual([])
    expect(await locks(bench)).toEqual([])
    return happened
  }

  it.each([
    ['never arrives', 'before', 5],
    ['never arrives', 'before', null],
    ['loses its acknowledgement', 'after', 5],
    ['is the first that finds nobody there', 'from', 5],
  ] as const)('at a request that %s keeps everything pending, leaves no lock, and converges (%s, %s groups)', async (_name, how, numGroups) => {
    let requests = 0
    while (await pushFailingAt(requests, how, numGroups)) requests++
    expect(requests).toBeGreaterThan(8)
  })

  it('tells when it was done but its lock could not be released, and releases that later', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await published(bench, { a: '0' })
    const db = await bench.open<string>(path, { ...pushing, environment: impatient })
    db.set('a', 'mine')
    bench.store.hooks.before = (op, key) => {
      if (op === 'delete' && key.includes('.lock.')) throw new StoreUnreachableError('gone', { store: 'test' })
    }
    expect(await db.push()).toMatchObject({ ok: true, updated: true })
    expect(bench.warnings.join()).toMatch(/could not be released/)
    db.set('a', 'again')
    await expect(db.push()).rejects.toThrow(StoreUnreachableError)
    expect(pendingOf(db)).toEqual(['changed a'])
    bench.store.hooks = {}
    expect(await db.push()).toMatchObject({ ok: true })
    expect(await locks(bench)).toEqual([])
    await db.close()
  })
})
