/**
 * Checks the package as its users get it: the tarball of `npm pack`, unpacked into a folder of its own where only
 * the dependencies that package.json declares can be found.
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { projectRoot, runCommand, runTool, type CommandResult } from './command.js'
import { consumerFiles, consumers } from './consumers.js'
import type { Failure, SuiteOutcome } from './suite.js'

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
}

export async function checkPackage(): Promise<SuiteOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'ebooklet-package-'))
  try {
    const tarball = await pack(folder)
    await installConsumer(folder, tarball)
    const checks: [string, () => Promise<string>][] = [
      ['publint', () => runPublint(tarball)],
      ['are the types wrong', () => runAttw(tarball)],
      ...consumers.map(({ name, args }): [string, () => Promise<string>] => [
        `used from ${name}`,
        async () => problemOf(await runCommand(process.execPath, args, { cwd: join(folder, 'consumer') })),
      ]),
    ]
    const failures: Failure[] = []
    for (const [title, check] of checks) {
      const problem = await check()
      if (problem !== '') failures.push({ title, detail: problem })
    }
    return { passed: checks.length - failures.length, failures }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function pack(folder: string): Promise<string> {
  const { exitCode, output } = await runCommand('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])
  const file = output.split('\n').find((line) => line.endsWith('.tgz'))
  if (exitCode !== 0 || file === undefined) throw new Error(`npm pack failed: ${output}`)
  return join(folder, file)
}

/* A project of a user: the package unpacked, its declared dependencies and the types of Node linked. */
async function installConsumer(folder: string, tarball: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as Manifest
  const modules = join(folder, 'consumer', 'node_modules')
  const target = join(modules, manifest.name)
  await mkdir(target, { recursive: true })
  const unpacked = await runCommand('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  if (unpacked.exitCode !== 0) throw new Error(`the tarball can't be unpacked: ${unpacked.output}`)
  for (const name of [...Object.keys(manifest.dependencies ?? {}), '@types/node']) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(join(projectRoot, 'node_modules', name), join(modules, name), 'junction')
  }
  for (const [name, text] of Object.entries(consumerFiles)) await writeFile(join(folder, 'consumer', name), text)
}

async function runPublint(tarball: string): Promise<string> {
  const bytes = await readFile(tarball)
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true })
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code).join('\n')
}

async function runAttw(tarball: string): Promise<string> {
  const args = [tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji', '--no-definitely-typed']
  return problemOf(await runTool('@arethetypeswrong/cli/dist/index.js', args))
}

function problemOf({ exitCode, output }: CommandResult): string {
  return exitCode === 0 ? '' : `exit code ${String(exitCode)}\n${output}`
}
