/** Pushes that fail or are given up, and those that go on where they ended, on every kind of remote. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { groupId } from '../../src/format/group-id.js'
import { parseGroupKey, uploadRecordPath } from '../../src/format/names.js'
import type { Ebooklet, OpenEbookletOptions } from '../../src/index.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import type { RecordedCall } from './recording-store.js'
import { Bench, type RemoteKind } from './remotes.js'
import { bytesOf, contentOf, expectSame, largeContent, scaleOf, type Content } from './streaming-suite.js'

const numGroups = 3

type Db = Ebooklet<Uint8Array>

class Resumed {
  readonly bench: Bench
  readonly path: string
  readonly content: Content
  readonly #options: OpenEbookletOptions<Uint8Array>
  /** What the store has: a name for each object that is whole, and for each part. */
  readonly finished = new Map<string, number>()
  /** What was sent although the store had it. */
  readonly twice: string[] = []

  constructor(bench: Bench, kind: RemoteKind, mode: number | null) {
    const scale = scaleOf(kind)
    this.bench = bench
    this.path = bench.freshPath()
    this.content = largeContent(scale)
    this.#options = { valueSerializer: 'bytes', partSize: scale.partSize, numGroups: mode }
    bench.wholeAtTheEnd.push('db.blt')
  }

  open(flag: 'c' | 'w' = 'c', path = this.path): Promise<Db> {
    return this.bench.open<Uint8Array>(path, { ...this.#options, flag })
  }

  async filled(): Promise<Db> {
    const db = await this.open()
    for (const [key, value] of this.content) db.set(key, value)
    return db
  }

  /** Goes through the calls since the last time: what the store has done, and what it was sent twice. */
  look(): RecordedCall[] {
    const calls = this.bench.store.take()
    for (const { op, key, part, acted, bytesUp } of calls) {
      if (!key.startsWith('db.blt/') || (op !== 'put' && op !== 'putPart' && op !== 'completeUpload')) continue
      const object = objectName(key)
      const name = op === 'putPart' ? `${object} part ${part}` : object
      // Completing again what may be complete sends nothing.
      if (op !== 'completeUpload' && (this.finished.has(object) || this.finished.has(name)) && bytesUp > 1000) this.twice.push(name)
      if (acted) this.finished.set(name, bytesUp)
    }
    return calls
  }

  async expectDone(db: Db): Promise<void> {
    expect(db.changes().size).toBe(0)
    expect(existsSync(uploadRecordPath(this.path))).toBe(false)
    await db.close()
    const left: unknown[] = []
    for await (const upload of this.bench.store.parts?.list('db.blt') ?? []) left.push(upload)
    expect(left).toEqual([])
    await using reader = await this.bench.open<Uint8Array>(this.bench.freshPath(), { valueSerializer: 'bytes' })
    expectSame(await contentOf(reader), this.content)
  }
}

/** The group, whatever its generation; or the value. */
function objectName(key: string): string {
  const group = parseGroupKey('db.blt', key)
  return group ? `group ${group.gid}` : key
}

/** Fails the nth call that the push makes, once. */
function failAt(bench: Bench, nth: number, when: 'before' | 'after'): () => boolean {
  let calls = 0
  let failed = false
  bench.store.hooks[when] = () => {
    if (++calls !== nth) return
    failed = true
    throw new Error('the network is gone')
  }
  return () => failed
}

const failCommit = (bench: Bench) => {
  bench.store.hooks.before = (op, key) => {
    if (op === 'put' && key === 'db.blt') throw new Error('no commit now')
  }
}

export function resumeSuite(kind: RemoteKind): void {
  // On servers each push moves 40 MB.
  const every = kind.name === 'memory' || kind.name === 'directory'

  describe(`a push on ${kind.name} that goes on`, () => {
    for (const mode of [numGroups, null]) {
      const how = mode === null ? 'per key' : 'grouped'
      for (const when of ['before', 'after'] as const) {
        it(`after a failure at any request (${how}, ${when} the store acts) sends nothing twice, and leaves nothing`, { timeout: 120_000 }, async () => {
          for (let nth = 1; ; nth += every ? 1 : 9) {
            await using bench = await Bench.on(kind)
            const run = new Resumed(bench, kind, mode)
            let db = await run.filled()
            bench.store.take()
            const failed = failAt(bench, nth, when)
            await db.push().catch(() => undefined)
            bench.store.hooks = {}
            run.look()
            if (!failed()) break
            // A store whose process has ended can't tell of a directory's parts; a new session of this one can.
            if (nth % 2 === 0) {
              await db.close()
              db = await run.open('w')
            }
            bench.store.take()
            expect(await db.push(), `request ${nth}`).toMatchObject({ ok: true })
            run.look()
            expect(run.twice, `request ${nth}`).toEqual([])
            await run.expectDone(db)
          }
        })
      }

      it(`after its commit failed sends only the commit (${how})`, async () => {
        await using bench = await Bench.on(kind)
        const run = new Resumed(bench, kind, mode)
        const db = await run.filled()
        failCommit(bench)
        await expect(db.push()).rejects.toMatchObject({ code: 'COMMIT_FAILED' })
        bench.store.hooks = {}
        await db.close()
        const again = await run.open('w')
        bench.store.take()
        const result = await again.push()
        expect(result).toMatchObject({ ok: true, updated: true })
        // Of small values with objects of their own nothing is recorded.
        const small = mode === null ? Math.min(64 * 1024, scaleOf(kind).partSize / 4) : -1
        const sums = [...run.content.values()].reduce<[number, number]>(([sent, kept], { length }) => (length <= small ? [sent + length, kept] : [sent, kept + length]), [0, 0])
        expect(result.bytesUploaded).toBe(sums[0])
        if (mode === null) expect(result.bytesResumed).toBe(sums[1])
        else expect(result.bytesResumed).toBeGreaterThan(sums[1])
        const sent = bench.store.take().filter(({ key, op }) => key !== 'db.blt' && (op === 'put' || op === 'putPart'))
        expect(sent.reduce((sum, { bytesUp }) => sum + bytesUp, 0)).toBe(sums[0])
        await run.expectDone(again)
      })

      it(`sends anew what was edited meanwhile, also under the same timestamp (${how})`, async () => {
        await using bench = await Bench.on(kind)
        const run = new Resumed(bench, kind, mode)
        const db = await run.filled()
        failCommit(bench)
        await db.push().catch(() => undefined)
        bench.store.hooks = {}
        await db.close()
        const again = await run.open('w')
        const [key, old] = [...run.content].find(([, value]) => value.length === scaleOf(kind).partSize)!
        const edited = old.slice()
        edited[edited.length - 1]! ^= 1
        again.set(key, edited, { timestamp: again.getTimestamp(key)! })
        run.content.set(key, edited)
        const result = await again.push()
        expect(result).toMatchObject({ ok: true })
        expect(result.bytesResumed).toBeGreaterThan(0)
        expect(result.bytesUploaded).toBeGreaterThanOrEqual(old.length)
        await run.expectDone(again)
      })

      it(`takes up what a rival's commit left right, and nothing else (${how})`, async () => {
        await using bench = await Bench.on(kind)
        const run = new Resumed(bench, kind, mode)
        const first = await run.filled()
        await first.push()
        await first.close()
        const rivalPath = bench.freshPath()
        const sessions = bench.path('ours.blt')
        const db = await run.open('w', sessions)
        const edits = [...run.content.keys()].filter((_, i) => i % 2 === 0)
        for (const each of edits) {
          const value = bytesOf(`ours ${each}`, run.content.get(each)!.length + 1)
          db.set(each, value)
          run.content.set(each, value)
        }
        failCommit(bench)
        await db.push().catch(() => undefined)
        bench.store.hooks = {}
        await db.close()
        const rival = await run.open('w', rivalPath)
        rival.set('theirs', bytesOf('theirs', 300))
        run.content.set('theirs', bytesOf('theirs', 300))
        await rival.push()
        await rival.close()
        const again = await run.open('w', sessions)
        bench.store.take()
        const result = await again.push()
        expect(result).toMatchObject({ ok: true })
        expect(result.bytesResumed).toBeGreaterThan(0)
        if (mode !== null) {
          const sent = new Set(bench.store.take().filter(({ op, bytesUp }) => (op === 'put' || op === 'putPart') && bytesUp > 0).map(({ key }) => objectName(key)))
          expect([...sent].sort()).toEqual(['db.blt', `group ${groupId('theirs', numGroups)}`].sort())
        }
        expect(existsSync(uploadRecordPath(sessions))).toBe(false)
        await run.expectDone(again)
      })

      it(`sends anew what the store has lost (${how})`, async () => {
        await using bench = await Bench.on(kind)
        const run = new Resumed(bench, kind, mode)
        const db = await run.filled()
        bench.store.hooks.before = (op) => {
          if (op === 'completeUpload') throw new Error('not now')
        }
        expect(await db.push()).toMatchObject({ ok: false })
        bench.store.hooks = {}
        // The parts go, by a rule of the bucket; and what was whole, by a sweep.
        for await (const upload of bench.store.parts?.list('db.blt') ?? []) await bench.store.parts!.abort(upload)
        expect(await db.push()).toMatchObject({ ok: true })
        await run.expectDone(db)
      })
    }

    it('cleans up when there is nothing to push any more', async () => {
      await using bench = await Bench.on(kind)
      const run = new Resumed(bench, kind, numGroups)
      const db = await run.filled()
      await db.push()
      const objects = await bench.objects('db.blt/')
      for (const key of run.content.keys()) db.set(key, bytesOf(`new ${key}`, scaleOf(kind).unit))
      const stop = new AbortController()
      bench.store.hooks.after = (op, key) => {
        if ((op === 'put' || op === 'putPart') && key.startsWith('db.blt/')) stop.abort(new Error('enough'))
      }
      await expect(db.push({ signal: stop.signal })).rejects.toThrow('enough')
      bench.store.hooks = {}
      expect(existsSync(uploadRecordPath(run.path))).toBe(true)
      db.discard()
      expect(await db.push()).toMatchObject({ ok: true, updated: false, leftovers: [] })
      expect(await bench.objects('db.blt/')).toEqual(objects)
      await run.expectDone(db)
    })

    it(`is right whatever became of its record, ${replay}`, { timeout: 120_000 }, async () => {
      const random = new SeededRandom(testSeed)
      for (let round = 0; round < (every ? 12 : 2); round++) {
        await using bench = await Bench.on(kind)
        const run = new Resumed(bench, kind, round % 2 === 0 ? numGroups : null)
        const db = await run.filled()
        failAt(bench, 1 + random.below(30), 'before')
        await db.push().catch(() => undefined)
        bench.store.hooks = {}
        await db.close()
        const file = uploadRecordPath(run.path)
        if (!existsSync(file)) continue
        const record = readFileSync(file)
        if (random.next() < 0.5) writeFileSync(file, record.subarray(0, random.below(record.length)))
        else {
          record[random.below(record.length)] = random.below(256)
          writeFileSync(file, record)
        }
        if (random.next() < 0.3) appendFileSync(file, '{"n":1e9,"group":0,"generation":"../x","size":1,"md5":"x"}\n[1]\nnull\n')
        const again = await run.open('w')
        expect(await again.push()).toMatchObject({ ok: true })
        await again.close()
        await using reader = await bench.open<Uint8Array>(bench.freshPath(), { valueSerializer: 'bytes' })
        expectSame(await contentOf(reader), run.content)
        // What was forgotten stays behind, for fsck.
        bench.wholeAtTheEnd.length = 0
      }
    })
  })
}
