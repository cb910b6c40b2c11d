/** A dry run tells what the push does then: compared with what the store and the server count. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEbooklet, ReadOnlyError, type Ebooklet, type OpenEbookletOptions, type PushPlan } from '../../src/index.js'
import { replay, SeededRandom } from '../support/seed.js'
import { countedMemory, countedServer, type CountedRemote, type Traffic } from './traffic.js'

type Database = Ebooklet<Uint8Array>

/** What a session with a lock of its own does about it in a push, and one that takes it for the push. */
const lockRequests = { session: { listVersions: 2 }, push: { put: 2, listVersions: 3, delete: 1 } }
/** Bytes of the two objects of a ticket. */
const ticketBytes = 2

function requestsOf({ requests }: PushPlan, lock: 'session' | 'push'): Record<string, number> {
  const own = lockRequests[lock]
  const all = {
    get: requests.get,
    put: requests.put + ('put' in own ? own.put : 0),
    delete: requests.delete + ('delete' in own ? own.delete : 0),
    listVersions: own.listVersions,
    parts: requests.parts,
  }
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0))
}

function withParts({ requests }: Traffic): Record<string, number> {
  const { beginUpload = 0, putPart = 0, completeUpload = 0, ...others } = requests
  const parts = beginUpload + putPart + completeUpload
  return parts > 0 ? { ...others, parts } : others
}

/** What nobody may change by asking. */
function shownBy(db: Database) {
  return { changes: [...db.changes()], size: db.size, remote: db.remoteTimestamp, metadata: db.metadata, replaces: db.changes().replacesRemote }
}

