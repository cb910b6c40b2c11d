/** Requests and bytes of the same steps, ours and those of the Python original, counted by the server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { toBase64 } from '../../src/base/bytes.js'
import { openEbooklet, type Ebooklet, type OpenEbookletOptions } from '../../src/index.js'
import { countedServer, type Traffic } from '../database/traffic.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type Handle, type PythonOperation } from '../support/python.js'

const keyCount = 20_000
const groups = 101
const keyOf = (i: number) => `key${String(i).padStart(13, '0')}`
const valueOf = (i: number) => new Uint8Array(100).fill(i % 256)
const some = (count: number) => Array.from({ length: count }, (_, i) => (i * 7919 + 11) % keyCount)

describeWithPeers(['python'], 'beside the Python original', () => {
  const python = PythonPeer.forSuite()
  let remote: Awaited<ReturnType<typeof countedServer>>
  let folder: string
  let files = 0
  const freshPath = () => join(folder, `file${String(files++)}.blt`)

  const open = (dbKey: string, options: OpenEbookletOptions<Uint8Array> = {}) => openEbooklet<Uint8Array>(remote.connect(dbKey), freshPath(), { lockTiming: { settle: 5, poll: 5 }, ...options })
  const openPython = async (dbKey: string, options: { flag?: 'r' | 'w' | 'c'; numGroups?: number; valueSerializer?: string } = {}): Promise<Handle> => {
    const { endpoint, accessKeyId, secretAccessKey, bucket } = remote.place
    const connection = { access_key_id: accessKeyId, access_key: secretAccessKey, db_key: dbKey, bucket, endpoint_url: endpoint }
    return (await python().call('ebooklet.open', { remote: connection, path: freshPath(), ...options })).handle
  }
  const apply = (handle: Handle, operations: PythonOperation[]) => python().call('ebooklet.apply', { handle, operations })
  const written = (keys: readonly number[], edition: number): PythonOperation[] => keys.map((i) => ({ op: 'setBytes', key: keyOf(i), bytes: toBase64(valueOf(i + edition)) }))
  const all = Array.from({ length: keyCount }, (_, i) => i)

  let ourFirst: Traffic
  let theirFirst: Traffic
  let ours: Ebooklet<Uint8Array>
  let theirs: Handle

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ebooklet-requests-'))
    remote = await countedServer()
    ours = await open('ours', { flag: 'c', numGroups: groups, valueSerializer: 'bytes' })
    for (const i of all) ours.set(keyOf(i), valueOf(i))
    remote.take()
    await ours.push()
    ourFirst = remote.take()
    theirs = await openPython('theirs', { flag: 'c', numGroups: groups, valueSerializer: 'bytes' })
    await apply(theirs, written(all, 0))
    remote.take()
    expect(await python().call('ebooklet.push', { handle: theirs })).toEqual({ updated: true, failures: {} })
    theirFirst = remote.take()
  })
  afterAll(async () => {
    await python().call('close', { handle: theirs })
    await ours.close()
    await remote.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function changeBoth(keys: readonly number[], edition: number): Promise<{ our: Traffic; their: Traffic }> {
    for (const i of keys) ours.set(keyOf(i), valueOf(i + edition))
    await apply(theirs, written(keys, edition))
    remote.take()
    await ours.push()
    const our = remote.take()
    await python().call('ebooklet.push', { handle: theirs })
    return { our, their: remote.take() }
  }

  function compare(our: Traffic, their: Traffic): void {
    const both = JSON.stringify({ our, their })
    expect(our.total, `requests: ${both}`).toBeLessThanOrEqual(their.total)
    expect(our.up, `bytes up: ${both}`).toBeLessThanOrEqual(their.up)
    expect(our.down, `bytes down: ${both}`).toBeLessThanOrEqual(their.down)
  }

  it('a first push', () => compare(ourFirst, theirFirst))

  it.each([
    ['1 key', [1234]],
    ['100 keys', some(100)],
  ])('changing %s with everything local, again and again', async (_name, keys) => {
    const sent: number[] = []
    for (const edition of [1, 2]) {
      const { our, their } = await changeBoth(keys, edition)
      compare(our, their)
      expect([our.down, their.down]).toEqual([0, 0])
      sent.push(our.up)
    }
    // The original's index grows with each push, ours does not.
    expect(sent[1]).toBe(sent[0])
  })

  it('a pull when nothing changed', async () => {
    remote.take()
    await ours.pull()
    const our = remote.take()
    await python().call('ebooklet.pull', { handle: theirs })
    compare(our, remote.take())
  })

  it('opening and reading one key, then another, cold', async () => {
    remote.take()
    await using reader = await open('ours')
    await reader.get(keyOf(1))
    await reader.get(keyOf(2))
    const our = remote.take()
    const handle = await openPython('ours')
    await python().call('ebooklet.get', { handle, keys: [keyOf(1), keyOf(2)] })
    compare(our, remote.take())
    await python().call('close', { handle })
  })

  // As dense as 5,000, 1,000 and 100 of 100,000.
  it.each([1000, 200, 20])('%i random keys, cold: no more than twice the bytes', async (count) => {
    const keys = some(count).map(keyOf)
    await using reader = await open('ours')
    const handle = await openPython('ours')
    remote.take()
    await reader.getMany(keys)
    const our = remote.take()
    await apply(handle, [{ op: 'load', keys }])
    const their = remote.take()
    await python().call('close', { handle })
    expect(our.total).toBeLessThanOrEqual(their.total)
    expect(our.down).toBeLessThanOrEqual(2 * their.down)
  })

  it('loading everything', async () => {
    await using reader = await open('ours')
    const handle = await openPython('ours')
    remote.take()
    await reader.load()
    const our = remote.take()
    await apply(handle, [{ op: 'load' }])
    compare(our, remote.take())
    await python().call('close', { handle })
  })
})
