import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The folder of package.json. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

export interface CommandResult {
  /** Undefined when it could not be started or was ended by a signal. */
  readonly exitCode: number | undefined
  /** stdout and stderr in the order they came; empty when they were shown at once. */
  readonly output: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Minutes until it is ended; a suite that hangs must fail, not hold up the run. Default 5. */
  readonly minutes?: number
  /** Show the output as it comes in place of keeping it. */
  readonly show?: boolean
}

const running = new Set<number>()

/* The groups below don't get the signals of ours. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const pid of running) endGroup(pid)
    process.exit(1)
  })
}

/** Runs a program without a shell. Never throws: a program that can't be started gives no exit code. */
export function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const minutes = options.minutes ?? 5
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, {
      cwd: options.cwd ?? projectRoot,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', options.show === true ? 'inherit' : 'pipe', options.show === true ? 'inherit' : 'pipe'],
      // A group of its own, so that a hanging run is ended with the processes that it started.
      detached: process.platform !== 'win32',
    })
    const collect = (chunk: Buffer) => (output += chunk.toString())
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    if (child.pid !== undefined) running.add(child.pid)
    const timer = setTimeout(() => {
      output += `\nended after ${String(minutes)} minutes without a result\n`
      endGroup(child.pid)
    }, minutes * 60_000)
    const ended = () => {
      clearTimeout(timer)
      if (child.pid !== undefined) running.delete(child.pid)
    }
    child.on('error', (error) => {
      ended()
      resolve({ exitCode: undefined, output: `${output}${error.message}\n` })
    })
    child.on('close', (code) => {
      ended()
      resolve({ exitCode: code ?? undefined, output })
    })
  })
}

/** Runs the JavaScript file of an installed tool with this Node. */
export function runTool(file: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return runCommand(process.execPath, [`node_modules/${file}`, ...args], options)
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}
