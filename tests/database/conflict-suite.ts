/** What becomes of changes on both sides, on every kind of remote. docs/sync.md has a line for each of these tests. */
import { describe, expect, it } from 'vitest'
import { listLocks, PushConflictError, UuidMismatchError, type Conflict, type Ebooklet, type OpenEbookletOptions, type Resolution } from '../../src/index.js'
import { Bench, type RemoteKind } from './remotes.js'

const modes = [
  { mode: 'grouped', numGroups: 5 },
  { mode: 'per key', numGroups: null },
] as const

type Db = Ebooklet<string>
type Content = Record<string, string>

const pushing: OpenEbookletOptions<string> = { flag: 'w', lock: 'push' }

/** A published database, and two sessions that hold all of it. */
async function pair(bench: Bench, numGroups: number | null, content: Content): Promise<{ mine: Db; theirs: Db; path: string }> {
  bench.wholeAtTheEnd.push('db.blt')
  const first = await bench.open<string>(bench.freshPath(), { flag: 'c', lock: 'push', numGroups })
  first.update(Object.entries(content))
  first.metadata = { by: 'first' }
  expect(await first.push()).toMatchObject({ ok: true, updated: true, conflicts: [], adopted: [] })
  await first.close()
  const path = bench.freshPath()
  const mine = await bench.open<string>(path, pushing)
  const theirs = await bench.open<string>(bench.freshPath(), pushing)
  await mine.load()
  await theirs.load()
  return { mine, theirs, path }
}

