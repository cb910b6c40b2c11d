/** Runs a plan from its first step to the peace at the end, and tells what went wrong. */
import { existsSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEbooklet, StoreConnection } from '../../src/index.js'
import { lockPrefix } from '../../src/format/names.js'
import { MemoryBucket } from '../../src/store/memory-store.js'
import { SeededRandom } from '../support/seed.js'
import { Actor, type Stage } from './actor.js'
import { Checker } from './checker.js'
import { OddServer } from './odd-server.js'
import { actorsOf, roles, type Settings, type Step } from './plan.js'
import { Timeline } from './timeline.js'
import { dbKey, metaName, shown, Violation, World } from './world.js'

export interface Outcome {
  failure: Error | undefined
  trace: string[]
  commits: number
  turns: number
  /** How often each step ended how, and each fault happened. */
  counts: Map<string, number>
}

export async function simulate(settings: Settings, plan: readonly Step[], options: { trace?: boolean } = {}): Promise<Outcome> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ebooklet-simulation-'))
  const trace: string[] = []
  const counts = new Map<string, number>()
  const log = (line: string) => {
    const fault = /^ {4}! (\S+):/.exec(line)
    if (fault) counts.set(`fault ${fault[1]}`, (counts.get(`fault ${fault[1]}`) ?? 0) + 1)
    if (line.startsWith('  ◫')) counts.set('by parts', (counts.get('by parts') ?? 0) + 1)
    if (options.trace) trace.push(line)
  }
  const stage = build(settings, folder, log, counts)
  const actors = roles.slice(0, actorsOf(settings)).map((_role, number) => new Actor(number, stage))
  const checker = new Checker(stage)
  const { timeline, world } = stage
  let failure: Error | undefined
  try {
    const acts = actors.map((actor) => actor.run(plan.filter((step) => step.actor === actor.number)).then(() => actor.rest()))
    await timeline.until(Promise.all([...acts, checker.run(plan.filter((step) => step.actor === checker.number))]))
    if (!world.violation) await timeline.until(peace(stage, actors, checker))
  } catch (error) {
    world.violation ??= error as Error
  } finally {
    failure = world.violation
    for (const actor of actors) actor.process.die()
    checker.process.die()
    await timeline.until(Promise.allSettled(actors.flatMap(({ db }) => (db ? [db.close()] : []))))
    rmSync(folder, { recursive: true, force: true })
  }
  return { failure, trace, commits: world.commits.length, turns: timeline.turns, counts }
}

function build(settings: Settings, folder: string, log: (line: string) => void, counts: Map<string, number>): Stage {
  const timeline = new Timeline()
  const random = new SeededRandom(settings.seed ^ 0x0dd5)
  let last = 0
  const now = () => (last = Math.max(last + 1, timeline.now + settings.serverSkew))
  const environment = { now, randomBytes: (length: number) => random.bytes(length), sleep: (ms: number) => timeline.sleep(ms) }
  const world = new World(new MemoryBucket({ environment, etags: settings.etags }), log)
  const { conditions, granularity, staleness, staleDeletes } = settings
  const oddities = { random: () => random.next(), now, sleep: (ms: number) => timeline.sleep(ms), conditions, granularity, staleness, staleDeletes }
  const server = new OddServer(world.store, oddities)
  return { settings, timeline, server, oddities, world, folder, log, writers: new Set(), breaking: false, counts }
}

/** The faults have stopped: everybody can push what is pending, all see the same, and no lock is left. */
async function peace(stage: Stage, actors: readonly Actor[], checker: Checker): Promise<void> {
  const { world, timeline } = stage
  stage.log('— the faults stop')
  const calm = { id: 1e9, op: 'close', keys: [], n: 0, wait: 0, background: false, calm: true } satisfies Omit<Step, 'actor'>
  for (const actor of actors) await actor.run([{ ...calm, id: 1e9 + actor.number, actor: actor.number }])
  // Longer than any request can be late, and any listing stale.
  await timeline.sleep(60_000)
  Object.assign(stage.oddities, { staleness: 0, staleDeletes: 0 })
  for (const actor of actors.filter(({ reader }) => !reader)) {
    if (world.violation) return
    await settle(actor)
  }
  for await (const { key } of world.store.list(lockPrefix(dbKey))) throw new Violation(`a lock ticket is left: ${key}`)
  const { current } = world
  if (!current) return
  for (const actor of actors) {
    actor.process.reseed(2e9 + actor.number)
    await actor.open({})
    if (actor.pushes) await actor.db?.pull()
    if (actor.db?.remoteTimestamp !== current.timestamp) throw new Violation(`${actor.role} does not see the last commit`)
    const found: [string, string][] = []
    for await (const [key, value] of actor.db) found.push([key, JSON.stringify(value)])
    compare(actor.role, found, world)
    await actor.close()
  }
  await using db = await openEbooklet<string>(new StoreConnection(world.store, dbKey), ':memory:')
  const found: [string, string][] = []
  for await (const [key, value] of db) found.push([key, JSON.stringify(value)])
  compare('a new reader', found, world)
  await sweepAll(stage, checker)
}

/** A last sweep, when everything is old: nothing is left but what the last commit refers to. */
async function sweepAll(stage: Stage, checker: Checker): Promise<void> {
  await stage.timeline.sleep(3_600_000)
  checker.process.calm = true
  checker.process.reseed(3e9)
  await checker.look({ sweep: true })
  const report = await checker.look({ deep: true })
  // An upload of a value that no commit knows may be another database's: who began it lost its local file, and with it the record.
  const left = report.findings.filter((finding) => finding.kind !== 'unneeded-generation' && !(finding.kind === 'multipart-upload' && !finding.own))
  if (left.length > 0) throw new Violation(`after the last sweep there is left: ${JSON.stringify(left.slice(0, 3))}`)
}

async function settle(actor: Actor): Promise<void> {
  actor.process.calm = true
  actor.process.reseed(1.5e9 + actor.number)
  for (let round = 0; actor.db === undefined; round++) {
    try {
      await actor.open({ breaking: true })
      actor.verify()
    } catch (error) {
      // The local file is of a database that lost the race to be the first; it was put aside.
      if (round > 1 || !(error instanceof Error) || error.name !== 'UuidMismatchError') throw error
    }
  }
  const result = await actor.push(actor.db, { strategy: 'local', breaking: true }).catch((error: unknown) => {
    // Another database came to the remote before; the local file was put aside.
    if (actor.db) throw error
  })
  if (actor.db === undefined) return settle(actor)
  if (!result?.ok) throw new Violation(`with all faults gone, ${actor.role} can't push: ${result?.failures.map(({ error }) => error.message).join()}`)
  actor.verify()
  if (actor.file.pending.size > 0) throw new Violation(`${actor.role} still has something pending`)
  await actor.close()
}

function compare(who: string, found: readonly [string, string][], world: World): void {
  const { content, seq } = world.current!
  const keys = [...content.keys()].filter((key) => key !== metaName).sort().join()
  const seen = found.map(([key]) => key).sort().join()
  if (seen !== keys) throw new Violation(`in the end ${who} sees ${seen} instead of ${keys}`)
  for (const [key, value] of found) {
    if (!world.visible(key, seq, seq).has(value)) throw new Violation(`in the end ${who} sees ${key} = ${shown(value)} instead of ${shown(content.get(key)?.value)}`)
  }
}
