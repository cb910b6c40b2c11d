/** What fsck says of remotes of the original, beside what the original says; and that it opens what we mended. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { checkBooklet, fsckRemote, repairBooklet, type FsckReport } from '../../src/index.js'
import { S3Store } from '../../src/index.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { toTagged } from '../support/tagged.js'
import { meetingForSuite, type SharedDatabase } from './meeting.js'
import { setMany } from './history.js'

function storeOf({ server, bucket }: SharedDatabase): S3Store {
  const { endpoint, accessKeyId, secretAccessKey } = server
  return new S3Store({ endpoint, bucket, credentials: { accessKeyId, secretAccessKey } })
}

function ours({ findings }: FsckReport): { orphans: string[]; missing: string[] } {
  const of = (kind: string) => findings.flatMap((finding) => (finding.kind === kind && 'object' in finding ? [finding.object] : [])).sort()
  return { orphans: of('orphan'), missing: of('missing-object') }
}

describeWithPeers(['python'], 'fsck beside that of Python', () => {
  const meeting = meetingForSuite()
  const python = PythonPeer.forSuite()

  it.each([5, undefined])('both see the same orphans and missing objects, %s groups', async (numGroups) => {
    await using db = meeting.database('plain')
    await db.inPython(python(), { path: db.freshPath(), flag: 'n', valueSerializer: 'orjson', ...(numGroups === undefined ? {} : { numGroups }) }, async (handle) => {
      await python().call('ebooklet.apply', { handle, operations: setMany(30) })
      await python().call('ebooklet.push', { handle })
    })
    expect((await fsckRemote(db.ours, { deep: true })).findings).toEqual([])
    const store = storeOf(db)
    const children: string[] = []
    for await (const { key } of store.list(`${db.dbKey}/`)) children.push(key)
    await store.delete([{ key: children[2]! }])
    const orphan = numGroups === undefined ? `${db.dbKey}/left` : `${db.dbKey}/1.aaaaaaaaaaaa4`
    await store.put(orphan, Uint8Array.of(1), numGroups === undefined ? { metadata: { timestamp: '5' } } : {})
    const theirs = await python().call('ebooklet.fsck', { remote: db.theirs })
    const mine = ours(await fsckRemote(db.ours))
    const full = (key: string) => (key.startsWith(db.dbKey) ? key : `${db.dbKey}/${key}`)
    expect(mine).toEqual({ orphans: [orphan], missing: [children[2]] })
    expect(theirs.orphans.map(full)).toEqual(mine.orphans)
    expect(theirs.missing.map(full)).toEqual(mine.missing)
    await store.delete([{ key: db.dbKey }])
    expect((await python().call('ebooklet.fsck', { remote: db.theirs })).torn).toBe(true)
    expect((await fsckRemote(db.ours)).findings.map(({ kind }) => kind)).toContain('torn-teardown')
    await store.close()
  })

  it('Python opens what we mended, and finds every entry', async () => {
    const path = temporaryPath()
    const keys = Array.from({ length: 40 }, (_, i) => `key${i}`)
    await python().write({ path, flag: 'n', keySerializer: 'str', valueSerializer: 'orjson', buckets: 41 }, setMany(40))
    const bytes = readFileSync(path)
    // The index is gone, and the last block is cut.
    bytes.fill(0xee, 200, 200 + 6 * 20)
    writeFileSync(path, bytes.subarray(0, bytes.length - 1))
    expect(checkBooklet(path).count.error).toBeGreaterThan(0)
    const { kept, lost } = repairBooklet(path)
    expect(kept).toBe(39)
    expect(lost.map(({ key }) => key?.key)).toEqual(['key39'])
    const dump = await python().dump({ path, flag: 'r' })
    expect(dump.size).toBe(39)
    expect(dump.items.every(({ found }) => found)).toBe(true)
    expect(dump.items.map(({ key }) => JSON.stringify(key)).sort()).toEqual(keys.slice(0, 39).map((key) => JSON.stringify(toTagged(key))).sort())
  })
})
