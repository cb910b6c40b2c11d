import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { applyRound, generator } from './kill-model.js'

/*
 * kill -9 in the midst of writing. EBOOKLET_TEST_KILLS sets how often, EBOOKLET_TEST_SEED replays a run
 * (as far as the moment of a kill can be replayed).
 */
const KILLS = Number(process.env.EBOOKLET_TEST_KILLS ?? 25)
const SEED = Number(process.env.EBOOKLET_TEST_SEED ?? Math.floor(Math.random() * 1e6))

const childPath = fileURLToPath(new URL('kill-child.ts', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'booklet-kill-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/* Starts the writer, kills it a while after its first sync, and gives the last round that it said was safe. */
async function runAndKill(path: string, first: number, delay: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', childPath, path, String(SEED), String(first)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr!.on('data', (data) => (complaint += String(data)))
  let last = first - 1
  const lines = createInterface({ input: child.stdout! })
  lines.on('line', (line) => {
    last = Number(line)
    if (last === first) setTimeout(() => child.kill('SIGKILL'), delay)
  })
  const closed = once(lines, 'close')
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  await closed
  if (signal !== 'SIGKILL') throw new Error(`the writer ended with ${code}: ${complaint}`)
  return last
}

describe('kill -9 while writing', () => {
  test(`${KILLS} times, seed ${SEED}`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
    const path = join(folder, 'killed.blt')
    openBooklet<string, Uint8Array>(path, { flag: 'n', valueSerializer: 'bytes', buckets: 20 }).close()
    const random = generator(SEED)
    let model = new Map<string, Uint8Array>()
    let round = 0
    let repairs = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const last = await runAndKill(path, round, random() * random() * 120)
      for (; round <= last; round++) play(model, round)
      // The sync under way may have come through, too.
      const further = new Map(model)
      play(further, round)
      const booklet = openBooklet<string, Uint8Array>(path, { flag: 'w' })
      const seen = new Map(booklet.entries())
      const at = `kill ${kill}, seed ${SEED}, round ${round}, ${JSON.stringify(booklet.repair)}`
      expect(booklet.size, at).toBe(seen.size)
      if (same(seen, further) && !same(seen, model)) {
        model = further
        round++
      } else if (!same(seen, model)) {
        expect([...seen].sort(), at).toEqual([...model].sort())
      }
      if (booklet.repair) repairs++
      for (const [key, value] of model) expect(Buffer.compare(booklet.get(key)!, value), at).toBe(0)
      booklet.close()
      const reader = openBooklet(path, { flag: 'r', lockTimeout: 0 })
      expect(reader.size, at).toBe(model.size)
      reader.close()
    }
    expect(repairs).toBeGreaterThan(0)
  })
})

function play(model: Map<string, Uint8Array>, round: number): void {
  applyRound(SEED, round, { set: (key, value) => model.set(key, value), delete: (key) => model.delete(key) })
}

function same(a: Map<string, Uint8Array>, b: Map<string, Uint8Array>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && Buffer.compare(b.get(key)!, value) === 0)
}
