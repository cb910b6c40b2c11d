/**
 * Processes that read one local file at the same time while another one pushes, and that are killed. EBOOKLET_TEST_KILLS
 * sets how often, EBOOKLET_TEST_SEED replays a run (as far as moments can be replayed).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import { overlaysBeside } from '../../src/database/shared/settle.js'
import { openEbooklet, StoreConnection, type Ebooklet } from '../../src/index.js'
import { DirectoryStore, S3Store } from '../../src/store/index.js'
import { startS3Server } from '../../dev/s3-server/index.js'
import { temporaryFolder } from '../support/folder.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { RecordingStore } from './recording-store.js'
import type { ChildJob, Read } from './shared-child.js'
import { filesOf } from './shared-suite.js'

const program = fileURLToPath(new URL('shared-child.ts', import.meta.url))
const kills = Number(process.env['EBOOKLET_TEST_KILLS'] ?? 6)
const keys = 40

/** What the remote held, by the µs of the commit. */
type History = Map<number, ReadonlyMap<string, string>>

class Child {
  readonly #process: ChildProcess
  readonly #lines: string[] = []
  readonly #heard: ((line: string) => void)[] = []
  readonly #closed: Promise<unknown>
  readonly #exit: Promise<unknown>
  #complaint = ''

  constructor(job: ChildJob) {
    this.#process = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stderr!.on('data', (data) => (this.#complaint += String(data)))
    this.#process.stdin!.on('error', () => undefined)
    const lines = createInterface({ input: this.#process.stdout! })
    lines.on('line', (line) => {
      this.#lines.push(line)
      for (const heard of this.#heard) heard(line)
    })
    this.#closed = once(lines, 'close')
    this.#exit = once(this.#process, 'exit')
    onTestFinished(() => void this.#process.kill('SIGKILL'))
  }

  /** Waits until it says so, that many times from now. */
  says(what: string, times = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      let count = 0
      this.#heard.push((line) => {
        if (line === what && ++count === times) resolve()
      })
      void this.#closed.then(() => reject(new Error(`the reader ended before "${what}": ${this.#complaint}`)))
    })
  }

