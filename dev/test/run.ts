/**
 * `npm test`: builds, checks types, lint and layers, checks the package as its users will get it, runs the
 * tests. The last line is `N passed, N failed`, summed over all of it; the exit code is 1 when anything failed,
 * crashed, or ran no check at all.
 *
 *     npm test                      everything but *.slow.test.ts
 *     npm run test:slow             everything
 *     npm test -- tests/store       only the tests whose path contains this
 *
 * Peers (the Python original, Ceph's object gateway) are found through environment variables, see
 * tests/support/peers.ts and dev/peers. What was left out for want of one is listed under NOT RUN. Where
 * EBOOKLET_TEST_PEERS=required stands, as in CI, the slow tests run too, and whatever was not run is a failure.
 */
import { runCommand, runTool, type CommandResult } from './command.js'
import { checkPackage } from './package-checks.js'
import { report, runSuite, type SuiteOutcome, type SuiteResult } from './suite.js'
import { runVitest } from './vitest.js'

const args = process.argv.slice(2)
const filters = args.filter((arg) => !arg.startsWith('-'))
const required = process.env['EBOOKLET_TEST_PEERS'] === 'required'
const slow = required || args.includes('--slow') || process.env['EBOOKLET_TEST_SLOW'] === '1'
const unknown = args.filter((arg) => arg.startsWith('-') && arg !== '--slow')
if (unknown.length > 0) {
  console.error(`Unknown option ${unknown.join(' ')}. Known: --slow, and parts of test file names.`)
  process.exit(2)
}

const results: SuiteResult[] = []
if (filters.length === 0) {
  results.push(...(await runSuite('build', async () => oneCheck(await runCommand('npm', ['run', '--silent', 'build'])))))
  results.push(...(await runSuite('types', async () => oneCheck(await runTool('typescript/bin/tsc', ['-p', 'tsconfig.json'])))))
  results.push(...(await runSuite('lint', async () => oneCheck(await runTool('eslint/bin/eslint.js', ['.'])))))
  results.push(...(await runSuite('layers', async () => oneCheck(await runTool('dependency-cruiser/bin/dependency-cruise.mjs', ['src', 'dev', 'bench', '--config', '.dependency-cruiser.cjs'])))))
  results.push(...(await runSuite('package', checkPackage)))
}
results.push(...(await runSuite('tests', () => runVitest({ slow, skipsFail: required, filters }))))
if (!slow) console.log('\nThe slow tests (*.slow.test.ts) were left out; npm run test:slow runs them too.')

const { failed } = report(results)
process.exitCode = failed > 0 ? 1 : 0

function oneCheck({ exitCode, output }: CommandResult): SuiteOutcome {
  if (exitCode === 0) return { passed: 1, failures: [] }
  return { passed: 0, failures: [{ title: `exit code ${String(exitCode)}`, detail: output }] }
}
