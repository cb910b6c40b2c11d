/** kill -9 of one side in the middle of writing, then the other opens the file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openBooklet } from '../../src/booklet/index.js'
import { readRecord } from '../../src/booklet/recovery-record.js'
import { temporaryFolder } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonError, PythonPeer, type PythonDump } from '../support/python.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { applyTo, killWorkload, possibleValues, stateAfter, type State } from './kill-workload.js'
import { isFixed, openOurs } from './ours.js'

const kills = process.env['EBOOKLET_TEST_SLOW'] === '1' ? 24 : 8
const runs = Array.from({ length: kills }, (_, at) => at)

const writerScript = fileURLToPath(new URL('our-writer.ts', import.meta.url))

/** Runs our writer until it is killed at a random moment; how many syncs it had reported. */
async function killOurWriter(path: string, seed: number, random: SeededRandom): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', writerScript, path, String(seed)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  let output = ''
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      resolve()
    })
    child.on('close', () => reject(new Error(`our writer ended by itself: ${errors}`)))
  })
  await new Promise((resolve) => setTimeout(resolve, random.below(120)))
  child.kill('SIGKILL')
  await ended
  return output.split('\n').filter((line) => line === 'synced').length
}

function seenByPython({ items, size }: PythonDump): Map<string, string> {
  const seen = new Map<string, string>()
  for (const { key, value, found } of items) {
    expect(found, `a lookup finds ${JSON.stringify(key)}`).toBe(true)
    expect(seen.has(key as string), `${JSON.stringify(key)} is enumerated twice`).toBe(false)
    seen.set(key as string, value as string)
  }
  expect(size, 'count').toBe(seen.size)
  return seen
}

/** Opens for writing, which repairs, and gives what is there. */
function repairedByUs(path: string): Map<string, string> {
  const booklet = openOurs(path, 'w', {})
  if (isFixed(booklet)) throw new Error('not a variable-length file')
  const seen = new Map([...booklet.entries()] as [string, string][])
  expect(booklet.size).toBe(seen.size)
  for (const [key, value] of seen) expect(booklet.get(key)).toBe(value)
  booklet.close()
  return seen
}

function expectPossible(seen: State, possible: ReadonlyMap<string, ReadonlySet<string | undefined>>): void {
  for (const key of seen.keys()) expect(possible.has(key), `${key} was never written`).toBe(true)
  for (const [key, values] of possible) {
    expect(values.has(seen.get(key)), `${key} is ${String(seen.get(key))}, not one of ${[...values].map(String).join(' | ')}`).toBe(true)
  }
}

describeWithPeers(['python'], 'a booklet file whose writer was killed', () => {
  const python = PythonPeer.forSuite()

  it.each(runs)('ours, %i: Python reads what was synced, or refuses', async (run) => {
    const random = new SeededRandom(testSeed + run)
    const seed = random.below(2 ** 30)
    const folder = temporaryFolder()
    const path = `${folder}/ours.blt`
    const syncs = await killOurWriter(path, seed, random)
    const { state, next } = stateAfter(killWorkload(seed), syncs)
    const during = new Map([...state].map(([key, value]) => [key, new Set<string | undefined>([value])]))
    const after = applyTo(new Map(state), next)
    for (const key of new Set([...state.keys(), ...after.keys()])) during.set(key, (during.get(key) ?? new Set([undefined])).add(after.get(key)))
    try {
      await expectPythonIsRight(python(), path, `${folder}/python.blt`, during)

      // We finish the sync or undo it, as a whole.
      const repaired = repairedByUs(path)
      expect([JSON.stringify([...state].sort()), JSON.stringify([...after].sort())]).toContain(JSON.stringify([...repaired].sort()))
      expect(seenByPython(await python().dump({ path }))).toEqual(repaired)
    } catch (cause) {
      throw new Error(`run ${String(run)}, ${String(syncs)} syncs; ${replay}`, { cause })
    }
  })

  it.each(runs)("Python's, %i: we repair it", async (run) => {
    const random = new SeededRandom(testSeed + 1000 + run)
    const workload = killWorkload(random.below(2 ** 30))
    const path = `${temporaryFolder()}/python.blt`
    const writer = PythonPeer.start()
    const { handle } = await writer.call('booklet.open', { path, flag: 'n', ...workload.options })
    await writer.call('booklet.apply', { handle, operations: [{ op: 'sync' }] })
    const syncs = random.below(8)
    let state: State = new Map()
    let batches = 0
    for (const batch of workload.batches()) {
      if (batches++ === syncs) {
        // Many times the same batch, so that the kill meets it; what a key may hold stays the same.
        const unanswered = Array.from({ length: 20 }, () => writer.call('booklet.apply', { handle, operations: repeatable(batch) }).catch(() => undefined))
        await new Promise((resolve) => setTimeout(resolve, random.below(12)))
        await writer.kill()
        await Promise.all(unanswered)
        expectRepaired(path, possibleValues(state, repeatable(batch)))
        break
      }
      await writer.call('booklet.apply', { handle, operations: [...batch, { op: 'sync' }] })
      state = applyTo(new Map(state), batch)
    }
    const repaired = repairedByUs(path)
    expect(seenByPython(await python().dump({ path })), replay).toEqual(repaired)
  })
})

