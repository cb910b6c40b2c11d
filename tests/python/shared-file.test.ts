/** One local file that our readers share with Python's. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { overlaysBeside } from '../../src/database/shared/settle.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { deleteKeys, set, setMany } from './history.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'

const modes = [
  { mode: 'grouped', numGroups: 3 },
  { mode: 'per key', numGroups: null },
] as const

/** Twenty keys that Python has pushed, and a local file of ours that holds two of them. */
async function begin(python: PythonPeer, db: SharedDatabase, numGroups: number | null): Promise<string> {
  await db.inPython(python, { path: db.freshPath(), flag: 'n', valueSerializer: 'str', ...(numGroups === null ? {} : { numGroups }) }, async (handle) => {
    await python.call('ebooklet.apply', { handle, operations: setMany(20) })
    await python.call('ebooklet.push', { handle })
  })
  const path = db.freshPath()
  await using reader = await db.open(path)
  await reader.load(['key1', 'key2'])
  return path
}

describeWithPeers(['python'], 'a local file that our readers share with Python', () => {
  const meeting = meetingForSuite()
  const python = PythonPeer.forSuite()

  it.each(modes)("Python's readers of the file read on while ours fetch, pull and close, $mode", async ({ numGroups }) => {
    await using db = meeting.database()
    const path = await begin(python(), db, numGroups)
    const bytes = readFileSync(path)
    const { handle } = await python().call('booklet.open', { path, flag: 'r' })
    const before = await python().call('booklet.dump', { handle })
    const one = await db.open(path, { bufferSize: 10, lockTimeout: 0 })
    const two = await db.open(path, { lockTimeout: 0 })
    const value = await one.get('key7')
    await two.load()
    await db.inPython(python(), { path: db.freshPath(), flag: 'w' }, async (writer) => {
      await python().call('ebooklet.apply', { handle: writer, operations: [set('key7', 'changed'), ...deleteKeys('key1')] })
      await python().call('ebooklet.push', { handle: writer })
    })
    await one.pull()
    expect(await one.getMany(['key7', 'key1'])).toEqual(['changed', undefined])
    expect(await two.get('key7')).toBe(value)
    await one.close()
    await two.close()
    // Python has it open still.
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(await python().call('booklet.dump', { handle })).toEqual(before)
    expect(overlaysBeside(path).length).toBe(2)
    await python().call('close', { handle })
    await (await db.open(path, { offline: true })).close()
    expect(overlaysBeside(path)).toEqual([])
    await db.inPython(python(), { path, flag: 'r', offline: true }, async (session) => {
      const { items } = await python().call('ebooklet.dump', { handle: session })
      expect(items.length).toBe(19)
      expect(items.find(({ key }) => key === 'key7')?.value).toBe('changed')
    })
  })

  it("Python's sessions take the file for themselves, readers too: they wait for ours, and ours for them", async () => {
    await using db = meeting.database()
    const path = await begin(python(), db, 3)
    const reader = await db.open(path)
    let opened = false
    const session = db.inPython(python(), { path, flag: 'r' }, async () => {
      opened = true
      await expect(db.open(path, { lockTimeout: 100 })).rejects.toMatchObject({ code: 'FILE_LOCKED', path, exclusive: false })
    })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(opened).toBe(false)
    await reader.close()
    await session
    await using again = await db.open(path, { lockTimeout: 0 })
    expect(again.size).toBe(20)
  })

  it('what readers left does no harm to what Python wrote to the file meanwhile', async () => {
    await using db = meeting.database()
    const path = await begin(python(), db, 3)
    const booklet = openBooklet(path)
    const reader = await db.open(path)
    await reader.load()
    const old = await reader.get('key3')
    await reader.close()
    booklet.close()
    expect(overlaysBeside(path).length).toBe(1)
    await db.inPython(python(), { path, flag: 'w' }, async (handle) => {
      await python().call('ebooklet.apply', { handle, operations: [set('key3', 'pushed'), ...deleteKeys('key4')] })
      await python().call('ebooklet.push', { handle })
      await python().call('ebooklet.apply', { handle, operations: [set('key5', 'pending'), ...deleteKeys('key6')] })
    })
    const after = await db.open(path)
    expect(overlaysBeside(path)).toEqual([])
    expect(old).not.toBe('pushed')
    expect(await after.getMany(['key3', 'key4', 'key5', 'key6'])).toEqual(['pushed', undefined, 'pending', undefined])
    expect([...after.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['changed key5', 'deleted key6'])
    await after.close()
    await db.inPython(python(), { path, flag: 'w' }, async (handle) => {
      const { changes, pendingDeletes } = await python().call('ebooklet.changes', { handle })
      expect(changes.length).toBe(1)
      expect(pendingDeletes).toEqual(['key6'])
    })
    expect(existsSync(path)).toBe(true)
  })
})
