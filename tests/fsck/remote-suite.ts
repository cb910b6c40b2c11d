/** What must hold of fsckRemote on every kind of remote. */
import { describe, expect, it } from 'vitest'
import { fsckRemote, StoreConnection, type FsckOptions, type FsckReport, type RemoteFinding } from '../../src/index.js'
import { decodeDbPayload } from '../../src/format/db-object.js'
import { groupId } from '../../src/format/group-id.js'
import { groupKey, lockKey, probeKey } from '../../src/format/names.js'
import { Bench, type RemoteKind } from '../database/remotes.js'

const modes = [
  { mode: 'grouped', numGroups: 3 },
  { mode: 'per key', numGroups: null },
] as const

const content = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`key ${i}`, `value ${i}`.repeat(i)]))
const text = (value: string) => new TextEncoder().encode(value)
const orphanGeneration = 'aaaaaaaaaaaaa'

export async function published(bench: Bench, numGroups: number | null, dbKey = 'db.blt'): Promise<void> {
  await using db = await bench.open(bench.freshPath(), { flag: 'c', numGroups, buckets: 13 }, dbKey)
  db.update(Object.entries(content))
  expect(await db.push()).toMatchObject({ ok: true })
}

export function check(bench: Bench, options: FsckOptions = {}, dbKey = 'db.blt'): Promise<FsckReport> {
  return fsckRemote(new StoreConnection(bench.store, dbKey), { lockTiming: { settle: 20, poll: 20 }, lockTimeout: 10_000, ...options })
}

/** Findings without severity and advice, the ages left out. */
export function facts(report: FsckReport): Record<string, unknown>[] {
  return report.findings.map(({ severity: _severity, advice: _advice, ...rest }) => {
    const { age: _age, since: _since, bytes: _bytes, versions: _versions, ...kept } = rest as Record<string, unknown>
    return kept
  })
}

export function kinds(findings: readonly RemoteFinding[]): string[] {
  return [...new Set(findings.map(({ kind }) => kind))].sort()
}

async function liveGroups(bench: Bench): Promise<Map<number, string>> {
  const got = await bench.store.get('db.blt')
  if (got.status !== 'ok') throw new Error('no db object')
  return new Map([...decodeDbPayload(got.bytes).manifest].map(([gid, generation]) => [gid, groupKey('db.blt', gid, generation)]))
}

/** An object that nothing refers to, with the metadata that one of its kind has. */
async function leaveOrphan(bench: Bench, numGroups: number | null, name: string): Promise<string> {
  const object = numGroups === null ? `db.blt/${name}` : groupKey('db.blt', name.length % numGroups, orphanGeneration)
  await bench.store.put(object, text('left'), numGroups === null ? { metadata: { timestamp: '1700000000000000' } } : {})
  return object
}

export function fsckSuite(kind: RemoteKind): void {
  describe(`fsckRemote on ${kind.name}`, () => {
    for (const { mode, numGroups } of modes) describe(mode, () => modeSuite(kind, numGroups))
    ticketSuite(kind)
  })
}

