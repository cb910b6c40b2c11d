import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { projectRoot, runTool } from './command.js'
import type { Failure, SuiteResult } from './suite.js'

/** The part of vitest's JSON report that is used here. */
export interface VitestReport {
  readonly testResults: readonly VitestFile[]
}
interface VitestFile {
  /** Absolute path of the test file. */
  readonly name: string
  readonly status: 'passed' | 'failed'
  readonly message: string
  readonly startTime: number
  readonly endTime: number
  readonly assertionResults: readonly VitestTest[]
}
interface VitestTest {
  readonly fullName: string
  /** `passed`, `failed`, and several words for "not run". */
  readonly status: string
  readonly failureMessages: readonly string[] | null
}

/** Test files that take long; see run.ts for when they run. */
export const slowTests = '**/*.slow.test.ts'

export interface VitestOptions {
  readonly slow: boolean
  /** A test that was not run counts as a failure. */
  readonly skipsFail: boolean
  /** Parts of file names to run; none = all. */
  readonly filters: readonly string[]
}

/** Runs the tests and gives one suite per folder below `tests`. */
export async function runVitest(options: VitestOptions): Promise<readonly SuiteResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ebooklet-vitest-'))
  try {
    const file = join(folder, 'report.json')
    const { exitCode } = await runTool('vitest/vitest.mjs', vitestArguments(options, file), {
      show: true,
      // A guard against a hang, not a limit: every test has its own.
      minutes: 50,
      env: { EBOOKLET_TEST_SLOW: options.slow ? '1' : '' },
    })
    const results = suitesOf(await readReport(file), options)
    const anyFailure = results.some((result) => result.failures.length > 0)
    if (exitCode === 0 || anyFailure) return results
    // An error outside of any test, such as an unhandled rejection, fails the run without failing a test.
    const title = `vitest ended with exit code ${String(exitCode)}, though no test failed`
    return [...results, { name: 'tests', passed: 0, failures: [{ title, detail: 'Its output above says why.' }], notRun: [], seconds: 0 }]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function vitestArguments(options: VitestOptions, reportFile: string): string[] {
  const args = ['run', ...options.filters, '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  // vitest leaves a core free; many of the tests wait for peers and locks, so that one is free anyway.
  args.push(`--maxWorkers=${String(Math.max(2, availableParallelism()))}`)
  if (!options.slow) args.push('--exclude', slowTests)
  return args
}

async function readReport(file: string): Promise<VitestReport> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VitestReport
  } catch (cause) {
    throw new Error('vitest left no readable report, so no test counts as passed', { cause })
  }
}

/** One suite per folder. */
export function suitesOf(report: VitestReport, { skipsFail }: VitestOptions): SuiteResult[] {
  const byFolder = new Map<string, VitestFile[]>()
  for (const file of report.testResults) {
    const folder = dirname(relative(projectRoot, file.name))
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), file])
  }
  return [...byFolder].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, files]) => suiteOf(name, files, skipsFail))
}

function suiteOf(name: string, files: readonly VitestFile[], skipsFail: boolean): SuiteResult {
  const failures: Failure[] = []
  const notRun: string[] = []
  let passed = 0
  for (const file of files) {
    const path = relative(projectRoot, file.name)
    const tests = file.assertionResults
    for (const test of tests) {
      if (test.status === 'passed') passed += 1
      else if (test.status === 'failed') failures.push({ title: `${path}: ${test.fullName}`, detail: (test.failureMessages ?? []).join('\n') })
      else if (skipsFail) failures.push({ title: `${path}: ${test.fullName}`, detail: 'was not run, and here nothing may be left out' })
      else notRun.push(`${path}: ${test.fullName}`)
    }
    const crashed = file.status === 'failed' && !tests.some((test) => test.status === 'failed')
    if (crashed || tests.length === 0) failures.push({ title: `${path} could not be run`, detail: file.message })
  }
  const seconds = files.reduce((sum, file) => sum + Math.max(0, file.endTime - file.startTime), 0) / 1000
  return { name, passed, failures, notRun, seconds }
}
