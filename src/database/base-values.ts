/** The file beside the local one in which overwritten values wait for somebody to ask for them; in memory for `:memory:`. */
import { existsSync, rmSync, statSync } from 'node:fs'
import type { Environment } from '../base/environment.js'
import { FileLockedError, openBooklet, type Booklet } from '../booklet/index.js'
import { decodeBaseValue, encodeBaseValue } from '../format/base-value.js'
import { baseValuesPath } from '../format/names.js'
import type { BaseValues } from '../sync/base-values.js'

/** @param keeps whether values are to be kept; what is there already can be had, and goes when it is old, in any case */
export function baseValuesBeside(path: string, keeps: boolean, environment: Environment): BaseValues {
  return new BaseValuesFile(path === ':memory:' ? undefined : baseValuesPath(path), keeps, environment)
}

/** Bytes of values that are kept; beyond, only that there was one, and when. */
const budget = 64 * 1024 * 1024

/** Opened when something is to be kept or asked for; gone when it is empty. Whatever is wrong with it, nobody has to hear of it. */
class BaseValuesFile implements BaseValues {
  readonly #path: string | undefined
  readonly #keeps: boolean
  readonly #environment: Environment
  #file: Booklet<string, Uint8Array> | undefined
  #bytes = 0

  constructor(path: string | undefined, keeps: boolean, environment: Environment) {
    this.#path = path
    this.#keeps = keeps
    this.#environment = environment
  }

  keep(key: string, bytes: Uint8Array | undefined, timestamp: number): void {
    if (!this.#keeps) return
    const kept = bytes && this.#bytes + bytes.length <= budget ? bytes : undefined
    this.#bytes += kept?.length ?? 0
    bestEffort(() => this.#open(true)?.setBytes(key, encodeBaseValue(kept), { timestamp }))
  }

  get(key: string, timestamp: number): Uint8Array | undefined {
    const found = bestEffort(() => this.#open(false)?.getEntryBytes(key))
    return found?.timestamp === timestamp ? decodeBaseValue(found.value) : undefined
  }

  timestamps(): ReadonlyMap<string, number> {
    return bestEffort(() => new Map(this.#open(false)?.timestamps())) ?? new Map<string, number>()
  }

  retain(needed: (key: string, timestamp: number) => boolean): void {
    bestEffort(() => {
      const file = this.#open(false)
      if (!file) return
      for (const [key, timestamp] of [...file.timestamps()]) if (!needed(key, timestamp)) file.delete(key)
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
    this.#bytes = this.#path === undefined ? 0 : statSync(this.#path).size
    return this.#file
  }

  get #exists(): boolean {
    return this.#path !== undefined && existsSync(this.#path)
  }

  #remove(): void {
    this.close()
    this.#bytes = 0
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
