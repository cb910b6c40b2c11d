/** `ebooklet/keyv` by Keyv's own published suite, with Keyv 5 and with Keyv 6, and by what that suite doesn't ask. */
import * as vitest from 'vitest'
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import Keyv from 'keyv'
import { Keyv as Keyv6 } from 'keyv-6'
import { KeyvEbooklet } from '../../src/adapters/keyv.js'
import type { OpenDatabase } from '../../src/adapters/source.js'
import { openEbooklet, StoreConnection } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { temporaryPath } from '../support/folder.js'
import { adaptedKinds, lockTiming } from './databases.js'

const { afterAll, beforeAll, describe, expect, it } = vitest

/* Their suite asks the questions of Keyv 5, where a delete of many keys has one answer; Keyv 6 answers for each. */
class Keyv6WithOneAnswer extends Keyv6 {
  override async delete(keys: string | string[]): Promise<never> {
    const answer = Array.isArray(keys) ? (await super.delete(keys)).some(Boolean) : await super.delete(keys)
    return answer as never
  }
}

const releases = [
  ['Keyv 5', Keyv, ':'],
  ['Keyv 6', Keyv6WithOneAnswer as unknown as typeof Keyv, '::'],
] as const

for (const [release, theirs, separator] of releases) {
  for (const kind of adaptedKinds) {
    describe(`the suite of ${release} over ${kind.name}`, () => {
      let database: OpenDatabase | undefined
      beforeAll(async () => {
        database = await kind.open()
      })
      afterAll(() => database?.close())
      // Their suite asks for a store before the hooks have run.
      const source: OpenDatabase = new Proxy({} as OpenDatabase, {
        has: () => true,
        get(_target, name) {
          const value: unknown = Reflect.get(database!, name)
          return typeof value === 'function' ? (value.bind(database) as unknown) : value
        },
      })
      const store = () => new KeyvEbooklet(source)
      keyvTestSuite(vitest, theirs, store)
      keyvIteratorTests(vitest, theirs, store)
    })
  }

  describe(`${release} over a file of ours`, () => {
    it('keeps values and their times of expiry over a close', async () => {
      const path = temporaryPath()
      {
        const keyv = new theirs({ store: new KeyvEbooklet({ path, valueSerializer: 'str' }), namespace: 'ns' })
        await keyv.set('stays', { a: [1] })
        await keyv.set('goes', 'soon', 40)
        await keyv.disconnect()
      }
      await new Promise((resolve) => setTimeout(resolve, 60))
      const store = new KeyvEbooklet({ path, flag: 'w' })
      const keyv = new theirs({ store, namespace: 'ns' })
      expect(await keyv.get('stays')).toEqual({ a: [1] })
      expect(await keyv.has('goes')).toBe(false)
      expect(await keyv.get('goes')).toBeUndefined()
      const database = await store.database()
      expect([...database.keys()]).toEqual([`ns${separator}stays`])
      expect(JSON.parse((await database.get(`ns${separator}stays`)) as string)).toMatchObject({ value: { a: [1] } })
      await keyv.disconnect()
      await keyv.disconnect()
    })

    it('works over a remote, opened at the first call and again after a failure', async () => {
      const remote = new StoreConnection(new MemoryStore(), 'cache.blt')
      const missing = new KeyvEbooklet({ remote, path: ':memory:' })
      await expect(missing.get('k')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
      {
        await using db = await openEbooklet(remote, ':memory:', { flag: 'c', lockTiming })
        const keyv = new theirs({ store: new KeyvEbooklet(db) })
        await keyv.set('k', new Map([['not', 'json']]).size)
        await keyv.disconnect()
        // One that was given stays open.
        expect((await db.push()).written.length).toBe(1)
      }
      const keyv = new theirs({ store: missing })
      expect(await keyv.get('k')).toBe(1)
      await keyv.disconnect()
      await expect(missing.get('k')).rejects.toMatchObject({ code: 'CLOSED' })
    })

    it('deletes many, gets many, and clears a namespace alone', async () => {
      const store = new KeyvEbooklet({ path: temporaryPath() })
      const [one, other] = [new theirs({ store, namespace: 'one' }), new theirs({ store: new KeyvEbooklet(await store.database()), namespace: 'other' })]
      for (const keyv of [one, other]) for (const key of ['a', 'b', 'c']) await keyv.set(key, key)
      expect(await one.delete(['a', 'nothing', 'b'])).toBe(release === 'Keyv 6')
      expect(await one.get(['a', 'b', 'c'])).toEqual([undefined, undefined, 'c'])
      await one.clear()
      expect(await one.has('c')).toBe(false)
      expect(await other.get(['a', 'b', 'c'])).toEqual(['a', 'b', 'c'])
      await store.disconnect()
    })

    it('tells what could not be written by its event', async () => {
      const remote = new StoreConnection(new MemoryStore(), 'cache.blt')
      await using db = await openEbooklet(remote, ':memory:', { flag: 'c', lockTiming })
      await db.push()
      await using reader = await openEbooklet(remote, ':memory:')
      const keyv = new theirs({ store: new KeyvEbooklet(reader) })
      const errors: unknown[] = []
      keyv.on('error', (error: unknown) => errors.push(error))
      expect(await keyv.set('k', 1)).toBe(false)
      expect(errors).toMatchObject([{ code: 'READ_ONLY' }])
    })
  })
}
