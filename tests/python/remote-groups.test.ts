/** Connection groups, both ways: each side reads the other's catalogue and opens members by it. */
import { expect, it } from 'vitest'
import { openRcg, S3Connection, upgradeRemote } from '../../src/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type Handle } from '../support/python.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'

const lockTiming = { settle: 10, poll: 50 }

/** A member that we publish. */
async function publish(member: SharedDatabase): Promise<{ uuid: string; timestamp: number }> {
  const db = await member.open(':memory:', { flag: 'c', numGroups: 3 })
  db.set('a', 'one')
  db.metadata = { title: 'ü', n: 1 }
  const { timestamp } = await db.push()
  await db.close()
  return { uuid: db.uuid, timestamp: timestamp! }
}

function withUrl(member: SharedDatabase): S3Connection {
  const { endpoint, accessKeyId, secretAccessKey } = member.server
  return new S3Connection({ endpoint, accessKeyId, secretAccessKey, bucket: member.bucket, dbKey: member.dbKey, dbUrl: member.url })
}

async function inGroup<T>(python: PythonPeer, group: SharedDatabase, flag: 'r' | 'w' | 'n', use: (handle: Handle) => Promise<T>): Promise<T> {
  const { handle } = await python.call('rcg.open', { remote: group.theirs, path: group.freshPath(), flag })
  try {
    return await use(handle)
  } finally {
    await python.call('close', { handle }).catch(() => undefined)
  }
}

