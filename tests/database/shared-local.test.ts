/** Readers that share a local file which isn't as it should be, or which they may not write to. */
import { chmodSync, copyFileSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KeyvEbooklet } from '../../src/adapters/keyv.js'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import { Overlay } from '../../src/database/shared/overlay.js'
import { systemEnvironment } from '../../src/base/environment.js'
import { openRcg, StoreConnection, type Ebooklet } from '../../src/index.js'
import { StoreUnreachableError } from '../../src/store/errors.js'
import { Bench, memoryKind } from './remotes.js'
import { filesOf } from './shared-suite.js'

const content: Record<string, string> = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key${i}`, `value ${i} ${'x'.repeat(i * 30)}`]))

/** A published database, and a warm local file of it with nothing pending. */
async function warmFile(bench: Bench, load: string[] = []): Promise<string> {
  const db = await bench.open<string>(bench.freshPath(), { flag: 'c', numGroups: 3 })
  db.update(Object.entries(content))
  await db.push()
  await db.close()
  const path = bench.freshPath()
  await using reader = await bench.open(path)
  await reader.load(load)
  return path
}

/** The requests for values since the last look. */
function fetches(bench: Bench): number {
  return bench.store.take().filter(({ op, key }) => op === 'get' && key !== 'db.blt').length
}

/** Makes the local file look as Python leaves it when it dies: the writes without the journal that names them. */
function loseJournal(path: string): void {
  const file = openBooklet(path, { flag: 'w' })
  const journal = JSON.parse(new TextDecoder().decode(file.reserved.get(1)!.bytes)) as object
  file.reserved.set(1, new TextEncoder().encode(JSON.stringify({ ...journal, written: [] })))
  file.close()
  writeFileSync(path, readFileSync(path).fill(0, 77, 200))
}

/** Runs something as a user who may not write where root may. */
async function asOrdinaryUser<T>(use: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return use()
  process.seteuid!(65534)
  try {
    return await use()
  } finally {
    process.seteuid!(0)
  }
}

const changed = (db: Ebooklet<string>) => [...db.changes()].map(({ key, type }) => `${type} ${key}`).sort()

describe('without permission to write', () => {
  it('readers keep what they fetch in memory, follow the remote, and leave the folder as it is', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    const folder = dirname(path)
    const before = readFileSync(path)
    const { mtimeMs } = statSync(path)
    const names = filesOf(folder)
    chmodSync(folder, 0o555)
    chmodSync(path, 0o444)
    try {
      await asOrdinaryUser(async () => {
        await using one = await bench.open<string>(path, { bufferSize: 100 })
        await using two = await bench.open<string>(path, { bufferSize: 100 })
        for (const reader of [one, two]) {
          for (const round of [1, 2]) {
            fetches(bench)
            for (const key of ['key1', 'key20', 'key21']) expect(await reader.get(key)).toBe(content[key])
            expect(fetches(bench)).toBe(round === 1 ? 2 : 0)
          }
        }
        await using writer = await bench.open<string>(':memory:', { flag: 'w' })
        writer.set('key20', 'changed')
        await writer.push()
        expect(await one.pull()).toMatchObject({ changed: true })
        expect(await one.get('key20')).toBe('changed')
        expect(await two.get('key20')).toBe(content['key20'])
        await one.close()
        await two.close()
        await expect(bench.open(path, { flag: 'w', lockTimeout: 0 })).rejects.toMatchObject({ code: 'EACCES' })
        await using offline = await bench.open<string>(path, { offline: true })
        expect(await offline.get('key1')).toBe(content['key1'])
      })
      expect(readFileSync(path).equals(before)).toBe(true)
      expect(statSync(path).mtimeMs).toBe(mtimeMs)
      expect(filesOf(folder)).toEqual(names)
    } finally {
      chmodSync(folder, 0o755)
    }
  })

  it('overlays of others that may not be removed are taken in all the same, and are no hindrance', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    const booklet = openBooklet(path)
    const reader = await bench.open<string>(path)
    await reader.load(['key20'])
    await reader.close()
    booklet.close()
    const folder = dirname(path)
    for (const name of filesOf(path)) chmodSync(`${folder}/${name}`, 0o666)
    chmodSync(folder, 0o555)
    try {
      await asOrdinaryUser(async () => {
        await using writer = await bench.open<string>(path, { flag: 'w', lock: 'push' })
        fetches(bench)
        expect(await writer.get('key20')).toBe(content['key20'])
        expect(fetches(bench)).toBe(0)
        await writer.close()
        await using other = await bench.open<string>(path)
        expect(await other.get('key20')).toBe(content['key20'])
      })
    } finally {
      chmodSync(folder, 0o755)
    }
    expect(filesOf(path).length).toBe(3)
    await (await bench.open(path)).close()
    expect(filesOf(path).length).toBe(2)
  })

  it('a file that needs repair says so', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    const file = openBooklet<string, string>(path, { flag: 'w', bufferSize: 1 })
    file.set('more', 'text')
    const dead = bench.freshPath()
    copyFileSync(path, dead)
    file.close()
    chmodSync(dead, 0o444)
    chmodSync(dirname(dead), 0o555)
    try {
      await asOrdinaryUser(() => expect(bench.open(dead)).rejects.toMatchObject({ code: 'FILE_NOT_CLOSED' }))
    } finally {
      chmodSync(dirname(dead), 0o755)
    }
  })

  it('memory is bounded: the oldest values are forgotten', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench)
    const file = openBooklet(path)
    const headerBytes = file.headerBytes()
    file.close()
    chmodSync(dirname(path), 0o555)
    try {
      await asOrdinaryUser(() => {
        const overlay = new Overlay({ path, headerBytes, bufferSize: 10, cacheBytes: 0, environment: systemEnvironment(), memoryLimit: 5000 })
        for (let i = 0; i < 20; i++) overlay.set(`key${i}`, new Uint8Array(1000).fill(i), 7)
        expect([...overlay.timestamps()].map(([key]) => key)).toEqual(['key16', 'key17', 'key18', 'key19'])
        expect(overlay.getBytes('key19')).toEqual(new Uint8Array(1000).fill(19))
        overlay.set('large', new Uint8Array(100_000), 7)
        expect([...overlay.timestamps()].map(([key]) => key)).toEqual(['large'])
        overlay.leave()
        return Promise.resolve()
      })
    } finally {
      chmodSync(dirname(path), 0o755)
    }
    expect(filesOf(path).length).toBe(2)
  })
})

describe('a file that is not as its last writer should have left it', () => {
  it('is put right by the first reader, whose rivals read on', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1', 'key2'])
    const file = openBooklet<string, string>(path, { flag: 'w', bufferSize: 1 })
    file.set('more', 'text')
    const dead = bench.freshPath()
    copyFileSync(path, dead)
    copyFileSync(`${path}.remote_index`, `${dead}.remote_index`)
    file.close()
    expect(checkBooklet(dead).findings).not.toEqual([])
    const readers = await Promise.all([1, 2, 3].map(() => bench.open<string>(dead)))
    fetches(bench)
    for (const reader of readers) expect(await reader.get('key2')).toBe(content['key2'])
    expect(fetches(bench)).toBe(0)
    for (const reader of readers) await reader.close()
    expect(checkBooklet(dead).findings).toEqual([])
  })

  it('is read as it is while others have it open, and shows what its journal lost', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    {
      await using editor = await bench.open<string>(path, { flag: 'w' })
      editor.set('key2', 'mine')
    }
    loseJournal(path)
    const other = openBooklet(path)
    const bytes = readFileSync(path)
    const one = await bench.open<string>(path, { lockTimeout: 0 })
    const two = await bench.open<string>(path, { lockTimeout: 0, offline: true })
    for (const reader of [one, two]) {
      expect(changed(reader)).toEqual(['changed key2'])
      expect(await reader.get('key2')).toBe('mine')
    }
    expect(readFileSync(path).equals(bytes)).toBe(true)
    await two.close()
    await one.get('key5')
    other.close()
    await one.close()
    await using editor = await bench.open<string>(path, { flag: 'w' })
    expect(changed(editor)).toEqual(['changed key2'])
    fetches(bench)
    expect(await editor.get('key5')).toBe(content['key5'])
    expect(fetches(bench)).toBe(0)
    await editor.push()
    expect((await bench.contents())['key2']).toBe('mine')
  })

  it('and whose index is lost is searched by who reads the index again: a write by a slow clock is not lost', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    {
      await using editor = await bench.open<string>(path, { flag: 'w' })
      // Later than what it replaces, and earlier than the commit.
      editor.set('key1', 'mine', { timestamp: editor.getTimestamp('key1')! + 1 })
      expect(editor.getTimestamp('key1')).toBeLessThan(editor.remoteTimestamp!)
    }
    loseJournal(path)
    rmSync(`${path}.remote_index`)
    await expect(bench.open(path, { offline: true })).rejects.toMatchObject({ code: 'OFFLINE_FILE' })
    const other = openBooklet(path)
    {
      await using reader = await bench.open<string>(path)
      expect(changed(reader)).toEqual(['changed key1'])
      other.close()
    }
    await using editor = await bench.open<string>(path, { flag: 'w' })
    expect(changed(editor)).toEqual(['changed key1'])
  })

  it('because its maker was killed is made anew', async () => {
    await using bench = await Bench.on(memoryKind)
    await warmFile(bench)
    const whole = bench.freshPath()
    openBooklet(whole, { flag: 'n' }).close()
    const image = readFileSync(whole)
    for (const bytes of [new Uint8Array(0), Buffer.concat([new Uint8Array(16), image.subarray(16)])]) {
      const path = bench.freshPath()
      writeFileSync(path, bytes)
      await expect(bench.open(path, { offline: true })).rejects.toMatchObject({ code: 'OFFLINE_FILE' })
      const readers = await Promise.all([1, 2].map(() => bench.open<string>(path)))
      for (const reader of readers) expect(await reader.get('key3')).toBe(content['key3'])
      for (const reader of readers) await reader.close()
      expect(checkBooklet(path).findings).toEqual([])
    }
    const path = bench.freshPath()
    writeFileSync(path, 'somebody else wrote this')
    await expect(bench.open(path)).rejects.toMatchObject({ code: 'WRONG_FILE_TYPE' })
    expect(readFileSync(path, 'utf8')).toBe('somebody else wrote this')
  })

  it('and is cut short is mended as far as it goes, or refused', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, Object.keys(content))
    truncateSync(path, statSync(path).size - 2000)
    await using reader = await bench.open<string>(path)
    for (const key of Object.keys(content)) expect(await reader.get(key)).toBe(content[key])
    await reader.close()
    expect(checkBooklet(path).findings).toEqual([])
    truncateSync(path, 300)
    await expect(bench.open(path)).rejects.toMatchObject({ code: 'FORMAT' })
  })

  it('whose values carry no timestamps is refused as ever', async () => {
    await using bench = await Bench.on(memoryKind)
    await warmFile(bench)
    const path = bench.freshPath()
    openBooklet(path, { flag: 'n', timestamps: false }).close()
    utimesSync(path, 5, 5)
    await expect(bench.open(path)).rejects.toMatchObject({ code: 'CONFLICTING_OPTION' })
  })
})

describe('an open for writing that fails', () => {
  it('leaves the search for lost writes to the next', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    {
      await using editor = await bench.open<string>(path, { flag: 'w' })
      editor.set('key2', 'mine')
    }
    loseJournal(path)
    bench.store.hooks.before = () => {
      throw new StoreUnreachableError('cut', { store: 'memory' })
    }
    await expect(bench.open(path, { flag: 'w', lockTimeout: 1000 })).rejects.toBeInstanceOf(StoreUnreachableError)
    bench.store.hooks = {}
    await using editor = await bench.open<string>(path, { flag: 'w' })
    expect(changed(editor)).toEqual(['changed key2'])
  })
})

describe('prune in a session that reads', () => {
  it('takes effect at once for this reader; the file gets smaller when nobody else reads', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, Object.keys(content))
    const { size } = statSync(path)
    const one = await bench.open<string>(path)
    const two = await bench.open<string>(path)
    expect(one.prune({ before: Number.MAX_SAFE_INTEGER })).toBe(30)
    expect(one.prune({ before: Number.MAX_SAFE_INTEGER })).toBe(0)
    expect(one.prune()).toBe(0)
    fetches(bench)
    expect(await one.get('key7')).toBe(content['key7'])
    expect(fetches(bench)).toBe(1)
    expect(await two.getMany(Object.keys(content))).toEqual(Object.values(content))
    expect(fetches(bench)).toBe(0)
    await two.close()
    await one.close()
    expect(statSync(path).size).toBeLessThan(size - 10_000)
    await using later = await bench.open<string>(path)
    fetches(bench)
    expect(await later.get('key7')).toBe(content['key7'])
    expect(fetches(bench)).toBe(0)
    expect(await later.get('key8')).toBe(content['key8'])
    expect(fetches(bench)).toBe(1)
    expect(filesOf(path).length).toBe(2)
  })
})

describe('beside a session that reads', () => {
  it('offline sessions, adapters and groups share the file too', async () => {
    await using bench = await Bench.on(memoryKind)
    const path = await warmFile(bench, ['key1'])
    await using online = await bench.open<string>(path)
    await using offline = await bench.open<string>(path, { offline: 'auto' })
    const store = new KeyvEbooklet({ remote: new StoreConnection(bench.store, 'db.blt'), path, lockTimeout: 0 })
    expect(await store.get('key1')).toBe(content['key1'])
    expect(await store.get('key2')).toBe(content['key2'])
    await store.disconnect()
    expect(await online.get('key1')).toBe(content['key1'])
    expect(await offline.get('key1')).toBe(content['key1'])

    const remote = new StoreConnection(bench.store, 'group.blt')
    const lockTiming = { settle: 5, poll: 5 }
    const groupPath = bench.freshPath()
    {
      await using group = await openRcg(remote, groupPath, { flag: 'n', lockTiming })
      await group.push()
    }
    await using one = await openRcg(remote, groupPath, { lockTimeout: 0 })
    await using two = await openRcg(remote, groupPath, { lockTimeout: 0 })
    for (const group of [one, two]) expect(group.size).toBe(0)
  })
})
