/** Which local copies a replacement (flag `n`) leaves valid. */
import { expect, it } from 'vitest'
import { DiscardRefusedError, UuidMismatchError } from '../../src/index.js'
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

it('is found to be the replacement of that very remote when it is opened again, and of no other', async () => {
  await using bench = await Bench.on(memoryKind)
  for (const dbKey of ['db.blt', 'other.blt']) {
    await using first = await bench.open(bench.freshPath(), { flag: 'c', numGroups: 3 }, dbKey)
    first.set('key', 1)
    await first.push()
  }
  const path = bench.freshPath()
  {
    await using pending = await bench.open(path, { flag: 'n', valueSerializer: 'msgpack' })
    pending.set('key', 'replaced')
    expect(() => pending.discard()).toThrow(DiscardRefusedError)
    expect(pending.changes().size).toBe(1)
  }
  // Somebody commits meanwhile, so that the remote is read again.
  {
    await using rival = await bench.open(bench.freshPath(), { flag: 'w' })
    rival.set('rival', 1)
    await rival.push()
  }
  await expect(bench.open(path, { flag: 'w' }, 'other.blt')).rejects.toThrow(UuidMismatchError)
  await using db = await bench.open(path, { flag: 'w' })
  expect(await db.push()).toMatchObject({ ok: true })
  expect(await bench.contents()).toEqual({ key: 'replaced' })
  db.set('more', 1)
  expect(await db.push()).toMatchObject({ ok: true })
  await db.close()
  await using again = await bench.open(path, { flag: 'w' })
  expect(again.changes().replacesRemote).toBe(false)
  expect(await bench.contents('other.blt')).toEqual({ key: 1 })
})
