/* One process that reads a local file with others, and checks what it reads: see shared-processes.test.ts. */
import { createInterface } from 'node:readline'
import { openEbooklet, StoreConnection } from '../../src/index.js'
import { DirectoryStore, S3Store, type ObjectStore } from '../../src/store/index.js'
import { SeededRandom } from '../support/seed.js'
import { RecordingStore } from './recording-store.js'

export interface ChildJob {
  /** A folder, or where an S3 server is. */
  remote: { root: string } | { endpoint: string; accessKeyId: string; secretAccessKey: string }
  path: string
  keys: number
  seed: number
  /** How often it opens the file; in between it closes it. */
  opens: number
  /** Reads of one session. */
  reads: number
}

/** A value that was read, and between which commits. */
export interface Read {
  key: string
  value: string | undefined
  from: number
  to: number
}

const job = JSON.parse(process.argv[2] ?? '') as ChildJob
const random = new SeededRandom(job.seed)
const fetched = new Set<string>()

function storeOf({ remote }: ChildJob): ObjectStore {
  if ('root' in remote) return new DirectoryStore(remote)
  const { endpoint, ...credentials } = remote
  return new S3Store({ endpoint, bucket: 'bucket', credentials })
}

function say(line: object | string): void {
  process.stdout.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
}

const store = new RecordingStore(storeOf(job))
const valueRequests = () => store.take().filter(({ op, key }) => op === 'get' && key !== 'db.blt').length

let ended = false
createInterface({ input: process.stdin }).on('line', () => (ended = true))

say('ready')
// The last session begins when it is told to end, so that there is one whenever that comes.
for (let opened = 0, last = false; !last; opened++) {
  last = ended && opened + 1 >= job.opens
  const bufferSize = random.pick([1, 1000, 1_000_000])
  const db = await openEbooklet<string>(new StoreConnection(store, 'db.blt'), job.path, { bufferSize })
  say('open')
  for (let i = 0; i < job.reads; i++) {
    if (random.below(4) === 0) await db.pull()
    const key = `key${random.below(job.keys)}`
    const from = db.remoteTimestamp!
    const version = `${key} of ${String(db.getTimestamp(key))}`
    valueRequests()
    const value = await db.get(key)
    const requests = valueRequests()
    const to = db.remoteTimestamp!
    // What this session has, or an earlier one had put into the file, is there.
    if (from === to && fetched.has(version) && requests > 0) throw new Error(`${version} was fetched again`)
    if (value !== undefined && from === to) fetched.add(version)
    say({ key, value, from, to } satisfies Read)
  }
  if (last) {
    await db.pull()
    await db.load()
  }
  say('closing')
  await db.close()
  // Another reader may have kept this process's values beside the file still: only what a session keeps is sure.
  fetched.clear()
}
say('end')
process.stdin.destroy()
