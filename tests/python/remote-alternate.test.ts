/** One remote, edited by us and by Python in turns, in random rounds against a model; each with its own local file, or both with the same. */
import { expect, it } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer, type PythonOperation } from '../support/python.js'
import { sampleValues, type SharedSerializer } from '../support/samples.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { newMinioBucket } from '../support/real-servers.js'
import { toTagged } from '../support/tagged.js'
import { nextTimestamp, set } from './history.js'
import { meetingForSuite, meetingOn, type BucketKind, type SharedDatabase } from './meeting.js'
import { applyOurs, expectPythonHas, expectWeHave, SharedState } from './shared-state.js'

const rounds = process.env['EBOOKLET_TEST_SLOW'] === '1' ? 30 : 20

type Side = 'we' | 'Python'

interface Game {
  readonly serializer: SharedSerializer
  /** Null: one object per key. */
  readonly numGroups: number | null
  readonly bucket: BucketKind
  /** Whether the server lists the objects of the database. */
  readonly listed: boolean
}

const games: readonly Game[] = [
  { serializer: 'json', numGroups: 7, bucket: 'plain', listed: true },
  { serializer: 'msgpack_zstd', numGroups: 3, bucket: 'versioned', listed: true },
  { serializer: 'orjson', numGroups: null, bucket: 'versioned', listed: true },
  { serializer: 'bytes', numGroups: null, bucket: 'plain', listed: true },
]

interface Round {
  side: Side
  /** Who else uses the local file: nobody, or both sides in turns. */
  file: 'own' | 'shared'
  operations: PythonOperation[]
  push: boolean
}

/** Names for a small world, so that keys meet often; such as a path or a URL can hold as they are. */
function keyNamed(number: number): string {
  return ['plain', 'with space ', 'schlüssel/', 'a=b&c+', '日本-'][number % 5] + String(number)
}

function randomOperations(random: SeededRandom, live: Set<string>, values: readonly unknown[]): PythonOperation[] {
  const operations: PythonOperation[] = []
  for (let left = random.below(14); left > 0; left--) {
    const key = keyNamed(random.below(40))
    const choice = random.below(22)
    if (choice < 12) {
      live.add(key)
      operations.push(set(key, toTagged(random.pick(values))))
    } else if (choice < 16) {
      if (live.delete(key)) operations.push({ op: 'delete', key })
    } else if (choice < 18) {
      if (live.has(key)) operations.push({ op: 'setTimestamp', key, timestamp: nextTimestamp() })
    } else if (choice === 18) {
      // No timestamp: metadata of ours has that of the call.
      operations.push({ op: 'setMetadata', value: random.pick([{ left }, [left, 'é'], 'text']) })
    } else if (choice === 19) {
      operations.push({ op: random.pick(['sync', 'prune', 'load'] as const) })
    } else if (choice === 20 && random.below(4) === 0) {
      live.clear()
      // At a clear the original brings back the metadata of the remote.
      operations.push({ op: 'clear' }, { op: 'setMetadata', value: 'cleared' })
    }
  }
  return operations
}

/** Changes that were left pending in the shared file are pushed from there, before anyone goes on in another file. */
function randomRounds(random: SeededRandom, game: Game): Round[] {
  const values = sampleValues(game.serializer, 30)
  const live = new Set<string>()
  const plan: Round[] = []
  for (let number = 0; number < rounds; number++) {
    const pending = plan.at(-1)?.push === false
    const file = pending || random.below(2) === 0 ? 'shared' : 'own'
    const push = file === 'own' || number === rounds - 1 || random.below(3) > 0
    const side = pending && random.below(4) > 0 ? otherSide(plan.at(-1)?.side) : random.pick(['we', 'Python'] as const)
    plan.push({ side, file, operations: randomOperations(random, live, values), push })
  }
  return plan
}

function otherSide(side: Side | undefined): Side {
  return side === 'we' ? 'Python' : 'we'
}

/** Plays one game: who opens sees all that was done before, and once it is pushed the other sees it too. */
class Players {
  readonly #python: PythonPeer
  readonly #db: SharedDatabase
  readonly #game: Game
  readonly #files: Record<Side | 'shared', string>
  readonly #readers: Record<Side, string>
  readonly #state = new SharedState()
  /**
   * Keys whose value objects the original may have left behind: it doesn't note the delete of a key that was cleared or
   * deleted and set again since the last push, and its next push leaves the object.
   */
  readonly #forgotten = new Set<string>()
  #isPushed = false

