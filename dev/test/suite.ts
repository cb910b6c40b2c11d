/** What one suite found. A suite without a passed or failed check counts as failed: it didn't do its work. */
export interface SuiteResult {
  readonly name: string
  readonly passed: number
  readonly failures: readonly Failure[]
  /** Checks that were not run, and why; shown, so that nobody takes them for passed. */
  readonly notRun: readonly string[]
  readonly seconds: number
}

export interface Failure {
  readonly title: string
  readonly detail: string
}

/** Runs one suite and turns whatever goes wrong in it into a failure. */
export async function runSuite(name: string, work: () => Promise<readonly SuiteResult[] | SuiteOutcome>): Promise<readonly SuiteResult[]> {
  console.log(`\n--- ${name}`)
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  try {
    const outcome = await work()
    if ('passed' in outcome) return [withoutEmpty({ name, notRun: [], ...outcome, seconds: seconds() })]
    return outcome.length === 0 ? [withoutEmpty({ name, passed: 0, failures: [], notRun: [], seconds: seconds() })] : outcome.map(withoutEmpty)
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return [{ name, passed: 0, failures: [{ title: `${name} stopped with an error`, detail }], notRun: [], seconds: seconds() }]
  }
}

export interface SuiteOutcome {
  readonly passed: number
  readonly failures: readonly Failure[]
  readonly notRun?: readonly string[]
}

function withoutEmpty(result: SuiteResult): SuiteResult {
  if (result.passed > 0 || result.failures.length > 0 || result.notRun.length > 0) return result
  return { ...result, failures: [{ title: `${result.name} ran no check`, detail: '' }] }
}

/** Prints the table, the failures, what was not run, and as the last line `N passed, N failed`. */
export function report(results: readonly SuiteResult[]): { passed: number; failed: number } {
  console.log('\n=== suites')
  for (const { name, passed, failures, notRun, seconds } of results) {
    const mark = failures.length > 0 ? 'FAIL' : 'ok  '
    const skipped = notRun.length > 0 ? `, ${String(notRun.length)} not run` : ''
    console.log(`${mark} ${name.padEnd(28)} ${String(passed)} passed, ${String(failures.length)} failed${skipped} (${seconds.toFixed(1)} s)`)
  }
  for (const { name, failures } of results) {
    for (const failure of failures) console.log(`\nFAILED ${name}: ${failure.title}\n${failure.detail}`)
  }
  const notRun = results.flatMap((result) => result.notRun.map((line) => `${result.name}: ${line}`))
  if (notRun.length > 0) console.log(`\nNOT RUN (${String(notRun.length)}):\n${notRun.map((line) => `  ${line}`).join('\n')}`)
  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  const failed = results.reduce((sum, result) => sum + result.failures.length, 0)
  console.log(`\n${String(passed)} passed, ${String(failed)} failed`)
  return { passed, failed }
}
