/** What must hold of a connection group, wherever it is kept itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import {
  ConnectionNotRecordableError,
  copyRemote,
  deleteRemote,
  DirectoryConnection,
  fsckRemote,
  HttpConnection,
  MemberNotFoundError,
  openEbooklet,
  openRcg,
  ReadOnlyError,
  RemoteNotFoundError,
  RemoteTypeError,
  S3Connection,
  StoreConnection,
  type OpenRcgOptions,
  type RemoteConnGroup,
  type S3ConnectionOptions,
} from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { Bench, type RemoteKind } from './remotes.js'

/** Where members live, for one suite. */
export interface MemberPlace {
  options: Omit<S3ConnectionOptions, 'dbKey'>
  /** Public URL of a key; undefined where nothing is public. */
  publicUrl: ((dbKey: string) => string) | undefined
  close(): Promise<void>
}

export async function embeddedPlace(): Promise<MemberPlace> {
  const server: S3Server = await startS3Server({ buckets: [{ name: 'members', publicRead: true }] })
  const { endpoint, accessKeyId, secretAccessKey } = server
  return {
    options: { endpoint, accessKeyId, secretAccessKey, bucket: 'members' },
    publicUrl: (dbKey) => `${endpoint}/members/${dbKey}`,
    close: () => server.close(),
  }
}

/** A member in its place, with its connection. */
export class Members {
  readonly place: MemberPlace
  #made = 0

  constructor(place: MemberPlace) {
    this.place = place
  }

  connection(dbKey: string, more: Partial<S3ConnectionOptions> = {}): S3Connection {
    return new S3Connection({ ...this.place.options, dbKey, ...more })
  }

  /** A new database with something in it, pushed. */
  async publish(metadata?: unknown, content: Record<string, unknown> = { a: 1 }): Promise<{ remote: S3Connection; uuid: string; dbKey: string; timestamp: number }> {
    const dbKey = `shelf/member-${String(++this.#made)}.blt`
    const remote = this.connection(dbKey)
    await using db = await openEbooklet(remote, ':memory:', { flag: 'c', numGroups: 3, lockTiming: { settle: 5, poll: 10 } })
    db.update(Object.entries(content))
    if (metadata !== undefined) db.metadata = metadata
    const { timestamp } = await db.push()
    return { remote, uuid: db.uuid, dbKey, timestamp: timestamp! }
  }

  async change(remote: S3Connection, change: (db: Awaited<ReturnType<typeof openEbooklet>>) => void): Promise<void> {
    await using db = await openEbooklet(remote, ':memory:', { flag: 'w', lockTiming: { settle: 5, poll: 10 } })
    change(db)
    await db.push()
  }
}

export async function openGroup(bench: Bench, path: string, options: OpenRcgOptions = {}): Promise<RemoteConnGroup> {
  return openRcg(new StoreConnection(bench.store, 'group.blt'), path, { lockTiming: { settle: bench.settle, poll: bench.settle }, onWarning: (message) => bench.warnings.push(message), ...options })
}

