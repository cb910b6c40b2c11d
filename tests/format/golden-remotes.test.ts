/** The codecs of the remote format on everything that the Python original left on its remotes and in its local files. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex, utf8Decode, utf8Encode } from '../../src/base/bytes.js'
import { decodeDbMetadata, encodeDbMetadata } from '../../src/format/db-metadata.js'
import { decodeDbPayload, decodeMetaSection, encodeDbPayload } from '../../src/format/db-object.js'
import { Format1Error } from '../../src/format/errors.js'
import { decodeGroup, encodeGroup, entryHeaderBytes, takeEntry } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { decodeIndexEntry, encodeIndexEntry, type IndexEntry } from '../../src/format/index-entry.js'
import { decodeJournal, encodeJournal } from '../../src/format/journal.js'
import { parseJson } from '../../src/format/json.js'
import { dbObjectKey, groupKey, isProbeKey, parseGroupKey, parseLockKey, parseValueKey, valueKey } from '../../src/format/names.js'
import { decodeRemoteState, encodeRemoteState } from '../../src/format/remote-state.js'
import { goldenRemotes, readGoldenFile, type GoldenObject, type GoldenRemote } from './golden-remotes.js'

const remotes = goldenRemotes('remote')
const format1 = goldenRemotes('remote-format1')

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function dbObjects(remote: GoldenRemote): GoldenObject[] {
  return remote.objects.filter(object => object.user_metadata?.['format_version'] !== undefined)
}

it('there is something to look at', () => {
  expect(remotes.length).toBeGreaterThan(20)
  expect(remotes.flatMap(dbObjects).length).toBeGreaterThan(15)
  expect(format1.length).toBeGreaterThan(4)
})

describe.each(remotes.map(remote => [remote.name, remote] as const))('%s', (_name, remote) => {
  const live = remote.objects.find(object => object.key === dbObjectKey(remote.db_key) && object.is_latest && object.blob !== undefined)

  it('user metadata of each db object is read, and written back the same', () => {
    for (const object of dbObjects(remote)) {
      const decoded = decodeDbMetadata(object.user_metadata ?? {})
      expect(encodeDbMetadata(decoded)).toEqual(object.user_metadata)
      const dashed = Object.fromEntries(Object.entries(object.user_metadata ?? {}).map(([name, value]) => [name.replaceAll('_', '-'), value]))
      expect(decodeDbMetadata(dashed)).toEqual(decoded)
    }
  })

  it('the db object is taken apart as the original does, and put together the same', () => {
    if (live?.blob === undefined || !remote.db_object) return
    const bytes = readGoldenFile(live.blob)
    const payload = decodeDbPayload(bytes)
    expect(Object.fromEntries(payload.manifest)).toEqual(remote.db_object.manifest)
    expect(payload.metaSection === undefined ? null : utf8Decode(payload.metaSection)).toBe(remote.db_object.meta_section)
    expect(payload.index.length).toBe(remote.db_object.index_size)
    // The manifest of the original is in no particular order, ours is by number.
    const again = encodeDbPayload(payload)
    expect(decodeDbPayload(again)).toEqual(payload)
    expect(again.length).toBe(bytes.length)
    const manifestEnd = 40 + Number(new DataView(bytes.buffer).getBigUint64(16))
    for (const [from, to] of [[0, 40], [manifestEnd, bytes.length]]) expect(toHex(again.subarray(from, to))).toBe(toHex(bytes.subarray(from, to)))
    const extended = new Uint8Array([...bytes, 1, 2, 3])
    expect(decodeDbPayload(extended)).toEqual(payload)
    if (payload.metaSection !== undefined) {
      const section = parseJson(utf8Decode(payload.metaSection)) as { timestamp: number; data: unknown }
      expect(decodeMetaSection(payload.metaSection)).toEqual({ timestamp: section.timestamp, data: section.data })
    }
  })

  it('every group of the manifest is there, parses, and gives each value where the index says', () => {
    const index = remote.db_object?.index_entries ?? {}
    const numGroups = Number(live?.user_metadata?.['num_groups'] ?? 0)
    const seen = new Set<string>()
    for (const [gid, generation] of Object.entries(remote.db_object?.manifest ?? {})) {
      const object = remote.objects.find(candidate => candidate.key === groupKey(remote.db_key, Number(gid), generation) && candidate.blob !== undefined)
      expect(object, `group ${gid}`).toBeDefined()
      const bytes = readGoldenFile(object?.blob ?? '')
      const entries = [...decodeGroup(bytes)]
      expect(entries.map(({ key, timestamp, value }) => ({ key, timestamp, value: sha256(value) }))).toEqual(
        (remote.db_object?.groups[gid]?.entries ?? []).map(({ key, timestamp, value_sha256 }) => ({ key, timestamp, value: value_sha256 })))
      const packed = encodeGroup(entries)
      expect(toHex(packed.bytes)).toBe(toHex(bytes))
      expect(packed.offsets).toEqual(entries.map(entry => entry.offset))
      for (const entry of entries) {
        seen.add(entry.key)
        expect(groupId(entry.key, numGroups)).toBe(Number(gid))
        const { offset, length } = index[entry.key] as IndexEntry
        const start = offset - entryHeaderBytes(entry.key)
        const piece = bytes.subarray(start, offset + length)
        expect(takeEntry(piece, offset - start, entry.key, length)).toEqual({ timestamp: entry.timestamp, value: entry.value })
      }
    }
    if (numGroups > 0) expect([...seen].sort()).toEqual(Object.keys(index).sort())
  })

  it('every object key is one that we know', () => {
    for (const { key } of [...remote.objects, ...(remote.held_objects ?? [])]) {
      const db = remote.db_key
      const group = parseGroupKey(db, key)
      const value = parseValueKey(db, key)
      const known = key === db || group !== undefined || parseLockKey(db, key) !== undefined || value !== undefined || isProbeKey(db, key) || !key.startsWith(`${db}/`)
      expect(known, key).toBe(true)
      if (group !== undefined) expect(groupKey(db, group.gid, group.generation)).toBe(key)
      if (value !== undefined) expect(valueKey(db, value)).toBe(key)
    }
    for (const { key } of remote.requests.filter(request => request.key.startsWith(`${remote.db_key}/_writable`))) expect(isProbeKey(remote.db_key, key)).toBe(true)
  })

  it('the reserved slots of the local files are read, and written back the same', () => {
    for (const local of Object.values(remote.local_files ?? {})) {
      const journal = local.slot1_journal?.json
      if (journal !== undefined) expect(utf8Decode(encodeJournal(decodeJournal(utf8Encode(journal))))).toBe(journal)
      const state = local.slot2_remote_state?.json
      if (state !== undefined) expect(parseJson(utf8Decode(encodeRemoteState(decodeRemoteState(utf8Encode(state)))))).toEqual(parseJson(state))
    }
  })
})

describe.each(format1.map(remote => [remote.name, remote] as const))('format 1: %s', (_name, remote) => {
  const db = remote.objects.find(object => object.key === remote.db_key)

  it('is refused by its own error, by metadata and by body', () => {
    expect(db).toBeDefined()
    expect(() => decodeDbMetadata(db?.user_metadata ?? {})).toThrow(Format1Error)
    expect(() => decodeDbPayload(readGoldenFile(db?.blob ?? ''))).toThrow(Format1Error)
  })
})

it('index entries come back', () => {
  for (const remote of remotes) {
    for (const entry of Object.values(remote.db_object?.index_entries ?? {})) expect(decodeIndexEntry(encodeIndexEntry(entry))).toEqual(entry)
  }
})