  constructor(python: PythonPeer, db: SharedDatabase, game: Game) {
    this.#python = python
    this.#db = db
    this.#game = game
    this.#files = { we: db.freshPath(), Python: db.freshPath(), shared: db.freshPath() }
    this.#readers = { we: db.freshPath(), Python: db.freshPath() }
  }

  async play(round: Round): Promise<void> {
    const path = this.#files[round.file === 'shared' ? 'shared' : round.side]
    if (round.side === 'we') await this.#playOurs(path, round)
    else await this.#playPython(path, round)
    if (!round.push) return
    this.#isPushed = true
    await this.#expectReadersSee()
  }

  async #playOurs(path: string, { operations, push }: Round): Promise<void> {
    const { serializer, numGroups } = this.#game
    await using ours = await this.#db.open(path, { flag: 'c', ...(this.#isPushed ? {} : { valueSerializer: serializer, numGroups }) })
    await expectWeHave(ours, this.#state)
    await applyOurs(ours, operations)
    this.#state.apply(operations)
    await expectWeHave(ours, this.#state)
    if (!push) return
    expect(await ours.push()).toMatchObject({ ok: true, failures: [], adjusted: [], leftovers: [] })
    expect(ours.changes().size).toBe(0)
    await expectWeHave(ours, this.#state)
  }

  async #playPython(path: string, { operations, push }: Round): Promise<void> {
    const python = this.#python
    const { serializer, numGroups } = this.#game
    if (numGroups === null) for (const operation of operations) if (operation.op === 'delete' && typeof operation.key === 'string') this.#forgotten.add(operation.key)
    const choices = this.#isPushed ? {} : { valueSerializer: serializer, ...(numGroups === null ? {} : { numGroups }) }
    await this.#db.inPython(python, { path, flag: 'c', ...choices }, async (handle) => {
      await expectPythonHas(python, handle, this.#state)
      await python.call('ebooklet.apply', { handle, operations })
      this.#state.apply(operations)
      await expectPythonHas(python, handle, this.#state)
      if (!push) return
      expect(await python.call('ebooklet.push', { handle })).toMatchObject({ failures: {} })
      expect(await python.call('ebooklet.changes', { handle })).toEqual({ changes: [], pendingDeletes: [] })
    })
  }

  async #expectReadersSee(): Promise<void> {
    {
      await using reader = await this.#db.open(this.#readers.we)
      await expectWeHave(reader, this.#state)
    }
    await this.#db.inPython(this.#python, { path: this.#readers.Python }, (handle) => expectPythonHas(this.#python, handle, this.#state))
    // MinIO lists nothing below the key of an object, where all that belongs to a database lies.
    if (!this.#game.listed) return
    const report = await this.#python.call('ebooklet.fsck', { remote: this.#db.theirs })
    expect(report).toMatchObject({ exists: true, torn: false, missing: [], unmanifested: [] })
    expect(report.orphans.filter((key) => !this.#forgotten.has(key))).toEqual([])
  }
}

async function playAll(python: PythonPeer, db: SharedDatabase, game: Game, seed: number): Promise<void> {
  const plan = randomRounds(new SeededRandom(seed), game)
  const players = new Players(python, db, game)
  for (const [number, round] of plan.entries()) {
    try {
      await players.play(round)
    } catch (cause) {
      throw new Error(`${replay}, round ${String(number)} of ${JSON.stringify(plan.slice(0, number + 1)).slice(0, 20_000)}`, { cause })
    }
  }
}

describeWithPeers(['python'], 'a remote edited in turns', () => {
  const meeting = meetingForSuite()
  const withPython = PythonPeer.poolForSuite(games.length)

  it.concurrent.each(games.map((game, at) => ({ ...game, at })))('$serializer values, $numGroups groups, $bucket bucket', { timeout: 180_000 }, async ({ at, ...game }) => {
    await using db = meeting.database(game.bucket)
    await withPython((python) => playAll(python, db, game, testSeed + at))
  })
})

describeWithPeers(['python', 'minio'], 'a remote on MinIO edited in turns', () => {
  const meeting = meetingOn(newMinioBucket)
  const onMinio = games.filter(({ serializer }) => serializer === 'json' || serializer === 'orjson')
  const withPython = PythonPeer.poolForSuite(onMinio.length)

  it.concurrent.each(onMinio.map((game, at) => ({ ...game, at, listed: false })))('$serializer values, $numGroups groups, $bucket bucket', { timeout: 180_000 }, async ({ at, ...game }) => {
    await using db = await meeting.database(game.bucket)
    await withPython((python) => playAll(python, db, game, testSeed + games.length + at))
  })
})
