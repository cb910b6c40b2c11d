/** The benchmark of growth at tiny sizes, and its plot. */
import { expect, it } from 'vitest'
import { growthBenchmark } from '../../bench/benches/growth.js'
import { remoteMemoryBenchmark } from '../../bench/benches/remote-memory.js'
import { logPlot } from '../../bench/plot.js'

it('growth: every step at every size', { timeout: 120_000 }, async () => {
  const seen: string[] = []
  for await (const work of growthBenchmark.works({ quick: true, tiny: true, repeats: 1 })) {
    if (!('rows' in work)) throw new Error('it has rows, which are not contenders')
    expect(work.head).toEqual(['ms', '100 keys', '1,000 keys'])
    for (const [name, ...figures] of await work.rows()) {
      seen.push(name!)
      expect(figures.every((figure) => Number(figure.replaceAll(',', '')) > 0), `${name}: ${figures.join(' ')}`).toBe(true)
    }
  }
  expect(seen).toContain('push of one change')
  expect(seen.length).toBe(8)
})

it('a plot has a line for each name, with its points at their places', () => {
  const svg = logPlot('title', { x: 'keys', y: (value) => `${value} ms` }, [
    { name: 'flat', points: [[10, 1], [1000, 1]] },
    { name: 'growing', points: [[10, 1], [1000, 100]] },
  ])
  expect(svg.startsWith('<svg ') && svg.endsWith('</svg>\n')).toBe(true)
  const lines = [...svg.matchAll(/<polyline [^>]*points="([^"]*)"/g)].map(([, points]) => points!.split(' ').map((point) => point.split(',').map(Number)))
  const [flat, growing] = lines
  expect(flat).toEqual([[70, 390], [530, 390]])
  expect(growing).toEqual([[70, 390], [530, 40]])
  for (const text of ['title', 'keys', '100 ms', '1,000', 'flat', 'growing']) expect(svg).toContain(`>${text}<`)
})

it('remote memory: pushed and loaded', { timeout: 120_000 }, async () => {
  for await (const work of remoteMemoryBenchmark.works({ quick: true, tiny: true, repeats: 1 })) {
    if (!('rows' in work)) throw new Error('it has rows, which are not contenders')
    const rows = await work.rows()
    expect(rows.map(([name]) => name)).toEqual(['push, 3 groups', 'load, 3 groups'])
    for (const [, megabytes] of rows) expect(Number(megabytes)).toBeGreaterThan(20)
  }
})
