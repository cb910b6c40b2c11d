import { fc } from '../support/property.js'
import { describe, expect, it } from 'vitest'
import { InvalidArgumentError } from '../../src/base/error.js'
import { systemEnvironment } from '../../src/base/environment.js'
import * as names from '../../src/format/names.js'

const generation = '0123456789abc'

describe('groups', () => {
  it('are taken apart as they are made', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.nat({ max: 2 ** 32 - 1 }), (db, gid) => {
      expect(names.parseGroupKey(db, names.groupKey(db, gid, generation))).toEqual({ gid, generation })
    }))
  })

  it.each(['mydb2/1.0123456789abc', 'mydb/01.0123456789abc', 'mydb/1.0123456789ab', 'mydb/1.0123456789abcd', 'mydb/1.0123456789abc/x', 'mydb/x/1.0123456789abc', 'mydb/-1.0123456789abc', 'mydb/1', 'mydb/', 'mydb', 'mydb1.0123456789abc', 'mydb/1_0123456789abc', 'mydb/1.0123456789abc\n', 'mydb/4294967296.0123456789abc', 'xmydb/1.0123456789abc'])('%j is no group of mydb', key => {
    expect(names.parseGroupKey('mydb', key)).toBeUndefined()
  })

  it('group 1 is not group 10', () => {
    expect(names.parseGroupKey('d', names.groupKey('d', 10, generation))?.gid).toBe(10)
    expect(names.groupKey('d', 10, generation).startsWith(names.groupKey('d', 1, ''))).toBe(false)
  })
})

describe('values in per-key mode', () => {
  it('have an object each, whatever the key is', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('../x', 'a//b', '.', '..', '', '/lead', '%41', 'q?x#y', '_metadata', `1.${generation}`)), { minLength: 2 }), keys => {
      const objects = keys.map(key => names.valueKey('db', key))
      expect(new Set(objects).size).toBe(keys.length)
      expect(objects.map(key => names.parseValueKey('db', key))).toEqual(keys)
    }))
  })

  it('refuses keys that can not be stored', () => {
    expect(() => names.valueKey('db', `_writable_probe_${generation}`)).toThrow(/reserved/)
    expect(names.isReservedValueName('_writable_probe_')).toBe(false)
    expect(names.parseValueKey('db', `db/_writable_probe_${generation}`)).toBeUndefined()
    expect(names.isProbeKey('db', `db/_writable_probe_${generation}`)).toBe(true)
    expect(names.isProbeKey('db', `db2/_writable_probe_${generation}`)).toBe(false)
    expect(() => names.valueKey('db', '\ud800')).toThrow(InvalidArgumentError)
    expect(names.valueKey('db', 'x'.repeat(1021)).length).toBe(1024)
    expect(() => names.valueKey('db', 'x'.repeat(1022))).toThrow(/1025 bytes/)
    expect(() => names.valueKey('db', 'é'.repeat(511))).toThrow(/1025 bytes/)
    expect(names.parseValueKey('db', 'db2/x')).toBeUndefined()
  })
})

describe('lock tickets', () => {
  it('are taken apart as they are made', () => {
    for (const part of [0, 1] as const) expect(names.parseLockKey('a/b', names.lockKey('a/b', generation, part))).toEqual({ id: generation, part })
  })

  it.each(['d.lock.0123456789abc', 'd.lock.0123456789abc-2', 'd.lock.0123456789ab-0', 'd.lock.0123456789abg-0', 'd2.lock.0123456789abc-0', 'd.lock.x.lock.0123456789abc-0', 'd/lock.0123456789abc-0', 'd.lock.0123456789abc-0x'])('%j is no ticket of d', key => {
    expect(names.parseLockKey('d', key)).toBeUndefined()
  })

  it('of a database inside another one are known as tickets', () => {
    expect(names.isLockTicket(names.lockKey('d/inner', generation, 0))).toBe(true)
    expect(names.isLockTicket(`d/1.${generation}`)).toBe(false)
  })
})

it('database keys', () => {
  for (const good of ['a', 'a/b.blt', '../x', 'é', 'a/', 'x'.repeat(960)]) expect(() => names.checkDbKey(good)).not.toThrow()
  for (const bad of ['', '\ud800', 'x'.repeat(1000), 5, null]) expect(() => names.checkDbKey(bad as string)).toThrow(InvalidArgumentError)
  expect(names.groupKey('x'.repeat(967), 4294967295, generation).length).toBeLessThanOrEqual(1024)
})

it('ids are 13 hex characters and differ', () => {
  const ids = Array.from({ length: 100 }, () => names.newId(systemEnvironment()))
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{13}$/)
  expect(new Set(ids).size).toBe(100)
  expect(names.newId({ randomBytes: length => new Uint8Array(length).fill(0x0f) })).toBe('0f0f0f0f0f0f0')
})

it('sibling files', () => {
  expect(names.remoteIndexPath('/x/a.blt')).toBe('/x/a.blt.remote_index')
  expect(names.changelogPath('a.blt')).toBe('a.blt.changelog')
  expect(names.prunePath('a.blt')).toBe('a.blt.prune')
})
