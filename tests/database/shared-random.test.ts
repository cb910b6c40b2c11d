/** Readers and a writer of one local file in one process, by random steps that come in between each other's requests. */
import { expect, it } from 'vitest'
import { checkBooklet } from '../../src/booklet/index.js'
import type { Ebooklet } from '../../src/index.js'
import { replay, SeededRandom } from '../support/seed.js'
import { Bench, memoryKind } from './remotes.js'
import { filesOf } from './shared-suite.js'

const keys = Array.from({ length: 25 }, (_, i) => `key${i}`)

/** What the remote held after each commit, by its µs. */
type History = Map<number, ReadonlyMap<string, string>>

class Play {
  readonly bench: Bench
  readonly random = new SeededRandom()
  readonly history: History = new Map()
  readonly reads: { key: string; value: string | undefined; from: number; to: number }[] = []
  readonly path: string
  /** What the local writer has pending in the file. */
  readonly pending = new Map<string, string>()
  readonly #elsewhere: Ebooklet<string>
  readonly #content = new Map<string, string>()

  constructor(bench: Bench, elsewhere: Ebooklet<string>) {
    this.bench = bench
    this.#elsewhere = elsewhere
    this.path = bench.freshPath()
  }

  async push(): Promise<void> {
    for (let i = 0; i < 6; i++) {
      const key = this.random.pick(keys)
      if (this.random.below(4) > 0) this.#content.set(key, `${key} in ${this.history.size} ${'x'.repeat(this.random.below(500))}`)
      else this.#content.delete(key)
      const value = this.#content.get(key)
      if (value === undefined) this.#elsewhere.delete(key)
      else this.#elsewhere.set(key, value)
    }
    await this.#elsewhere.push()
    this.history.set(this.#elsewhere.remoteTimestamp!, new Map(this.#content))
  }

  /** That each value is what a commit had that its reader can have known. */
  expectRight(): void {
    for (const { key, value, from, to } of this.reads) {
      const possible = [...this.history].filter(([timestamp]) => timestamp >= from && timestamp <= to).map(([, content]) => content.get(key))
      expect(possible, `${key} between ${from} and ${to}, ${replay}`).toContain(value)
    }
  }

  async read(): Promise<void> {
    const { random } = this
    const db = await this.bench.open<string>(this.path, { bufferSize: random.pick([1, 500, 1_000_000]), offline: random.pick([false, 'auto']) })
    // Nobody writes to the file while this reader has it.
    const pending = new Map(this.pending)
    for (let step = random.below(12); step > 0; step--) {
      const from = db.remoteTimestamp!
      const what = random.below(20)
      if (what < 3) await db.pull()
      else if (what < 4) await db.load()
      else if (what < 5) db.prune({ before: Number.MAX_SAFE_INTEGER })
      else if (what < 6) db.sync()
      else {
        const key = random.pick(keys)
        const value = await db.get(key)
        this.reads.push({ key, value, from, to: db.remoteTimestamp! })
      }
      for (const [key, value] of pending) expect(await db.get(key), replay).toBe(value)
    }
    await db.close()
  }

  /** The local writer has to wait for a moment without readers, and may not get one. */
  async edit(): Promise<boolean> {
    const { random } = this
    const db = await this.bench.open<string>(this.path, { flag: 'w', lock: 'push', lockTimeout: 30 }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'FILE_LOCKED' })
      return undefined
    })
    if (!db) return false
    expect(new Map([...db.changes()].map(({ key }) => [key, ''])), replay).toEqual(new Map([...this.pending].map(([key]) => [key, ''])))
    const key = `mine${random.below(5)}`
    db.set(key, `edit ${random.below(1000)}`)
    this.pending.set(key, (await db.get(key))!)
    await db.close()
    return true
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.random.below(4)))
  }
}

it('readers that come and go see what they should, and writers wait for them', async () => {
  await using bench = await Bench.on(memoryKind)
  const elsewhere = await bench.open<string>(bench.freshPath(), { flag: 'n', numGroups: 3 })
  const play = new Play(bench, elsewhere)
  for (let i = 0; i < 4; i++) await play.push()
  bench.store.hooks.before = () => play.pause()
  const repeat = async (times: number, step: () => Promise<unknown>) => {
    for (let i = 0; i < times; i++) {
      await step()
      await play.pause()
    }
  }
  const readers = [1, 2, 3, 4].map(() => repeat(12, () => play.read()))
  await Promise.all([...readers, repeat(15, () => play.push()), repeat(15, () => play.edit())])
  while (!(await play.edit())) await play.pause()
  play.expectRight()
  expect(filesOf(play.path).length).toBe(2)
  expect(checkBooklet(play.path).findings).toEqual([])
  bench.store.hooks = {}
  await elsewhere.close()
  await using last = await bench.open<string>(play.path, { flag: 'w' })
  const found = new Map(play.pending)
  for (const [key, value] of [...play.history.values()].at(-1)!) found.set(key, value)
  const seen = new Map<string, string>()
  for await (const [key, value] of last) seen.set(key, value)
  expect(seen, replay).toEqual(found)
}, 60_000)
