/** Groups of more members than a call takes arguments, which is about 120,000. */
import { expect, it } from 'vitest'
import { Bench, memoryKind } from './remotes.js'

it('a group of 150,000 keys is pushed, loaded, and changed', async () => {
  await using bench = await Bench.on(memoryKind)
  await using db = await bench.open<Uint8Array>(':memory:', { flag: 'c', numGroups: 1, valueSerializer: 'bytes' })
  const value = Uint8Array.of(7)
  for (let i = 0; i < 300_000; i++) db.setBytes(`k${i}`, value, { timestamp: 1_700_000_000_000_000 + i })
  expect((await db.push()).written.length).toBe(300_000)
  await using reader = await bench.open<Uint8Array>(':memory:')
  await reader.load()
  expect(reader.size).toBe(300_000)
  expect(await reader.get('k299999')).toEqual(value)
  for (let i = 0; i < 300_000; i++) db.delete(`k${i}`)
  expect((await db.push()).deleted.length).toBe(300_000)
  expect(db.size).toBe(0)
})