describe.each([
  ['counted in the memory store', () => Promise.resolve<CountedRemote>(countedMemory())],
  ['counted by the embedded S3 server', (): Promise<CountedRemote> => countedServer()],
])('a dry run, %s', (_name, start) => {
  let remote: CountedRemote
  let folder: string
  let files = 0
  let databases = 0

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ebooklet-dry-run-'))
    remote = await start()
  })
  afterAll(async () => {
    await remote.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const freshPath = () => join(folder, `file${files++}.blt`)
  const freshKey = () => `db${databases++}`
  const open = (dbKey: string, path: string, options: OpenEbookletOptions<Uint8Array>) =>
    openEbooklet<Uint8Array>(remote.connect(dbKey), path, { flag: 'c', valueSerializer: 'bytes', buckets: 11, lockTiming: { settle: 5, poll: 5 }, ...options })

  /** Asks for the plan, pushes, and compares. */
  async function planned(db: Database, lock: 'session' | 'push' = 'session'): Promise<PushPlan> {
    remote.take()
    const before = shownBy(db)
    const plan = await db.push({ dryRun: true })
    expect(remote.take().total).toBe(0)
    expect(shownBy(db)).toEqual(before)
    const result = await db.push()
    const traffic = remote.take()
    expect(result.ok).toBe(true)
    expect({ updated: plan.commits, written: plan.written.toSorted(), deleted: plan.deleted.toSorted() }).toEqual({ updated: result.updated, written: result.written.toSorted(), deleted: result.deleted.toSorted() })
    expect(plan).toMatchObject({ objects: result.objectsUploaded, bytesUp: result.bytesUploaded + plan.bytesOfDbObject, replaces: before.replaces, failures: [] })
    if (!plan.commits) {
      expect(plan.requests.total).toBe(0)
      expect(traffic.total).toBe(0)
      return plan
    }
    expect(withParts(traffic)).toEqual(requestsOf(plan, lock))
    expect(plan.requests.total).toBe(traffic.total)
    expect({ up: traffic.up - (lock === 'push' ? ticketBytes : 0), down: traffic.down }).toEqual({ up: plan.bytesUp, down: plan.bytesDown })
    return plan
  }

  it('of a first push, of nothing, of metadata alone, and of an empty database', async () => {
    const dbKey = freshKey()
    await using db = await open(dbKey, freshPath(), { numGroups: 3 })
    const first = await planned(db)
    expect(first).toMatchObject({ commits: true, written: [], groups: [], objects: 0, metadata: false })
    expect(first.bytesUp).toBe(first.bytesOfDbObject)
    expect(await planned(db)).toMatchObject({ commits: false, bytesUp: 0 })
    db.metadata = { title: 'only this' }
    expect(await planned(db)).toMatchObject({ commits: true, metadata: true, objects: 0 })
    db.set('a', new Uint8Array(100))
    expect(await planned(db)).toMatchObject({ written: ['a'], metadata: false, groups: [{ members: 1, fetched: 0, bytes: 4 + 13 + 1 + 100 }] })
  })

  it('with members that have to be fetched, a group that becomes empty, and an adjusted timestamp', async () => {
    const dbKey = freshKey()
    {
      await using db = await open(dbKey, freshPath(), { numGroups: 2 })
      for (let i = 0; i < 20; i++) db.set(`key${i}`, new Uint8Array(1000 + i))
      await db.push()
    }
    await using db = await open(dbKey, freshPath(), {})
    db.set('key0', new Uint8Array(5), { timestamp: 1_000_000 })
    const timestamp = db.getTimestamp('key0')
    const plan = await db.push({ dryRun: true })
    expect(db.getTimestamp('key0')).toBe(timestamp)
    expect(plan.groups[0]!.fetched).toBe(plan.groups[0]!.members - 1)
    expect(plan.bytesDown).toBeGreaterThan(1000)
    await planned(db)
    for (const key of [...db.keys()]) db.delete(key)
    expect(await planned(db)).toMatchObject({ objects: 0, groups: [{ bytes: 0, members: 0 }, { bytes: 0, members: 0 }], requests: { put: 1, delete: 1 } })
  })

  it('of replacements: other groups, one object per key, and back', async () => {
    const dbKey = freshKey()
    const path = freshPath()
    for (const numGroups of [5, 2, null, null, 3]) {
      await using db = await open(dbKey, path, { flag: 'n', numGroups })
      for (let i = 0; i < 12; i++) if (numGroups !== 2 || i % 3 === 0) db.set(`key${i}`, new Uint8Array(i))
      if (numGroups === 5) db.metadata = { replaced: 'later' }
      const plan = await planned(db)
      expect(plan.requests.delete).toBe(numGroups === 5 ? 0 : plan.requests.delete)
    }
  })

  it('of objects that are sent part by part', async () => {
    await using db = await open(freshKey(), freshPath(), { numGroups: 1 })
    for (let i = 0; i < 3; i++) db.set(`key${i}`, new Uint8Array(6_000_000).fill(i))
    expect((await planned(db)).bytesUp).toBeGreaterThan(18_000_000)
    await using perKey = await open(freshKey(), freshPath(), { numGroups: null })
    perKey.set('large', new Uint8Array(9_000_000)).set('small', new Uint8Array(9))
    await planned(perKey)
  })

  it('of a push that takes the lock for itself', async () => {
    const dbKey = freshKey()
    await using db = await open(dbKey, freshPath(), { numGroups: 3, lock: 'push' })
    // Whether conditional writes work is seen once, and not counted.
    db.set('first', new Uint8Array(1))
    await db.push()
    for (const round of [1, 2, 3]) {
      db.set(`key${round}`, new Uint8Array(round * 10))
      if (round === 2) db.delete('first')
      await planned(db, 'push')
    }
    expect(await planned(db, 'push')).toMatchObject({ commits: false })
  })

  it.each([7, null])('of random edits, from warm and cold files, with replacements: %s groups', async (numGroups) => {
    const random = new SeededRandom()
    const dbKey = freshKey()
    let path = freshPath()
    for (let round = 0; round < 12; round++) {
      try {
        const replaces = round > 0 && random.next() < 0.15
        if (random.next() < 0.4) path = freshPath()
        await using db = await open(dbKey, path, replaces ? { flag: 'n', numGroups: random.pick([numGroups, 3, null]) } : round === 0 ? { numGroups } : {})
        for (let push = 0; push < 2; push++) {
          edit(db, random)
          await planned(db)
        }
      } catch (cause) {
        throw new Error(`round ${round}; ${replay}`, { cause })
      }
    }
  })

  it('is refused where a push would be, and gives the type that was asked for', async () => {
    const dbKey = freshKey()
    await using db = await open(dbKey, freshPath(), { numGroups: 3 })
    await db.push()
    await using reader = await open(dbKey, freshPath(), { flag: 'r' })
    await expect(reader.push({ dryRun: true })).rejects.toThrow(ReadOnlyError)
    const either: boolean = Math.PI > 3
    const outcome = await db.push({ dryRun: either })
    expect('commits' in outcome).toBe(true)
    const result = await db.push({ dryRun: false })
    expect(result.updated).toBe(false)
  })
})

it('a dry run counts deletes as S3 takes them: a thousand at a time', async () => {
  const remote = await countedServer()
  try {
    await using db = await openEbooklet<Uint8Array>(remote.connect('db'), ':memory:', { flag: 'c', valueSerializer: 'bytes', lockTiming: { settle: 5, poll: 5 } })
    for (let i = 0; i < 1001; i++) db.set(`key${i}`, new Uint8Array(1))
    await db.push()
    db.clear()
    const { requests } = await db.push({ dryRun: true })
    expect(requests).toMatchObject({ put: 1, delete: 2, total: 5 })
    remote.take()
    await db.push()
    expect(remote.take().requests).toEqual({ put: 1, delete: 2, listVersions: 2 })
  } finally {
    await remote.close()
  }
})

function edit(db: Database, random: SeededRandom): void {
  const count = random.pick([0, 1, 3, 20])
  for (let i = 0; i < count; i++) {
    const key = `${'long'.repeat(random.below(3))}ключ${random.below(30)}`
    if (random.next() < 0.7) db.set(key, new Uint8Array(random.pick([0, 1, 300, 30_000])), random.next() < 0.1 ? { timestamp: 1_000_000 + i } : {})
    else db.delete(key)
  }
  if (random.next() < 0.2) db.metadata = random.next() < 0.3 ? null : { round: random.below(1000) }
  if (random.next() < 0.05) db.clear()
}