function modeSuite(kind: RemoteKind, numGroups: number | null): void {
  const what = numGroups === null ? 'value' : 'group'

  it('finds nothing in a whole database, and changes nothing', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    bench.store.take()
    const report = await check(bench, { deep: true })
    expect(report).toMatchObject({ exists: true, formatVersion: 2, findings: [], omitted: 0, keys: 12, listed: true, swept: { objects: 0, bytes: 0 } })
    expect(report.objects).toBe(numGroups ?? 12)
    expect(bench.store.take().filter(({ op }) => op === 'put' || op === 'delete' || op === 'copy')).toEqual([])
    expect(await bench.contents()).toEqual(content)
  })

  it('finds orphans and probes, spares the young, sweeps the old, and nothing that is referred to', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    const before = await bench.objects()
    const orphan = await leaveOrphan(bench, numGroups, 'left behind')
    const probe = probeKey('db.blt', '0123456789abc')
    await bench.store.put(probe, text('x'))
    const young = { what, object: orphan, outcome: 'spared-young', kind: 'orphan' }
    expect(facts(await check(bench))).toEqual(expect.arrayContaining([young, { ...young, what: 'probe', object: probe }]))
    const spared = await check(bench, { sweep: true })
    expect(spared.swept).toEqual({ objects: 0, bytes: 0 })
    expect(await bench.objects('db.blt/')).toContain(orphan)
    const old = await check(bench, { minAge: 0 })
    expect(facts(old)).toContainEqual({ ...young, outcome: 'found' })
    const swept = await check(bench, { sweep: true, minAge: 0 })
    expect(swept.swept).toEqual({ objects: 2, bytes: 5 })
    expect(facts(swept)).toEqual(expect.arrayContaining([{ ...young, outcome: 'swept' }, { ...young, what: 'probe', object: probe, outcome: 'swept' }]))
    expect(await bench.objects()).toEqual(before)
    expect((await check(bench, { deep: true })).findings).toEqual([])
    expect(await bench.contents()).toEqual(content)
  })

  it('never sweeps what is of a sibling, of a database below, or unknown', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    await published(bench, numGroups === null ? 3 : null, 'db.blt/inner.blt')
    await published(bench, numGroups, 'db.blt2')
    const left = ['db.blt/inner.blt/left', 'db.blt/0.bbbbbbbbbbbbb/x', 'db.blt/notes.txt', 'db.blt2/1.ccccccccccccc', 'db.bl', 'db.blt/other.lock.0123456789abc-0', 'db.blt/other/1.ddddddddddddd']
    for (const object of left) await bench.store.put(object, text('x'), object.endsWith('left') ? { metadata: { timestamp: '1' } } : {})
    const before = await bench.objects()
    const report = await check(bench, { sweep: true, minAge: 0 })
    expect(report.swept.objects).toBe(0)
    expect(await bench.objects()).toEqual(before)
    expect(facts(report)).toEqual(expect.arrayContaining([
      { kind: 'nested-database', object: 'db.blt/inner.blt' },
      { kind: 'nested-database', object: 'db.blt/other' },
      { kind: 'foreign', object: 'db.blt/notes.txt' },
      { kind: 'foreign', object: 'db.blt/0.bbbbbbbbbbbbb/x' },
    ]))
    expect(report.findings.length).toBe(4)
    expect((await check(bench, { deep: true }, 'db.blt2')).findings.map((finding) => finding.kind)).toEqual(['orphan'])
  })

  it('finds what is missing, and names keys', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    const group = groupId('key 5', 3)
    const object = numGroups === null ? 'db.blt/key 5' : (await liveGroups(bench)).get(group)!
    const keys = numGroups === null ? ['key 5'] : Object.keys(content).filter((key) => groupId(key, 3) === group)
    await bench.store.delete([{ key: object }])
    const { findings } = await check(bench, { sweep: true, minAge: 0 })
    const missing = findings.find((finding) => finding.kind === 'missing-object')
    expect(missing).toMatchObject({ object, group: numGroups === null ? undefined : group, keyCount: keys.length, hidden: kind.name.includes('versioned'), severity: 'error' })
    expect([...missing!.keys].sort()).toEqual(keys.sort())
    expect(kinds(findings)).toEqual(['missing-object'])
  })

  it('finds a torn teardown, and sweeps it', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    await bench.store.delete([{ key: 'db.blt' }])
    const objects = await bench.objects('db.blt/')
    const report = await check(bench)
    expect(report).toMatchObject({ exists: false, formatVersion: undefined, keys: 0 })
    expect(facts(report)).toContainEqual({ kind: 'torn-teardown', object: 'db.blt', objects: objects.length })
    await check(bench, { sweep: true })
    expect(await bench.objects('db.blt/')).toEqual(objects)
    expect((await check(bench, { sweep: true, minAge: 0 })).swept.objects).toBe(objects.length)
    expect(await bench.objects('db.blt/')).toEqual([])
    expect((await check(bench)).findings).toEqual([])
  })

  it('tells of a db object that can not be read, and then sweeps nothing', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, numGroups)
    const orphan = await leaveOrphan(bench, numGroups, 'left')
    const got = await bench.store.get('db.blt')
    if (got.status !== 'ok') throw new Error('gone')
    const { metadata } = got.info
    const all = await bench.objects()
    const cases: [Uint8Array, Record<string, string>, string][] = [
      [got.bytes.subarray(0, 100), metadata, 'db-object-unreadable'],
      [text('something else'), metadata, 'db-object-unreadable'],
      [got.bytes, { other: 'thing' }, 'db-object-unreadable'],
      [got.bytes, { ...metadata, format_version: '3' }, 'newer-format'],
      [damagedIndex(got.bytes), metadata, 'index-damaged'],
    ]
    for (const [body, fields, expected] of cases) {
      await bench.store.put('db.blt', body, { metadata: fields })
      const report = await check(bench, { sweep: true, minAge: 0, deep: true })
      expect(kinds(report.findings)).toEqual([expected])
      expect(report.swept.objects).toBe(0)
    }
    expect(await bench.objects()).toEqual(all)
    expect(all).toContain(orphan)
  })
}