async function conflictsOf(db: Db): Promise<PushConflictError> {
  const error = await db.push().then(() => undefined, (thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(PushConflictError)
  return error as PushConflictError
}

/** What a conflict shows, in one line. */
function shown({ kind, key, base, local, remote }: Conflict<string>): string {
  const side = ({ known, deleted, value }: typeof base) => (!known ? '?' : deleted ? '-' : JSON.stringify(value))
  return `${kind} ${key ?? ''}: ${side(base)} → ${side(local)} here, ${side(remote)} there`
}

/** Pushes with a function that answers by the key, and tells what it saw. */
async function pushAnswering(db: Db, answer: (key: string) => Resolution<string>) {
  const seen: string[] = []
  const result = await db.push({
    onConflict: (conflict) => {
      seen.push(shown(conflict))
      return answer(conflict.key ?? '')
    },
  })
  return { seen: seen.sort(), result }
}

/** The key says what is to become of it. */
const byName = (key: string): Resolution<string> =>
  key.startsWith('local') || key.startsWith('remote') ? (key.split(' ')[0] as 'local' | 'remote') : key.startsWith('drop') ? { value: undefined } : { value: 'merged' }

const names = (what: string) => ['local', 'remote', 'value', 'drop'].map((how) => `${how} ${what}`)
const content = (keys: string[], value: string) => Object.fromEntries(keys.map((key) => [key, value]))

export function conflictSuite(kind: RemoteKind): void {
  describe(`writers who lock only while they push, on ${kind.name}`, () => {
    for (const { mode, numGroups } of modes) describe(mode, () => keyConflicts(kind, numGroups))
    others(kind)
  })
}

function keyConflicts(kind: RemoteKind, numGroups: number | null): void {
  it('merges keys that one side changed', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, numGroups, { a: '0', b: '0', c: '0', d: '0' })
    theirs.set('a', 'theirs').set('new there', '1')
    theirs.delete('c')
    await theirs.push()
    mine.set('b', 'mine').set('new here', '1')
    mine.delete('d')
    expect(await mine.push()).toMatchObject({ ok: true, conflicts: [], adopted: [], deleted: ['d'] })
    const merged = { a: 'theirs', b: 'mine', 'new here': '1', 'new there': '1' }
    expect(await bench.contents()).toEqual(merged)
    expect(Object.fromEntries(await entriesOf(mine))).toEqual(merged)
    await theirs.pull()
    expect(Object.fromEntries(await entriesOf(theirs))).toEqual(merged)
  })

  it('both changed', async () => {
    await using bench = await Bench.on(kind)
    const keys = names('key')
    const { mine, theirs } = await pair(bench, numGroups, content(keys, '0'))
    // The clock of the one who comes later may be behind.
    for (const key of keys) theirs.set(key, 'theirs', { timestamp: 2 ** 51 })
    await theirs.push()
    for (const key of keys) mine.set(key, 'mine!!')
    const { conflicts } = await conflictsOf(mine)
    expect(conflicts.map(({ kind, key }) => `${kind} ${key}`).sort()).toEqual(keys.map((key) => `both-changed ${key}`).sort())
    for (const { key, baseTimestamp, localTimestamp, remoteTimestamp } of conflicts) {
      expect(remoteTimestamp).toBe(2 ** 51)
      expect(localTimestamp).toBe(mine.getTimestamp(key!))
      expect(baseTimestamp).toBeLessThan(localTimestamp!)
    }
    expect(mine.changes().size).toBe(4)
    expect(await bench.contents()).toEqual(content(keys, 'theirs'))
    const { seen, result } = await pushAnswering(mine, byName)
    expect(seen).toEqual(keys.map((key) => `both-changed ${key}: "0" → "mine!!" here, "theirs" there`).sort())
    expect(result.conflicts.map(({ key, resolution }) => `${key}: ${resolution}`).sort()).toEqual(['drop key: value', 'local key: local', 'remote key: remote', 'value key: value'])
    expect(await bench.contents()).toEqual({ 'local key': 'mine!!', 'remote key': 'theirs', 'value key': 'merged' })
    expect(Object.fromEntries(await entriesOf(mine))).toEqual({ 'local key': 'mine!!', 'remote key': 'theirs', 'value key': 'merged' })
    expect(mine.changes().size).toBe(0)
  })

  it('added on both sides', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, numGroups, {})
    const keys = names('key')
    for (const key of keys) theirs.set(key, 'theirs')
    await theirs.push()
    for (const key of keys) mine.set(key, 'mine')
    expect((await conflictsOf(mine)).conflicts.length).toBe(4)
    const { seen } = await pushAnswering(mine, byName)
    expect(seen).toEqual(keys.map((key) => `both-changed ${key}: - → "mine" here, "theirs" there`).sort())
    expect(await bench.contents()).toEqual({ 'local key': 'mine', 'remote key': 'theirs', 'value key': 'merged' })
  })

  it('changed here, deleted there', async () => {
    await using bench = await Bench.on(kind)
    const keys = names('key')
    const { mine, theirs } = await pair(bench, numGroups, { ...content(keys, '0'), rest: '0' })
    for (const key of keys) theirs.delete(key)
    await theirs.push()
    for (const key of keys) mine.set(key, 'mine')
    const { conflicts } = await conflictsOf(mine)
    expect(conflicts.map(({ kind, remoteTimestamp }) => [kind, remoteTimestamp])).toEqual(keys.map(() => ['changed-deleted', undefined]))
    const { seen } = await pushAnswering(mine, byName)
    expect(seen).toEqual(keys.map((key) => `changed-deleted ${key}: "0" → "mine" here, - there`).sort())
    expect(await bench.contents()).toEqual({ rest: '0', 'local key': 'mine', 'value key': 'merged' })
    expect(Object.fromEntries(await entriesOf(mine))).toEqual({ rest: '0', 'local key': 'mine', 'value key': 'merged' })
  })

  it('deleted here, changed there', async () => {
    await using bench = await Bench.on(kind)
    const keys = names('key')
    const { mine, theirs } = await pair(bench, numGroups, { ...content(keys, '0'), rest: '0' })
    for (const key of keys) theirs.set(key, 'theirs')
    await theirs.push()
    for (const key of keys) mine.delete(key)
    const { conflicts } = await conflictsOf(mine)
    expect(conflicts.map(({ kind, localTimestamp }) => [kind, localTimestamp])).toEqual(keys.map(() => ['deleted-changed', undefined]))
    const { seen } = await pushAnswering(mine, byName)
    expect(seen).toEqual(keys.map((key) => `deleted-changed ${key}: "0" → - here, "theirs" there`).sort())
    expect(await bench.contents()).toEqual({ rest: '0', 'remote key': 'theirs', 'value key': 'merged' })
    expect(Object.fromEntries(await entriesOf(mine))).toEqual({ rest: '0', 'remote key': 'theirs', 'value key': 'merged' })
  })

  it('deleted on both sides', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, numGroups, { a: '0', rest: '0' })
    theirs.delete('a')
    await theirs.push()
    mine.delete('a')
    expect(await mine.push()).toMatchObject({ updated: false, ok: true, conflicts: [] })
    expect(mine.changes().size).toBe(0)
    expect(await bench.contents()).toEqual({ rest: '0' })
  })

  it('set to the same on both sides', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, numGroups, { a: '0', rest: '0' })
    theirs.set('a', 'same').set('b', 'same')
    await theirs.push()
    mine.set('a', 'same').set('b', 'same')
    const result = await mine.push()
    expect(result).toMatchObject({ updated: false, ok: true, conflicts: [] })
    expect(result.adopted.toSorted()).toEqual(['a', 'b'])
    expect(mine.changes().size).toBe(0)
    for (const key of ['a', 'b']) expect(mine.getTimestamp(key)).toBe(theirs.getTimestamp(key))
    expect(await bench.contents()).toEqual({ a: 'same', b: 'same', rest: '0' })
  })

  it("decides all for one side with 'local' and 'remote', without fetching a value", async () => {
    for (const side of ['local', 'remote'] as const) {
      await using bench = await Bench.on(kind)
      const { mine, theirs } = await pair(bench, numGroups, { both: '0', here: '0', there: '0', rest: '0' })
      theirs.set('both', 'theirs').set('here', 'theirs').delete('there')
      theirs.metadata = { by: 'them' }
      await theirs.push()
      mine.set('both', 'mine').set('there', 'mine').delete('here')
      mine.metadata = { by: 'me' }
      await mine.pull()
      bench.store.take()
      const result = await mine.push({ onConflict: side })
      // With groups 'local' needs the members of the groups that it writes.
      if (side === 'remote' || numGroups === null) expect(bench.store.take().filter(({ op, key }) => op === 'get' && key.startsWith('db.blt/'))).toEqual([])
      expect(result.conflicts.length).toBe(4)
      expect(new Set(result.conflicts.map(({ resolution }) => resolution))).toEqual(new Set([side]))
      const expected = side === 'local' ? { both: 'mine', there: 'mine', rest: '0' } : { both: 'theirs', here: 'theirs', rest: '0' }
      expect(await bench.contents()).toEqual(expected)
      expect(mine.metadata).toEqual({ by: side === 'local' ? 'me' : 'them' })
      await theirs.pull()
      expect(Object.fromEntries(await entriesOf(theirs))).toEqual(expected)
      expect(theirs.metadata).toEqual(mine.metadata)
    }
  })

  it('changes nothing when the function that decides throws or answers nonsense', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, numGroups, { a: '0', b: '0' })
    theirs.set('a', 'theirs').set('b', 'theirs')
    await theirs.push()
    mine.set('a', 'mine').set('b', 'mine').set('c', 'mine')
    let asked = 0
    const thrower = (): Resolution<string> => {
      if (++asked === 2) throw new Error('no idea')
      return 'remote'
    }
    await expect(mine.push({ onConflict: thrower })).rejects.toThrow('no idea')
    await expect(mine.push({ onConflict: () => 'mine' as 'local' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect([...mine.changes()].map(({ key }) => key).sort()).toEqual(['a', 'b', 'c'])
    expect(await bench.contents()).toEqual({ a: 'theirs', b: 'theirs' })
    expect((await conflictsOf(mine)).conflicts.length).toBe(2)
    mine.discard(['a'])
    expect(await mine.get('a')).toBe('theirs')
    expect(await mine.push({ onConflict: 'local' })).toMatchObject({ ok: true, conflicts: [{ key: 'b', resolution: 'local' }] })
    expect(await bench.contents()).toEqual({ a: 'theirs', b: 'mine', c: 'mine' })
  })

  it('remembers what edits were based on over a close', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs, path } = await pair(bench, numGroups, { a: '0', b: '0' })
    mine.set('a', 'mine')
    theirs.set('a', 'theirs').set('b', 'theirs')
    await theirs.push()
    await mine.pull()
    mine.set('b', 'based on theirs')
    await mine.close()
    await using again = await bench.open<string>(path, pushing)
    const seen: string[] = []
    const onConflict = (conflict: Conflict<string>): Resolution<string> => {
      seen.push(shown(conflict))
      return { value: 'merged' }
    }
    expect(await again.push({ onConflict })).toMatchObject({ ok: true })
    expect(seen).toEqual(['both-changed a: "0" → "mine" here, "theirs" there'])
    expect(await bench.contents()).toEqual({ a: 'merged', b: 'based on theirs' })
  })
}

