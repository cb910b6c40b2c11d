/** The Python original as a process of its own; the other end is dev/peers/peer.py. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import type { Tagged } from './tagged.js'
import { requirePeer, type Peer } from './peers.js'

const script = fileURLToPath(new URL('../../dev/peers/peer.py', import.meta.url))

/** Names a thing that the peer holds open. */
export type Handle = number

export interface PythonOpenOptions {
  path: string
  flag?: 'r' | 'w' | 'c' | 'n'
  /** A file with values of fixed length. */
  fixed?: boolean
  keySerializer?: string
  valueSerializer?: string
  buckets?: number
  bufferSize?: number
  timestamps?: boolean
  valueLength?: number
  /** Seconds. */
  lockTimeout?: number
  /** Base64. */
  initBytes?: string
}

export type PythonOperation =
  | { op: 'set'; key: Tagged; value: Tagged; timestamp?: number }
  | { op: 'setBytes'; key: Tagged; /** Base64. */ bytes: string; timestamp?: number }
  | { op: 'delete'; key: Tagged }
  | { op: 'setTimestamp'; key: Tagged; timestamp: number }
  | { op: 'setMetadata'; value: Tagged; timestamp?: number }
  | { op: 'setReserved'; slot: 1 | 2; /** Base64. */ bytes: string; timestamp?: number }
  | { op: 'prune'; timestamp?: number; keep?: Tagged[] }
  | { op: 'load'; keys?: string[] }
  | { op: 'sync' }
  | { op: 'clear' }

export interface PythonItem {
  key: Tagged
  timestamp: number | null
  /** Where the value starts in the file; null in a file with values of fixed length, where the original can't say. */
  offset: number | null
  /** Base64. */
  bytes: string
  /** Whether a lookup finds what enumeration gave. */
  found: boolean
  /** What the lookup gave. */
  value: Tagged
}

export interface PythonDump {
  size: number
  /** In the order of the file. */
  items: PythonItem[]
  /** Base64 of the 200 bytes. */
  header: string
  metadata: { value: Tagged; timestamp: number | null } | null
  reserved: Record<string, { /** Base64. */ value: string; timestamp: number | null }>
}

/** What an S3Connection of the original is made of, or a public URL. */
export type PythonRemote = string | { access_key_id: string; access_key: string; db_key: string; bucket: string; endpoint_url: string; db_url?: string; threads?: number }

export interface PythonSessionOptions {
  remote: PythonRemote
  path: string
  flag?: 'r' | 'w' | 'c' | 'n'
  valueSerializer?: string
  numGroups?: number
  buckets?: number
  bufferSize?: number
  /** Seconds. */
  lockTimeout?: number
  forceLock?: boolean
  offline?: boolean | 'auto'
}

/** Every command of the peer: what it takes and what it answers. */
export interface PythonCommands {
  versions: [Record<never, never>, Record<'booklet' | 's3func' | 'ebooklet' | 'python', string>]
  /** Does nothing for a time: what is asked behind it is done later, while the test waits for something else. */
  sleep: [{ seconds: number }, null]
  /** Puts a copy of a file in its place: the same content, another inode. */
  replaceFile: [{ path: string }, null]
  'booklet.open': [PythonOpenOptions, { handle: Handle }]
  /** One result per operation: what the original's method returned, for `prune` and `load`. */
  'booklet.apply': [{ handle: Handle; operations: PythonOperation[] }, Tagged[]]
  'booklet.get': [{ handle: Handle; keys: Tagged[] }, ({ value: Tagged } | null)[]]
  'booklet.dump': [{ handle: Handle }, PythonDump]
  'ebooklet.open': [PythonSessionOptions, { handle: Handle }]
  /** The commands of sessions work on a group, too. */
  'rcg.open': [{ remote: PythonRemote; path: string; flag?: 'r' | 'w' | 'c' | 'n' }, { handle: Handle }]
  'rcg.add': [{ handle: Handle; member: PythonRemote; key?: string; userMeta?: Tagged }, null]
  'rcg.openMember': [{ handle: Handle; key: string; path: string; access?: { access_key_id: string; access_key: string } }, { handle: Handle }]
  'ebooklet.apply': [{ handle: Handle; operations: PythonOperation[] }, Tagged[]]
  'ebooklet.get': [{ handle: Handle; keys: string[] }, ({ value: Tagged; timestamp: number } | null)[]]
  'ebooklet.dump': [{ handle: Handle }, { size: number; items: { key: string; value: Tagged; timestamp: number }[]; metadata: { value: Tagged; timestamp: number } | null }]
  'ebooklet.changes': [{ handle: Handle }, { changes: Tagged[]; pendingDeletes: string[] }]
  'ebooklet.push': [{ handle: Handle; force?: boolean }, { updated: boolean; failures: Record<string, string> }]
  'ebooklet.pull': [{ handle: Handle }, null]
  'ebooklet.discard': [{ handle: Handle; keys?: string[] }, null]
  'ebooklet.deleteRemote': [{ handle: Handle }, null]
  'ebooklet.copyRemote': [{ handle: Handle; target: PythonRemote }, Record<string, string>]
  'ebooklet.fsck': [{ remote: PythonRemote }, { exists: boolean; formatVersion: number | null; torn: boolean; expected: number; orphans: string[]; missing: string[]; unmanifested: string[] }]
  /** A null handle: not acquired within `timeout` seconds (-1 = without limit). */
  'lock.acquire': [{ remote: PythonRemote; exclusive?: boolean; timeout?: number }, { handle: Handle | null }]
  'lock.verify': [{ handle: Handle }, boolean]
  'lock.release': [{ handle: Handle }, null]
  /** `older_than` is an ISO 8601 time with zone; two hours ago when left out. */
  'lock.break': [{ remote: PythonRemote; older_than?: string }, Tagged]
  /** Closes what was opened, whatever it is. */
  close: [{ handle: Handle }, null]
}

