/** What must hold of a watch on every kind of remote. */
import { describe, expect, it } from 'vitest'
import type { Ebooklet, RemoteChange, RemoteWatch } from '../../src/index.js'
import { HandClock } from '../support/hand-clock.js'
import { Bench, type RemoteKind } from './remotes.js'

/** ms; the clock is moved by hand. */
export const interval = 3_600_000

/** Collects what a watch tells, in the background. */
export class Listener {
  readonly told: RemoteChange[] = []
  readonly watch: RemoteWatch
  /** The error that the watch ended with, or `ended`. */
  readonly ended: Promise<Error | 'ended'>
  #waiting: (() => void) | undefined

  constructor(watch: RemoteWatch) {
    this.watch = watch
    this.ended = this.#listen().then(() => 'ended', (error: Error) => error)
  }

  async #listen(): Promise<void> {
    for await (const change of this.watch) {
      this.told.push(change)
      this.#waiting?.()
    }
  }

  /** The next changes, as short texts, in the order of the text. */
  async take(count: number): Promise<string[]> {
    while (this.told.length < count) {
      const more = new Promise<void>((resolve) => (this.#waiting = resolve))
      const outcome = await Promise.race([more, this.ended])
      if (outcome !== undefined) throw new Error(`the watch ended: ${String(outcome)}`)
    }
    return this.told.splice(0, count).map(text).sort()
  }
}

export function text(change: RemoteChange): string {
  return change.type === 'metadata' ? 'metadata' : `${change.type} ${change.key}`
}

export async function published(bench: Bench, numGroups: number | null, content: Record<string, unknown>): Promise<Ebooklet> {
  const db = await bench.open(bench.freshPath(), { flag: 'c', numGroups })
  db.update(Object.entries(content))
  await db.push()
  return db
}

export function watchSuite(kind: RemoteKind): void {
  describe(`a watch on ${kind.name}`, () => {
    it.each([5, null])('tells what others change, and has it: %s groups', async (numGroups) => {
      await using bench = await Bench.on(kind)
      const writer = await published(bench, numGroups, { a: 1, b: 2, c: 3, d: 4 })
      const environment = new HandClock(interval)
      await using reader = await bench.open(bench.freshPath(), { environment })
      await reader.load()
      const before = new Map(reader.timestamps())
      const listener = new Listener(reader.watch({ interval }))
      await environment.untilAsleep()
      expect(listener.told).toEqual([])

      writer.set('b', 'new').set('e', 5)
      writer.delete('c')
      writer.metadata = { title: 'changed' }
      const { timestamp } = await writer.push()
      await environment.tick()
      await environment.untilAsleep()
      expect(listener.told).toHaveLength(4)
      expect(listener.told).toEqual(
        expect.arrayContaining([
          { type: 'changed', key: 'b', timestamp: writer.getTimestamp('b'), previous: before.get('b') },
          { type: 'deleted', key: 'c', timestamp, previous: before.get('c') },
          { type: 'added', key: 'e', timestamp: writer.getTimestamp('e') },
          { type: 'metadata', timestamp: writer.metadataTimestamp },
        ]),
      )
      expect([await reader.get('b'), await reader.get('c'), await reader.get('e'), reader.metadata]).toEqual(['new', undefined, 5, { title: 'changed' }])
    })

    it('costs one request without a body when nothing happens', async () => {
      await using bench = await Bench.on(kind)
      await published(bench, 5, { a: 1 })
      const environment = new HandClock(interval)
      await using reader = await bench.open(bench.freshPath(), { environment })
      const listener = new Listener(reader.watch({ interval }))
      await environment.untilAsleep()
      bench.store.take()
      for (let look = 0; look < 3; look++) {
        await environment.tick()
        await environment.untilAsleep()
        expect(bench.store.take()).toMatchObject([{ op: 'get', key: 'db.blt', status: 'not-modified', bytesDown: 0 }])
      }
      expect(listener.told).toEqual([])
    })
  })
}