describeWithPeers(['python'], 'connection groups and Python', () => {
  const meeting = meetingForSuite()
  const python = PythonPeer.forSuite()

  it('Python reads our group, opens its members, adds to it, and we read that', async () => {
    await using group = meeting.database()
    await using member = meeting.database()
    const { uuid, timestamp } = await publish(member)
    {
      await using ours = await openRcg(group.ours, ':memory:', { flag: 'c', numGroups: 3, lockTiming })
      await ours.add(withUrl(member), { userMeta: { tags: ['é', 1] } })
      await ours.add(member.url, { key: 'url-only' })
      await ours.push()
    }
    const place = { db_key: member.dbKey, bucket: member.bucket, endpoint_url: member.server.endpoint, db_url: member.url }
    const entry = { entry_version: 1, type: 'EVariableLengthValue', timestamp, remote_meta: { title: 'ü', n: 1 }, user_meta: { tags: ['é', 1] }, remote_conn: place }
    await inGroup(python(), group, 'w', async (handle) => {
      const { items } = await python().call('ebooklet.dump', { handle })
      expect(Object.fromEntries(items.map(({ key, value }) => [key, value]))).toEqual({
        [uuid]: entry,
        'url-only': { ...entry, user_meta: null, remote_conn: { db_key: null, bucket: null, endpoint_url: null, db_url: member.url } },
      })
      const { access_key_id, access_key } = member.theirs
      for (const [key, access] of [[uuid, { access_key_id, access_key }], ['url-only', undefined]] as const) {
        const opened = await python().call('rcg.openMember', { handle, key, path: member.freshPath(), ...(access ? { access } : {}) })
        expect((await python().call('ebooklet.get', { handle: opened.handle, keys: ['a'] }))[0]?.value).toBe('one')
        await python().call('close', { handle: opened.handle })
      }
      await python().call('rcg.add', { handle, member: { ...member.theirs, db_url: member.url }, key: 'of.python_1', userMeta: [null, 2.5] })
      await python().call('ebooklet.apply', { handle, operations: [{ op: 'delete', key: 'url-only' }] })
      expect(await python().call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
    })
    await using ours = await openRcg(group.ours, ':memory:', { flag: 'w', lockTiming })
    // Python takes the entry under the UUID out when it adds the same member under another key.
    expect([...ours.keys()]).toEqual(['of.python_1'])
    const theirs = await ours.get('of.python_1')
    expect(theirs!.stored).toEqual({ ...entry, user_meta: [null, 2.5] })
    await using opened = await ours.open('of.python_1', ':memory:')
    expect(await opened.get('a')).toBe('one')
    expect(await ours.refresh()).toMatchObject({ changed: [], failures: [], gone: [] })
  })

  it('we read a group of Python, refresh it, and Python reads that', async () => {
    await using group = meeting.database()
    await using member = meeting.database()
    await member.inPython(python(), { path: member.freshPath(), flag: 'n', valueSerializer: 'json' }, async (handle) => {
      await python().call('ebooklet.apply', { handle, operations: [{ op: 'set', key: 'k', value: [1] }, { op: 'setMetadata', value: { v: 1 } }] })
      await python().call('ebooklet.push', { handle })
    })
    await inGroup(python(), group, 'n', async (handle) => {
      await python().call('rcg.add', { handle, member: member.theirs })
      expect(await python().call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
    })
    {
      const db = await member.open(':memory:', { flag: 'w' })
      db.metadata = { v: 2 }
      await db.push()
      await db.close()
    }
    await using ours = await openRcg(group.ours, ':memory:', { flag: 'w', lockTiming })
    const [key] = [...ours.keys()]
    const { accessKeyId, secretAccessKey } = member.server
    const connection = { accessKeyId, secretAccessKey }
    expect(await ours.get(key!)).toMatchObject({ entryVersion: 1, remoteMeta: { v: 1 }, userMeta: null })
    expect((await ours.refresh({ connection })).changed).toEqual([key])
    await using opened = await ours.open(key!, ':memory:', { connection })
    expect(await opened.get('k')).toEqual([1])
    await ours.push()
    await ours.close()
    await inGroup(python(), group, 'r', async (handle) => {
      const found = await python().call('ebooklet.get', { handle, keys: [key!] })
      expect(found[0]?.value).toMatchObject({ entry_version: 1, remote_meta: { v: 2 } })
    })
  })

  it('both refuse to open a group as a database', async () => {
    await using group = meeting.database()
    await using ours = await openRcg(group.ours, ':memory:', { flag: 'c', lockTiming })
    await ours.push()
    await expect(python().call('ebooklet.open', { remote: group.theirs, path: group.freshPath() })).rejects.toThrow('open_rcg')
    await expect(group.open(':memory:')).rejects.toMatchObject({ code: 'REMOTE_TYPE' })
  })
})

describeWithPeers(['python 0.8'], 'connection groups of ebooklet 0.8.3', () => {
  const meeting = meetingForSuite()
  const python = PythonPeer.forSuite('python 0.8')

  it('their entries without a version are read, and their members opened', async () => {
    await using group = meeting.database()
    await using member = meeting.database()
    await member.inPython(python(), { path: member.freshPath(), flag: 'n', valueSerializer: 'json' }, async (handle) => {
      await python().call('ebooklet.apply', { handle, operations: [{ op: 'set', key: 'k', value: [1] }, { op: 'setMetadata', value: { v: 1 } }] })
      await python().call('ebooklet.push', { handle })
    })
    await inGroup(python(), group, 'n', async (handle) => {
      await python().call('rcg.add', { handle, member: { ...member.theirs, db_url: member.url } })
      await python().call('ebooklet.push', { handle })
    })
    await using ours = await openRcg(group.ours, ':memory:')
    const [key] = [...ours.keys()]
    const entry = await ours.get(key!)
    expect(entry).toMatchObject({ entryVersion: 0, type: 'EVariableLengthValue', userMeta: null, remoteConn: { dbKey: member.dbKey, dbUrl: member.url } })
    expect(entry!.remoteMeta).toEqual((entry!.stored as { user_meta: unknown }).user_meta)
    expect(entry!.stored).not.toHaveProperty('entry_version')
    await using opened = await ours.open(key!, ':memory:')
    expect(await opened.get('k')).toEqual([1])
    expect(opened.metadata).toEqual({ v: 1 })
    await ours.close()
    await upgradeRemote(group.ours, { lockTiming })
    {
      await using upgraded = await openRcg(group.ours, ':memory:', { flag: 'w', lockTiming })
      await upgraded.refresh()
      expect(await upgraded.get(key!)).toMatchObject({ entryVersion: 1, remoteMeta: { v: 1 }, userMeta: null })
    }
    // A catalogue of today may list a member of format 1.
    await using today = await openRcg(meeting.database().ours, ':memory:', { flag: 'c', lockTiming })
    expect(await today.add(withUrl(member))).toBe(key)
    expect(await today.get(key!)).toMatchObject({ entryVersion: 1, remoteMeta: { v: 1 } })
  })
})
