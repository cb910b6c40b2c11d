import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeBytes, makeKeys } from '../data.js'
import { newFolder, removeFolder } from '../folders.js'
import type { Benchmark, Contender } from '../harness.js'
import { loadEbooklet } from '../library.js'

type Library = Awaited<ReturnType<typeof loadEbooklet>>

export const localJournalBenchmark: Benchmark = {
  name: 'local-journal',
  about:
    'One more set and sync() of an Ebooklet, ten times one after the other, while so many writes wait in the journal for a push. Durable: after sync() a power cut loses nothing. First what the disk takes for the four steps of a commit: 4 KB written and synced four times.',
  async *works({ quick, tiny = false }) {
    const library = await loadEbooklet({ tiny })
    const folder = newFolder()
    const sessions: { end: () => Promise<void> }[] = []
    try {
      const pending = tiny ? [10, 20] : quick ? [1000, 100_000] : [1000, 10_000, 100_000, 1_000_000]
      const contenders = [bareDisk(folder)]
      for (const count of pending) {
        const session = await open(library, join(folder, `${count}.blt`), count)
        sessions.push(session)
        contenders.push(session.contender)
      }
      yield { title: 'ten times: one more set and sync', operations: 10, contenders }
    } finally {
      for (const { end } of sessions) await end()
      removeFolder(folder)
    }
  },
}

async function open({ openEbooklet, StoreConnection, MemoryStore }: Library, path: string, count: number) {
  const connection = new StoreConnection(new MemoryStore(), 'bench')
  const db = await openEbooklet<Uint8Array>(connection, path, { flag: 'n', valueSerializer: 'bytes', numGroups: 101, lockTiming: { settle: 1 } })
  const [value] = makeBytes(100)
  for (const key of makeKeys(count)) db.set(key, value!)
  db.sync()
  let next = 0
  const contender: Contender = {
    name: `${count.toLocaleString('en')} pending`,
    run() {
      for (let i = 0; i < 10; i++) {
        db.set(`one more ${next++}`, value!)
        db.sync()
      }
    },
  }
  return { contender, end: () => db.close() }
}

function bareDisk(folder: string): Contender {
  const bytes = new Uint8Array(4096)
  let position = 0
  return {
    name: 'the disk alone',
    run() {
      const fd = openSync(join(folder, 'bare'), 'a')
      for (let step = 0; step < 40; step++) {
        position += writeSync(fd, bytes, 0, bytes.length, position)
        fdatasyncSync(fd)
      }
      closeSync(fd)
    },
  }
}
