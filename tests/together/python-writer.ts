/** The original as one of those who write together: it locks for its whole session, which is its push. */
import { openEbooklet, type Ebooklet, type RemoteConnection } from '../../src/index.js'
import type { PythonOperation, PythonPeer, PythonRemote } from '../support/python.js'
import type { SeededRandom } from '../support/seed.js'
import { metaName, type LogLine, type PendingChange, type Seen } from './log.js'
import { seenBy } from './writers.js'

export const pythonName = 'python'

const clock = () => performance.timeOrigin + performance.now()

export interface PythonWriterOptions {
  python: PythonPeer
  /** The remote as the original is told of it, and as we read it. */
  theirs: PythonRemote
  ours: RemoteConnection
  path: string
  random: SeededRandom
  /** Whether it goes on with another session. */
  goesOn: (sessions: number) => boolean
}

/** Session after session: open, edit, push, close. What the remote is before and after is read by one who never waits. */
export async function pythonWriter(options: PythonWriterOptions, heard: (line: LogLine) => void): Promise<number> {
  const { python, theirs, ours, path, random } = options
  let sessions = 0
  for (; options.goesOn(sessions); sessions++) {
    const from = clock()
    const { handle } = await python.call('ebooklet.open', { remote: theirs, path, flag: 'w', lockTimeout: 600 }, 700)
    const before = await read(ours)
    const operations = draw(random, before.values, sessions)
    await python.call('ebooklet.apply', { handle, operations })
    const { updated, failures } = await python.call('ebooklet.push', { handle })
    if (!updated || Object.keys(failures).length > 0) throw new Error(`the push of Python failed: ${JSON.stringify(failures)}`)
    const after = await read(ours)
    await python.call('close', { handle })
    const time = { from, to: clock() }
    const made = { written: changed(before.seen, after.seen), deleted: changed(after.seen, before.seen).filter((key) => !(key in after.seen.keys)) }
    heard({ writer: pythonName, pending: pendingOf(operations, before.seen.commit), strategy: 'local', decisions: [], outcome: { kind: 'pushed', updated, ...made, adopted: [], conflicts: [] }, after: after.seen, time, ticket: time, looks: [] })
    for (const key of new Set([...Object.keys(before.values), ...Object.keys(after.values)])) {
      heard({ writer: pythonName, read: { key, value: after.values[key] ?? null, from: after.seen.commit, to: after.seen.commit } })
    }
  }
  return sessions
}

async function read(remote: RemoteConnection): Promise<{ seen: Seen; values: Record<string, string> }> {
  await using db = await openEbooklet<string>(remote, ':memory:', { onWarning: () => undefined })
  return { values: await seenBy(db), seen: seenOf(db) }
}

function seenOf(db: Ebooklet<string>): Seen {
  const keys = Object.fromEntries(db.timestamps())
  return { commit: db.remoteTimestamp, keys: db.metadataTimestamp === undefined ? keys : { ...keys, [metaName]: db.metadataTimestamp } }
}

function draw(random: SeededRandom, values: Readonly<Record<string, string>>, session: number): PythonOperation[] {
  const there = new Set(Object.keys(values).filter((key) => key !== metaName))
  const operations: PythonOperation[] = []
  const count = 1 + random.below(6)
  for (let at = 0; at < count || operations.length === 0; at++) {
    const key = random.next() < 0.4 ? `${pythonName} ${random.below(6)}` : `shared ${random.below(8)}`
    const value = random.next() < 0.35 ? 'the same' : `python ${session}.${at} ${'.'.repeat(random.below(200))}`
    if (random.next() < 0.1) operations.push({ op: 'setMetadata', value: { value } })
    else if (random.next() < 0.3 && there.delete(key)) operations.push({ op: 'delete', key })
    else {
      operations.push({ op: 'set', key, value })
      there.add(key)
    }
  }
  return operations
}

/** The last of each key. */
function pendingOf(operations: readonly PythonOperation[], base: number | undefined): PendingChange[] {
  const pending = new Map<string, PendingChange>()
  for (const operation of operations) {
    if (operation.op === 'set') pending.set(operation.key as string, { key: operation.key as string, made: JSON.stringify(operation.value), base })
    else if (operation.op === 'delete') pending.set(operation.key as string, { key: operation.key as string, made: null, base })
    else if (operation.op === 'setMetadata') pending.set(metaName, { key: metaName, made: JSON.stringify(operation.value), base })
  }
  return [...pending.values()]
}

/** Keys of the second that the first doesn't have, or with another timestamp. */
function changed(first: Seen, second: Seen): string[] {
  return Object.keys(second.keys).filter((key) => key !== metaName && second.keys[key] !== first.keys[key])
}
