import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Value } from '../data.js'
import type { OpenStore, Shape, Store } from './store.js'

const script = fileURLToPath(new URL('python_store.py', import.meta.url))

/**
 * The Python original in a process of its own, which stays alive: what is timed is the work and one line there and back. Keys
 * and values are sent once, before the work.
 */
export class PythonStore implements Store {
  readonly name: string
  readonly about: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  readonly #sent = new WeakMap<object, number>()
  #lists = 0

  private constructor(child: ChildProcessWithoutNullStreams, answers: AsyncIterator<string>, version: string) {
    this.#child = child
    this.#answers = answers
    this.name = `Python's booklet`
    this.about = `Python's booklet ${version}: it never asks the system to write to disk (no fsync), ours does; n_buckets as many as keys, in both`
  }

  static async start(python: string): Promise<PythonStore> {
    const child = spawn(python, [script])
    child.stderr.pipe(process.stderr)
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const first = await answers.next()
    if (first.done === true) throw new Error(`${python} can't import booklet`)
    return new PythonStore(child, answers, (JSON.parse(first.value) as { version: string }).version)
  }

  async create(folder: string, shape: Shape): Promise<OpenStore> {
    await this.#ask('create', { path: join(folder, 'python.blt'), buckets: shape.keys, json: shape.json === true })
    return this.#use()
  }

  async open(folder: string, _shape: Shape, access: 'read' | 'write'): Promise<OpenStore> {
    await this.#ask('open', { path: join(folder, 'python.blt'), flag: access === 'read' ? 'r' : 'w' })
    return this.#use()
  }

  end(): void {
    this.#child.stdin.end()
  }

  /** Sends keys or values ahead of the work that takes them. */
  async send(list: readonly Value[] | readonly string[]): Promise<number> {
    const known = this.#sent.get(list)
    if (known !== undefined) return known
    const number = ++this.#lists
    const items = list.map((item) => (item instanceof Uint8Array ? { bytes: Buffer.from(item).toString('base64') } : item))
    await this.#ask('take', { number, items })
    this.#sent.set(list, number)
    return number
  }

  #use(): OpenStore {
    return {
      write: async (keys, values) => void (await this.#ask('write', { keys: await this.send(keys), values: await this.send(values) })),
      read: async (keys) => (await this.#ask('read', { keys: await this.send(keys) })) as number,
      iterate: async () => (await this.#ask('iterate', {})) as number,
      close: async () => void (await this.#ask('close', {})),
    }
  }

  async #ask(command: string, fields: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify({ command, ...fields })}\n`)
    const answer = await this.#answers.next()
    if (answer.done === true) throw new Error(`the Python process ended during ${command}`)
    return (JSON.parse(answer.value) as { result: unknown }).result
  }
}
