/** The metadata of a database through edits, replacements and what takes them back. */
import { expect, it } from 'vitest'
import { decodeDbPayload, decodeMetaSection } from '../../src/format/db-object.js'
import { Bench, memoryKind } from './remotes.js'

async function withMetadata(bench: Bench, metadata: unknown): Promise<string> {
  const path = bench.freshPath()
  await using db = await bench.open(path, { flag: 'c', numGroups: 3 })
  db.set('key', 1)
  if (metadata !== undefined) db.metadata = metadata
  await db.push()
  return path
}

async function sectionOf(bench: Bench): Promise<unknown> {
  const result = await bench.store.get('db.blt')
  if (result.status !== 'ok') throw new Error('there is no db object')
  const { metaSection } = decodeDbPayload(result.bytes)
  return metaSection && decodeMetaSection(metaSection).data
}

it.each([null, undefined])('%s removes the metadata, here and in every copy', async (nothing) => {
  await using bench = await Bench.on(memoryKind)
  const path = await withMetadata(bench, { title: 'old' })
  const warm = bench.freshPath()
  await (await bench.open(warm)).close()
  await using db = await bench.open(path, { flag: 'w' })
  db.metadata = nothing
  expect(db.metadata).toBeUndefined()
  expect(await db.push()).toMatchObject({ updated: true, ok: true })
  for (const copy of [warm, ':memory:']) {
    await using reader = await bench.open(copy)
    expect(reader.metadata).toBeUndefined()
  }
})

it('a replacement removes the old metadata, and says so to copies that have it', async () => {
  await using bench = await Bench.on(memoryKind)
  await withMetadata(bench, { title: 'old' })
  const warm = bench.freshPath()
  await (await bench.open(warm)).close()
  await using db = await bench.open(bench.freshPath(), { flag: 'n' })
  expect(db.metadata).toBeUndefined()
  db.set('other', 2)
  await db.push()
  expect(db.metadata).toBeUndefined()
  expect(await sectionOf(bench)).toBeNull()
  await using reader = await bench.open(warm)
  expect(reader.metadata).toBeUndefined()
})

it('a replacement that is taken back leaves the metadata of the remote', async () => {
  await using bench = await Bench.on(memoryKind)
  await withMetadata(bench, { title: 'old' })
  await using db = await bench.open(bench.freshPath(), { flag: 'n' })
  db.discard()
  expect(db.metadata).toEqual({ title: 'old' })
  expect(await db.get('key')).toBe(1)
  expect(await db.push()).toMatchObject({ updated: false })
})

it('a replacement of what had no metadata has none', async () => {
  await using bench = await Bench.on(memoryKind)
  await withMetadata(bench, undefined)
  await using db = await bench.open(bench.freshPath(), { flag: 'n' })
  await db.push()
  expect(await sectionOf(bench)).toBeUndefined()
})

it('metadata that no reader would take back is refused, and changes nothing', async () => {
  await using bench = await Bench.on(memoryKind)
  await using db = await bench.open(await withMetadata(bench, 'before'), { flag: 'w' })
  let deep: unknown = 1
  for (let level = 0; level < 10_001; level++) deep = [deep]
  expect(() => (db.metadata = deep)).toThrow(expect.objectContaining({ code: expect.stringMatching(/SERIALIZATION|INVALID_ARGUMENT/) as string }))
  expect(db.metadata).toBe('before')
  expect(db.changes().size).toBe(0)
  expect(await db.push()).toMatchObject({ updated: false })
})
