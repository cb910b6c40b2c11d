/** What holds for copies and deletes of whole remotes, on every kind of store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { copyRemote, deleteRemote, DirectoryStore, StoreConnection, StoreUnreachableError, type CopyRemoteOptions, type ObjectStore } from '../../src/index.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { Bench, type RemoteKind } from './remotes.js'
import type { RecordedCall } from './recording-store.js'

const text = (value: string) => new TextEncoder().encode(value)
const layouts = [
  ['groups', 3],
  ['one object per key', null],
] as const

const content = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`key/${i}`, { i, text: 'x'.repeat(i * 10) }]))

async function filled(bench: Bench, numGroups: number | null, dbKey = 'db.blt', values: Record<string, unknown> = content): Promise<void> {
  await using db = await bench.open<unknown>(bench.freshPath(), { flag: 'c', numGroups }, dbKey)
  for (const [key, value] of Object.entries(values)) db.set(key, value)
  db.metadata = { made: 'here' }
  expect(await db.push()).toMatchObject({ ok: true })
}

const at = (store: ObjectStore, dbKey: string) => new StoreConnection(store, dbKey)

/** Everything that is stored under these names, old versions and delete markers included. */
async function everything(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.listVersions(prefix)) keys.push(key)
  return [...new Set(keys)]
}

const withoutProbes = (keys: string[]) => keys.filter((key) => !key.includes('_writable_probe_'))

