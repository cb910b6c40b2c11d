/** Starting, following and killing the processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Job, Life } from './plan.js'

const program = fileURLToPath(new URL('child.ts', import.meta.url))

export interface Death {
  /** False when it came to its end before its moment. */
  killed: boolean
  /** The last thing that it said. */
  last: string
}

/** A process that was started ahead, because that takes longer than its life. */
export class Prepared {
  readonly #child: ChildProcess
  readonly #lines: Interface
  #complaint = ''

  constructor() {
    this.#child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr!.on('data', (data) => (this.#complaint += String(data)))
    this.#lines = createInterface({ input: this.#child.stdout! })
  }

  /** Lets it live until its end or until it is killed; `heard` gets each line. */
  async live(job: Job, life: Life, heard: (line: string) => void): Promise<Death> {
    const child = this.#child
    const { at, nth, delay } = life.killed
    let last = 'ready'
    let line = ''
    let times = 0
    let timer: NodeJS.Timeout | undefined
    this.#lines.on('line', (said) => {
      line = said
      if (line === 'ready') return
      last = line.split(' ')[0]!
      heard(line)
      if (last === at && ++times === nth) timer = setTimeout(() => child.kill('SIGKILL'), delay)
    })
    const closed = once(this.#lines, 'close')
    child.stdin!.on('error', () => undefined)
    child.stdin!.write(`${JSON.stringify(job)}\n`)
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    await closed
    clearTimeout(timer)
    if (signal !== 'SIGKILL' && (code !== 0 || last !== 'end')) throw new Error(`the process ended with ${code ?? signal}, saying at last: ${line.slice(0, 2000)} ${this.#complaint}`)
    return { killed: signal === 'SIGKILL', last }
  }

  discard(): void {
    this.#child.kill('SIGKILL')
  }
}
