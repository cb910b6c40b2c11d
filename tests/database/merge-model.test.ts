/** Random edits of three who lock only while they push, against a model that knows who saw what when. */
import { describe, expect, it } from 'vitest'
import { PushConflictError, type Conflict, type Ebooklet, type OnConflict } from '../../src/index.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { Bench, memoryKind } from './remotes.js'

const keys = ['a', 'b', 'c', 'd', 'e']
const rules = ['stop', 'local', 'remote', 'function'] as const
type Rule = (typeof rules)[number]

/** A value with the write that it comes from. No value, or none any more: the remote doesn't remember what was deleted. */
interface Version {
  value: string | undefined
  write: number
}

const never: Version = { value: undefined, write: 0 }

interface Pending {
  value: string | undefined
  /** The write that was seen when the key was first changed. */
  base: number
}

const joined = (local: string | undefined, remote: string | undefined) => (local !== undefined && remote !== undefined ? `${local}+${remote}`.slice(0, 12) : undefined)

const onConflict: OnConflict<string> = ({ kind, local, remote }: Conflict<string>) =>
  kind === 'both-changed' || kind === 'changed-deleted' || kind === 'deleted-changed' ? { value: joined(local.value, remote.value) } : 'local'

class Writer {
  seen = new Map<string, Version>()
  readonly pending = new Map<string, Pending>()
  db: Ebooklet<string>
  readonly path: string
  readonly rule: Rule

  constructor(db: Ebooklet<string>, rule: Rule) {
    this.db = db
    this.path = db.path!
    this.rule = rule
  }

  view(key: string): string | undefined {
    const pending = this.pending.get(key)
    return pending ? pending.value : this.seen.get(key)?.value
  }

  edit(key: string, value: string | undefined): void {
    if (value === undefined && this.view(key) === undefined) {
      expect(this.db.delete(key)).toBe(false)
      return
    }
    const base = this.pending.get(key)?.base ?? (this.seen.get(key) ?? never).write
    if (value === undefined) expect(this.db.delete(key)).toBe(true)
    else this.db.set(key, value)
    // What was only ever here leaves nothing to be deleted elsewhere.
    if (value === undefined && this.seen.get(key)?.value === undefined) this.pending.delete(key)
    else this.pending.set(key, { value, base })
  }

  /** Deletes of what is gone are no changes any more. */
  see(remote: ReadonlyMap<string, Version>): void {
    this.seen = new Map(remote)
    for (const [key, { value }] of this.pending) if (value === undefined && this.seen.get(key)?.value === undefined) this.pending.delete(key)
  }
}

class World {
  remote = new Map<string, Version>()
  #writes = 0
  readonly random: SeededRandom

  constructor(random: SeededRandom) {
    this.random = random
  }

  newWrite(): number {
    return ++this.#writes
  }

  /** What a push does, by the rules; returns the keys in conflict that stop it. */
  push(writer: Writer, rule: Rule): string[] {
    // Where nothing is pending nobody is asked.
    if (writer.pending.size === 0) return []
    writer.see(this.remote)
    const clashes = [...writer.pending].filter(([key, { base }]) => (this.remote.get(key) ?? never).write !== base)
    const real = clashes.filter(([key, { value }]) => value !== this.remote.get(key)?.value)
    if (rule === 'stop' && real.length > 0) return real.map(([key]) => key)
    for (const [key, { value }] of clashes) {
      const there = this.remote.get(key)?.value
      if (rule === 'remote' || (value === there && rule !== 'local')) writer.pending.delete(key)
      else if (rule === 'function') writer.pending.set(key, { value: joined(value, there), base: 0 })
    }
    for (const [key, { value }] of writer.pending) this.remote.set(key, value === undefined ? never : { value, write: this.newWrite() })
    writer.pending.clear()
    writer.see(this.remote)
    return []
  }
}

async function pushAndCompare(world: World, writer: Writer, rule: Rule): Promise<void> {
  const stopped = world.push(writer, rule)
  const result = await writer.db.push({ onConflict: rule === 'function' ? onConflict : rule }).catch((error: unknown) => error)
  if (stopped.length === 0) {
    expect(result).toMatchObject({ ok: true })
    return
  }
  expect(result).toBeInstanceOf(PushConflictError)
  expect((result as PushConflictError).conflicts.map(({ key }) => key).sort()).toEqual(stopped.sort())
}

async function step(bench: Bench, world: World, writers: Writer[]): Promise<string> {
  const { random } = world
  const who = random.below(writers.length)
  const writer = writers[who]!
  const key = random.pick(keys)
  const what = random.below(20)
  if (what < 11) {
    const value = random.below(4) === 0 ? undefined : random.pick(['x', 'y', 'zz', `v${world.newWrite()}`])
    writer.edit(key, value)
    return `${who} ${value === undefined ? 'deletes' : `sets ${value} to`} ${key}`
  }
  if (what < 13) {
    await writer.db.pull()
    writer.see(world.remote)
    return `${who} pulls`
  }
  if (what < 14) {
    writer.db.discard([key])
    writer.pending.delete(key)
    return `${who} discards ${key}`
  }
  if (what < 15) {
    await writer.db.close()
    writer.db = await bench.open<string>(writer.path, { flag: 'w', lock: 'push' })
    return `${who} closes and opens`
  }
  const rule = random.below(3) === 0 ? random.pick(rules) : writer.rule
  await pushAndCompare(world, writer, rule)
  return `${who} pushes with ${rule}`
}

function compare(writer: Writer): void {
  const view = keys.filter((key) => writer.view(key) !== undefined)
  expect([...writer.db.keys()].sort()).toEqual(view)
  expect(writer.db.size).toBe(view.length)
  expect([...writer.db.changes()].map(({ key }) => key).sort()).toEqual([...writer.pending.keys()].sort())
}

async function live(seed: number, numGroups: number | null): Promise<void> {
  await using bench = await Bench.on(memoryKind)
  bench.wholeAtTheEnd.push('db.blt')
  const world = new World(new SeededRandom(seed))
  const first = await bench.open<string>(bench.freshPath(), { flag: 'c', lock: 'push', numGroups })
  await first.push()
  const writers: Writer[] = []
  for (const rule of rules) writers.push(new Writer(await bench.open<string>(bench.freshPath(), { flag: 'w', lock: 'push' }), rule))
  const story: string[] = []
  try {
    for (let i = 0; i < 60; i++) {
      story.push(await step(bench, world, writers))
      for (const writer of writers) compare(writer)
    }
    for (const writer of writers) await pushAndCompare(world, writer, 'function')
    const remote = [...world.remote].flatMap(([key, { value }]) => (value === undefined ? [] : [[key, value] as const]))
    expect(await bench.contents()).toEqual(Object.fromEntries(remote))
  } catch (cause) {
    throw new Error(`life ${seed}, ${replay}\n${story.join('\n')}`, { cause })
  }
}

describe('what three and one make of a database by turns', () => {
  it.each([5, null])('is what the model says, %s groups', async (numGroups) => {
    for (let life = 0; life < 3; life++) await live(testSeed + life, numGroups)
  })
})
