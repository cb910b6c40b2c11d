/** Programs that a benchmark talks to, each in a process of its own so that its work isn't taken for that of a contender. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A process that answers by lines of JSON. */
export class Helper {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []

  private constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin!.on('error', () => undefined)
    this.#lines = createInterface({ input: this.#child.stdout! })
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(line))
    this.#child.on('error', (error) => this.#ended(error))
    this.#child.on('close', (code, signal) => this.#ended(new Error(`${command} ${args.join(' ')} ended with ${String(signal ?? code)}`)))
  }

  /** Starts one of the project's TypeScript programs. */
  static script(path: string, ...args: readonly (string | number)[]): Helper {
    return new Helper(process.execPath, ['--import', 'tsx', path, ...args.map(String)])
  }

  static program(command: string, ...args: readonly string[]): Helper {
    return new Helper(command, args)
  }

  /** The next line that it prints. */
  answer<T>(): Promise<T> {
    return new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject })).then((line) => JSON.parse(line) as T)
  }

  /** Sends it a line and gives its answer. */
  ask<T>(request: unknown): Promise<T> {
    const answer = this.answer<T>()
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    return answer
  }

  /** Closes its standard input, which ends it. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'close')
    this.#child.stdin!.end()
    await gone
  }

  #ended(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
