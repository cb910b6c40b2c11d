/** The file beside the local one in which overwritten values wait for somebody to ask for them; in memory for `:memory:`. */
import { existsSync, rmSync } from 'node:fs'
import type { Environment } from '../base/environment.js'
import { FileLockedError, openBooklet, type Booklet } from '../booklet/index.js'
import { baseValuesPath } from '../format/names.js'
import type { BaseValues } from '../sync/base-values.js'

export function baseValuesBeside(path: string, environment: Environment): BaseValues {
  return new BaseValuesFile(path === ':memory:' ? undefined : baseValuesPath(path), environment)
}

/** Opened when something is to be kept or asked for; gone when it is empty. Whatever is wrong with it, nobody has to hear of it. */
class BaseValuesFile implements BaseValues {
  readonly #path: string | undefined
  readonly #environment: Environment
  #file: Booklet<string, Uint8Array> | undefined

  constructor(path: string | undefined, environment: Environment) {
    this.#path = path
    this.#environment = environment
  }

  keep(key: string, bytes: Uint8Array, timestamp: number): void {
    bestEffort(() => this.#open(true)?.setBytes(key, bytes, { timestamp }))
  }

  get(key: string, timestamp: number): Uint8Array | undefined {
    const found = bestEffort(() => this.#open(false)?.getEntryBytes(key))
    return found?.timestamp === timestamp ? found.value : undefined
  }

  retain(needed: (key: string) => boolean): void {
    bestEffort(() => {
      const file = this.#open(false)
      if (!file) return
      for (const key of [...file.keys()]) if (!needed(key)) file.delete(key)
      if (file.size === 0) this.#remove()
    })
  }

  close(): void {
    bestEffort(() => this.#file?.close())
    this.#file = undefined
  }

  #open(create: boolean): Booklet<string, Uint8Array> | undefined {
    if (this.#file || (!create && !this.#exists)) return this.#file
    const options = { flag: 'c', keySerializer: 'str', valueSerializer: 'bytes', lockTimeout: 0, environment: this.#environment } as const
    try {
      this.#file = openBooklet<string, Uint8Array>(this.#path ?? null, options)
    } catch (error) {
      if (error instanceof FileLockedError) throw error
      // Damaged, or something else: what it held is lost, and nothing relies on it.
      this.#remove()
      this.#file = openBooklet<string, Uint8Array>(this.#path ?? null, options)
    }
    return this.#file
  }

  get #exists(): boolean {
    return this.#path !== undefined && existsSync(this.#path)
  }

  #remove(): void {
    this.close()
    if (this.#path !== undefined) rmSync(this.#path, { force: true })
  }
}

function bestEffort<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
