/** What readers left beside a local file, and how it gets into that: by random histories, and damaged in every way. */
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkBooklet, openBooklet, type Booklet } from '../../src/booklet/index.js'
import { indexFileBeside } from '../../src/database/index-file.js'
import { overlaysBeside, settle } from '../../src/database/shared/settle.js'
import { decodeRemoteState } from '../../src/format/remote-state.js'
import { SyncState } from '../../src/sync/state.js'
import { temporaryPath } from '../support/folder.js'
import { fc } from '../support/property.js'
import { headerOf, leave, makeShared, remoteOf, setFor, sharedAt, timeOf, valueOf, type Commit, type Reader } from './left-overlays.js'
import { filesOf } from './shared-suite.js'

const key = fc.integer({ min: 0, max: 9 }).map((i) => `key${i}`)

/** Each commit sets some keys and deletes others. */
const history: fc.Arbitrary<Commit[]> = fc.array(fc.record({ set: fc.uniqueArray(key), deleted: fc.uniqueArray(key) }), { minLength: 1, maxLength: 5 }).map((edits) => {
  const commits: Commit[] = []
  edits.forEach(({ set, deleted }, number) => {
    const next = new Map(commits.at(-1))
    for (const name of deleted) next.delete(name)
    for (const name of set) next.set(name, number)
    commits.push(next)
  })
  return commits
})

const readers = fc.array(fc.record({ took: fc.option(fc.nat(4), { nil: undefined }), kept: fc.array(fc.tuple(key, fc.nat(4)), { maxLength: 12 }), ending: fc.constantFrom('leaves' as const, 'is killed' as const) }), { maxLength: 4 })

const pending = fc.record({ written: fc.uniqueArray(key, { maxLength: 3 }), deleted: fc.uniqueArray(key, { maxLength: 3 }) })

function contents(file: Booklet<string, unknown>): Map<string, [string, number]> {
  return new Map([...file.rawEntries()].map(({ key: name, value, timestamp }) => [name, [new TextDecoder().decode(value), timestamp!]]))
}

