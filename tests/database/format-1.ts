/** Remotes of format 1 for the tests: those that ebooklet 0.8.3 wrote, and made-up ones. */
import { encodeFixedBooklet } from '../../src/booklet/index.js'
import { openBooklet } from '../../src/booklet/index.js'
import { toBase64Url } from '../../src/base/bytes.js'
import { encodeGroup } from '../../src/format/group.js'
import { groupId } from '../../src/format/group-id.js'
import { encodeIndexEntry, INDEX_ENTRY_BYTES } from '../../src/format/index-entry.js'
import { RemoteIndex } from '../../src/sync/remote-index.js'
import type { ObjectStore } from '../../src/store/object-store.js'
import { readGoldenFile, readGoldenJson } from '../support/golden.js'
import type { Tagged } from '../support/tagged.js'

export interface Format1Golden {
  db_key: string
  objects: { key: string; blob: string; user_metadata: Record<string, string> }[]
  expected: { len: number; num_groups: number | null; content: { key: string; timestamp: number; value: Tagged }[]; metadata: Tagged | null }
}

export const format1Databases = ['grouped_1_push', 'grouped_2_second_push', 'perkey_1_push', 'perkey_2_update_delete', 'gbytes_push'] as const

export function format1Golden(name: string): Format1Golden {
  return readGoldenJson<Format1Golden>(`remote-format1/${name}.json`)
}

/** Puts the objects where 0.8.3 had them. */
export async function putFormat1(store: ObjectStore, { objects }: Format1Golden): Promise<void> {
  for (const { key, blob, user_metadata } of objects) await store.put(key, readGoldenFile(blob), { metadata: user_metadata })
}

export function indexOf({ db_key, objects }: Format1Golden): RemoteIndex {
  return RemoteIndex.decode(readGoldenFile(objects.find(({ key }) => key === db_key)!.blob))
}

export interface Format1Entry {
  key: string
  timestamp: number
  value: Uint8Array
}

export interface Format1Content {
  dbKey: string
  /** Undefined: one object per key. */
  numGroups: number | undefined
  entries: readonly Format1Entry[]
  /** Whether the groups or values are written too. */
  groups?: boolean
  timestamp?: number
  metadata?: { timestamp: number; /** JSON. */ data: string }
  uuid?: string
}

/** A database of format 1 of JSON values, in the order in which 0.8.3 writes it: values, metadata, index. */
export async function putFormat1Index(store: ObjectStore, content: Format1Content): Promise<void> {
  const { dbKey, numGroups, entries, metadata, timestamp = 10_000 } = content
  const encoded: [string, Uint8Array][] = []
  const add = (key: string, stamp: number, offset: number, length: number) => encoded.push([key, encodeIndexEntry({ timestamp: stamp, offset, length })])
  for (let gid = 0; gid < (numGroups ?? 0); gid++) {
    const members = entries.filter(({ key }) => groupId(key, numGroups!) === gid)
    const { bytes, offsets } = encodeGroup(members)
    members.forEach(({ key, timestamp: stamp, value }, at) => add(key, stamp, offsets[at]!, value.length))
    if (content.groups && members.length > 0) await store.put(`${dbKey}/${gid}`, bytes)
  }
  if (numGroups === undefined) {
    for (const { key, timestamp: stamp, value } of entries) {
      add(key, stamp, 0, 0)
      if (content.groups) await store.put(`${dbKey}/${key}`, value, { metadata: { timestamp: String(stamp) } })
    }
  }
  if (metadata) {
    add('adb01ebc1ba3433eb043527', metadata.timestamp, 0, 0)
    await store.put(`${dbKey}/_metadata`, new TextEncoder().encode(metadata.data), { metadata: { timestamp: String(metadata.timestamp) } })
  }
  const body = encodeFixedBooklet({ entries: encoded, valueLength: INDEX_ENTRY_BYTES, buckets: 101, keySerializer: 'str', timestamp })
  const file = openBooklet(null, { valueSerializer: 'json', buckets: 101 })
  const header = file.toBytes().slice(0, 200).fill(0, 77)
  const uuid = content.uuid ?? '0123456789abcdef0123456789abcdef'
  header.set(Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(uuid.slice(2 * at, 2 * at + 2), 16)), 49)
  const groups = numGroups === undefined ? {} : { num_groups: String(numGroups) }
  await store.put(dbKey, body, { metadata: { timestamp: String(timestamp), uuid, type: 'EVariableLengthValue', init_bytes: toBase64Url(header), ...groups } })
}
