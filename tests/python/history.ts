/**
 * Histories of a booklet file, which both we and Python can write: options, and operations in sessions with a close in
 * between. What they lead to is worked out here with a plain Map, so that it doesn't come from either side.
 */
import { fromBase64, toBase64, utf8Encode } from '../../src/base/bytes.js'
import type { PythonOpenOptions, PythonOperation } from '../support/python.js'
import type { Tagged } from '../support/tagged.js'

export type Operation = Exclude<PythonOperation, { op: 'load' }>

export interface History {
  readonly name: string
  /** Without a key serializer: str. */
  readonly options: Omit<PythonOpenOptions, 'path' | 'flag' | 'lockTimeout' | 'initBytes'>
  readonly sessions: readonly (readonly Operation[])[]
}

export interface Content {
  /** By the JSON of the tagged key. */
  readonly entries: ReadonlyMap<string, Entry>
  readonly metadata: Dated | undefined
  readonly reserved: ReadonlyMap<number, Dated>
}

export interface Entry {
  readonly key: Tagged
  readonly value: Tagged
  readonly timestamp: number | null
}

interface Dated {
  /** Base64 for a reserved slot. */
  readonly value: Tagged
  readonly timestamp: number | null
}

/** The first moment of all histories, µs. */
const START = 1_600_000_000_000_000
let moments = 0

/** A timestamp later than all before; not a whole number of ms, so that a cut one shows. */
export function nextTimestamp(): number {
  moments += 1
  return START + moments * 1_000_003
}

export function set(key: Tagged, value: Tagged): Operation {
  return { op: 'set', key, value, timestamp: nextTimestamp() }
}

/** Sets `prefix0` and so on, `count` keys; the values grow a little from key to key. */
export function setMany(count: number, prefix = 'key', value: (at: number) => Tagged = (at) => `${prefix} value ${'x'.repeat(at % 37)}`): Operation[] {
  return Array.from({ length: count }, (_, at) => set(`${prefix}${String(at)}`, value(at)))
}

export function deleteKeys(...keys: string[]): Operation[] {
  return keys.map((key) => ({ op: 'delete', key }))
}

/** Bytes of a fixed length that differ from number to number. */
export function fixedValue(length: number, at: number): Tagged {
  return { $bytes: toBase64(Uint8Array.from({ length }, (_, place) => (at * 7 + place * 13 + (at >> 8)) & 0xff)) }
}

/** What a history leads to. */
export function contentOf({ options, sessions }: Pick<History, 'options' | 'sessions'>): Content {
  const entries = new Map<string, Entry>()
  const reserved = new Map<number, Dated>()
  let metadata: Dated | undefined
  const dated = options.fixed !== true && options.timestamps !== false
  for (const operation of sessions.flat()) {
    const stamp = dated && 'timestamp' in operation ? (operation.timestamp ?? null) : null
    switch (operation.op) {
      case 'set':
        entries.set(JSON.stringify(operation.key), { key: operation.key, value: operation.value, timestamp: stamp })
        break
      case 'setBytes':
        throw new Error('a model has no serializers; write set')
      case 'delete':
        if (!entries.delete(JSON.stringify(operation.key))) throw new Error(`the history deletes ${JSON.stringify(operation.key)}, which isn't there`)
        break
      case 'setTimestamp':
        change(entries, operation.key, stamp)
        break
      case 'setMetadata':
        metadata = { value: operation.value, timestamp: stamp }
        break
      case 'setReserved':
        reserved.set(operation.slot, { value: operation.bytes, timestamp: stamp })
        break
      case 'prune':
        evict(entries, operation)
        break
      case 'clear':
        entries.clear()
        reserved.clear()
        metadata = undefined
        break
      case 'sync':
    }
  }
  return { entries, metadata, reserved }
}

function change(entries: Map<string, Entry>, key: Tagged, timestamp: number | null): void {
  const entry = entries.get(JSON.stringify(key))
  if (entry === undefined) throw new Error(`the history dates ${JSON.stringify(key)}, which isn't there`)
  entries.set(JSON.stringify(key), { ...entry, timestamp })
}

function evict(entries: Map<string, Entry>, { timestamp, keep }: { timestamp?: number; keep?: Tagged[] }): void {
  if (timestamp === undefined) return
  const kept = new Set((keep ?? []).map((key) => JSON.stringify(key)))
  for (const [id, entry] of entries) if ((entry.timestamp ?? 0) < timestamp && !kept.has(id)) entries.delete(id)
}

const str = { keySerializer: 'str', valueSerializer: 'str' }
const metadata = (value: Tagged): Operation => ({ op: 'setMetadata', value, timestamp: nextTimestamp() })
const reserve = (slot: 1 | 2, text: string): Operation => ({ op: 'setReserved', slot, bytes: toBase64(utf8Encode(text)), timestamp: nextTimestamp() })
const edits = (): Operation[] => [set('key3', 'over'), set('key7', ''), ...deleteKeys('key0', 'key5'), set('key5', 'again'), set('new', 'x')]