export function wholeRemoteSuite(kind: RemoteKind): void {
  const options = (rest: CopyRemoteOptions = {}): CopyRemoteOptions => ({ lockTiming: { settle: kind.settle, poll: kind.settle }, ...rest })
  /** Nobody waits for a ticket that can't be deleted any more. */
  const system = systemEnvironment()
  const dying: CopyRemoteOptions = { environment: { ...system, sleep: (ms, signal) => system.sleep(Math.min(ms, kind.settle), signal) }, onWarning: () => undefined }
  /** Every request where that is quick, else some of them. */
  const stride = kind.settle <= 5 ? 1 : 5
  describe(`whole remotes: ${kind.name}`, { timeout: 60_000 }, () => {
    describe.each(layouts)('copyRemote, %s', (_, numGroups) => {
      it('copies what is referenced and nothing else, by the store itself, the db object last', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        await bench.store.put('db.blt/99.0123456789abc', text('an orphan'))
        await bench.store.put('db.blt2/0.0123456789abc', text("another's"))
        bench.store.take()
        const result = await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'deep/copy.blt'), options())
        const calls = bench.store.take()
        const source = (await bench.objects('db.blt/')).filter((key) => !key.includes('/99.'))
        expect(withoutProbes(await bench.objects('deep/'))).toEqual(['deep/copy.blt', ...source.map((key) => key.replace('db.blt', 'deep/copy.blt'))])
        expect(result).toMatchObject({ copied: { objects: source.length }, copiedByStore: source.length, present: { objects: 0, bytes: 0 }, refreshed: 0 })
        const counted = (op: RecordedCall['op'], part = 'deep/copy.blt') => calls.filter((call) => call.op === op && call.key.includes(part)).length
        expect(calls.filter((call) => call.op === 'copy').length).toBe(source.length)
        expect(counted('get', 'db.blt/')).toBe(0)
        // The lock's two objects, and the db object.
        expect(counted('put')).toBe(3)
        const written = calls.filter((call) => call.op === 'copy' || (call.op === 'put' && !call.key.includes('.lock.')))
        expect(written.at(-1)).toMatchObject({ op: 'put', key: 'deep/copy.blt' })
        expect(await bench.contents('deep/copy.blt')).toEqual(content)
      })

      it('lets local copies of the source go on with the target, metadata and uuid included', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        const path = bench.freshPath()
        {
          await using db = await bench.open(path)
          await db.load()
        }
        const { uuid } = await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy.blt'), options())
        await using db = await bench.open(path, { flag: 'w' }, 'copy.blt')
        expect(db.uuid).toBe(uuid)
        expect(db.metadata).toEqual({ made: 'here' })
        db.set('more', 1)
        expect(await db.push()).toMatchObject({ ok: true })
        expect(await bench.contents('copy.blt')).toEqual({ ...content, more: 1 })
        expect(await bench.contents()).toEqual(content)
      })

      it('goes through here to another kind of store and back', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        const root = await mkdtemp(join(tmpdir(), 'ebooklet-backup-'))
        const backup = new DirectoryStore({ root })
        try {
          const out = await copyRemote(at(bench.store, 'db.blt'), at(backup, 'backup.blt'), options({ maxMemory: 5 * 1024 * 1024 }))
          expect(out.copiedByStore).toBe(0)
          expect(out.copied.objects).toBeGreaterThan(0)
          await deleteRemote(at(bench.store, 'db.blt'), options())
          const back = await copyRemote(at(backup, 'backup.blt'), at(bench.store, 'db.blt'), options())
          expect(back).toMatchObject({ copied: out.copied, copiedByStore: 0, uuid: out.uuid, timestamp: out.timestamp })
          expect(await bench.contents()).toEqual(content)
        } finally {
          await backup.close()
          await rm(root, { recursive: true })
        }
      })

      it('stopped at any request leaves nothing to read, and goes on with what is there', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        for (const side of ['before', 'after'] as const) {
          for (let stop = 0; ; stop += stride) {
            const target = `copy-${side}-${stop}.blt`
            const { stopped, copies } = await stoppedAt(bench, side, stop, () => copyRemote(at(bench.store, 'db.blt'), at(bench.store, target), options(dying)))
            if (!stopped) break
            bench.store.take()
            if ((await bench.store.head(target)).status === 'missing') {
              const again = await copyRemote(at(bench.store, 'db.blt'), at(bench.store, target), options({ breakLocks: 'all' }))
              // Those whose acknowledgement came are not copied again.
              expect(again.present.objects).toBeGreaterThanOrEqual(copies)
              expect(again.present.objects + again.copied.objects).toBe((await bench.objects('db.blt/')).length)
            } else await expect(copyRemote(at(bench.store, 'db.blt'), at(bench.store, target), options({ breakLocks: 'all' }))).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
            expect(await bench.contents(target)).toEqual(content)
          }
        }
      })

      it('follows a writer who pushes meanwhile', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        await using writer = await bench.open<unknown>(bench.freshPath(), { flag: 'w' })
        let pushed = false
        bench.store.hooks.before = async (op) => {
          if (op !== 'copy' || pushed) return
          pushed = true
          writer.set('key/3', 'changed').delete('key/4')
          writer.set('new', 'one')
          for (let i = 20; i < 30; i++) writer.set(`key/${i}`, i)
          await writer.push()
        }
        const result = await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy.blt'), options())
        bench.store.hooks = {}
        expect(result.refreshed).toBeGreaterThan(0)
        expect(await bench.contents('copy.blt')).toEqual(await bench.contents())
        const below = (await bench.objects('copy.blt/')).map((key) => key.replace('copy.blt', 'db.blt'))
        expect(below).toEqual(await bench.objects('db.blt/'))
      })
    })

    describe('copyRemote', () => {
      it('refuses a target where something is, and itself, and changes nothing', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, 3)
        await filled(bench, null, 'other.blt', { a: 1 })
        const before = await everything(bench.store)
        await expect(copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'other.blt'), options())).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
        await expect(copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'db.blt'), options())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
        await expect(copyRemote(at(bench.store, 'other.blt'), at(bench.store, 'other.blt/a'), options())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
        await expect(copyRemote(at(bench.store, 'none.blt'), at(bench.store, 'new.blt'), options())).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
        expect(await everything(bench.store)).toEqual(before)
      })

      it('a source that lacks an object is an error that names it, and nothing can be read at the target', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, 3)
        const [gone = ''] = await bench.objects('db.blt/')
        await bench.store.delete([{ key: gone }])
        const error = await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy.blt'), options()).catch((caught: unknown) => caught)
        expect(error).toMatchObject({ code: 'INTEGRITY', object: expect.stringContaining(gone) as string })
        expect((error as { keys: string[] }).keys.length).toBeGreaterThan(0)
        expect(await bench.store.head('copy.blt')).toEqual({ status: 'missing' })
        expect(await bench.objects('copy.blt.lock.')).toEqual([])
      })

      it('tells progress, and is cancelled by its signal', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, 3)
        const phases = new Set<string>()
        let most = 0
        await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy.blt'), options({
          onProgress: (progress) => {
            phases.add(progress.phase)
            expect(progress.bytesDone).toBeLessThanOrEqual(progress.bytesTotal)
            if (progress.phase === 'copy') most = Math.max(most, progress.groupsDone)
          },
        }))
        expect([...phases]).toEqual(['copy', 'commit'])
        expect(most).toBe((await bench.objects('db.blt/')).length)
        const controller = new AbortController()
        const reason = new Error('enough')
        const onProgress = () => controller.abort(reason)
        await expect(copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy2.blt'), options({ onProgress, signal: controller.signal }))).rejects.toBe(reason)
        expect(await bench.store.head('copy2.blt')).toEqual({ status: 'missing' })
        expect(await bench.objects('copy2.blt.lock.')).toEqual([])
      })

      it('whose last acknowledgement is lost has succeeded', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, 3)
        bench.store.hooks.after = (op, key) => {
          if (op === 'put' && key === 'copy.blt') throw new StoreUnreachableError('the answer was lost', { store: 'here' })
        }
        await copyRemote(at(bench.store, 'db.blt'), at(bench.store, 'copy.blt'), options())
        bench.store.hooks = {}
        expect(await bench.contents('copy.blt')).toEqual(content)
      })
    })

    describe.each(layouts)('deleteRemote, %s', (_, numGroups) => {
      it('deletes exactly its own, the db object first, and leaves lock tickets and other databases', async () => {
        await using bench = await Bench.on(kind)
        const others = ['db.blt2', 'db.blt/other.blt', 'db.bl', 'db.blt/key']
        for (const other of others) await filled(bench, other === 'db.blt/other.blt' ? null : 3, other, { a: 1, b: 2 })
        await bench.store.put('db.blt/unknown', text('whose?'))
        const before = withoutProbes(await everything(bench.store))
        // Only the keys that no other database lies at or below.
        const values = Object.fromEntries(Object.entries(content).map(([key, value]) => [key.replace('/', '-'), value]))
        await filled(bench, numGroups, 'db.blt', values)
        const own = withoutProbes(await everything(bench.store)).length - before.length
        bench.store.take()
        // Somebody begins to wait.
        bench.store.hooks.before = async (op, key) => {
          if (op !== 'get' || key !== 'db.blt') return
          bench.store.hooks = {}
          await bench.store.put('db.blt.lock.fffffffffffff-0', text('0'))
        }
        const result = await deleteRemote(at(bench.store, 'db.blt'), options())
        const deletes = bench.store.take().filter((call) => call.op === 'delete' && !call.key.includes('.lock.'))
        expect(deletes[0]?.key).toBe('db.blt')
        expect(result).toEqual({ hadDatabase: true, deletedObjects: own, spared: [] })
        expect(withoutProbes(await everything(bench.store)).sort()).toEqual([...before, 'db.blt.lock.fffffffffffff-0'].sort())
        for (const other of others) expect(await bench.contents(other)).toEqual({ a: 1, b: 2 })
      })

      it('stopped at any request leaves a database or none, never a broken one, and can be called again', async () => {
        await using bench = await Bench.on(kind)
        for (const side of ['before', 'after'] as const) {
          for (let stop = 0; ; stop += stride) {
            const dbKey = `db-${side}-${stop}.blt`
            await filled(bench, numGroups, dbKey, { a: 1, b: 2, c: 3 })
            const { stopped } = await stoppedAt(bench, side, stop, () => deleteRemote(at(bench.store, dbKey), options(dying)))
            if (!stopped) break
            if ((await bench.store.head(dbKey)).status === 'ok') expect(await bench.contents(dbKey)).toEqual({ a: 1, b: 2, c: 3 })
            const again = await deleteRemote(at(bench.store, dbKey), options({ breakLocks: 'all' })).then(() => 'done', (error: { code: string }) => error.code)
            expect(['done', 'REMOTE_NOT_FOUND']).toContain(again)
            expect(withoutProbes(await everything(bench.store, dbKey))).toEqual([])
          }
        }
      })

      it('finds nothing to delete twice', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, numGroups)
        await deleteRemote(at(bench.store, 'db.blt'), options())
        await expect(deleteRemote(at(bench.store, 'db.blt'), options())).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
        await filled(bench, numGroups)
        expect(await bench.contents()).toEqual(content)
      })
    })

    describe('deleteRemote', () => {
      it('spares what may be of another database, and says so', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, null, 'db.blt', { 'a.blt': 1, 'a.blt/x': 2, plain: 3, 'plain/x': 4 })
        // Another database came to lie at a key whose value was of this one.
        await using rival = await bench.open<unknown>(bench.freshPath(), { flag: 'n', numGroups: null }, 'db.blt/b.blt')
        rival.set('x', 'the rival').set('y', 1)
        await rival.push()
        await rival.close()
        await using db = await bench.open<unknown>(bench.freshPath(), { flag: 'w' })
        db.set('b.blt/x', 'contested')
        await db.push()
        await db.close()
        expect(await deleteRemote(at(bench.store, 'db.blt'), options())).toEqual({ hadDatabase: true, deletedObjects: 5, spared: ['db.blt/b.blt/x'] })
        expect(await bench.objects('db.blt')).toEqual(['db.blt/b.blt', 'db.blt/b.blt/x', 'db.blt/b.blt/y'])
      })

      it('of what is no database is refused', async () => {
        await using bench = await Bench.on(kind)
        await bench.store.put('notes.txt', text('mine'))
        await expect(deleteRemote(at(bench.store, 'notes.txt'), options())).rejects.toMatchObject({ code: 'FORMAT' })
        expect(await bench.objects()).toEqual(['notes.txt'])
      })

      it('stops when its lock is broken', async () => {
        await using bench = await Bench.on(kind)
        await filled(bench, 3)
        bench.store.hooks.before = async (op, key) => {
          if (op !== 'listVersions' || key !== 'db.blt/') return
          bench.store.hooks = {}
          for (const ticket of await everything(bench.store, 'db.blt.lock.')) await bench.store.delete([{ key: ticket }])
        }
        await expect(deleteRemote(at(bench.store, 'db.blt'), options())).rejects.toMatchObject({ code: 'LOCK_LOST' })
        expect(await bench.contents()).toEqual(content)
      })
    })
  })
}

/** Runs a call during which the machine dies at request number `stop`: that one fails, before or after the store has acted, and every later one. */
async function stoppedAt(bench: Bench, side: 'before' | 'after', stop: number, call: () => Promise<unknown>): Promise<{ stopped: boolean; copies: number }> {
  let requests = 0
  let copies = 0
  let dead = false
  const died = () => new StoreUnreachableError('the machine died', { store: 'here' })
  bench.store.hooks = {
    before: () => {
      if (dead) throw died()
      if (side === 'before' && requests++ === stop) {
        dead = true
        throw died()
      }
    },
    after: (op) => {
      if (op === 'copy') copies++
      if (side === 'after' && requests++ === stop) {
        dead = true
        throw died()
      }
    },
  }
  const outcome = await call().then(() => 'done', () => 'failed')
  bench.store.hooks = {}
  if (!dead) expect(outcome).toBe('done')
  return { stopped: dead, copies }
}
