/** What lies beside a local file as a reader's is a cache that anything may have happened to. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import { overlaysBeside, settle } from '../../src/database/shared/settle.js'
import { remoteIndexPath } from '../../src/format/names.js'
import { indexFileBeside } from '../../src/database/index-file.js'
import { SyncState } from '../../src/sync/state.js'
import { leave, makeShared, sharedAt, type Commit } from '../database/left-overlays.js'
import { filesOf } from '../database/shared-suite.js'
import { temporaryPath } from '../support/folder.js'
import { replay, SeededRandom } from '../support/seed.js'
import { mutate, rounds } from './mutate.js'

const keys = Array.from({ length: 12 }, (_, i) => `key${i}`)
const commits: Commit[] = [new Map(keys.map((key) => [key, 0])), new Map(keys.slice(3).map((key, i) => [key, i % 2]))]

it(`overlays, mutated: the local file is whole after each, and pending edits are there, ${replay}`, () => {
  const random = new SeededRandom()
  const path = temporaryPath()
  makeShared(path, commits, 0, keys.slice(0, 6))
  const file = openBooklet<string, unknown>(path, { flag: 'w' })
  const state = SyncState.load(file, indexFileBeside(path), 'EVariableLengthValue')
  file.setBytes('mine', new Uint8Array([7]), { timestamp: 5e12 })
  state.pending.addWrite('mine')
  state.save()
  file.close()
  leave(path, commits, { took: 1, kept: [...commits[1]!], ending: 'leaves' })
  const overlay = overlaysBeside(path)[0]!
  const names = [path, remoteIndexPath(path), overlay, remoteIndexPath(overlay)]
  const whole = names.map((name) => readFileSync(name))
  for (let round = 0; round < rounds(150); round++) {
    const hit = random.pick([2, 2, 2, 3])
    const mutated = mutate(random, whole[hit]!, whole)
    names.forEach((name, i) => writeFileSync(name, i === hit ? mutated : whole[i]!))
    const at = `round ${round}, ${replay}`
    expect(settle(sharedAt(path)), at).toBe('done')
    expect(filesOf(path).length, at).toBe(2)
    expect(checkBooklet(path).findings, at).toEqual([])
    const result = openBooklet<string, unknown>(path)
    const after = SyncState.load(result, indexFileBeside(path), 'EVariableLengthValue')
    expect([...after.pending.written], at).toEqual(['mine'])
    expect(result.getBytes('mine'), at).toEqual(new Uint8Array([7]))
    result.close()
  }
}, 60_000)
