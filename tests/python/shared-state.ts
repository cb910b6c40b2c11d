/** What both sides should see in a remote, and the checks that they do. */
import { expect } from 'vitest'
import type { Ebooklet } from '../../src/index.js'
import type { Handle, PythonOperation, PythonPeer } from '../support/python.js'
import { fromTagged, isTagged, toTagged, type Tagged } from '../support/tagged.js'

export interface SharedValue {
  value: Tagged
  timestamp: number
}

export class SharedState {
  readonly entries: Map<string, SharedValue>
  /** Undefined: there never was any. The timestamp is known where the operation named it. */
  metadata: { value: Tagged; timestamp: number | undefined } | undefined

  constructor(entries: Iterable<readonly [string, SharedValue]> = []) {
    this.entries = new Map(entries)
  }

  apply(operations: readonly PythonOperation[]): this {
    for (const operation of operations) this.#apply(operation)
    return this
  }

  #apply(operation: PythonOperation): void {
    switch (operation.op) {
      case 'set':
        this.entries.set(nameOf(operation.key), { value: operation.value, timestamp: timestampOf(operation) })
        break
      case 'delete':
        this.entries.delete(nameOf(operation.key))
        break
      case 'setTimestamp': {
        const entry = this.entries.get(nameOf(operation.key))
        if (entry === undefined) throw new Error('a timestamp for a key that is not there')
        this.entries.set(nameOf(operation.key), { ...entry, timestamp: operation.timestamp })
        break
      }
      case 'setMetadata':
        this.metadata = { value: operation.value, timestamp: operation.timestamp }
        break
      case 'clear':
        this.entries.clear()
        break
      case 'sync':
      case 'prune':
      case 'load':
        break
      default:
        throw new Error(`unexpected operation ${operation.op}`)
    }
  }
}

function nameOf(key: Tagged): string {
  if (typeof key !== 'string') throw new Error('keys of a remote are text')
  return key
}

function timestampOf({ timestamp }: { timestamp?: number }): number {
  if (timestamp === undefined) throw new Error('give each write its timestamp, so that it is known')
  return timestamp
}

/** Our metadata gets the time of the call, so the timestamp that the operation names is not that of the file. */
export async function applyOurs(db: Ebooklet, operations: readonly PythonOperation[]): Promise<void> {
  for (const operation of operations) {
    if (operation.op === 'set') db.set(nameOf(operation.key), fromTagged(operation.value), { timestamp: timestampOf(operation) })
    else if (operation.op === 'delete') expect(db.delete(nameOf(operation.key)), `deleting ${JSON.stringify(operation.key)}`).toBe(true)
    else if (operation.op === 'setTimestamp') expect(await db.setTimestamp(nameOf(operation.key), operation.timestamp)).toBe(true)
    else if (operation.op === 'setMetadata') db.metadata = fromTagged(operation.value)
    else if (operation.op === 'clear') db.clear()
    else if (operation.op === 'sync') db.sync()
    else if (operation.op === 'prune') db.prune()
    else if (operation.op === 'load') await db.load(operation.keys)
    else throw new Error(`unexpected operation ${operation.op}`)
  }
}

/** Count, keys, timestamps, values by lookup, by many and by iteration, and metadata. */
export async function expectWeHave(db: Ebooklet, { entries, metadata }: SharedState): Promise<void> {
  const keys = [...entries.keys()].sort()
  expect(db.size, 'our count').toBe(keys.length)
  expect([...db.keys()].sort(), 'our keys').toEqual(keys)
  const stamps = Object.fromEntries([...entries].map(([key, { timestamp }]) => [key, timestamp]))
  expect(Object.fromEntries(db.timestamps()), 'our timestamps').toEqual(stamps)
  const [first] = keys
  if (first !== undefined) expectValues([[first, await db.get(first)]], entries)
  const many = await db.getMany(keys)
  expectValues(keys.map((key, at) => [key, many[at]]), entries)
  const iterated: [string, unknown][] = []
  for await (const entry of db) iterated.push(entry)
  expect(iterated.map(([key]) => key).sort(), 'keys by iteration').toEqual(keys)
  expectValues(iterated, entries)
  expect(db.has('a key that nobody wrote')).toBe(false)
  expect(isTagged(db.metadata ?? null, metadata?.value ?? null), `our metadata is ${shown(db.metadata)}, not ${JSON.stringify(metadata)}`).toBe(true)
}

/** One assertion for all: there may be very many. */
function expectValues(found: readonly (readonly [string, unknown])[], entries: ReadonlyMap<string, SharedValue>): void {
  const wrong = found.filter(([key, value]) => value === undefined || !isTagged(value, entries.get(key)?.value ?? null))
  expect(wrong.slice(0, 5).map(([key, value]) => `our ${describe(key, value, entries)}`)).toEqual([])
}

function describe(key: string, value: unknown, entries: ReadonlyMap<string, SharedValue>): string {
  return `${JSON.stringify(key).slice(0, 80)} is ${shown(value)}, not ${JSON.stringify(entries.get(key)).slice(0, 200)}`
}

function shown(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(toTagged(value)).slice(0, 200)
}

/** The same by Python's count, keys, timestamps, lookups and metadata. */
export async function expectPythonHas(python: PythonPeer, handle: Handle, { entries, metadata }: SharedState): Promise<void> {
  const dump = await python.call('ebooklet.dump', { handle })
  expect(dump.items.map(({ key }) => key).sort(), "Python's keys").toEqual([...entries.keys()].sort())
  expect(dump.size, "Python's count").toBe(entries.size)
  const wrong = dump.items.filter(({ key, value, timestamp }) => {
    const wanted = entries.get(key)
    return timestamp !== wanted?.timestamp || !isTagged(fromTagged(value), wanted.value)
  })
  expect(wrong.slice(0, 5).map(({ key, value, timestamp }) => `Python's ${describe(key, fromTagged(value), entries)}, of ${String(timestamp)}`)).toEqual([])
  expect(isTagged(fromTagged(dump.metadata?.value ?? null), metadata?.value ?? null), `Python's metadata is ${JSON.stringify(dump.metadata)}, not ${JSON.stringify(metadata)}`).toBe(true)
  if (metadata?.timestamp !== undefined && dump.metadata !== null) expect(dump.metadata.timestamp).toBeGreaterThanOrEqual(metadata.timestamp)
}
