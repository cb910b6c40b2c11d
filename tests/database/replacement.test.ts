/** Which local copies a replacement (flag `n`) leaves valid. */
import { expect, it } from 'vitest'
import { UuidMismatchError } from '../../src/index.js'
import { Bench, memoryKind } from './remotes.js'

it.each([
  { from: 5, to: 5, kept: true },
  { from: 5, to: 7, kept: true },
  { from: null, to: 5, kept: true },
  { from: null, to: null, kept: true },
  // A copy that Python has would go on in groups.
  { from: 5, to: null, kept: false },
])('from $from to $to groups: copies stay valid: $kept', async ({ from, to, kept }) => {
  await using bench = await Bench.on(memoryKind)
  const { uuid } = await (async () => {
    await using first = await bench.open(bench.freshPath(), { flag: 'c', numGroups: from, valueSerializer: 'msgpack' })
    first.set('key', new Map([['a', 1n]]))
    await first.push()
    return first
  })()
  const warm = bench.freshPath()
  await (await bench.open(warm)).close()
  const path = bench.freshPath()
  {
    await using pending = await bench.open(path, { flag: 'n', numGroups: to })
    expect(pending.valueSerializer).toBe('msgpack')
    pending.set('only', 'new')
  }
  await using db = await bench.open(path, { flag: 'w' })
  expect(await db.push()).toMatchObject({ ok: true, updated: true })
  expect(await bench.contents()).toEqual({ only: 'new' })
  expect(db.uuid === uuid).toBe(kept)
  if (kept) {
    await using reader = await bench.open(warm)
    expect(await reader.get('only')).toBe('new')
    expect(reader.has('key')).toBe(false)
  } else {
    await expect(bench.open(warm)).rejects.toThrow(UuidMismatchError)
  }
})
