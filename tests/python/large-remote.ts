/** Pushing and reading of many keys, by us and by Python. */
import { expect } from 'vitest'
import type { SerializerName } from '../../src/serializers/index.js'
import type { PythonOperation, PythonPeer } from '../support/python.js'
import { set } from './history.js'
import type { SharedDatabase } from './meeting.js'
import { expectPythonHas, type SharedState } from './shared-state.js'

/** How the databases are made; numbers keep them small. */
export const options = { valueSerializer: 'uint4' satisfies SerializerName, numGroups: 7 } as const

/** `count` writes, from the key number `from` on. */
export function numbers(count: number, from = 0): PythonOperation[] {
  return Array.from({ length: count }, (_, at) => set(`k${String(from + at)}`, at))
}

export async function expectPythonLoads(python: PythonPeer, db: SharedDatabase, path: string, state: SharedState): Promise<void> {
  await db.inPython(python, { path }, async (handle) => {
    expect(await python.call('ebooklet.apply', { handle, operations: [{ op: 'load' }] }, 300)).toEqual([{}])
    await expectPythonHas(python, handle, state)
  })
}

export async function pushPython(python: PythonPeer, db: SharedDatabase, path: string, operations: PythonOperation[]): Promise<void> {
  await db.inPython(python, { path, flag: 'w' }, async (handle) => {
    await python.call('ebooklet.apply', { handle, operations }, 300)
    expect(await python.call('ebooklet.push', { handle }, 300)).toEqual({ updated: true, failures: {} })
  })
}
