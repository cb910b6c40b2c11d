/** Compares what each side sees in a file with what should be there. */
import { expect } from 'vitest'
import type { PythonDump } from '../support/python.js'
import { fromTagged, isTagged } from '../support/tagged.js'
import type { Content, Entry } from './history.js'

/** Both by enumeration and by lookup, values, timestamps, metadata, reserved slots, and the count. */
export function expectPythonSees(dump: PythonDump, content: Content): void {
  const seen = new Map<string, Entry>()
  for (const { key, value, timestamp, found } of dump.items) {
    expect(found, `a lookup finds ${JSON.stringify(key)}`).toBe(true)
    expect(seen.has(JSON.stringify(key)), `${JSON.stringify(key)} is enumerated twice`).toBe(false)
    seen.set(JSON.stringify(key), { key, value, timestamp })
  }
  expectEntries(seen, content)
  expect(dump.size, 'count').toBe(content.entries.size)
  if (content.metadata === undefined) {
    expect(dump.metadata).toBeNull()
  } else {
    expect(dump.metadata === null ? null : timestampOf(dump.metadata)).toBe(content.metadata.timestamp)
    expect(isTagged(fromTagged(dump.metadata?.value ?? null), content.metadata.value), 'metadata').toBe(true)
  }
  const reserved = Object.entries(dump.reserved).map(([slot, dated]) => [Number(slot), { ...dated, timestamp: timestampOf(dated) }] as const)
  expect(new Map(reserved)).toEqual(content.reserved)
}

/** The original calls the time 0 where the file has none. */
function timestampOf({ timestamp }: { timestamp: number | null }): number | null {
  return timestamp === 0 ? null : timestamp
}

function expectEntries(seen: ReadonlyMap<string, Entry>, content: Content): void {
  expect([...seen.keys()].sort()).toEqual([...content.entries.keys()].sort())
  for (const [id, entry] of seen) {
    const wanted = content.entries.get(id)
    expect(entry.timestamp, `timestamp of ${id.slice(0, 80)}`).toBe(wanted?.timestamp)
    expect(isTagged(fromTagged(entry.value), wanted?.value ?? null), `value of ${id.slice(0, 80)}: ${JSON.stringify(entry.value).slice(0, 200)}`).toBe(true)
  }
}
