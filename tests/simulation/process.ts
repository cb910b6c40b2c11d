/** One process of an actor: its clock, its randomness and its way to the server. It can die at any request. */
import { copyFileSync, existsSync, rmSync, statSync, utimesSync } from 'node:fs'
import { overlaysBeside } from '../../src/database/shared/settle.js'
import type { Environment } from '../../src/base/environment.js'
import { remoteIndexPath, prunePath, uploadRecordPath, isProbeKey } from '../../src/format/names.js'
import { withRetry } from '../../src/store/retry.js'
import type { ObjectStore } from '../../src/store/object-store.js'
import { SeededRandom } from '../support/seed.js'
import { FaultStore } from './fault-store.js'
import { partsThrough, unheard } from './parts.js'
import type { Settings } from './plan.js'
import type { Timeline } from './timeline.js'
import { dbKey, type PushRecord, type World } from './world.js'

/** What every call of a dead process ends with. */
export class Died extends Error {}

export interface ProcessParts {
  settings: Settings
  timeline: Timeline
  server: ObjectStore
  world: World
  skew: number
  patient: boolean
  log: (line: string) => void
  /** Called at the moment of death, before anything else of the process can run. */
  onDeath: () => void
}

export class Process {
  readonly environment: Environment
  readonly store: ObjectStore
  dead = false
  calm = false
  /** Requests until it dies. */
  countdown = Infinity
  /** How many requests it has made. */
  requests = 0
  /** What its next PUT of the db object is part of. */
  push: PushRecord | undefined
  readonly #parts: ProcessParts
  readonly #waiting = new Set<(error: Error) => void>()
  #random = new SeededRandom(0)
  #last = 0

  constructor(parts: ProcessParts) {
    this.#parts = parts
    const { timeline, settings, skew } = parts
    this.environment = {
      now: () => (this.#last = Math.max(this.#last + 1, timeline.now + skew)),
      randomBytes: (length) => this.#random.bytes(length),
      sleep: (ms, signal) => this.#whileAlive(timeline.sleep(ms, signal)),
    }
    const line = new FaultStore(this.#watched(parts.server), {
      random: () => this.#random.next(),
      sleep: (ms) => timeline.sleep(ms),
      rates: (operation, key) => (operation === 'put' && key === dbKey ? settings.commitRates : settings.rates),
      latency: 30,
      exempt: (key) => this.calm || isProbeKey(dbKey, key),
      arriving: () => this.#arriving(),
      done: () => this.#count(),
      onFault: (kind, operation, key) => parts.log(`    ! ${kind}: ${operation} ${key}`),
    })
    const mortal = this.#mortal(line)
    this.store = parts.patient ? withRetry(mortal, { environment: this.environment, attempts: 3 }) : mortal
  }

  /** Makes what follows depend on the seed and this number alone. */
  reseed(number: number): void {
    this.#random = new SeededRandom(Math.imul(this.#parts.settings.seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
  }

  die(): void {
    if (this.dead) return
    this.dead = true
    this.#parts.onDeath()
    for (const reject of this.#waiting) reject(new Died('the process died'))
    this.#waiting.clear()
  }

  #count(): void {
    if (this.dead || this.countdown-- > 0) return
    this.die()
    throw new Died('the process died')
  }

  #arriving(): void {
    this.requests++
    this.#count()
    // What a dead process had sent may still arrive, but where only the lock protects that would break the rules of the lock.
    if (this.dead && !(this.#parts.settings.lawless && this.#random.next() < 0.5)) throw new Died('the request died with its process')
  }

  #whileAlive<T>(promise: Promise<T>): Promise<T> {
    if (this.dead) {
      promise.catch(() => undefined)
      return Promise.reject(new Died('the process is dead'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  #mortal(store: ObjectStore): ObjectStore {
    const alive = <T>(call: () => Promise<T>): Promise<T> => (this.dead ? Promise.reject(new Died('the process is dead')) : this.#whileAlive(call()))
    const walk = async function* <T>(items: AsyncIterable<T>): AsyncGenerator<T> {
      const iterator = items[Symbol.asyncIterator]()
      for (;;) {
        const next = await alive(() => iterator.next())
        if (next.done) return
        yield next.value
      }
    }
    return {
      name: store.name,
      writable: true,
      parts: store.parts && partsThrough(store.parts, { call: (_operation, _key, _options, act) => alive(act), walk: (_operation, _key, _options, open) => walk(open()) }),
      get: (key, options) => alive(() => store.get(key, options)),
      head: (key, options) => alive(() => store.head(key, options)),
      put: (key, body, options) => {
        if (key === dbKey && this.push) this.#parts.world.expect(body, this.push)
        return alive(() => store.put(key, body, options))
      },
      delete: (targets, options) => alive(() => store.delete(targets, options)),
      list: (prefix, options) => walk(store.list(prefix, options)),
      listVersions: (prefix, options) => walk(store.listVersions(prefix, options)),
      copy: (source, target, options) => alive(() => store.copy(source, target, options)),
      close: () => Promise.resolve(),
    }
  }

  /* The server doesn't hear that a client gave up. */
  #watched(server: ObjectStore): ObjectStore {
    return {
      name: server.name,
      writable: true,
      parts: server.parts && unheard(server.parts),
      get: (key, options) => server.get(key, { ...options, signal: undefined }),
      head: (key, options) => server.head(key, { ...options, signal: undefined }),
      put: (key, body, options) => server.put(key, body, { ...options, signal: undefined }),
      delete: (targets) => server.delete(targets),
      list: (prefix, options) => server.list(prefix, { ...options, signal: undefined }),
      listVersions: (prefix, options) => server.listVersions(prefix, { ...options, signal: undefined }),
      copy: (source, target, options) => server.copy(source, target, { ...options, signal: undefined }),
      close: () => Promise.resolve(),
    }
  }
}

/** Copies a local file with its companions as a killed process leaves it: every byte written so far, and the dates. */
export function copyLocalFile(from: string, to: string): void {
  for (const overlay of overlaysBeside(from)) copyLocalFile(overlay, to + overlay.slice(from.length))
  for (const name of [(path: string) => path, remoteIndexPath, prunePath, uploadRecordPath]) {
    if (!existsSync(name(from))) continue
    copyFileSync(name(from), name(to))
    const microseconds = Number(statSync(name(from), { bigint: true }).mtimeNs / 1000n)
    utimesSync(name(to), microseconds / 1e6, microseconds / 1e6)
  }
}

export function removeLocalFile(path: string): void {
  for (const overlay of overlaysBeside(path)) removeLocalFile(overlay)
  for (const name of [path, remoteIndexPath(path), `${remoteIndexPath(path)}.new`, prunePath(path), uploadRecordPath(path)]) rmSync(name, { force: true })
}
