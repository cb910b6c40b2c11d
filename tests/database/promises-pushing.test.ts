/** What docs/promises.md promises of pushing, as far as no other test shows it. */
import { describe, expect, it } from 'vitest'
import { GroupTooLargeError } from '../../src/format/errors.js'
import { encodeDbMetadata, decodeDbMetadata } from '../../src/format/db-metadata.js'
import { decodeDbPayload, encodeDbPayload } from '../../src/format/db-object.js'
import { groupId } from '../../src/format/group-id.js'
import { lockKey, parseGroupKey, probeKey } from '../../src/format/names.js'
import { encodeRemoteIndex, RemoteIndex } from '../../src/sync/remote-index.js'
import { type Ebooklet, type Progress } from '../../src/index.js'
import { Bench, memoryKind, versionedKind } from './remotes.js'

const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key${i}`, i]))

async function publish(bench: Bench, numGroups: number | null = 7, content: Record<string, unknown> = many): Promise<{ db: Ebooklet; path: string }> {
  const path = bench.freshPath()
  const db = await bench.open(path, { flag: 'c', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return { db, path }
}

describe('a request that fails, whichever it is', () => {
  const edited: Record<string, unknown> = { ...many, key1: 'edited', fresh: 'new' }
  delete edited['key2']

  it.each([
    [7, 'before'],
    [7, 'after'],
    [null, 'before'],
    [null, 'after'],
  ] as const)('leaves readers on one committed state and all the rest pending (%s groups, %s the store acts)', async (numGroups, moment) => {
    for (let failing = 0, done = false; !done; failing++) {
      await using bench = await Bench.on(memoryKind)
      await (await publish(bench, numGroups)).db.close()
      await using db = await bench.open(bench.freshPath(), { flag: 'w' })
      db.set('key1', 'edited').set('fresh', 'new')
      db.delete('key2')
      let calls = 0
      bench.store.hooks[moment] = () => {
        if (calls++ === failing) throw new Error('cut')
      }
      const outcome = await db.push().catch((error: unknown) => error as Error)
      bench.store.hooks = {}
      done = calls <= failing
      const all = !(outcome instanceof Error) && outcome.ok
      const found = await bench.contents()
      if (all) expect(found, `request ${failing}`).toEqual(edited)
      // Per-key mode overwrites values before the commit: there only the keys are those of the old state for sure.
      else if (outcome instanceof Error) expect(numGroups === null ? { ...found, key1: 1 } : found, `request ${failing}`).toEqual(many)
      // Else a group failed and the others went through, in one commit.
      else for (const [key, value] of Object.entries(found)) expect([edited[key], (many as Record<string, unknown>)[key]]).toContain(value)
      expect(db.changes().size === 0, `request ${failing}`).toBe(all)
      const again = await db.push()
      expect(again, `request ${failing}`).toMatchObject({ ok: true, updated: !all })
      expect(await bench.contents(), `request ${failing}`).toEqual(edited)
      expect(db.changes().size).toBe(0)
    }
  })

  it('an abort at any request is a failed push, or comes too late', async () => {
    for (let at = 0, done = false; !done; at++) {
      await using bench = await Bench.on(memoryKind)
      const { db } = await publish(bench)
      db.set('key1', 'edited').set('fresh', 'new')
      db.delete('key2')
      const controller = new AbortController()
      let calls = 0
      bench.store.hooks.before = () => {
        if (calls++ === at) controller.abort(new Error('enough'))
      }
      const outcome = await db.push({ signal: controller.signal }).catch((error: unknown) => error as Error)
      bench.store.hooks = {}
      done = calls <= at
      const committed = !(outcome instanceof Error)
      if (!committed) expect(outcome.message).toBe('enough')
      expect(await bench.contents(), `request ${at}`).toEqual(committed ? edited : many)
      expect(db.changes().size, `request ${at}`).toBe(committed ? 0 : 3)
      await db.push()
      expect(await bench.contents()).toEqual(edited)
    }
  })

  it('a value that fails in per-key mode stays pending alone, and a retry sends only it', async () => {
    await using bench = await Bench.on(memoryKind)
    const { db } = await publish(bench, null)
    db.set('key1', 'bad').set('key3', 'good')
    bench.store.hooks.before = (op, key) => {
      if (op === 'put' && key === 'db.blt/key1') throw new Error('disk full')
    }
    const result = await db.push()
    expect(result).toMatchObject({ ok: false, updated: true, written: ['key3'], failures: [{ group: undefined, keys: ['key1'], error: { message: 'disk full' } }] })
    bench.store.hooks = {}
    expect([...db.changes()].map(({ key }) => key)).toEqual(['key1'])
    bench.store.take()
    expect(await db.push()).toMatchObject({ ok: true, written: ['key1'], objectsUploaded: 1 })
    expect(await bench.contents()).toEqual({ ...many, key1: 'bad', key3: 'good' })
  })
})

it('a group over 4 GiB is refused before anything of it is fetched or built, the others go through', async () => {
  await using bench = await Bench.on(memoryKind)
  const { db } = await publish(bench)
  await db.close()
  // A remote whose index says that one value of key1's group has nearly 4 GiB.
  const got = await bench.store.get('db.blt')
  if (got.status !== 'ok') throw new Error('there is no db object')
  const payload = decodeDbPayload(got.bytes)
  const entries = new Map(RemoteIndex.decode(payload.index).entries())
  const gid = groupId('key1', 7)
  const [neighbour, far] = [Object.keys(many).find((key) => key !== 'key1' && groupId(key, 7) === gid)!, Object.keys(many).find((key) => groupId(key, 7) !== gid)!]
  entries.set(neighbour, { ...entries.get(neighbour)!, length: 2 ** 32 - 500 })
  const metadata = decodeDbMetadata(got.info.metadata)
  const timestamp = metadata.timestamp + 1
  const index = encodeRemoteIndex(entries, { minBuckets: 12_007, timestamp })
  await bench.store.put('db.blt', encodeDbPayload({ manifest: payload.manifest, metaSection: payload.metaSection, index }), { metadata: encodeDbMetadata({ ...metadata, timestamp }) })
  await using writer = await bench.open(bench.freshPath(), { flag: 'w' })
  writer.set('key1', 'x'.repeat(600)).set(far, 'goes')
  bench.store.take()
  const plan = await writer.push({ dryRun: true })
  const result = await writer.push()
  expect(plan).toMatchObject({ commits: true, written: result.written, failures: result.failures, bytesUp: result.bytesUploaded + plan.bytesOfDbObject })
  expect(result).toMatchObject({ ok: false, updated: true, written: [far], failures: [{ group: gid, keys: ['key1'] }] })
  const { error } = result.failures[0]!
  expect(error).toBeInstanceOf(GroupTooLargeError)
  expect((error as GroupTooLargeError).bytes).toBeGreaterThan(2 ** 32)
  expect(error.message).toMatch(/numGroups/)
  const touched = bench.store.take().filter(({ key }) => parseGroupKey('db.blt', key)?.gid === gid)
  expect(touched).toEqual([])
  expect([...writer.changes()].map(({ key }) => key)).toEqual(['key1'])
})

it('in a versioned bucket every version of what was replaced goes, and no version of anything else', async () => {
  for (const numGroups of [7, null]) {
    await using bench = await Bench.on(versionedKind)
    const { db } = await publish(bench, numGroups)
    await bench.store.put('db.blt/stranger', new Uint8Array([1]))
    db.set('key1', 'edited')
    db.delete('key2')
    await db.push()
    db.clear()
    db.set('last', 1)
    await db.push()
    const latest = new Set<string>()
    const all: string[] = []
    for await (const version of bench.store.listVersions('db.blt/')) {
      all.push(version.key)
      if (version.isLatest && !version.isDeleteMarker) latest.add(version.key)
    }
    expect(all.sort()).toEqual([...latest].sort())
    expect(latest.size).toBe(2)
    expect(latest.has('db.blt/stranger')).toBe(true)
    expect(await bench.contents()).toEqual({ last: 1 })
    await db.close()
    const tickets: string[] = []
    for await (const { key } of bench.store.listVersions('db.blt.lock.')) tickets.push(key)
    expect(tickets).toEqual([])
  }
})

it.each([7, null])('cleaning up deletes no lock ticket, no probe and no sibling, even when everything is replaced (%s groups)', async (numGroups) => {
  await using bench = await Bench.on(memoryKind)
  await (await publish(bench, numGroups)).db.close()
  await using db = await bench.open(bench.freshPath(), { flag: 'n', numGroups })
  const waiting = [lockKey('db.blt', '0123456789abc', 0), lockKey('db.blt', '0123456789abc', 1)]
  const others = [...waiting, probeKey('db.blt', '0123456789abc'), 'db.blt2', 'db.blt2/1.0123456789abc', 'db.bl', 'db', 'other/db.blt/1.0123456789abc']
  for (const key of others) await bench.store.put(key, new Uint8Array([49]))
  db.set('only', 1)
  expect(await db.push()).toMatchObject({ ok: true, leftovers: [] })
  expect(await bench.objects()).toEqual(expect.arrayContaining(others))
  expect((await bench.objects('db.blt/')).length).toBe(2)
  expect(await bench.contents()).toEqual({ only: 1 })
})

it('a push from a file that was pushed already, and unchanged, asks nothing', async () => {
  await using bench = await Bench.on(memoryKind)
  const { db, path } = await publish(bench)
  await db.close()
  await using again = await bench.open(path, { flag: 'w' })
  bench.store.take()
  expect(await again.push()).toMatchObject({ updated: false, ok: true, objectsUploaded: 0, bytesUploaded: 0 })
  expect(bench.store.take()).toEqual([])
})

it('progress tells rate and time left, and never goes back within a phase', async () => {
  await using bench = await Bench.on(memoryKind)
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 7 })
  for (const key of Object.keys(many)) db.set(key, 'x'.repeat(5000))
  bench.store.hooks.before = () => new Promise((resolve) => setTimeout(resolve, 3))
  const seen: Progress[] = []
  await db.push({ onProgress: (progress) => seen.push(progress) })
  const uploads = seen.filter(({ phase }) => phase === 'upload')
  for (const [i, progress] of uploads.entries()) {
    const before = uploads[i - 1]
    expect(progress.bytesDone).toBeGreaterThanOrEqual(before?.bytesDone ?? 0)
    expect(progress.groupsDone).toBeGreaterThanOrEqual(before?.groupsDone ?? 0)
    expect(progress.bytesDone).toBeLessThanOrEqual(progress.bytesTotal)
    expect(progress.groupsDone).toBeLessThanOrEqual(progress.groupsTotal)
  }
  const last = uploads.at(-1)!
  expect(last.bytesPerSecond).toBeGreaterThan(0)
  expect(last.secondsRemaining).toBe(0)
  expect(uploads[0]!.secondsRemaining).toBeUndefined()
  expect(uploads.some(({ secondsRemaining }) => secondsRemaining !== undefined && secondsRemaining > 0)).toBe(true)
})

it('the metadata of the remote is carried over by pushes that do not edit it, also by somebody else', async () => {
  await using bench = await Bench.on(memoryKind)
  const { db } = await publish(bench)
  db.metadata = { title: 'kept' }
  await db.push()
  db.set('key1', 'edited')
  await db.push()
  await db.close()
  await using other = await bench.open(bench.freshPath(), { flag: 'w' })
  other.delete('key2')
  await other.push()
  await using reader = await bench.open(':memory:')
  expect(reader.metadata).toEqual({ title: 'kept' })
  expect(reader.has('key2')).toBe(false)
})
