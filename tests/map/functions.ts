/** Functions that the tests of map name as exports of a module. */
export function double(key: string, value: number): [string, number] {
  return [`${key}!`, value * 2]
}

export default async function identity(key: string, value: unknown): Promise<[string, unknown]> {
  return Promise.resolve([key, value])
}

export const notAFunction = 1

/** Takes a fixed number of steps, so that it takes time and its result can't be guessed. */
export function hard(key: string, rounds: number): [string, number] {
  let state = 12345
  for (let i = 0; i < rounds; i++) state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
  return [key, state]
}

export function failing(key: string, value: unknown): never {
  throw Object.assign(new RangeError(`no ${String(value)}`, { cause: new Error('the root of it') }), { code: 'E_MINE', key })
}
