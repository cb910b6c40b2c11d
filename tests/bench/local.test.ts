/** Each benchmark of the local file runs, at next to no size, with whatever peers are installed. */
import { describe, expect, it } from 'vitest'
import { benchmarks } from '../../bench/benches/index.js'
import { measure, type Work } from '../../bench/harness.js'
import { makeBytes, makeKeys, makeObjects, sample } from '../../bench/data.js'

describe('benchmarks of the local file', () => {
  it.each(benchmarks.filter(({ name }) => name.startsWith('local-')))('$name', { timeout: 60_000 }, async ({ works }) => {
    for await (const work of works({ quick: true, tiny: true, repeats: 1 })) {
      if ('rows' in work) {
        const rows = await work.rows()
        expect(rows.at(-1)?.[0]).toBe('ebooklet')
        for (const row of rows) expect(row.length).toBe(work.head.length)
      } else await runs(work)
    }
  })
})

async function runs(work: Work): Promise<void> {
  const { figures } = await measure(work, 1)
  for (const { times } of figures) expect(times.length).toBe(1)
  expect(figures.length).toBeGreaterThan(0)
}

describe('data', () => {
  it('is the same in every run and different within one', () => {
    const keys = makeKeys(1000)
    expect(new Set(keys).size).toBe(1000)
    expect(keys.every((key) => key.length === 16)).toBe(true)
    expect(keys).toEqual(makeKeys(1000))
    expect(makeBytes(10)).toEqual(makeBytes(10))
    expect(makeBytes(10)).not.toEqual(makeBytes(10, 2))
    for (const value of makeObjects(100)) expect(JSON.stringify(value).length).toBeGreaterThan(80)
    const chosen = sample(keys, 100)
    expect(new Set(chosen).size).toBe(100)
    expect(chosen.every((key) => keys.includes(key))).toBe(true)
    expect(sample(keys, 100, 2)).not.toEqual(chosen)
  })
})