/** Every kind of variable-length file. */
export const variableHistories: readonly History[] = [
  { name: 'empty', options: { ...str, buckets: 97 }, sessions: [[]] },
  { name: 'standard', options: { ...str, buckets: 97 }, sessions: [[...setMany(30), ...edits()]] },
  { name: 'standard, default options', options: str, sessions: [[...setMany(10), ...edits()]] },
  { name: 'in several sessions', options: { ...str, buckets: 97 }, sessions: [setMany(30), edits(), [set('late', 'y'), ...deleteKeys('new')], []] },
  { name: 'with a small buffer', options: { ...str, buckets: 97, bufferSize: 64 }, sessions: [[...setMany(30), ...edits()], [set('late', 'y'.repeat(500))]] },
  { name: 'unusual keys', options: { ...str, buckets: 97 }, sessions: [[set('', 'empty key'), set('é', 'nfc'), set('e\u0301', 'nfd'), set('\u0000', 'nul'), set('k'.repeat(65_535), 'long'), set('🔑', ''), set('__proto__', 'p')]] },
  { name: 'a value larger than the buffer', options: { ...str, buckets: 97, bufferSize: 4096 }, sessions: [[set('a', 'x'), set('big', 'y'.repeat(300_000)), set('b', 'z')], [set('big', 'small')]] },
  { name: 'one bucket', options: { ...str, buckets: 1 }, sessions: [[set('a', '1'), set('a', '2')]] },
  { name: 'relocated by a reindex', options: { ...str, buckets: 11 }, sessions: [setMany(40)] },
  { name: 'relocated by a reindex, then edited', options: { ...str, buckets: 11 }, sessions: [[...setMany(40), { op: 'sync' }, ...edits()], [set('late', 'y'), ...deleteKeys('key9')]] },
  { name: 'pruned', options: { ...str, buckets: 97 }, sessions: [[...setMany(30), ...edits(), { op: 'prune' }]] },
  { name: 'pruned, then edited', options: { ...str, buckets: 97 }, sessions: [[...setMany(30), ...edits(), { op: 'prune' }, set('after', '1'), set('key9', '2')], [...deleteKeys('key8'), set('late', 'y')]] },
  { name: 'pruned twice', options: { ...str, buckets: 97 }, sessions: [[...setMany(30), ...edits(), { op: 'prune' }, ...setMany(20, 'more')], [...deleteKeys('more3'), { op: 'prune' }, set('after', '1')]] },
  { name: 'pruned, then grown past its buckets', options: { ...str, buckets: 11 }, sessions: [[...setMany(9), { op: 'sync' }, { op: 'prune' }, ...setMany(30, 'more')], [set('late', 'y')]] },
  { name: 'reindexed, then pruned', options: { ...str, buckets: 11 }, sessions: [[...setMany(40), { op: 'sync' }, ...edits(), { op: 'prune' }]] },
  { name: 'pruned until empty', options: { ...str, buckets: 97 }, sessions: [[...setMany(3), ...deleteKeys('key0', 'key1', 'key2'), { op: 'prune' }]] },
  { name: 'pruned until empty, then filled', options: { ...str, buckets: 97 }, sessions: [[...setMany(3), ...deleteKeys('key0', 'key1', 'key2'), { op: 'prune' }, ...setMany(20, 'more')]] },
  pruneByAge(),
  { name: 'cleared, then filled', options: { ...str, buckets: 97 }, sessions: [[...setMany(30), metadata('gone'), reserve(1, 'gone'), { op: 'prune' }, { op: 'clear' }, ...setMany(5, 'more')], [set('late', 'y')]] },
  { name: 'with metadata and reserved slots', options: { ...str, buckets: 97 }, sessions: [[...setMany(5), metadata({ a: 1 }), metadata({ b: [1, { $float: '1.5' }, null, 'é'] }), reserve(1, 'one'), reserve(1, 'one again'), reserve(2, '')]] },
  { name: 'pruned with metadata and reserved slots', options: { ...str, buckets: 97 }, sessions: [[...setMany(5), metadata([1]), reserve(2, 'two'), metadata({ last: true }), ...deleteKeys('key1'), { op: 'prune' }, set('x', 'y')]] },
  { name: 'reindexed with metadata and reserved slots', options: { ...str, buckets: 11 }, sessions: [[metadata([1]), reserve(1, 'one'), ...setMany(30)], [metadata('text'), reserve(2, 'two')]] },
  { name: 'without timestamps', options: { ...str, buckets: 97, timestamps: false }, sessions: [[...setMany(30), ...edits()], [set('late', 'y')]] },
  { name: 'without timestamps, with metadata, pruned and grown', options: { ...str, buckets: 11, timestamps: false }, sessions: [[...setMany(9), metadata({ a: 1 }), reserve(1, 'one'), ...deleteKeys('key1'), { op: 'prune' }, ...setMany(30, 'more')], [set('late', 'y')]] },
  changedTimestamps(),
]