/* Each bucket's head leads beyond the end. */
function damagedIndex(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  const { index } = decodeDbPayload(copy)
  const view = new DataView(index.buffer, index.byteOffset)
  for (let bucket = 0; bucket < view.getUint32(21, true); bucket++) view.setUint32(200 + 6 * bucket, 0x7fffffff, true)
  return copy
}

function ticketSuite(kind: RemoteKind): void {
  it('finds multipart uploads that were left, spares the young, gives up the old, and none of others', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, 3)
    const { parts } = bench.store
    if (parts === undefined) {
      expect(kind.name).toBe('memory')
      return
    }
    const layout = { size: 10 * 1024 * 1024, partSize: 5 * 1024 * 1024 }
    for (const key of [groupKey('db.blt', 1, orphanGeneration), 'db.blt/unknown', 'db.blt2']) await parts.begin(key, layout)
    const listed = async () => {
      const keys: string[] = []
      for await (const { key } of parts.list('db.blt')) keys.push(key)
      return keys.sort()
    }
    // Some stores sweep such uploads away by themselves, and list none.
    const before = await listed()
    const found = (report: FsckReport) => report.findings.flatMap((finding) => (finding.kind === 'multipart-upload' ? [`${finding.object} ${finding.outcome}`] : []))
    const young = found(await check(bench, { sweep: true }))
    expect(young).toEqual(before.filter((key) => key !== 'db.blt2').map((key) => `${key} spared-young`))
    expect(await listed()).toEqual(before)
    await check(bench, { sweep: true, minAge: 0 })
    expect(await listed()).toEqual(before.filter((key) => key !== groupKey('db.blt', 1, orphanGeneration)))
  })


  it('tells of objects that only look like tickets, and leaves tickets alone', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, 3)
    const odd = lockKey('db.blt', 'abcdefabcdef0', 0)
    await bench.store.put(odd, text('something'))
    expect(facts(await check(bench))).toEqual([{ kind: 'foreign-ticket', object: odd }])
    expect(await bench.objects('db.blt.lock.')).toEqual([odd])
  })

  it('a sweep waits for writers, and writers for a sweep; it leaves no ticket', async () => {
    await using bench = await Bench.on(kind)
    await published(bench, 3)
    await using _db = await bench.open(bench.freshPath(), { flag: 'w' })
    await expect(check(bench, { sweep: true, lockTimeout: 100 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
    expect((await check(bench)).findings).toEqual([])
    await _db.close()
    await check(bench, { sweep: true })
    expect(await bench.objects('db.blt.lock.')).toEqual([])
  })
}