export function groupSuite(kind: RemoteKind, makePlace: () => Promise<MemberPlace> = embeddedPlace): void {
  describe(`a connection group on ${kind.name}`, () => {
    let members: Members
    beforeAll(async () => {
      members = new Members(await makePlace())
    })
    afterAll(() => members.place.close())

    for (const numGroups of [null, 3]) {
      it(`is filled, pushed, and read by others; members open by it (${numGroups === null ? 'per key' : 'grouped'})`, async () => {
        await using bench = await Bench.on(kind)
        await using group = await openGroup(bench, bench.freshPath(), { flag: 'c', numGroups })
        const first = await members.publish({ title: 'first' })
        const second = await members.publish(undefined, { b: 'two' })
        expect(await group.add(first.remote, { userMeta: { tags: ['x'] } })).toBe(first.uuid)
        expect(await group.add(second.remote, { key: 'second_one-2.0' })).toBe('second_one-2.0')
        group.metadata = { catalogue: true }
        expect(await group.push()).toMatchObject({ ok: true, updated: true })
        expect(group.size).toBe(2)

        await using reader = await openGroup(bench, bench.freshPath())
        expect(reader.readonly).toBe(true)
        expect(reader.uuid).toBe(group.uuid)
        expect(reader.metadata).toEqual({ catalogue: true })
        expect([...reader.keys()].sort()).toEqual([first.uuid, 'second_one-2.0'].sort())
        const { endpoint, bucket } = members.place.options
        const entry = await reader.get(first.uuid)
        expect(entry).toMatchObject({
          entryVersion: 1,
          type: 'EVariableLengthValue',
          timestamp: first.timestamp,
          remoteMeta: { title: 'first' },
          userMeta: { tags: ['x'] },
          remoteConn: { dbKey: first.dbKey, bucket, endpointUrl: endpoint, dbUrl: null },
        })
        expect(entry!.stored).toEqual({
          entry_version: 1,
          type: 'EVariableLengthValue',
          timestamp: first.timestamp,
          remote_meta: { title: 'first' },
          user_meta: { tags: ['x'] },
          remote_conn: { db_key: first.dbKey, bucket, endpoint_url: endpoint, db_url: null },
        })
        expect(Object.isFrozen(entry) && Object.isFrozen(entry!.remoteConn) && Object.isFrozen(entry!.userMeta) && Object.isFrozen((entry!.userMeta as { tags: string[] }).tags)).toBe(true)
        expect(JSON.stringify(entry)).not.toContain(members.place.options.secretAccessKey)
        expect(JSON.stringify(entry)).not.toContain(members.place.options.accessKeyId)
        const seen: string[] = []
        for await (const [key, { timestamp }] of reader) seen.push(`${key} ${String(timestamp)}`)
        expect(seen.sort()).toEqual([`${first.uuid} ${String(first.timestamp)}`, `second_one-2.0 ${String(second.timestamp)}`].sort())
        expect((await reader.getMany(['nothing', first.uuid])).map((found) => found?.timestamp)).toEqual([undefined, first.timestamp])

        const { accessKeyId, secretAccessKey } = members.place.options
        const connection = { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! }
        await using member = await reader.open<string>('second_one-2.0', bench.freshPath(), { connection })
        expect(await member.get('b')).toBe('two')
        await using writer = await reader.open(first.uuid, bench.freshPath(), { flag: 'w', connection, lockTiming: { settle: 20, poll: 20 } })
        writer.set('a', 2)
        expect((await writer.push()).ok).toBe(true)
      })
    }

    it('updates an entry that is added again, and keeps what was said of it', async () => {
      await using bench = await Bench.on(kind)
      await using group = await openGroup(bench, ':memory:', { flag: 'c' })
      const member = await members.publish({ v: 1 })
      await group.add(member.remote, { key: 'm', userMeta: 'kept' })
      await members.change(member.remote, (db) => (db.metadata = { v: 2 }))
      await group.add(member.remote, { key: 'm' })
      expect(group.size).toBe(1)
      expect(await group.get('m')).toMatchObject({ remoteMeta: { v: 2 }, userMeta: 'kept' })
      await group.add(member.remote, { key: 'm', userMeta: null })
      expect((await group.get('m'))!.userMeta).toBeNull()
    })

    it('keeps changes over a close, tells them, takes them back, deletes', async () => {
      await using bench = await Bench.on(kind)
      const path = bench.freshPath()
      const member = await members.publish()
      {
        await using group = await openGroup(bench, path, { flag: 'c' })
        await group.add(member.remote, { key: 'a' })
        await group.add(member.remote, { key: 'b' })
        await group.push()
        expect(group.delete('a')).toBe(true)
        expect(group.delete('a')).toBe(false)
        await group.add(member.remote, { key: 'c' })
      }
      await using group = await openGroup(bench, path, { flag: 'w' })
      expect([...group.changes()].map(({ key, type }) => `${type} ${key}`).sort()).toEqual(['added c', 'deleted a'])
      group.discard(['a'])
      expect(group.has('a')).toBe(true)
      await group.push()
      await using other = await openGroup(bench, ':memory:')
      expect([...other.keys()].sort()).toEqual(['a', 'b', 'c'])
      group.clear()
      await group.push()
      expect(await other.pull()).toMatchObject({ changed: true })
      expect(other.size).toBe(0)
      expect(await other.get('a')).toBeUndefined()
    })

    it('refreshes what it says of its members, side by side, and reports those that are gone', async () => {
      await using bench = await Bench.on(kind)
      await using group = await openGroup(bench, bench.freshPath(), { flag: 'c' })
      const [still, moved, gone] = [await members.publish({ n: 1 }), await members.publish({ n: 2 }), await members.publish()]
      for (const { remote } of [still, moved, gone]) await group.add(remote, { userMeta: 'said' })
      await group.push()
      await members.change(moved.remote, (db) => (db.metadata = { n: 3 }))
      const opened = gone.remote.open('write')
      await opened.store.delete([{ key: gone.dbKey }])
      await opened.close()
      const { accessKeyId, secretAccessKey } = members.place.options
      const connection = { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! }
      const seen: number[] = []
      const result = await group.refresh({ connection: () => connection, onProgress: ({ groupsDone }) => seen.push(groupsDone) })
      expect(result).toEqual({ changed: [moved.uuid], unchanged: [still.uuid], gone: [gone.uuid], replaced: [], failures: [] })
      expect(seen).toEqual([0, 1, 2, 3])
      expect(await group.get(moved.uuid)).toMatchObject({ remoteMeta: { n: 3 }, userMeta: 'said' })
      expect((await group.get(gone.uuid))!.timestamp).toBe(gone.timestamp)
      expect([...group.changes()].map(({ key }) => key)).toEqual([moved.uuid])
      await group.push()
      expect((await group.refresh({ connection, keys: [still.uuid, moved.uuid] })).changed).toEqual([])
      expect(group.changes().size).toBe(0)
    })

    it('is copied, checked and deleted as any database, and stays a group', async () => {
      await using bench = await Bench.on(kind)
      const lockTiming = { settle: bench.settle, poll: bench.settle }
      const member = await members.publish()
      await using group = await openGroup(bench, ':memory:', { flag: 'c', numGroups: 3 })
      await group.add(member.remote, { userMeta: 'copied' })
      await group.push()
      const copy = new StoreConnection(bench.store, 'copy.blt')
      await copyRemote(new StoreConnection(bench.store, 'group.blt'), copy, { lockTiming })
      expect((await fsckRemote(copy)).findings.filter(({ severity }) => severity !== 'note')).toEqual([])
      {
        await using copied = await openRcg(copy, ':memory:')
        expect((await copied.get(member.uuid))!.userMeta).toBe('copied')
      }
      await deleteRemote(copy, { lockTiming })
      expect(await bench.objects('copy.blt')).toEqual([])
    })

    it('an ordinary database is no group, and a group no ordinary database: typed, nothing locked or left', async () => {
      await using bench = await Bench.on(kind)
      const lockTiming = { settle: bench.settle, poll: bench.settle }
      {
        await using group = await openGroup(bench, ':memory:', { flag: 'c' })
        await group.push()
        await using db = await bench.open(':memory:', { flag: 'c' })
        await db.push()
      }
      for (const flag of ['r', 'w', 'c', 'n'] as const) {
        const path = bench.freshPath()
        const before = await bench.objects()
        await expect(bench.open(path, { flag }, 'group.blt')).rejects.toMatchObject({ code: 'REMOTE_TYPE', found: 'RemoteConnGroup' })
        await expect(openRcg(new StoreConnection(bench.store, 'db.blt'), path, { flag, lockTiming })).rejects.toThrow(RemoteTypeError)
        expect(await bench.objects()).toEqual(before)
        await using group = await openGroup(bench, path)
        expect(group.size).toBe(0)
      }
    })
  })
}

