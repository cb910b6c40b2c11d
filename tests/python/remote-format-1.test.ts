/** Remotes of format 1, as the real ebooklet 0.8.3 writes them: read by us, upgraded, and continued by 0.10.3. */
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openEbooklet, upgradeRemote } from '../../src/index.js'
import { Format1Error } from '../../src/format/errors.js'
import { toTagged } from '../support/tagged.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { setMany } from './history.js'
import { meetingForSuite, type BucketKind, type SharedDatabase } from './meeting.js'

interface Case {
  numGroups: number | undefined
  bucket: BucketKind
}
const cases: Case[] = [{ numGroups: 3, bucket: 'plain' }, { numGroups: undefined, bucket: 'plain' }, { numGroups: 3, bucket: 'versioned' }, { numGroups: undefined, bucket: 'versioned' }]
const set = (key: string, value: string): PythonOperation => ({ op: 'set', key, value })
const metadata = { title: 'é', list: [1, null] }

function options(db: SharedDatabase, { numGroups }: Case, path = db.freshPath()) {
  return { path, flag: 'n' as const, valueSerializer: 'str', ...(numGroups === undefined ? {} : { numGroups }) }
}

function upgrade(db: SharedDatabase) {
  return upgradeRemote(db.ours, { lockTiming: { settle: 10, poll: 50 } })
}

/** Two pushes of 0.8.3: values, metadata, then a change and a delete. Returns the path of its local copy and what is there. */
async function writtenBy(python: PythonPeer, db: SharedDatabase, each: Case): Promise<{ path: string; content: Record<string, string> }> {
  const path = db.freshPath()
  await db.inPython(python, options(db, each, path), async (handle) => {
    await python.call('ebooklet.apply', { handle, operations: [...setMany(30), set('empty', ''), set('schlüssel/é', 'ü'), { op: 'setMetadata', value: toTagged(metadata) }] })
    expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
  })
  return db.inPython(python, { path, flag: 'w' }, async (handle) => {
    await python.call('ebooklet.apply', { handle, operations: [set('key3', 'a longer value than before'), { op: 'delete', key: 'key7' }, set('added', 'later')] })
    expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
    const { items } = await python.call('ebooklet.dump', { handle })
    return { path, content: Object.fromEntries(items.map(({ key, value }) => [key, value as string])) }
  })
}

async function expectOurs(db: SharedDatabase, content: Record<string, string>, path = ':memory:', remote: Parameters<SharedDatabase['open']>[2] = db.ours): Promise<void> {
  await using session = await db.open(path, {}, remote)
  expect([...session.keys()].sort()).toEqual(Object.keys(content).sort())
  for (const [key, value] of Object.entries(content)) expect(await session.get(key), key).toBe(value)
  expect(session.metadata).toEqual(metadata)
}

describeWithPeers(['python 0.8'], 'a remote of format 1', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2, 'python 0.8')

  it.concurrent.each(cases)('is read by us, also by its URL, refused to our writers, and stays readable by its own: $numGroups groups, $bucket bucket', async (each) => {
    await using db = meeting.database(each.bucket)
    await withPython(async (python) => {
      const { content } = await writtenBy(python, db, each)
      const before = db.objects()
      for (const flag of ['w', 'c', 'n'] as const) {
        const path = db.freshPath()
        const opening = db.open(path, { flag, ...(each.numGroups === undefined ? {} : { numGroups: each.numGroups }) })
        await expect(opening, flag).rejects.toThrow(Format1Error)
        await expect(opening, flag).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', found: 1 })
        expect(existsSync(path)).toBe(false)
      }
      await expectOurs(db, content)
      await expectOurs(db, content, db.freshPath(), db.url)
      expect(db.objects()).toEqual(before)
      await db.inPython(python, { path: db.freshPath() }, async (handle) => {
        const { items } = await python.call('ebooklet.dump', { handle })
        expect(items.map(({ key }) => key).sort()).toEqual(Object.keys(content).sort())
      })
    })
  })

  it.concurrent.each(cases)('warm copies follow its writer: ours, and those that 0.8.3 made, with what is pending in them: $numGroups groups, $bucket bucket', async (each) => {
    await using db = meeting.database(each.bucket)
    await withPython(async (python) => {
      const { path, content } = await writtenBy(python, db, each)
      const ours = db.freshPath()
      await expectOurs(db, content, ours)
      const theirs = db.freshPath()
      await db.inPython(python, { path: theirs, flag: 'w' }, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: [{ op: 'load' }, set('pending', 'here only'), set('key1', 'mine')] })
      })
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: [set('key2', 'newer'), { op: 'delete', key: 'key4' }] })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      const { key4: _gone, ...rest } = content
      const now = { ...rest, key2: 'newer' }
      await expectOurs(db, now, ours)
      {
        await using offline = await openEbooklet(db.ours, theirs, { offline: true })
        expect(await offline.get('pending')).toBe('here only')
        expect(await offline.get('key4')).toBe(content['key4'])
      }
      await expectOurs(db, { ...now, pending: 'here only', key1: 'mine' }, theirs)
      {
        await using session = await db.open(theirs)
        expect([...session.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added pending', 'changed key1'])
      }
      // And after an upgrade all of them go on.
      expect(await upgrade(db)).toMatchObject({ upgraded: true, missing: [], leftovers: [] })
      await expectOurs(db, now, ours)
      await using session = await db.open(theirs, { flag: 'w' })
      expect(await session.push()).toMatchObject({ ok: true, updated: true })
      await expectOurs(db, { ...now, pending: 'here only', key1: 'mine' })
      await expectOurs(db, { ...now, pending: 'here only', key1: 'mine' }, ours)
    })
  })
})

