/** Copies and deletes of whole remotes by both sides, compared by what is in the bucket afterwards. */
import { inMemory } from '../../dev/s3-server/body.js'
import { expect, it } from 'vitest'
import { copyRemote, deleteRemote, S3Connection } from '../../src/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'

const layouts = [{ numGroups: 3 }, { numGroups: undefined }]
const options = { lockTiming: { settle: 10, poll: 50 } }

async function pushedByPython(python: PythonPeer, db: SharedDatabase, numGroups: number | undefined): Promise<void> {
  const session = { path: db.freshPath(), flag: 'n' as const, valueSerializer: 'str', ...(numGroups === undefined ? {} : { numGroups }) }
  await db.inPython(python, session, async (handle) => {
    await python.call('ebooklet.apply', { handle, operations: setMany(9) })
    expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
  })
}

describeWithPeers(['python'], 'whole remotes', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2)
  const keys = (db: SharedDatabase, under = db.dbKey) => db.objects().filter((key) => !key.includes('_writable_probe_') && !key.includes('.lock.')).map((key) => key.replace(under, ''))
  const targetOf = (db: SharedDatabase, tail: string) => new S3Connection({ ...db.place, dbKey: `${db.dbKey}${tail}` })

  it.concurrent.each(layouts)('a copy of ours is what a copy of Python is, and Python reads it, $numGroups groups', async ({ numGroups }) => {
    await using db = meeting.database()
    await withPython(async (python) => {
      await pushedByPython(python, db, numGroups)
      await copyRemote(db.ours, targetOf(db, '.ours'), options)
      await db.inPython(python, { path: db.freshPath(), flag: 'w' }, async (handle) => {
        expect(await python.call('ebooklet.copyRemote', { handle, target: { ...db.theirs, db_key: `${db.dbKey}.theirs` } })).toEqual({})
      })
      const all = keys(db)
      const of = (tail: string) => all.filter((key) => key.startsWith(tail)).map((key) => key.slice(tail.length))
      expect(of('.ours').length).toBeGreaterThan(1)
      expect(of('.ours')).toEqual(of('.theirs'))
      const bucket = db.server.storage.bucket(db.bucket)
      const body = (tail: string) => bucket.current(db.dbKey + tail)?.body.read()
      expect(body('.ours')).toEqual(body(''))
      await db.inPython(python, { path: db.freshPath(), remote: { ...db.theirs, db_key: `${db.dbKey}.ours` } }, async (handle) => {
        const { items } = await python.call('ebooklet.dump', { handle })
        expect(items.map(({ key }) => key).sort()).toEqual(Array.from({ length: 9 }, (_, i) => `key${String(i)}`))
      })
      expect(await python.call('ebooklet.fsck', { remote: { ...db.theirs, db_key: `${db.dbKey}.ours` } })).toMatchObject({ exists: true, torn: false, orphans: [], missing: [], unmanifested: [] })
    })
  })

  it.concurrent.each(layouts)('a delete of ours leaves what a delete of Python leaves: nothing, $numGroups groups', async ({ numGroups }) => {
    for (const [by, bucket] of [['us', 'plain'], ['us', 'versioned'], ['python', 'plain']] as const) {
      await using db = meeting.database(bucket)
      await withPython(async (python) => {
        await pushedByPython(python, db, numGroups)
        expect(keys(db).length).toBeGreaterThan(0)
        if (by === 'us') await deleteRemote(db.ours, options)
        else await db.inPython(python, { path: db.freshPath(), flag: 'w' }, (handle) => python.call('ebooklet.deleteRemote', { handle }))
      })
      const stored = db.server.storage.bucket(db.bucket)
      expect(stored.current(db.dbKey)).toBeUndefined()
      expect(keys(db), by).toEqual([])
      if (by === 'us') expect(stored.versionsOf(db.dbKey)).toEqual([])
    }
  })
})

describeWithPeers(['python 0.8'], 'whole remotes of format 1', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2, 'python 0.8')

  it.concurrent.each(layouts)('are deleted exactly, and not copied, $numGroups groups', async ({ numGroups }) => {
    await using db = meeting.database()
    await withPython((python) => pushedByPython(python, db, numGroups))
    const stored = db.server.storage.bucket(db.bucket)
    stored.put(`${db.dbKey}/77`, { headers: {}, metadata: {}, publicRead: false, body: inMemory(Buffer.from('no group of it')), checksum: undefined } as Parameters<typeof stored.put>[1])
    await expect(copyRemote(db.ours, new S3Connection({ ...db.place, dbKey: `${db.dbKey}.copy` }), options)).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', found: 1 })
    const { hadDatabase, spared } = await deleteRemote(db.ours, options)
    expect({ hadDatabase, spared }).toEqual({ hadDatabase: true, spared: [] })
    expect(db.objects().filter((key) => !key.includes('_writable_probe_') && !key.includes('.lock.'))).toEqual([`${db.dbKey}/77`])
  })
})