function pruneByAge(): History {
  const old = setMany(10)
  const limit = nextTimestamp()
  const young = setMany(10, 'young')
  return { name: 'pruned by age', options: { ...str, buckets: 97 }, sessions: [[...old, ...young, { op: 'prune', timestamp: limit, keep: ['key2', 'key5'] }, set('after', 'x')]] }
}

function changedTimestamps(): History {
  const changes: Operation[] = [0, 1, Number.MAX_SAFE_INTEGER].map((timestamp, at) => ({ op: 'setTimestamp', key: `key${String(at)}`, timestamp }))
  return { name: 'with changed timestamps', options: { ...str, buckets: 97 }, sessions: [[...setMany(5), { op: 'sync' }, ...changes], [{ op: 'setTimestamp', key: 'key3', timestamp: nextTimestamp() }]] }
}

function fixedHistory(name: string, valueLength: number, buckets: number, sessions: (value: (at: number) => Tagged) => Operation[][]): History {
  const operations = sessions((at) => fixedValue(valueLength, at)).map((session) => session.map(undated))
  return { name: `fixed length ${String(valueLength)}, ${name}`, options: { fixed: true, keySerializer: 'str', valueLength, buckets }, sessions: operations }
}

/** Files with values of fixed length have no timestamps, and the original refuses them. */
function undated(operation: Operation): Operation {
  return operation.op === 'set' ? { op: 'set', key: operation.key, value: operation.value } : operation
}

/** Every kind of file with values of fixed length. */
export const fixedHistories: readonly History[] = [
  fixedHistory('empty', 15, 97, () => [[]]),
  ...[1, 14, 15, 300].map((length) => fixedHistory('standard', length, 97, (value) => [[...setMany(30, 'key', value), set('key3', value(99)), ...deleteKeys('key4')], [set('late', value(100))]])),
  fixedHistory('relocated by a reindex', 15, 11, (value) => [[...setMany(40, 'key', value), { op: 'sync' }, set('key1', value(77)), ...deleteKeys('key2')], setMany(10, 'more', value)]),
  fixedHistory('pruned', 15, 97, (value) => [[...setMany(30, 'key', value), ...deleteKeys('key4', 'key5'), { op: 'prune' }]]),
  fixedHistory('pruned, then edited', 15, 97, (value) => [[...setMany(30, 'key', value), ...deleteKeys('key4'), { op: 'prune' }, ...setMany(5, 'more', value)], [set('late', value(3)), ...deleteKeys('more1')]]),
  fixedHistory('pruned, then grown past its buckets', 15, 11, (value) => [[...setMany(9, 'key', value), { op: 'sync' }, { op: 'prune' }, ...setMany(30, 'more', value)], [set('late', value(3))]]),
  fixedHistory('cleared, then filled', 15, 97, (value) => [[...setMany(9, 'key', value), { op: 'prune' }, { op: 'clear' }, ...setMany(5, 'more', value)]]),
]

/**
 * Histories that break the original: the index of a fixed-length file that is relocated and large grows again, and an
 * index too small for a dead block is replaced. We write them; it must still read the result.
 */
export const beyondPython: readonly History[] = [
  fixedHistory('pruned, then grown past 12,007 keys', 15, 12_007, (value) => [[...setMany(100, 'key', value), { op: 'prune' }, ...setMany(11_950, 'more', value)], [set('late', value(3))]]),
  fixedHistory('reindexed twice', 15, 11, (value) => [setMany(40, 'key', value), setMany(12_000, 'more', value), [set('late', value(3)), ...deleteKeys('key1')]]),
  fixedHistory('an old index too small for a dead block', 15, 3, (value) => [[...setMany(3, 'key', value), { op: 'prune' }, ...setMany(9, 'more', value)]]),
  fixedHistory('one bucket, grown', 300, 1, (value) => [[...setMany(1, 'key', value), { op: 'prune' }, ...setMany(9, 'more', value)]]),
  { name: 'an old index too small for a dead block', options: { ...str, buckets: 5 }, sessions: [[...setMany(5), { op: 'prune' }, ...setMany(9, 'more')], [set('late', 'y')]] },
  { name: 'one bucket, grown', options: { ...str, buckets: 1 }, sessions: [[...setMany(1), { op: 'prune' }, ...setMany(9, 'more')]] },
  { name: 'without timestamps, an old index too small for a dead block', options: { ...str, buckets: 4, timestamps: false }, sessions: [[...setMany(4), { op: 'prune' }, ...setMany(9, 'more')]] },
]

/** Base64 of the bytes that a fixed-length value is. */
export function bytesOf(value: Tagged): Uint8Array {
  return fromBase64((value as { $bytes: string }).$bytes)
}