describe('what readers left', () => {
  it('makes the file that of the newest state, keeps what belongs there, and loses nothing that is pending', () => {
    const property = fc.property(history, fc.nat(4), fc.uniqueArray(key), readers, pending, fc.boolean(), (commits, at, held, left, edits, own) => {
      const path = temporaryPath()
      const newest = commits.length - 1
      const base = Math.min(at, newest)
      makeShared(path, commits, base, held)
      const file = openBooklet<string, unknown>(path, { flag: 'w' })
      const state = SyncState.load(file, indexFileBeside(path), 'EVariableLengthValue')
      for (const name of edits.written) {
        file.setBytes(name, new TextEncoder().encode(`edit of ${name}`), { timestamp: 5e12 })
        state.pending.addWrite(name)
      }
      const deleted = edits.deleted.filter((name) => !edits.written.includes(name) && state.has(name))
      for (const name of deleted) {
        file.delete(name)
        state.pending.addDelete(name)
      }
      state.save()
      file.close()
      // What they kept is what they can have read: values of commits in which the key was set.
      const real = (list: Reader['kept']) => [...new Map(list)].filter(([name, commit]) => commits[commit]?.get(name) === commit)
      const all = left.map((reader) => ({ ...reader, took: reader.took === undefined ? undefined : Math.min(reader.took, newest), kept: real(reader.kept) }))
      for (const reader of all) leave(path, commits, reader)
      const names = overlaysBeside(path)
      const mine = own ? { uuid: openUuid(path), kept: { remote: { timestamp: timeOf(newest), ...remoteOf(commits, newest) }, values: () => [] }, prune: undefined } : undefined
      expect(settle(sharedAt(path), mine)).toBe('done')
      expect(names.filter((name) => existsSync(name))).toEqual([])
      expect(filesOf(path).length).toBe(2)
      expect(checkBooklet(path).findings).toEqual([])
      const result = openBooklet<string, unknown>(path)
      const found = contents(result)
      const final = SyncState.load(result, indexFileBeside(path), 'EVariableLengthValue')
      const reached = commits.findIndex((_, number) => timeOf(number) === final.remote.timestamp)
      const index = commits[reached]!
      // Those who were killed took in what they had written down only.
      const sure = Math.max(base, own ? newest : 0, ...all.filter(({ ending }) => ending === 'leaves').map(({ took }) => took ?? 0))
      expect(reached).toBeGreaterThanOrEqual(sure)
      expect([...final.pending.written].sort()).toEqual([...edits.written].sort())
      expect([...final.pending.deletes].sort()).toEqual(deleted.filter((name) => index.has(name)).sort())
      for (const name of edits.written) expect(found.get(name)).toEqual([`edit of ${name}`, 5e12])
      for (const [name, [text, timestamp]] of found) {
        if (edits.written.includes(name)) continue
        const commit = index.get(name)
        const known = commits.findIndex((_, number) => setFor(number) === timestamp)
        // Values that are older than the newest wait until somebody asks for the key.
        expect(commit).toBeGreaterThanOrEqual(known)
        expect(text).toBe(new TextDecoder().decode(valueOf(name, known)))
      }
      for (const { kept, ending } of all) {
        if (ending !== 'leaves') continue
        for (const [name, commit] of kept) {
          if (index.get(name) !== commit || edits.written.includes(name) || deleted.includes(name)) continue
          expect(found.get(name)).toEqual([new TextDecoder().decode(valueOf(name, commit)), setFor(commit)])
        }
      }
      result.close()
    })
    fc.assert(property, { numRuns: 30 })
  }, 90_000)

  const commits: Commit[] = [new Map([['a', 0], ['b', 0]]), new Map([['a', 1], ['c', 1]])]

  function prepared(reader: Partial<Reader> = {}): { path: string; overlay: string } {
    const path = temporaryPath()
    makeShared(path, commits, 0, ['b'])
    leave(path, commits, { took: 1, kept: [['a', 1], ['c', 1]], ending: 'leaves', ...reader })
    return { path, overlay: overlaysBeside(path)[0]! }
  }

  function settled(path: string): { keys: string[]; timestamp: number | null } {
    expect(settle(sharedAt(path))).toBe('done')
    expect(filesOf(path).length).toBe(2)
    expect(checkBooklet(path).findings).toEqual([])
    const file = openBooklet<string, unknown>(path)
    const { timestamp } = decodeRemoteState(file.reserved.get(2)!.bytes)
    const keys = [...file.keys()].sort()
    file.close()
    return { keys, timestamp }
  }

  it('is taken in', () => {
    expect(settled(prepared().path)).toEqual({ keys: ['a', 'c'], timestamp: timeOf(1) })
  })

  it('is removed where it is damaged, cut short, empty or something else', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(500), new TextEncoder().encode('something else')]) {
      const { path, overlay } = prepared()
      writeFileSync(overlay, bytes)
      expect(settled(path)).toEqual({ keys: ['b'], timestamp: timeOf(0) })
    }
    const { path, overlay } = prepared()
    writeFileSync(overlay, readFileSync(overlay).subarray(0, 150))
    expect(settled(path)).toEqual({ keys: ['b'], timestamp: timeOf(0) })
  })

  it('gives what is whole of it', () => {
    const short = prepared()
    writeFileSync(short.overlay, readFileSync(short.overlay).subarray(0, -5))
    expect(settled(short.path).keys.length).toBeGreaterThan(0)
    const long = prepared()
    appendFileSync(long.overlay, new Uint8Array(1000).fill(7))
    expect(settled(long.path)).toEqual({ keys: ['a', 'c'], timestamp: timeOf(1) })
  })

  it('whose index or remote state is missing or damaged brings values only', () => {
    for (const bytes of [undefined, new Uint8Array(10)]) {
      const { path, overlay } = prepared({ kept: [['a', 0], ['c', 1]] })
      if (bytes) indexFileBeside(overlay).write(bytes)
      else indexFileBeside(overlay).remove()
      expect(settled(path)).toEqual({ keys: ['a', 'b'], timestamp: timeOf(0) })
    }
    const { path, overlay } = prepared({ kept: [['a', 0], ['c', 1]] })
    const file = openBooklet(overlay, { flag: 'w' })
    file.reserved.set(2, new TextEncoder().encode('{"v":1,"remote_ts":"soon"}'))
    file.close()
    expect(settled(path)).toEqual({ keys: ['a', 'b'], timestamp: timeOf(0) })
  })

  it('of another database, or of other values, is removed', () => {
    const { path } = prepared()
    makeShared(path, commits, 0, ['b'])
    expect(settled(path)).toEqual({ keys: ['b'], timestamp: timeOf(0) })
    const other = prepared()
    openBooklet(other.overlay, { flag: 'n', initBytes: otherSerializer(headerOf(other.path)) }).close()
    expect(settled(other.path)).toEqual({ keys: ['b'], timestamp: timeOf(0) })
  })

  it('is left alone while its owner lives, and nothing else that is called so is touched', () => {
    const { path, overlay } = prepared()
    const owner = openBooklet(overlay, { flag: 'w', lockTimeout: 0 })
    for (const name of ['reader-', 'reader-0123456789abc.txt', 'reader-0123456789ABC', 'readerx0123456789abc']) writeFileSync(`${path}.${name}`, 'mine')
    expect(settle(sharedAt(path))).toBe('done')
    expect(existsSync(overlay)).toBe(true)
    expect(filesOf(path).length).toBe(8)
    owner.close()
    expect(settle(sharedAt(path))).toBe('done')
    expect(existsSync(overlay)).toBe(false)
    expect(filesOf(path).length).toBe(6)
  })

  it('is made again by its owner when somebody removes it before it is locked', () => {
    const { path, overlay } = prepared()
    writeFileSync(overlay, '')
    const maker = openSync(overlay, 'r+')
    expect(settle(sharedAt(path))).toBe('done')
    expect(existsSync(overlay)).toBe(false)
    closeSync(maker)
    writeFileSync(overlay, '')
    const locked = openBooklet(overlay, { flag: 'n', lockTimeout: 0 })
    expect(settle(sharedAt(path))).toBe('done')
    expect(existsSync(overlay)).toBe(true)
    locked.close()
  })

  it('waits while somebody has the file open', () => {
    const { path } = prepared()
    const reader = openBooklet(path)
    expect(settle(sharedAt(path))).toBe('held')
    expect(filesOf(path).length).toBe(4)
    reader.close()
    expect(settled(path)).toEqual({ keys: ['a', 'c'], timestamp: timeOf(1) })
    expect(settle(sharedAt(`${path}.gone`))).toBe('gone')
  })
})

function openUuid(path: string): string {
  const file = openBooklet(path)
  file.close()
  return file.uuid
}

function otherSerializer(header: Uint8Array): Uint8Array {
  const bytes = header.slice()
  bytes[29] = 2
  return bytes
}