/** What doesn't depend on where the group is kept. */
export function groupTests(kind: RemoteKind): void {
  describe('a connection group', () => {
    let members: Members
    beforeAll(async () => {
      members = new Members(await embeddedPlace())
    })
    afterAll(() => members.place.close())

    it('refuses what it can not record, and says why', async () => {
      await using bench = await Bench.on(kind)
      await using group = await openGroup(bench, ':memory:', { flag: 'c' })
      const member = await members.publish()
      const url = members.place.publicUrl!(member.dbKey)
      for (const [remote, why] of [
        [new DirectoryConnection(bench.path('elsewhere.blt')), /directory/],
        [new StoreConnection(new MemoryStore(), 'x.blt'), /store/],
        [new HttpConnection(`${url}?token=hush`), /query/],
        [new HttpConnection(url.replace('://', '://me:hush@')), /password/],
        [members.connection(member.dbKey, { dbUrl: `${url}?X-Amz-Signature=hush` }), /query/],
      ] as const) {
        const error: unknown = await group.add(remote, { key: 'k' }).catch((caught: unknown) => caught)
        expect(error).toBeInstanceOf(ConnectionNotRecordableError)
        expect((error as Error).message).toMatch(why)
        expect((error as Error).message).not.toContain('hush')
      }
      await expect(group.add(members.connection('shelf/nothing.blt'))).rejects.toThrow(RemoteNotFoundError)
      for (const key of ['', 'a/b', 'ü', '.', '..', 'a b', '__proto__\n']) await expect(group.add(member.remote, { key }), key).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(group.add(member.remote, { userMeta: () => 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(group.size).toBe(0)
      expect(group.changes().size).toBe(0)
      await expect(group.open('nothing', ':memory:')).rejects.toThrow(MemberNotFoundError)
    })

    it('records a public URL alone, and reads by it without credentials', async () => {
      await using bench = await Bench.on(kind)
      await using group = await openGroup(bench, ':memory:', { flag: 'c' })
      const member = await members.publish({ public: true })
      const url = members.place.publicUrl!(member.dbKey)
      await group.add(url, { key: 'by-url' })
      await group.add(members.connection(member.dbKey, { dbUrl: url }), { key: 'both' })
      expect((await group.get('by-url'))!.remoteConn).toEqual({ dbKey: null, bucket: null, endpointUrl: null, dbUrl: url })
      for (const key of ['by-url', 'both']) {
        await using db = await group.open(key, ':memory:')
        expect(await db.get('a')).toBe(1)
        expect(db.uuid).toBe(member.uuid)
      }
      await expect(group.open('by-url', ':memory:', { flag: 'w' })).rejects.toThrow(ReadOnlyError)
      expect(await group.refresh()).toMatchObject({ unchanged: expect.arrayContaining(['by-url', 'both']) as string[], failures: [] })
      // What is given holds instead of what is recorded.
      const { accessKeyId, secretAccessKey } = members.place.options
      await using db = await group.open('both', ':memory:', { connection: { dbUrl: undefined, accessKeyId, secretAccessKey } })
      expect(await db.get('a')).toBe(1)
      const connection = await group.connection('both')
      expect(connection).toBeInstanceOf(S3Connection)
      expect((connection as S3Connection).dbUrl).toBe(url)
    })

    it('finds credentials as the AWS SDK does when none are given', async () => {
      await using bench = await Bench.on(kind)
      await using group = await openGroup(bench, ':memory:', { flag: 'c' })
      const member = await members.publish()
      await group.add(member.remote)
      const { accessKeyId, secretAccessKey } = members.place.options
      const before = { id: process.env['AWS_ACCESS_KEY_ID'], secret: process.env['AWS_SECRET_ACCESS_KEY'] }
      try {
        process.env['AWS_ACCESS_KEY_ID'] = accessKeyId
        process.env['AWS_SECRET_ACCESS_KEY'] = secretAccessKey
        await using db = await group.open(member.uuid, ':memory:')
        expect(await db.get('a')).toBe(1)
      } finally {
        for (const [name, value] of [['AWS_ACCESS_KEY_ID', before.id], ['AWS_SECRET_ACCESS_KEY', before.secret]] as const) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      }
    })

    it('holds groups too, which open as groups', async () => {
      await using bench = await Bench.on(kind)
      await using outer = await openGroup(bench, ':memory:', { flag: 'c' })
      const remote = members.connection('shelf/inner.blt')
      await using inner = await openRcg(remote, ':memory:', { flag: 'c', lockTiming: { settle: 5, poll: 10 } })
      await inner.push()
      const key = await outer.add(remote)
      expect((await outer.get(key))!.type).toBe('RemoteConnGroup')
      const { accessKeyId, secretAccessKey } = members.place.options
      const connection = { accessKeyId, secretAccessKey }
      await expect(outer.open(key, ':memory:', { connection })).rejects.toThrow(RemoteTypeError)
      await using opened = await outer.openGroup(key, ':memory:', { connection })
      expect(opened.uuid).toBe(inner.uuid)
    })

    it('a file that was never pushed knows what it is', async () => {
      await using bench = await Bench.on(kind)
      const [group, ordinary] = [bench.freshPath(), bench.freshPath()]
      await (await openGroup(bench, group, { flag: 'c' })).close()
      await (await bench.open(ordinary, { flag: 'c' })).close()
      await expect(bench.open(group, { flag: 'c' }, 'group.blt')).rejects.toThrow(RemoteTypeError)
      await expect(openGroup(bench, ordinary, { flag: 'c' })).rejects.toThrow(RemoteTypeError)
      await (await openGroup(bench, group, { flag: 'w' })).close()
    })

    it('a reader changes nothing, a closed one answers nothing, close may be called twice', async () => {
      await using bench = await Bench.on(kind)
      const member = await members.publish()
      const group = await openGroup(bench, ':memory:', { flag: 'c' })
      await group.add(member.remote)
      await group.push()
      const reader = await openGroup(bench, ':memory:')
      await expect(reader.add(member.remote)).rejects.toThrow(ReadOnlyError)
      await expect(reader.refresh()).rejects.toThrow(ReadOnlyError)
      expect(() => reader.delete(member.uuid)).toThrow(ReadOnlyError)
      await Promise.all([reader.close(), reader.close(), group.close()])
      for (const call of [() => reader.get('x'), () => group.add(member.remote), () => group.refresh(), () => group.open(member.uuid, ':memory:')]) await expect(call()).rejects.toMatchObject({ code: 'CLOSED' })
    })
  })
}
