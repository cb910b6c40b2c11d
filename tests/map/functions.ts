/** Functions that the tests of map name as exports of a module. */
import { existsSync, writeFileSync } from 'node:fs'

export function double(key: string, value: number): [string, number] {
  return [`${key}!`, value * 2]
}

export default async function identity(key: string, value: unknown): Promise<[string, unknown]> {
  return Promise.resolve([key, value])
}

export const notAFunction = 1

/** Says that it has begun and waits, without letting go of its thread, until the other has begun. */
export function meet(key: string, { folder, other }: { folder: string; other: string }): [string, boolean] {
  writeFileSync(`${folder}/${key}`, '')
  const end = performance.now() + 30_000
  while (!existsSync(`${folder}/${other}`) && performance.now() < end) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  return [key, existsSync(`${folder}/${other}`)]
}

export function failing(key: string, value: unknown): never {
  throw Object.assign(new RangeError(`no ${String(value)}`, { cause: new Error('the root of it') }), { code: 'E_MINE', key })
}