describeWithPeers(['python 0.8', 'python'], 'an upgraded remote', () => {
  const meeting = meetingForSuite()
  const withOld = PythonPeer.poolForSuite(2, 'python 0.8')
  const withNew = PythonPeer.poolForSuite(2)

  it.concurrent.each(cases)('is read and written by 0.10.3 and by us, and sound by its own check: $numGroups groups, $bucket bucket', async (each) => {
    await using db = meeting.database(each.bucket)
    const { content } = await withOld((python) => writtenBy(python, db, each))
    const ours = db.freshPath()
    await expectOurs(db, content, ours)
    expect(await upgrade(db)).toMatchObject({ upgraded: true, missing: [], leftovers: [] })
    const written = await withNew(async (python) => {
      expect(await python.call('ebooklet.fsck', { remote: db.theirs })).toMatchObject({ exists: true, formatVersion: 2, torn: false, orphans: [], missing: [], unmanifested: [] })
      const path = db.freshPath()
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        const dump = await python.call('ebooklet.dump', { handle })
        expect(Object.fromEntries(dump.items.map(({ key, value }) => [key, value]))).toEqual(content)
        expect(dump.metadata?.value).toEqual(toTagged(metadata))
        await python.call('ebooklet.apply', { handle, operations: [set('key2', 'by 0.10'), { op: 'delete', key: 'key5' }] })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      const { key5: _gone, ...rest } = content
      return { ...rest, key2: 'by 0.10' }
    })
    await expectOurs(db, written, ours)
    {
      await using session = await db.open(ours, { flag: 'w' })
      session.set('key6', 'by ours')
      expect(await session.push()).toMatchObject({ ok: true, updated: true })
    }
    await withNew(async (python) => {
      // A copy that we made of format 1 is one that 0.10.3 goes on with.
      await db.inPython(python, { path: ours, flag: 'w' }, async (handle) => {
        const dump = await python.call('ebooklet.dump', { handle })
        expect(Object.fromEntries(dump.items.map(({ key, value }) => [key, value]))).toEqual({ ...written, key6: 'by ours' })
      })
      expect(await python.call('ebooklet.fsck', { remote: db.theirs })).toMatchObject({ orphans: [], missing: [], unmanifested: [] })
    })
  })

  it('keeps the lock of its old writers while it works, and they fail afterwards without harm', async () => {
    await using db = meeting.database()
    await withOld(async (python) => {
      const { path, content } = await writtenBy(python, db, cases[0]!)
      await db.inPython(python, { path, flag: 'w' }, async () => {
        await expect(upgradeRemote(db.ours, { lockTimeout: 100, lockTiming: { settle: 10, poll: 50 } })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      })
      await upgrade(db)
      await db
        .inPython(python, { path: db.freshPath(), flag: 'r' }, async (handle) => python.call('ebooklet.dump', { handle }))
        .then(
          () => expect.fail('0.8.3 read format 2'),
          (error: unknown) => expect(error).toBeInstanceOf(Error),
        )
      await expectOurs(db, content)
    })
  })
})
