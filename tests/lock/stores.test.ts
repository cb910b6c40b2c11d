import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { acquireLock, breakLocks, listLocks } from '../../src/lock/index.js'
import { DirectoryStore, S3Store, type ObjectStore } from '../../src/store/index.js'
import { newCephBucket } from '../support/real-servers.js'
import { describeWithPeers } from '../support/peers.js'

interface Opened extends AsyncDisposable {
  open(): ObjectStore
}

const timing = { settle: 150, poll: 60 }

function contention(name: string, make: () => Promise<Opened>): void {
  describe(name, () => {
    test('contenders never hold it two at a time, and nothing stays', async () => {
      await using place = await make()
      let holders = 0
      let turns = 0
      const contend = async () => {
        const store = place.open()
        for (let turn = 0; turn < 2; turn++) {
          const lock = await acquireLock(store, 'db', { ...timing, timeout: 60_000 })
          expect(++holders).toBe(1)
          await new Promise((resolve) => setTimeout(resolve, 20))
          await lock.verify()
          expect(holders--).toBe(1)
          turns++
          await lock.release()
        }
        await store.close()
      }
      await Promise.all([contend(), contend(), contend()])
      expect(turns).toBe(6)
      const store = place.open()
      const left: unknown[] = []
      for await (const version of store.listVersions('db.lock.')) left.push(version)
      expect(left).toEqual([])
      await store.close()
    })

    test('owner and age are told; breaking is seen', async () => {
      await using place = await make()
      const store = place.open()
      const lock = await acquireLock(store, 'db', { ...timing, owner: 'alice' })
      await expect(acquireLock(store, 'db', { ...timing, timeout: 100 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ id: lock.id, facts: { owner: 'alice', pid: String(process.pid) } }] })
      expect(await listLocks(store, 'db')).toMatchObject([{ id: lock.id, exclusive: true }])
      expect(await breakLocks(store, 'db')).toEqual([])
      expect(await breakLocks(store, 'db', { which: 'all' })).toMatchObject([{ id: lock.id }])
      await expect(lock.verify()).rejects.toMatchObject({ code: 'LOCK_LOST' })
      await lock.release()
      await store.close()
    })
  })
}

contention('lock in a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'ebooklet-lock-'))
  return { open: () => new DirectoryStore({ root }), [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
})

for (const versioned of [false, true]) {
  contention(`lock on the embedded S3 server${versioned ? ', versioned' : ''}`, async () => {
    const server = await startS3Server({ buckets: [{ name: 'one', versioned }] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    return { open: () => new S3Store({ endpoint, bucket: 'one', credentials: { accessKeyId, secretAccessKey } }), [Symbol.asyncDispose]: () => server.close() }
  })
}

describeWithPeers(['ceph'], 'lock on Ceph', () => {
  for (const versioned of [false, true]) {
    contention(versioned ? 'versioned' : 'plain', async () => {
      const ceph = await newCephBucket({ versioned })
      return { open: () => new S3Store({ ...ceph, credentials: ceph }), [Symbol.asyncDispose]: () => Promise.resolve() }
    })
  }
})
