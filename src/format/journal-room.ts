import { utf8Encode } from '../base/bytes.js'
import { stringifyJson } from './json-write.js'

/*
 * Room for more keys in a written journal: spaces before the end of the list `written`, which stands first. To write a
 * whole journal for each key would take the longer the more there are. A key is put in with one overwrite of spaces that
 * lies within a sector of the disk; so whatever of it a power cut leaves, the journal is JSON.
 */
const START = '{"v":1,"written":['
const SECTOR = 512
const LEAST = 512
const SPACE = 0x20
const LIST_START = 0x5b
const LIST_END = 0x5d

/** Where spaces begin and end in the bytes of a journal. */
export interface JournalRoom {
  start: number
  end: number
  /** Whether the list has no key yet. */
  empty: boolean
}

/** Bytes to put into a journal at a place. */
export interface JournalInsert {
  at: number
  bytes: Uint8Array
}

/** The room of a journal; undefined when it doesn't begin as those of this implementation do. */
export function journalRoom(bytes: Uint8Array): JournalRoom | undefined {
  for (let i = 0; i < START.length; i++) if (bytes[i] !== START.charCodeAt(i)) return undefined
  // The list ends with the first ]," because a quote within a key has a backslash before it.
  let end = bytes.indexOf(LIST_END, START.length)
  while (end >= 0 && (bytes[end + 1] !== 0x2c || bytes[end + 2] !== 0x22)) end = bytes.indexOf(LIST_END, end + 1)
  if (end < 0) return undefined
  let start = end
  while (bytes[start - 1] === SPACE) start--
  return { start, end, empty: bytes[start - 1] === LIST_START }
}

/** The same journal with room for more keys: an eighth of what it has, and for a few at least. */
export function withRoom(journal: Uint8Array): Uint8Array {
  const room = journalRoom(journal)
  if (room === undefined) return journal
  const spaces = Math.max(LEAST, room.end >> 3)
  const out = new Uint8Array(journal.length + spaces).fill(SPACE)
  out.set(journal.subarray(0, room.end))
  out.set(journal.subarray(room.end), room.end + spaces)
  return out
}

/**
 * Where keys go, and the room that is left then; undefined when they have no room.
 *
 * @param position where the journal begins in its file
 */
export function placeKeys(room: JournalRoom, keys: Iterable<string>, position: number): { inserts: JournalInsert[]; room: JournalRoom } | undefined {
  // The first key of a list has no comma before it: nothing of the list would be JSON if that key alone were missing.
  if (room.empty) return undefined
  const inserts: JournalInsert[] = []
  let { start } = room
  for (const key of keys) {
    const bytes = utf8Encode(`,${stringifyJson(key)}`)
    const inSector = (position + start) % SECTOR
    const at = inSector + bytes.length <= SECTOR ? start : start + SECTOR - inSector
    if (bytes.length > SECTOR || at + bytes.length > room.end) return undefined
    inserts.push({ at, bytes })
    start = at + bytes.length
  }
  return { inserts, room: { ...room, start } }
}