async function entriesOf(db: Db): Promise<[string, string][]> {
  const found: [string, string][] = []
  for await (const entry of db) found.push(entry)
  return found
}

function others(kind: RemoteKind): void {
  it('metadata edited on both sides', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, 5, { a: '0' })
    theirs.metadata = { by: 'them' }
    await theirs.push()
    mine.metadata = { by: 'me' }
    expect((await conflictsOf(mine)).conflicts).toMatchObject([{ kind: 'metadata', key: undefined }])
    expect(mine.metadata).toEqual({ by: 'me' })
    const seen: string[] = []
    const onConflict = (conflict: Conflict<string>): Resolution<string> => {
      seen.push(shown(conflict))
      return { metadata: { by: 'both' } }
    }
    expect(await mine.push({ onConflict })).toMatchObject({ updated: true, conflicts: [{ kind: 'metadata', resolution: 'value' }] })
    expect(seen).toEqual(['metadata : {"by":"first"} → {"by":"me"} here, {"by":"them"} there'])
    await theirs.pull()
    expect(theirs.metadata).toEqual({ by: 'both' })
    theirs.metadata = { by: 'us' }
    await theirs.push()
    mine.metadata = { by: 'us' }
    expect(await mine.push()).toMatchObject({ updated: false, conflicts: [] })
    expect(mine.changes().metadataChanged).toBe(false)
  })

  it('a replacement of ours while somebody commits', async () => {
    for (const side of ['local', 'remote'] as const) {
      await using bench = await Bench.on(kind)
      const { mine, theirs } = await pair(bench, 5, { a: '0' })
      await mine.close()
      await using anew = await bench.open<string>(bench.freshPath(), { flag: 'n', lock: 'push', numGroups: 5 })
      anew.set('only', 'mine')
      theirs.set('a', 'theirs')
      await theirs.push()
      expect((await conflictsOf(anew)).conflicts).toMatchObject([{ kind: 'replacement' }])
      expect(anew.changes().replacesRemote).toBe(true)
      expect(await bench.contents()).toEqual({ a: 'theirs' })
      expect(await anew.push({ onConflict: () => side })).toMatchObject({ ok: true, conflicts: [{ kind: 'replacement', resolution: side }] })
      const expected = side === 'local' ? { only: 'mine' } : { a: 'theirs' }
      expect(await bench.contents()).toEqual(expected)
      expect(Object.fromEntries(await entriesOf(anew))).toEqual(expected)
    }
  })

  it('a replacement of ours while nobody commits', async () => {
    await using bench = await Bench.on(kind)
    await pair(bench, 5, { a: '0' })
    await using anew = await bench.open<string>(bench.freshPath(), { flag: 'n', lock: 'push', numGroups: 3 })
    anew.set('only', 'mine')
    expect(await anew.push()).toMatchObject({ ok: true, updated: true, conflicts: [] })
    expect(await bench.contents()).toEqual({ only: 'mine' })
  })

  it('a database that somebody has replaced, with another number of groups', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, 5, { a: '0', b: '0' })
    await theirs.close()
    await using anew = await bench.open<string>(bench.freshPath(), { flag: 'n', lock: 'push', numGroups: 11 })
    anew.set('a', 'replaced').set('b', 'replaced').set('c', 'replaced')
    await anew.push()
    mine.set('b', 'mine').set('d', 'mine')
    expect((await conflictsOf(mine)).conflicts).toMatchObject([{ kind: 'both-changed', key: 'b' }])
    expect(mine.numGroups).toBe(11)
    expect(await mine.push({ onConflict: 'local' })).toMatchObject({ ok: true })
    expect(await bench.contents()).toEqual({ a: 'replaced', b: 'mine', c: 'replaced', d: 'mine' })
  })

  it('another database in the place of this one', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, 5, { a: '0' })
    await theirs.close()
    await using anew = await bench.open<string>(bench.freshPath(), { flag: 'n', lock: 'push', numGroups: null })
    anew.set('a', 'another')
    await anew.push()
    mine.set('a', 'mine')
    await expect(mine.push()).rejects.toThrow(UuidMismatchError)
    expect(mine.changes().size).toBe(1)
    expect(await locksOf(bench)).toEqual([])
  })

  it('holds the lock only while it pushes', async () => {
    await using bench = await Bench.on(kind)
    const { mine, theirs } = await pair(bench, 5, { a: '0', b: '0' })
    mine.set('a', 'mine')
    expect(await locksOf(bench)).toEqual([])
    theirs.set('b', 'theirs')
    await theirs.push()
    expect(await locksOf(bench)).toEqual([])
    const held: number[] = []
    bench.store.hooks.before = async (op, key) => {
      if (op === 'put' && key === 'db.blt') held.push((await locksOf(bench)).length)
    }
    expect(mine.guarantee).toBeUndefined()
    await mine.push()
    bench.store.hooks = {}
    expect(held).toEqual([1])
    expect(mine.guarantee).toBeDefined()
    expect(await locksOf(bench)).toEqual([])
    bench.store.take()
    expect(await mine.push()).toMatchObject({ updated: false })
    expect(bench.store.take()).toEqual([])
  })
}

async function locksOf(bench: Bench) {
  return listLocks(bench.store, 'db.blt')
}

