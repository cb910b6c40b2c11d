/** The Python original as a contender; see python_remote.py. */
import type { Place } from './lab.js'
import { Helper } from './process.js'

export class Python {
  readonly #helper: Helper
  #sessions = 0

  private constructor(helper: Helper) {
    this.#helper = helper
  }

  /** Undefined where there is none: EBOOKLET_TEST_PYTHON names a python that has ebooklet 0.10. */
  static start(): Python | undefined {
    const python = process.env['EBOOKLET_TEST_PYTHON']
    return python === undefined || python === '' ? undefined : new Python(Helper.program(python, '-B', 'bench/remote/python_remote.py'))
  }

  versions(): Promise<Record<string, string>> {
    return this.#ask('versions', {})
  }

  async open(place: Place, key: string, path: string, flag: 'r' | 'w' | 'c', groups?: number): Promise<PythonSession> {
    const session = this.#sessions++
    await this.#ask('open', { session, place, key, path, flag, ...(groups === undefined ? {} : { groups }) })
    return new PythonSession((step, args) => this.#ask(step, { session, ...args }))
  }

  end(): Promise<void> {
    return this.#helper.end()
  }

  async #ask<T>(step: string, args: object): Promise<T> {
    const answer = await this.#helper.ask<{ result: T | null } | { error: string }>({ step, ...args })
    if ('error' in answer) throw new Error(`Python, ${step}: ${answer.error}`)
    // What gives nothing there is null.
    return (answer.result ?? undefined) as T
  }
}

export class PythonSession {
  readonly #ask: <T>(step: string, args: object) => Promise<T>

  constructor(ask: <T>(step: string, args: object) => Promise<T>) {
    this.#ask = ask
  }

  /** @param keys their numbers, or how many from 0 on */
  set(keys: number | readonly number[], size: number, edition: number): Promise<void> {
    return this.#ask('set', { keys, size, edition })
  }
  push(): Promise<void> {
    return this.#ask('push', {})
  }
  pull(): Promise<void> {
    return this.#ask('pull', {})
  }
  /** Bytes of the value. */
  get(i: number): Promise<number> {
    return this.#ask('get', { i })
  }
  load(keys?: readonly number[]): Promise<void> {
    return this.#ask('load', keys ? { keys } : {})
  }
  close(): Promise<void> {
    return this.#ask('close', {})
  }
}
