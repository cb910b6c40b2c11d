/** Sessions that lock only while they push, beside the Python original, which locks for its whole session. */
import { expect, it } from 'vitest'
import { LockTimeoutError, PushConflictError } from '../../src/index.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { deleteKeys, set, setMany } from './history.js'
import { meetingForSuite } from './meeting.js'
import { applyOurs, SharedState } from './shared-state.js'

const modes = [
  { mode: 'grouped', numGroups: 3, bucket: 'plain' },
  { mode: 'per key', numGroups: null, bucket: 'versioned' },
] as const

const kindsOf = (error: unknown) => (error as PushConflictError).conflicts.map(({ kind, key }) => `${kind} ${key ?? ''}`.trim()).sort()

describeWithPeers(['python'], 'conflicts with the Python original', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(2)

  it.concurrent.each(modes)('what Python pushed while we worked is found, and merged with ours, $mode', async ({ numGroups, bucket }) => {
    await using db = meeting.database(bucket)
    await withPython(async (python) => {
      const first = [...setMany(8), { op: 'setMetadata' as const, value: 'first' }]
      const theirs = [set('key1', 'theirs'), set('key2', 'same'), set('key3', 'theirs'), ...deleteKeys('key4', 'key5'), { op: 'setMetadata' as const, value: 'theirs' }]
      await using ours = await db.open(db.freshPath(), { flag: 'c', lock: 'push', valueSerializer: 'str', numGroups, lockTimeout: 50 })
      await applyOurs(ours, first)
      await ours.push()
      ours.set('key1', 'mine').set('key2', 'same').set('key4', 'mine').set('key6', 'mine').delete('key3')
      ours.delete('key5')
      ours.metadata = 'mine'
      // We hold no lock, so Python doesn't wait; it holds one, so a push of ours does.
      await db.inPython(python, { path: db.freshPath(), flag: 'w', lockTimeout: 20 }, async (handle) => {
        await expect(ours.push()).rejects.toThrow(LockTimeoutError)
        await python.call('ebooklet.apply', { handle, operations: theirs })
        expect(await python.call('ebooklet.push', { handle })).toEqual({ updated: true, failures: {} })
      })
      const error = await ours.push().then(() => undefined, (thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(PushConflictError)
      expect(kindsOf(error)).toEqual(['both-changed key1', 'changed-deleted key4', 'deleted-changed key3', 'metadata'])
      expect(await ours.push({ onConflict: 'remote' })).toMatchObject({ ok: true, written: ['key6'] })
      const expected = new SharedState().apply([...first, ...theirs, set('key6', 'mine')])
      await db.inPython(python, { path: db.freshPath() }, async (handle) => {
        const { items, metadata } = await python.call('ebooklet.dump', { handle })
        expect(new Map(items.map(({ key, value }) => [key, value]))).toEqual(new Map([...expected.entries].map(([key, { value }]) => [key, value])))
        expect(metadata?.value).toBe('theirs')
      })
    })
  })

  it.concurrent.each(modes)('a conflict outlasts Python opening the local file and dropping what was noted, $mode', async ({ numGroups, bucket }) => {
    await using db = meeting.database(bucket)
    await withPython(async (python) => {
      const path = db.freshPath()
      {
        await using ours = await db.open(path, { flag: 'c', lock: 'push', valueSerializer: 'str', numGroups })
        await applyOurs(ours, setMany(8))
        await ours.push()
        ours.set('key1', 'mine').set('key2', 'mine').set('key3', 'mine').delete('key4')
        ours.set('key9', 'mine')
      }
      await using theirs = await db.open(db.freshPath(), { flag: 'w', lock: 'push' })
      theirs.set('key1', 'theirs').set('key4', 'theirs').delete('key2')
      await theirs.push()
      await db.inPython(python, { path, flag: 'w' }, async (handle) => {
        await python.call('ebooklet.apply', { handle, operations: [set('key5', 'Python')] })
      })
      await using ours = await db.open(path, { flag: 'w', lock: 'push' })
      const error = await ours.push().then(() => undefined, (thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(PushConflictError)
      expect(kindsOf(error)).toEqual(['both-changed key1', 'changed-deleted key2', 'deleted-changed key4'])
      expect(await ours.push({ onConflict: 'local' })).toMatchObject({ ok: true })
      await theirs.pull()
      expect(await theirs.getMany(['key1', 'key2', 'key3', 'key4', 'key5', 'key9'])).toEqual(['mine', 'mine', 'mine', undefined, 'Python', 'mine'])
    })
  })
})
