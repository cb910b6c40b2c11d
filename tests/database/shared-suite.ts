/** Several readers of one local file, on every kind of remote. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import type { Ebooklet } from '../../src/index.js'
import { Bench, type RemoteKind } from './remotes.js'

const modes = [
  { mode: 'grouped', numGroups: 5 },
  { mode: 'per key', numGroups: null },
] as const

function contentOf(version: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key${i}`, `${version} of ${i} ${'x'.repeat(40 * i)}`]))
}

async function published(bench: Bench, numGroups: number | null, content = contentOf(1)): Promise<Ebooklet<string>> {
  const db = await bench.open<string>(bench.freshPath(), { flag: 'c', numGroups })
  db.update(Object.entries(content))
  db.metadata = { version: 1 }
  await db.push()
  return db
}

/** Everything beside the file that bears its name. */
export function filesOf(path: string): string[] {
  const name = basename(path)
  return readdirSync(dirname(path)).filter((file) => file.startsWith(name)).sort()
}

function expectAlone(path: string): void {
  expect(filesOf(path)).toEqual([basename(path), `${basename(path)}.remote_index`])
}

async function contentsOf(db: Ebooklet<string>): Promise<Record<string, string>> {
  const found: [string, string][] = []
  for await (const entry of db) found.push(entry)
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sorted<T>(content: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The requests for values since the last look. */
function valueRequests(bench: Bench): string[] {
  return bench.store.take().filter(({ op, key }) => op === 'get' && key !== 'db.blt').map(({ key }) => key)
}

/** That the file has not been touched. */
function still(path: string): () => void {
  const bytes = readFileSync(path)
  const { mtimeMs } = statSync(path)
  return () => {
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(statSync(path).mtimeMs).toBe(mtimeMs)
  }
}

export function sharedSuite(kind: RemoteKind): void {
  describe(`readers that share a local file, on ${kind.name}`, () => {
    for (const { mode, numGroups } of modes) {
      // So little that each kept value goes to a file of the reader's, and so much that none does.
      for (const bufferSize of [200, 1_000_000]) {
        describe(`${mode}, ${bufferSize} bytes in memory`, () => {
          it('read at once, leave the file alone, and what both kept is in it in the end', async () => {
            await using bench = await Bench.on(kind)
            const db = await published(bench, numGroups)
            const content = contentOf(1)
            const path = bench.freshPath()
            await (await bench.open(path)).close()
            const untouched = still(path)
            const one = await bench.open<string>(path, { bufferSize, lockTimeout: 0 })
            const two = await bench.open<string>(path, { bufferSize, lockTimeout: 0 })
            valueRequests(bench)
            expect(await one.getMany(['key1', 'key20', 'key39'])).toEqual(['key1', 'key20', 'key39'].map((key) => content[key]))
            expect(valueRequests(bench).length).toBeGreaterThan(0)
            expect(await one.getMany(['key1', 'key20', 'key39'])).toEqual(['key1', 'key20', 'key39'].map((key) => content[key]))
            expect(valueRequests(bench)).toEqual([])
            expect(await contentsOf(two)).toEqual(sorted(content))
            valueRequests(bench)
            expect(await contentsOf(two)).toEqual(sorted(content))
            expect(valueRequests(bench)).toEqual([])
            untouched()
            await two.close()
            untouched()
            expect(filesOf(path).some((name) => /\.reader-[0-9a-f]{13}$/.test(name))).toBe(true)
            await one.close()
            expectAlone(path)
            expect(checkBooklet(path).findings).toEqual([])
            await using later = await bench.open<string>(path)
            bench.store.take()
            expect(await contentsOf(later)).toEqual(sorted(content))
            expect(bench.store.take()).toEqual([])
            await db.close()
          })

          it('each pulls for itself; the newest state that one saw is in the file in the end, and nothing that is gone', async () => {
            await using bench = await Bench.on(kind)
            await using db = await published(bench, numGroups)
            const path = bench.freshPath()
            {
              await using first = await bench.open<string>(path)
              await first.load()
            }
            const untouched = still(path)
            const one = await bench.open<string>(path, { bufferSize })
            const two = await bench.open<string>(path, { bufferSize })
            const { key7: _gone, ...rest } = contentOf(1)
            const next = { ...rest, key8: 'changed', key99: 'new' }
            db.set('key8', 'changed').set('key99', 'new')
            db.delete('key7')
            db.metadata = { version: 2 }
            await db.push()
            expect(await two.pull()).toMatchObject({ changed: true, evicted: 1 })
            expect(two.metadata).toEqual({ version: 2 })
            expect(await contentsOf(two)).toEqual(sorted(next))
            expect(two.has('key7')).toBe(false)
            expect(await contentsOf(one)).toEqual(sorted(contentOf(1)))
            expect(one.metadata).toEqual({ version: 1 })
            untouched()
            await two.close()
            untouched()
            await one.close()
            expectAlone(path)
            expect(checkBooklet(path).findings).toEqual([])
            {
              await using offline = await bench.open<string>(path, { offline: true })
              expect(await contentsOf(offline)).toEqual(sorted(next))
              expect(offline.metadata).toEqual({ version: 2 })
              expect(offline.remoteTimestamp).toBe(db.remoteTimestamp)
            }
            const file = openBooklet<string>(path)
            expect(file.has('key7')).toBe(false)
            file.close()
          })

          it('see what is pending in the file, and leave it as it is', async () => {
            await using bench = await Bench.on(kind)
            const db = await published(bench, numGroups)
            const path = bench.freshPath()
            {
              await using first = await bench.open<string>(path, { flag: 'r' })
              await first.load()
            }
            await db.close()
            {
              await using editor = await bench.open<string>(path, { flag: 'w' })
              editor.set('key1', 'mine').set('mine', 'too')
              editor.delete('key2')
              editor.metadata = 'mine'
            }
            {
              await using rival = await bench.open<string>(bench.freshPath(), { flag: 'w' })
              rival.set('key1', 'theirs').set('key3', 'theirs').set('key4', 'theirs')
              rival.delete('key5')
              rival.metadata = 'theirs'
              await rival.push()
            }
            const changes = (reader: Ebooklet<string>) => [...reader.changes()].map(({ key, type }) => `${type} ${key}`).sort()
            const pending = ['added mine', 'changed key1', 'deleted key2']
            const readers = [await bench.open<string>(path, { bufferSize }), await bench.open<string>(path, { bufferSize })] as const
            for (const reader of readers) {
              expect(changes(reader)).toEqual(pending)
              expect(await reader.getMany(['key1', 'mine', 'key2', 'key3', 'key5'])).toEqual(['mine', 'too', undefined, 'theirs', undefined])
              expect(reader.metadata).toBe('mine')
            }
            for (const reader of readers) await reader.close()
            expectAlone(path)
            await using editor = await bench.open<string>(path, { flag: 'w' })
            expect(changes(editor)).toEqual(pending)
            await editor.push()
            const { key2: _deleted, key5: _gone, ...rest } = contentOf(1)
            const merged = { ...rest, key1: 'mine', mine: 'too', key3: 'theirs', key4: 'theirs' }
            expect(await bench.contents()).toEqual(sorted(merged))
            expect(editor.metadata).toBe('mine')
          })
        })
      }
    }

    it('may all begin before there is a file', async () => {
      await using bench = await Bench.on(kind)
      const db = await published(bench, 3)
      const path = bench.freshPath()
      const readers = await Promise.all(Array.from({ length: 5 }, () => bench.open<string>(path)))
      for (const [i, reader] of readers.entries()) expect(await reader.get(`key${i}`)).toBe(contentOf(1)[`key${i}`])
      await Promise.all(readers.map((reader) => reader.close()))
      expectAlone(path)
      bench.store.take()
      await using offline = await bench.open<string>(path, { offline: true })
      for (const [i] of readers.entries()) expect(await offline.get(`key${i}`)).toBe(contentOf(1)[`key${i}`])
      await db.close()
    })

    it('keep writers waiting, who take in what they left', async () => {
      await using bench = await Bench.on(kind)
      await (await published(bench, 3)).close()
      const path = bench.freshPath()
      const reader = await bench.open<string>(path)
      for (const flag of ['w', 'c', 'n'] as const) {
        await expect(bench.open(path, { flag, lockTimeout: 50 })).rejects.toMatchObject({ code: 'FILE_LOCKED', path, exclusive: true })
      }
      const booklet = openBooklet<string>(path, { lockTimeout: 0 })
      expect(await reader.get('key1')).toBe(contentOf(1)['key1'])
      expect(booklet.has('key1')).toBe(false)
      await reader.close()
      expect(filesOf(path).length).toBe(3)
      const waiting = bench.open<string>(path, { flag: 'w', lockTimeout: 60_000 })
      booklet.close()
      await using writer = await waiting
      expectAlone(path)
      bench.store.take()
      expect(await writer.get('key1')).toBe(contentOf(1)['key1'])
      expect(bench.store.take()).toEqual([])
    })
  })
}
