/** The figures of `npm run bench` are what claims rest on, so how they come about is tested. */
import { describe, expect, it } from 'vitest'
import { projectRoot, runTool } from '../../dev/test/command.js'
import { measure, median, type Contender } from '../../bench/harness.js'
import { tableOf } from '../../bench/table.js'

describe('measuring', () => {
  it('takes turns, warms up once, and leaves preparing and cleaning out of the times', async () => {
    const log: string[] = []
    const contender = (name: string, ms: number): Contender => ({
      name,
      prepare: () => new Promise((resolve) => setTimeout(resolve, 60)),
      run: async () => {
        log.push(name)
        await new Promise((resolve) => setTimeout(resolve, ms))
        return 42
      },
      clean: () => void log.push('clean'),
    })
    const { figures } = await measure({ title: 'waiting', contenders: [contender('slow', 40), contender('quick', 1)] }, 3)
    expect(log.filter((entry) => entry !== 'clean')).toEqual(['slow', 'quick', 'quick', 'slow', 'slow', 'quick', 'quick', 'slow'])
    expect(log.filter((entry) => entry === 'clean').length).toBe(8)
    expect(figures.map(({ times }) => times.length)).toEqual([3, 3])
    const [slow, quick] = figures
    expect(slow).toMatchObject({ contender: 'slow', ratio: 1 })
    expect(quick!.ratio).toBe(slow!.median / quick!.median)
    expect(Math.min(...quick!.times)).toBeLessThan(40)
  })

  it('refuses contenders that do not do the same work, and cleans up all the same', async () => {
    let cleaned = 0
    const contenders = [1, 2].map((result) => ({ name: `gives ${result}`, run: () => result, clean: () => void cleaned++ }))
    await expect(measure({ title: 'sum', contenders }, 1)).rejects.toThrow('gives 2 gave 2, others gave 1')
    expect(cleaned).toBe(2)
  })

  it('finds medians', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
  })
})

it('a table shows medians, spread, operations per second and ratios', () => {
  const work = { title: 'get', operations: 1000, contenders: [] }
  const figures = [
    { contender: 'lmdb', times: [100, 90, 130], median: 100, cpu: 80, ratio: 1 },
    { contender: 'ours', times: [50], median: 50, cpu: 0, ratio: 2 },
  ]
  expect(tableOf({ work, figures }).split('\n')).toEqual([
    '| get | ms (median) | ms (least to most) | CPU ms | per second | × lmdb |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    '| lmdb | 100 | 90.0 to 130 | 80.0 | 10,000 | 1.00 |',
    '| ours | 50.0 | 50.0 to 50.0 | 0 | 20,000 | 2.00 |',
  ])
})

it('npm run bench says which benchmarks there are', async () => {
  const { exitCode, output } = await runTool('tsx/dist/cli.mjs', ['bench/main.ts', 'nothing'], { cwd: projectRoot })
  expect(output).toMatch(/the benchmarks .*\bmap\b/)
  expect(exitCode).toBe(2)
})
