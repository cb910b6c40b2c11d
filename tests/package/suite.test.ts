/** The counts of `npm test` are what CI believes, so what could hide a failure is tested itself. */
import { expect, it, vi } from 'vitest'
import { report, runSuite } from '../../dev/test/suite.js'
import { suitesOf, type VitestReport } from '../../dev/test/vitest.js'

const file = { name: `${process.cwd()}/tests/area/some.test.ts`, status: 'passed' as const, message: '', startTime: 0, endTime: 5 }
const test = (status: string) => ({ fullName: `a test that ${status}`, status, failureMessages: status === 'failed' ? ['why'] : [] })

function suites(testResults: VitestReport['testResults'], skipsFail = false) {
  return suitesOf({ testResults }, { slow: false, skipsFail, filters: [] })
}

it('counts per folder what passed and failed', () => {
  const [area, other] = suites([
    { ...file, status: 'failed', assertionResults: [test('passed'), test('failed')] },
    { ...file, name: `${process.cwd()}/tests/other/x.test.ts`, assertionResults: [test('passed')] },
  ])
  expect(area).toMatchObject({ name: 'tests/area', passed: 1, failures: [{ title: 'tests/area/some.test.ts: a test that failed', detail: 'why' }] })
  expect(other).toMatchObject({ name: 'tests/other', passed: 1, failures: [] })
})

it('counts a file that crashed or holds no test as failed', () => {
  const [crashed] = suites([{ ...file, status: 'failed', message: 'a syntax error', assertionResults: [] }])
  expect(crashed).toMatchObject({ passed: 0, failures: [{ detail: 'a syntax error' }] })
  const [inHook] = suites([{ ...file, status: 'failed', message: 'a hook threw', assertionResults: [test('passed'), test('skipped')] }])
  expect(inHook?.failures).toHaveLength(1)
})

it('names what was skipped, and fails it where nothing may be left out', () => {
  const results = [{ ...file, assertionResults: [test('passed'), test('skipped'), test('todo'), test('pending')] }]
  expect(suites(results)[0]).toMatchObject({ passed: 1, failures: [] })
  expect(suites(results)[0]?.notRun).toHaveLength(3)
  expect(suites(results, true)[0]?.failures).toHaveLength(3)
})

it('makes a failure of a suite that throws or does nothing', async () => {
  vi.spyOn(console, 'log').mockReturnValue()
  const [thrown] = await runSuite('x', () => Promise.reject(new Error('broken')))
  expect(thrown).toMatchObject({ passed: 0, failures: [{ title: 'x stopped with an error' }] })
  const [idle] = await runSuite('x', () => Promise.resolve({ passed: 0, failures: [] }))
  expect(idle?.failures).toHaveLength(1)
  const none = await runSuite('x', () => Promise.resolve([]))
  expect(none[0]?.failures).toHaveLength(1)
})

it('prints the sum as the last line', () => {
  const log = vi.spyOn(console, 'log').mockReturnValue()
  const suite = { name: 'x', passed: 2, failures: [{ title: 't', detail: 'd' }], notRun: ['a test'], seconds: 1 }
  expect(report([suite, { ...suite, passed: 5, failures: [] }])).toEqual({ passed: 7, failed: 1 })
  expect((log.mock.calls.flat().join('\n')).split('\n').at(-1)).toBe('7 passed, 1 failed')
})