/** Sets only, which can be repeated; a sync and a prune now and then stay possible. */
function repeatable(batch: Parameters<typeof applyTo>[1]) {
  return [...batch.filter(({ op }) => op === 'set'), ...(batch.length % 3 === 0 ? [{ op: 'sync' as const }] : [])]
}

function expectRepaired(path: string, possible: ReturnType<typeof possibleValues>): void {
  try {
    expectPossible(repairedByUs(path), possible)
  } catch (cause) {
    throw new Error(replay, { cause })
  }
}

/**
 * Python, which knows nothing of our repair, with a file as the kill left it.
 *
 * Whatever the moment, it refuses to read or reads right, and a lookup gives what was synced or what the sync under
 * way was writing. Enumeration and count are right too, but for one moment: killed between the first and the last
 * overwrite of a sync, the file holds blocks that are not linked yet, as it would after a kill of Python's own.
 * Then the reader refuses, and our next open makes it right.
 */
async function expectPythonIsRight(python: PythonPeer, path: string, copy: string, possible: ReadonlyMap<string, ReadonlySet<string | undefined>>): Promise<void> {
  copyFileSync(path, copy)
  const midCommit = readRecord(readFileSync(path))?.state === 'commit'
  const read = await python.dump({ path: copy }).catch(refusal)
  if (read instanceof PythonError) expect(read.message).toMatch(/closed incorrectly|version/i)
  else expectPossible(seenByPython(read), possible)
  expect(midCommit && !(read instanceof PythonError), 'a reader reads in the middle of a sync').toBe(false)
  // A change, because without one the original leaves the mark of a file that wasn't closed.
  const opened = await python.write({ path: copy, flag: 'w' }, [{ op: 'set', key: 'by Python', value: 'x' }]).catch(refusal)
  if (opened instanceof PythonError) {
    // A prune or the growing of the index was under way, which no program but ours can finish.
    expect(opened.message).toMatch(/version/i)
    expect(read).toBeInstanceOf(PythonError)
    return
  }
  const all = new Map([...possible, ['by Python', new Set(['x'])]])
  const found = await lookups(python, copy, [...all.keys()])
  expectPossible(found, all)
  if (!midCommit) expect(seenByPython(await python.dump({ path: copy }))).toEqual(found)
  // We live with what Python made of it.
  const booklet = openBooklet<string, string>(copy, { flag: 'w' })
  expect(new Map(booklet.entries())).toEqual(found)
  expect(booklet.size).toBe(found.size)
  booklet.close()
  expect(seenByPython(await python.dump({ path: copy }))).toEqual(found)
}

async function lookups(python: PythonPeer, path: string, keys: string[]): Promise<Map<string, string>> {
  const { handle } = await python.call('booklet.open', { path, flag: 'r' })
  const answers = await python.call('booklet.get', { handle, keys })
  await python.call('close', { handle })
  return new Map(keys.flatMap((key, at) => (answers[at] ? [[key, answers[at].value as string] as const] : [])))
}

function refusal(error: unknown): PythonError {
  if (error instanceof PythonError) return error
  throw error
}
