/** Entries of a connection group that somebody made up: an error that names the key, or an entry as the types say. */
import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { utf8Encode } from '../../src/base/bytes.js'
import { decodeEntry } from '../../src/database/group/entry.js'
import { memberConnection } from '../../src/database/group/member.js'
import { EbookletError, GroupEntryError, openEbooklet, openRcg, StoreConnection } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { replay, testSeed } from '../support/seed.js'

const good = {
  entry_version: 1,
  type: 'EVariableLengthValue',
  timestamp: 1_700_000_000_000_000,
  remote_meta: null,
  user_meta: null,
  remote_conn: { db_key: 'a/b.blt', bucket: 'bucket', endpoint_url: null, db_url: null },
}

function decode(value: unknown, key = 'k') {
  return decodeEntry(key, utf8Encode(typeof value === 'string' ? value : JSON.stringify(value)))
}

const conn = (more: object) => ({ ...good, remote_conn: { ...good.remote_conn, ...more } })

describe('a hostile entry', () => {
  it('is refused with its key', () => {
    expect(decode(good).entryVersion).toBe(1)
    const bad: unknown[] = [
      '', '{', '[]', '1', '"x"', 'null', '['.repeat(100_000),
      { ...good, entry_version: 2 }, { ...good, entry_version: 0 }, { ...good, entry_version: '1' }, { ...good, entry_version: null },
      { ...good, type: 'Else' }, { ...good, type: undefined }, { ...good, type: ['RemoteConnGroup'] },
      { ...good, timestamp: -1 }, { ...good, timestamp: 1.5 }, { ...good, timestamp: '1' }, { ...good, timestamp: null }, JSON.stringify(good).replace('1700000000000000', '9'.repeat(30)),
      { ...good, remote_conn: null }, { ...good, remote_conn: [] }, { ...good, remote_conn: {} }, { ...good, remote_conn: 'https://x/y' },
      conn({ db_key: 5 }), conn({ db_key: '' }), conn({ db_key: 'x'.repeat(2000) }), conn({ db_key: null }),
      conn({ bucket: 'evil.example/#' }), conn({ bucket: '../up' }), conn({ bucket: 'a b' }), conn({ bucket: {} }), conn({ bucket: null }),
      conn({ endpoint_url: 'file:///etc/passwd' }), conn({ endpoint_url: 'https://user:secret@host' }), conn({ endpoint_url: 'https://host/?q' }), conn({ endpoint_url: 'nothing' }),
      conn({ db_url: 'javascript:alert(1)' }), conn({ db_url: 'ftp://host/x' }), conn({ db_url: 'host/x' }), conn({ db_url: 7 }),
    ]
    for (const value of bad) {
      let error: unknown
      try {
        decode(value)
      } catch (caught) {
        error = caught
      }
      expect(error, JSON.stringify(value).slice(0, 200)).toBeInstanceOf(GroupEntryError)
      expect(error).toMatchObject({ key: 'k', code: 'GROUP_ENTRY' })
      expect((error as Error).message).not.toContain('secret')
    }
    for (const key of ['../up', 'a/b', '', 'é']) expect(() => decode(good, key), key).toThrow(GroupEntryError)
  })

  it('does no harm by what it is named or how deep it is', () => {
    const deep = `${'['.repeat(9000)}${']'.repeat(9000)}`
    const entry = decode(JSON.stringify(good).replace('"user_meta":null', `"user_meta":${deep},"__proto__":{"polluted":1},"later":[1]`))
    expect(Object.isFrozen(entry.userMeta)).toBe(true)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(entry.stored['later']).toEqual([1])
    const connection = memberConnection('k', decode(conn({ dbKey: 'other', accessKeyId: 'theirs', credentials: 'x' })))
    expect(connection.dbKey).toBe('a/b.blt')
  })

  it('whatever is changed in it: an entry, or an error with its key', () => {
    const field = fc.constantFrom('entry_version', 'type', 'timestamp', 'remote_meta', 'user_meta', 'remote_conn', 'db_key', 'bucket', 'endpoint_url', 'db_url')
    fc.assert(
      fc.property(fc.array(fc.tuple(field, fc.jsonValue({ maxDepth: 3 })), { minLength: 1, maxLength: 4 }), (changes) => {
        const value = structuredClone(good) as Record<string, unknown>
        for (const [name, to] of changes) {
          const inner = value['remote_conn']
          if (name.includes('_') && name in good.remote_conn && typeof inner === 'object' && inner !== null) (inner as Record<string, unknown>)[name] = to
          else value[name] = to
        }
        try {
          const entry = decode(value)
          expect(entry.timestamp).toBeGreaterThanOrEqual(0)
          expect(entry.remoteConn.dbUrl !== null || entry.remoteConn.bucket !== null).toBe(true)
          memberConnection('k', entry)
        } catch (error) {
          expect(error, replay).toBeInstanceOf(EbookletError)
        }
      }),
      { seed: testSeed, numRuns: 500 },
    )
  })

  it('among others: those are read, refresh tells, and it can be replaced or deleted', async () => {
    const store = new MemoryStore()
    const remote = new StoreConnection(store, 'group.blt')
    const lockTiming = { settle: 2, poll: 5 }
    // A group whose type is right and whose content is anybody's.
    {
      await using db = await openEbooklet(new StoreConnection(store, 'made.blt'), ':memory:', { flag: 'c', valueSerializer: 'orjson', numGroups: null, lockTiming })
      db.set('bad', { ...good, type: 'Else' }).set('good', conn({ db_url: 'http://127.0.0.1:9/nothing' })).set('odd', 'text')
      await db.push()
      const got = await store.get('made.blt')
      if (got.status !== 'ok') throw new Error('no db object')
      await store.put('group.blt', got.bytes, { metadata: { ...got.info.metadata, type: 'RemoteConnGroup' } })
      for (const key of ['bad', 'good', 'odd']) await store.copy(`made.blt/${key}`, `group.blt/${key}`)
    }
    await using group = await openRcg(remote, ':memory:', { flag: 'w', lockTiming })
    await expect(group.get('bad')).rejects.toMatchObject({ code: 'GROUP_ENTRY', key: 'bad' })
    await expect(group.open('odd', ':memory:')).rejects.toMatchObject({ code: 'GROUP_ENTRY', key: 'odd' })
    expect((await group.get('good'))!.type).toBe('EVariableLengthValue')
    await expect((async () => { for await (const [key] of group) expect(key).toBe('good') })()).rejects.toThrow(GroupEntryError)
    const { failures, changed } = await group.refresh({ keys: ['bad', 'odd'] })
    expect(changed).toEqual([])
    expect(failures.map(({ key, error }) => `${key} ${(error as EbookletError).code}`).sort()).toEqual(['bad GROUP_ENTRY', 'odd GROUP_ENTRY'])
    expect(group.delete('bad')).toBe(true)
    expect((await group.push()).deleted).toEqual(['bad'])
  })

  it('a group with values of another serializer is refused', async () => {
    const store = new MemoryStore()
    {
      await using db = await openEbooklet(new StoreConnection(store, 'group.blt'), ':memory:', { flag: 'c', valueSerializer: 'msgpack', lockTiming: { settle: 2, poll: 5 } })
      await db.push()
    }
    const got = await store.get('group.blt')
    if (got.status !== 'ok') throw new Error('no db object')
    await store.put('group.blt', got.bytes, { metadata: { ...got.info.metadata, type: 'RemoteConnGroup' } })
    await expect(openRcg(new StoreConnection(store, 'group.blt'), ':memory:')).rejects.toBeInstanceOf(EbookletError)
  })
})