/** An exception of the original; `type` is the name of its class. */
export class PythonError extends Error {
  readonly type: string
  readonly traceback: string
  constructor({ type, message, traceback }: { type: string; message: string; traceback: string }) {
    super(`${type}: ${message}`)
    this.type = type
    this.traceback = traceback
  }
}

interface Answer {
  id: number
  result?: unknown
  warnings?: string[]
  error?: { type: string; message: string; traceback: string }
}

interface Waiting {
  resolve: (result: unknown) => void
  reject: (error: Error) => void
}

export class PythonPeer {
  /** Warnings of all commands so far. */
  readonly warnings: string[] = []
  readonly #process: ChildProcessWithoutNullStreams
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #errorOutput = ''

  private constructor(python: string) {
    this.#process = spawn(python, ['-u', '-B', script], { stdio: 'pipe' })
    this.#process.stderr.on('data', (chunk: Buffer) => (this.#errorOutput += chunk.toString()))
    // A write to a peer that was killed ends in the error of the call, below.
    this.#process.stdin.on('error', () => undefined)
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#answered(JSON.parse(line) as Answer))
    this.#process.on('error', (error) => this.#ended(error.message))
    this.#process.on('close', (code, signal) => this.#ended(`ended with ${String(signal ?? code)}`))
  }

  /** Starts one; several may run side by side. It is ended when the running test has ended. */
  static start(peer: Peer & `python${string}` = 'python'): PythonPeer {
    const python = new PythonPeer(requirePeer(peer))
    onTestFinished(() => python.kill())
    return python
  }

  /** Starts one that whoever asked for it has to kill, for tests that run at once. */
  static spawn(peer: Peer & `python${string}` = 'python'): PythonPeer {
    return new PythonPeer(requirePeer(peer))
  }

  /** One for all tests of the `describe` that calls this. What a test opens there, it closes. */
  static forSuite(peer: Peer & `python${string}` = 'python'): () => PythonPeer {
    let python: PythonPeer | undefined
    beforeAll(() => {
      python = new PythonPeer(requirePeer(peer))
    })
    afterAll(() => python?.kill())
    return () => {
      if (python === undefined) throw new Error('Python runs only inside of tests')
      return python
    }
  }

  /** Several for all tests of the `describe` that calls this, which may run at once: each test borrows one. */
  static poolForSuite(size: number, peer: Peer & `python${string}` = 'python'): <T>(use: (python: PythonPeer) => Promise<T>) => Promise<T> {
    const all: PythonPeer[] = []
    const free: PythonPeer[] = []
    const waiting: ((python: PythonPeer) => void)[] = []
    beforeAll(() => {
      for (let made = 0; made < size; made++) all.push(new PythonPeer(requirePeer(peer)))
      free.push(...all)
    })
    afterAll(() => Promise.all(all.map((python) => python.kill())))
    return async (use) => {
      const python = free.pop() ?? (await new Promise<PythonPeer>((resolve) => waiting.push(resolve)))
      try {
        return await use(python)
      } finally {
        const next = waiting.shift()
        if (next === undefined) free.push(python)
        else next(python)
      }
    }
  }

  /** Asks for one command. @throws PythonError when the original raised; Error when the process ended or `seconds` passed */
  call<C extends keyof PythonCommands>(command: C, commandArguments: PythonCommands[C][0], seconds = 180): Promise<PythonCommands[C][1]> {
    const id = (this.#lastId += 1)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`Python gave no answer to ${command} within ${String(seconds)} s. ${this.#errorOutput}`))
      }, seconds * 1000)
      const settle = <T>(act: (value: T) => void) => (value: T) => {
        clearTimeout(timer)
        act(value)
      }
      this.#waiting.set(id, { resolve: settle(resolve as (result: unknown) => void), reject: settle(reject) })
      this.#process.stdin.write(`${JSON.stringify({ id, command, arguments: commandArguments })}\n`)
    })
  }

  /** Opens, dumps and closes a booklet file. */
  async dump(options: PythonOpenOptions): Promise<PythonDump> {
    const { handle } = await this.call('booklet.open', options)
    try {
      return await this.call('booklet.dump', { handle })
    } finally {
      await this.call('close', { handle })
    }
  }

  /** Opens a booklet file, applies the operations, and closes it. */
  async write(options: PythonOpenOptions, operations: PythonOperation[]): Promise<Tagged[]> {
    const { handle } = await this.call('booklet.open', options)
    const results = await this.call('booklet.apply', { handle, operations })
    await this.call('close', { handle })
    return results
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('Python was not started')
    return this.#process.pid
  }

  /** kill -9; resolves when the process is gone and its locks with it. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await gone
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    this.warnings.push(...(answer.warnings ?? []))
    if (answer.error === undefined) waiting?.resolve(answer.result)
    else waiting?.reject(new PythonError(answer.error))
  }

  #ended(how: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`the Python process ${how}. ${this.#errorOutput}`))
    this.#waiting.clear()
  }
}
