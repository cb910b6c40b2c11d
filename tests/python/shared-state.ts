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
  if (first !== undefined) expectValue(await db.get(first), entries.get(first)?.value, first)
  const many = await db.getMany(keys)
  keys.forEach((key, at) => expectValue(many[at], entries.get(key)?.value, key))
  const iterated = new Map<string, unknown>()
  for await (const [key, value] of db) iterated.set(key, value)
  expect([...iterated.keys()].sort(), 'keys by iteration').toEqual(keys)
  for (const [key, value] of iterated) expectValue(value, entries.get(key)?.value, key)
  expect(db.has('a key that nobody wrote')).toBe(false)
  expectValue(db.metadata ?? null, metadata?.value ?? null, 'metadata')
}

function expectValue(value: unknown, wanted: Tagged | undefined, name: string): void {
  const shown = value === undefined ? 'undefined' : JSON.stringify(toTagged(value)).slice(0, 200)
  expect(value !== undefined && wanted !== undefined && isTagged(value, wanted), `our ${JSON.stringify(name).slice(0, 80)} is ${shown}, not ${JSON.stringify(wanted).slice(0, 200)}`).toBe(true)
}

/** The same by Python's count, keys, timestamps, lookups and metadata. */
export async function expectPythonHas(python: PythonPeer, handle: Handle, { entries, metadata }: SharedState): Promise<void> {
  const dump = await python.call('ebooklet.dump', { handle })
  expect(dump.items.map(({ key }) => key).sort(), "Python's keys").toEqual([...entries.keys()].sort())
  expect(dump.size, "Python's count").toBe(entries.size)
  for (const { key, value, timestamp } of dump.items) {
    const wanted = entries.get(key)
    expect(timestamp, `Python's timestamp of ${JSON.stringify(key).slice(0, 80)}`).toBe(wanted?.timestamp)
    expect(isTagged(fromTagged(value), wanted?.value ?? null), `Python's ${JSON.stringify(key).slice(0, 80)} is ${JSON.stringify(value).slice(0, 200)}, not ${JSON.stringify(wanted?.value).slice(0, 200)}`).toBe(true)
  }
  expect(isTagged(fromTagged(dump.metadata?.value ?? null), metadata?.value ?? null), `Python's metadata is ${JSON.stringify(dump.metadata)}`).toBe(true)
  // Metadata of ours bears the time of the call: later than, or equal to, the one that the model drew before.
  if (metadata?.timestamp !== undefined && dump.metadata !== null) expect(dump.metadata.timestamp).toBeGreaterThanOrEqual(metadata.timestamp)
}
