/** Remotes that the Python original wrote, read, edited and continued by ours; no Python needed. */
import { readdirSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openEbooklet, StoreConnection } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { goldenFolder, readGoldenFile, readGoldenJson } from '../support/golden.js'
import { isTagged, type Tagged } from '../support/tagged.js'

interface GoldenObject {
  key: string
  is_latest?: boolean
  delete_marker?: boolean
  blob?: string
  user_metadata: Record<string, string>
}
interface GoldenRemote {
  name: string
  db_key: string
  objects: GoldenObject[]
  db_object?: { s3_user_metadata?: Record<string, string>; meta_section?: string | null }
  expected?: { len: number; content: { key: string; timestamp: number; value: Tagged }[]; metadata?: Tagged }
  local_files?: Record<string, Record<string, { blob?: string }>>
}

const names = readdirSync(join(goldenFolder, 'remote')).filter((name) => name.endsWith('.json'))
const fast = { settle: 1, poll: 1 }

async function load(name: string): Promise<{ golden: GoldenRemote; store: MemoryStore }> {
  const golden = readGoldenJson<GoldenRemote>(`remote/${name}`)
  const store = new MemoryStore()
  for (const object of golden.objects) {
    if (object.is_latest === false || !object.blob) continue
    await store.put(object.key, readGoldenFile(object.blob), { metadata: object.user_metadata })
  }
  return { golden, store }
}

const databases = names.filter((name) => {
  const golden = readGoldenJson<GoldenRemote>(`remote/${name}`)
  return golden.expected && golden.db_object?.s3_user_metadata?.['type'] === 'EVariableLengthValue'
})

describe('remotes that Python wrote', () => {
  it('are found', () => expect(databases.length).toBeGreaterThanOrEqual(15))

  it.each(databases)('%s: every key, value, timestamp and the metadata', async (name) => {
    const { golden, store } = await load(name)
    await using db = await openEbooklet(new StoreConnection(store, golden.db_key), ':memory:')
    const { len, content } = golden.expected!
    expect(db.size).toBe(len)
    expect([...db.keys()].sort()).toEqual(content.map(({ key }) => key).sort())
    for (const { key, timestamp, value } of content) {
      expect(db.getTimestamp(key)).toBe(timestamp)
      const ours = await db.get(key)
      expect(isTagged(ours, value), `${key}: ${String(ours)}`).toBe(true)
    }
    const section = golden.db_object?.meta_section
    if (section) expect(JSON.stringify(db.metadata)).toBe(JSON.stringify((JSON.parse(section) as { data: unknown }).data))
    else expect(db.metadata).toBeUndefined()
    await db.load()
    for await (const [key, ours] of db) {
      const theirs = content.find((item) => item.key === key)!
      expect(isTagged(ours, theirs.value), key).toBe(true)
    }
  })

  it.each(databases)('%s: edited by ours, nothing else changes', async (name) => {
    const { golden, store } = await load(name)
    const { content } = golden.expected!
    const connection = new StoreConnection(store, golden.db_key)
    const fresh = content.length > 0 ? await openEbooklet(connection, ':memory:') : undefined
    const sample = fresh ? await fresh.get(content[0]!.key) : undefined
    await fresh?.close()
    {
      await using db = await openEbooklet(connection, ':memory:', { flag: 'w', lockTiming: fast })
      db.set('a key of ours', (sample ?? new Uint8Array([1, 2])))
      if (content.length > 1) db.delete(content[1]!.key)
      expect(await db.push()).toMatchObject({ ok: true, updated: true })
    }
    await using db = await openEbooklet(connection, ':memory:')
    const gone = content[1]?.key
    expect([...db.keys()].sort()).toEqual([...content.map(({ key }) => key).filter((key) => key !== gone), 'a key of ours'].sort())
    for (const { key, timestamp, value } of content) {
      if (key === gone) continue
      expect(db.getTimestamp(key)).toBe(timestamp)
      expect(isTagged(await db.get(key), value), key).toBe(true)
    }
  })
})

describe('local files that Python left', () => {
  it('are opened with their pending changes, which ours pushes', async () => {
    const { golden, store } = await load('grouped_3a_unpushed.json')
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-golden-'))
    try {
      const files = golden.local_files!['grouped.blt']!
      for (const name of ['grouped.blt', 'grouped.blt.remote_index']) await writeFile(join(folder, name), readGoldenFile(files[name]!.blob!))
      await cp(folder, `${folder}-copy`, { recursive: true })
      const path = join(folder, 'grouped.blt')
      await using db = await openEbooklet(new StoreConnection(store, golden.db_key), path, { flag: 'w', lockTiming: fast })
      expect([...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added pending', 'deleted key05'])
      expect(db.metadata).toEqual({ pending: true })
      expect(db.numGroups).toBe(11)
      expect(await db.push()).toMatchObject({ ok: true, updated: true, written: ['pending'], deleted: ['key05'] })
      await using reader = await openEbooklet(new StoreConnection(store, golden.db_key), ':memory:')
      expect(reader.metadata).toEqual({ pending: true })
      expect(reader.has('pending')).toBe(true)
      expect(reader.has('key05')).toBe(false)
      expect(reader.size).toBe(33)
    } finally {
      await rm(folder, { recursive: true, force: true })
      await rm(`${folder}-copy`, { recursive: true, force: true })
    }
  })

  it('keep a replacement pending', async () => {
    const { golden, store } = await load('grouped_5a_replacement_unpushed.json')
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-golden-'))
    try {
      const files = golden.local_files!['replace.blt']!
      for (const name of ['replace.blt', 'replace.blt.remote_index']) await writeFile(join(folder, name), readGoldenFile(files[name]!.blob!))
      const warnings: string[] = []
      await using db = await openEbooklet(new StoreConnection(store, golden.db_key), join(folder, 'replace.blt'), {
        flag: 'w',
        lockTiming: fast,
        onWarning: (message) => warnings.push(message),
      })
      expect(warnings.length).toBe(1)
      expect([...db.keys()].sort()).toEqual(['r0', 'r1', 'r2', 'r3'])
      expect(await db.push()).toMatchObject({ ok: true, updated: true })
      await using reader = await openEbooklet(new StoreConnection(store, golden.db_key), ':memory:')
      expect([...reader.keys()].sort()).toEqual(['r0', 'r1', 'r2', 'r3'])
      expect(reader.metadata).toBeUndefined()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