  /** Has it come to its end. */
  async end(): Promise<Read[]> {
    this.#process.stdin!.write('end\n')
    const [code, signal] = (await this.#exit) as [number | null, string | null]
    await this.#closed
    if (code !== 0) throw new Error(`the reader ended with ${code ?? signal}: ${this.#complaint}`)
    return this.reads
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exit
    await this.#closed
  }

  get reads(): Read[] {
    return this.#lines.filter((line) => line.startsWith('{') && line.endsWith('}')).map((line) => JSON.parse(line) as Read)
  }
}

function pushRandomly(db: Ebooklet<string>, random: SeededRandom, content: Map<string, string>, number: number, spared: ReadonlySet<string>): void {
  for (let i = 0; i < 8; i++) {
    const key = `key${random.below(keys)}`
    if (spared.has(key)) continue
    if (random.below(5) > 0) {
      const value = `${key} in ${number} ${'x'.repeat(random.below(3000))}`
      db.set(key, value)
      content.set(key, value)
    } else {
      db.delete(key)
      content.delete(key)
    }
  }
}

/** Each value must be that of a commit between those that the reader knew before and after, or what is pending. */
function expectRight(history: History, reads: readonly Read[], pending: ReadonlyMap<string, string | undefined> = new Map()): void {
  for (const { key, value, from, to } of reads) {
    if (pending.has(key)) {
      expect(value).toBe(pending.get(key))
      continue
    }
    const possible = [...history].filter(([timestamp]) => timestamp >= from && timestamp <= to).map(([, content]) => content.get(key))
    expect(possible, `${key} between ${from} and ${to}, ${replay}`).toContain(value)
  }
}

/** Each value in the file must be one that the remote had. */
function expectFileRight(path: string, history: History, pending: ReadonlyMap<string, string | undefined>): void {
  const file = openBooklet<string, string>(path)
  try {
    for (const [key, value] of file) if (pending.get(key) !== value) expect([...history.values()].map((content) => content.get(key)), replay).toContain(value)
  } finally {
    file.close()
  }
}

async function begin(store: RecordingStore, path: string, random: SeededRandom) {
  const content = new Map<string, string>()
  const writer = await openEbooklet<string>(new StoreConnection(store, 'db.blt'), path, { flag: 'n', numGroups: 3, lockTiming: { settle: 5, poll: 5 } })
  onTestFinished(() => writer.close())
  const history: History = new Map()
  /** Keys that are not touched any more. */
  const spared = new Set<string>()
  const push = async () => {
    pushRandomly(writer, random, content, history.size, spared)
    await writer.push()
    history.set(writer.remoteTimestamp!, new Map(content))
  }
  for (let i = 0; i < 5; i++) await push()
  return { content, history, push, spared }
}

describe('processes that read one local file', () => {
  it.each(['a directory', 'an S3 server'])('while somebody pushes to %s: each reads right and fetches each value once; in the end all is in the file', async (kind) => {
    const folder = temporaryFolder()
    mkdirSync(`${folder}/remote`)
    const random = new SeededRandom(testSeed)
    const server = kind === 'a directory' ? undefined : await startS3Server({ buckets: [{ name: 'bucket' }] })
    onTestFinished(() => server?.close())
    const place = server && { endpoint: server.endpoint, accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey }
    const remote = place ?? { root: `${folder}/remote` }
    const store = new RecordingStore(place ? new S3Store({ endpoint: place.endpoint, bucket: 'bucket', credentials: place }) : new DirectoryStore({ root: `${folder}/remote` }))
    const { content, history, push } = await begin(store, `${folder}/writer.blt`, random)
    const path = `${folder}/shared.blt`
    const children = [1, 2, 3].map((i) => new Child({ remote, path, keys, seed: testSeed + i, opens: 3, reads: 60 }))
    await Promise.all(children.map((child) => child.says('open')))
    for (let i = 0; i < 10; i++) await push()
    const reads = (await Promise.all(children.map((child) => child.end()))).flat()
    expect(reads.length).toBeGreaterThanOrEqual(3 * 3 * 60)
    expectRight(history, reads)
    expect(filesOf(path)).toEqual(['shared.blt', 'shared.blt.remote_index'])
    expect(checkBooklet(path).findings).toEqual([])
    store.take()
    const reader = await openEbooklet<string>(new StoreConnection(store, 'db.blt'), path)
    const found = new Map<string, string>()
    for await (const [key, value] of reader) found.set(key, value)
    await reader.close()
    expect(found).toEqual(content)
    expect(store.take().filter(({ op, bytesDown }) => op === 'get' && bytesDown > 0)).toEqual([])
  })

  it(`killed ${kills} times: the file is unharmed, pending edits too, and nothing is left beside it`, { timeout: 60_000 + kills * 10_000 }, async () => {
    const folder = temporaryFolder()
    mkdirSync(`${folder}/remote`)
    const random = new SeededRandom(testSeed)
    const remote = { root: `${folder}/remote` }
    const store = new RecordingStore(new DirectoryStore(remote))
    const { content, history, push, spared } = await begin(store, `${folder}/writer.blt`, random)
    const path = `${folder}/shared.blt`
    const [first, second] = [...content.keys()] as [string, string]
    const pending = new Map<string, string | undefined>([['mine', 'mine'], [first, 'edited'], [second, undefined]])
    {
      await using editor = await openEbooklet<string>(new StoreConnection(store, 'db.blt'), path, { flag: 'w', lock: 'push' })
      editor.set('mine', 'mine').set(first, 'edited')
      editor.delete(second)
    }
    // A delete that the remote has made too is pending no more.
    spared.add(second)
    let number = 0
    const start = () => new Child({ remote, path, keys, seed: testSeed + ++number, opens: 1, reads: 10 })
    const children = [start(), start()]
    const reads: Read[] = []
    for (let kill = 0; kill < kills; kill++) {
      const at = random.below(2)
      const child = children[at]!
      await child.says(random.pick(['open', 'closing']), 1 + random.below(2))
      await new Promise((resolve) => setTimeout(resolve, random.below(30)))
      await child.kill()
      reads.push(...child.reads)
      children[at] = start()
      await push()
    }
    for (const child of children) reads.push(...(await child.end()))
    expectRight(history, reads, pending)
    {
      await using reader = await openEbooklet<string>(new StoreConnection(store, 'db.blt'), path)
      for (const key of content.keys()) expect(await reader.get(key)).toBe(pending.has(key) ? pending.get(key) : content.get(key))
      const changes = new Map([...reader.changes()].map(({ key, type }) => [key, type === 'deleted' ? 'deleted' : 'written']))
      expect(changes).toEqual(new Map([['mine', 'written'], [first, 'written'], [second, 'deleted']]))
    }
    expect(overlaysBeside(path)).toEqual([])
    expect(checkBooklet(path).findings).toEqual([])
    expectFileRight(path, history, pending)
  })
})
