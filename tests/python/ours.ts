/** Our side of the histories. */
import { expect } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/bytes.js'
import { openBooklet, openFixedBooklet, type Booklet, type FixedBooklet } from '../../src/booklet/index.js'
import type { SerializerName } from '../../src/serializers/index.js'
import { fromTagged, isTagged, toTagged, type Tagged } from '../support/tagged.js'
import type { Content, History, Operation } from './history.js'

export type OurBooklet = Booklet<unknown, unknown> | FixedBooklet<unknown>

export function openOurs(path: string, flag: 'r' | 'w' | 'c' | 'n', options: History['options'], lockTimeout = 5000): OurBooklet {
  const { fixed, keySerializer, valueSerializer, valueLength, ...rest } = options
  const common = { flag, lockTimeout, ...rest, ...(keySerializer === undefined ? {} : { keySerializer: keySerializer as SerializerName }) }
  if (fixed === true) return openFixedBooklet<unknown>(path, { ...common, ...(valueLength === undefined ? {} : { valueLength }) })
  return openBooklet<unknown, unknown>(path, { ...common, ...(valueSerializer === undefined ? {} : { valueSerializer: valueSerializer as SerializerName }) })
}

/** Writes the whole history, each session with an open and a close. */
export function writeOurs(path: string, { options, sessions }: History): void {
  for (const [at, session] of sessions.entries()) {
    const booklet = openOurs(path, at === 0 ? 'n' : 'w', options)
    for (const operation of session) applyOurs(booklet, operation)
    booklet.close()
  }
}

export function applyOurs(booklet: OurBooklet, operation: Operation): void {
  if (operation.op === 'sync') booklet.sync()
  else if (operation.op === 'clear') booklet.clear()
  else if (operation.op === 'delete') expect(booklet.delete(fromTagged(operation.key))).toBe(true)
  else if (isFixed(booklet)) applyFixed(booklet, operation)
  else applyVariable(booklet, operation)
}

function applyFixed(booklet: FixedBooklet<unknown>, operation: Operation): void {
  if (operation.op === 'set') booklet.set(fromTagged(operation.key), fromTagged(operation.value) as Uint8Array)
  else if (operation.op === 'prune') booklet.prune()
  else throw new Error(`a fixed-length file knows no ${operation.op}`)
}

function applyVariable(booklet: Booklet<unknown, unknown>, operation: Operation): void {
  // Where the file has no timestamps the original ignores one that is given; we refuse it.
  const timestamp = booklet.hasTimestamps && 'timestamp' in operation ? operation.timestamp : undefined
  const dated = timestamp === undefined ? {} : { timestamp }
  switch (operation.op) {
    case 'set':
      booklet.set(fromTagged(operation.key), fromTagged(operation.value), dated)
      break
    case 'setTimestamp':
      booklet.setTimestamp(fromTagged(operation.key), operation.timestamp)
      break
    case 'setMetadata':
      booklet.setMetadata(fromTagged(operation.value), dated)
      break
    case 'setReserved':
      booklet.reserved.set(operation.slot, fromBase64(operation.bytes), timestamp)
      break
    case 'prune':
      booklet.prune({ ...(operation.timestamp === undefined ? {} : { before: operation.timestamp }), ...(operation.keep === undefined ? {} : { keep: operation.keep.map(fromTagged) }) })
      break
    default:
      throw new Error(`unexpected operation ${operation.op}`)
  }
}

export function isFixed(booklet: OurBooklet): booklet is FixedBooklet<unknown> {
  return 'valueLength' in booklet
}

/** By enumeration and by lookup: values, timestamps, metadata, reserved slots, and the count. */
export function expectWeSee(booklet: OurBooklet, content: Content): void {
  expect(booklet.size, 'count').toBe(content.entries.size)
  const seen = [...booklet.entries()].map(([key, value]) => ({ key, value, id: JSON.stringify(toTagged(key)) }))
  expect(seen.map(({ id }) => id).sort()).toEqual([...content.entries.keys()].sort())
  const stamps = isFixed(booklet) || !booklet.hasTimestamps ? undefined : new Map([...booklet.timestamps()].map(([key, timestamp]) => [JSON.stringify(toTagged(key)), timestamp]))
  for (const { key, value, id } of seen) {
    const wanted = content.entries.get(id)
    expectValue(value, wanted?.value ?? null, id)
    expectValue(booklet.get(key), wanted?.value ?? null, id)
    expect(booklet.has(key)).toBe(true)
    if (isFixed(booklet)) continue
    expect(booklet.getTimestamp(key) ?? null, `timestamp of ${id.slice(0, 80)}`).toBe(wanted?.timestamp)
    expect(stamps?.get(id) ?? null, `timestamp of ${id.slice(0, 80)}`).toBe(wanted?.timestamp)
  }
  expect(booklet.get('a key that nobody wrote')).toBeUndefined()
  if (!isFixed(booklet)) expectExtras(booklet, content)
}

function expectExtras(booklet: Booklet<unknown, unknown>, content: Content): void {
  expectValue(booklet.metadata ?? null, content.metadata?.value ?? null, 'metadata')
  expect(booklet.metadataTimestamp ?? null).toBe(content.metadata?.timestamp ?? null)
  for (const slot of [1, 2] as const) {
    const found = booklet.reserved.get(slot)
    expect(found === undefined ? undefined : { value: toBase64(found.bytes), timestamp: found.timestamp ?? null }).toEqual(content.reserved.get(slot))
  }
}

function expectValue(value: unknown, wanted: Tagged, name: string): void {
  expect(isTagged(value, wanted), `${name.slice(0, 80)} is ${JSON.stringify(toTagged(value ?? null)).slice(0, 200)}`).toBe(true)
}
