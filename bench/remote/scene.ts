/** One data set on one way to the server, and what the contenders do with it. */
import type { Ebooklet, OpenEbookletOptions } from '../../src/index.js'
import { touchMemory } from '../folders.js'
import type { Contender, Work } from '../harness.js'
import type { loadEbooklet } from '../library.js'
import { BareClient, type BareObject } from './bare-client.js'
import { keyOf, placesIn, rangesOf, some, valueOf } from './data.js'
import type { Lab, Place } from './lab.js'
import type { Python, PythonSession } from './python.js'

export interface Shape {
  keys: number
  /** Bytes of each value. */
  bytes: number
  /** A prime; null: an object for each value. */
  groups: number | null
}

export type Row = 'first push' | 'load' | 'one key' | 'random' | 'change 100' | 'change 1' | 'pull'

/** The library, built or from its sources. */
export type Library = Awaited<ReturnType<typeof loadEbooklet>>
type Database = Ebooklet<Uint8Array>

/** What a scene is made of. */
export interface Setting {
  library: Library
  lab: Lab
  place: Place
  /** How the way to the server is called in titles. */
  way: string
  shape: Shape
  python: Python | undefined
}

const db = 'published'

export class Scene {
  readonly #setting: Setting
  readonly #floor: BareClient
  /** Every object of the published database. */
  #objects: BareObject[] = []
  #made = 0

  constructor(setting: Setting) {
    this.#setting = setting
    this.#floor = new BareClient(setting.place)
  }

  /** The works of these rows, one after the other. */
  async *works(rows: readonly Row[]): AsyncGenerator<Work> {
    const { lab } = this.#setting
    const writer = await this.#open(db, lab.freshPath(), { flag: 'c' })
    let theirs: PythonSession | undefined
    try {
      this.#fill(writer, this.#all(), 0)
      await writer.push()
      this.#objects = await this.#objectsOf(await this.#floor.list(`${db}`))
      if (rows.includes('first push')) yield this.#firstPush()
      if (rows.includes('load')) yield this.#load()
      if (rows.includes('one key')) yield this.#oneKey()
      if (rows.includes('random')) yield this.#random()
      if (rows.includes('pull')) yield await this.#pull(writer)
      if (rows.includes('change 100') || rows.includes('change 1')) theirs = await this.#theirWriter()
      if (rows.includes('change 100')) yield await this.#change(writer, theirs, some(100, this.#setting.shape.keys))
      if (rows.includes('change 1')) yield await this.#change(writer, theirs, some(1, this.#setting.shape.keys))
    } finally {
      await writer.close()
      await theirs?.close()
      await this.#floor.remove('')
      await this.#floor.close()
    }
  }

  #firstPush(): Work {
    const { lab, python, place, shape } = this.#setting
    let ours: Database
    let theirs: PythonSession
    let key = ''
    const made = this.#objects.length
    const contenders: Contender[] = [
      {
        name: 'floor',
        run: async () => void (await this.#floor.put(this.#objects.map(({ key: name, body }) => ({ key: `floor/${name}`, body })))),
        clean: () => this.#floor.remove('floor/'),
      },
      {
        name: 'ours',
        prepare: async () => {
          key = this.#freshKey()
          ours = await this.#open(key, lab.freshPath(), { flag: 'c' })
          this.#fill(ours, this.#all(), 0)
          ours.sync()
        },
        run: async () => {
          const { objectsUploaded } = await ours.push()
          if (objectsUploaded !== made - 1) throw new Error(`${objectsUploaded} objects were sent, not ${made - 1}`)
        },
        clean: async () => {
          await ours.close()
          await this.#floor.remove(key)
        },
      },
    ]
    if (python) {
      contenders.push({
        name: 'Python',
        prepare: async () => {
          key = this.#freshKey()
          theirs = await python.open(place, key, lab.freshPath(), 'c', shape.groups ?? undefined)
          await theirs.set(shape.keys, shape.bytes, 0)
        },
        run: () => theirs.push(),
        clean: async () => {
          await theirs.close()
          await this.#floor.remove(key)
        },
      })
    }
    return this.#work('first push', contenders.map((contender) => this.#touching(contender)), shape.keys)
  }

  #load(): Work {
    const { lab, python, place, shape } = this.#setting
    let ours: Database
    let theirs: PythonSession
    const contenders: Contender[] = [
      {
        name: 'floor',
        run: async () => {
          await this.#floor.get([{ key: db }])
          await this.#floor.get(this.#objects.filter(({ key }) => key !== db))
        },
      },
      {
        name: 'ours',
        run: async () => {
          ours = await this.#open(db, lab.freshPath())
          await ours.load()
        },
        clean: () => ours.close(),
      },
    ]
    if (python) {
      contenders.push({
        name: 'Python',
        run: async () => {
          theirs = await python.open(place, db, lab.freshPath(), 'r')
          await theirs.load()
        },
        clean: () => theirs.close(),
      })
    }
    return this.#work('open elsewhere and load everything', contenders.map((contender) => this.#touching(contender)), shape.keys)
  }

  #oneKey(): Work {
    const { lab, python, place, shape } = this.#setting
    const i = Math.floor(shape.keys / 3)
    const [read] = rangesOf([keyOf(i)], placesIn(this.#objects, db), 0)
    let ours: Database
    let theirs: PythonSession
    const contenders: Contender[] = [
      {
        name: 'floor',
        run: async () => {
          await this.#floor.get([{ key: db }])
          await this.#floor.get([read!])
          return shape.bytes
        },
      },
      {
        name: 'ours',
        run: async () => {
          ours = await this.#open(db, lab.freshPath())
          return (await ours.get(keyOf(i)))?.length
        },
        clean: () => ours.close(),
      },
    ]
    if (python) {
      contenders.push({
        name: 'Python',
        run: async () => {
          theirs = await python.open(place, db, lab.freshPath(), 'r')
          return theirs.get(i)
        },
        clean: () => theirs.close(),
      })
    }
    return this.#work('open, and read one key, with nothing local', contenders)
  }

  /** The floor by three plans: which one is best depends on delay and bandwidth. */
  #random(): Work {
    const { lab, python, place, shape } = this.#setting
    const keys = some(1000, shape.keys)
    const places = placesIn(this.#objects, db)
    const plans = [
      ['floor, gaps up to 64 KiB read along', 64 * 1024],
      ['floor, a request for each value', 0],
      ['floor, the whole of each group', Infinity],
    ] as const
    let ours: Database
    let theirs: PythonSession
    const contenders: Contender[] = plans.map(([name, gap]) => {
      const reads = rangesOf(keys.map(keyOf), places, gap)
      return { name, run: async () => void (await this.#floor.get(reads)) }
    })
    contenders.push({
      name: 'ours',
      prepare: async () => void (ours = await this.#open(db, lab.freshPath())),
      run: async () => {
        const found = await ours.getMany(keys.map(keyOf))
        if (found.some((value) => value?.length !== shape.bytes)) throw new Error('values are missing')
      },
      clean: () => ours.close(),
    })
    if (python) {
      contenders.push({
        name: 'Python',
        prepare: async () => void (theirs = await python.open(place, db, lab.freshPath(), 'r')),
        run: () => theirs.load(keys),
        clean: () => theirs.close(),
      })
    }
    return this.#work('1,000 random keys, with nothing local', contenders, 1000)
  }

  async #pull(writer: Database): Promise<Work> {
    const { lab, python, place } = this.#setting
    const etag = await this.#floor.etagOf(db)
    const contenders: Contender[] = [
      { name: 'floor', run: async () => !(await this.#floor.isUnchanged(db, etag)) },
      { name: 'ours', run: async () => (await writer.pull()).changed },
    ]
    if (python) {
      let theirs: PythonSession
      contenders.push({
        name: 'Python',
        prepare: async () => void (theirs = await python.open(place, db, lab.freshPath(), 'r')),
        run: async () => {
          await theirs.pull()
          return false
        },
        clean: () => theirs.close(),
      })
    }
    return this.#work('pull when nothing changed', contenders)
  }

  async #change(writer: Database, theirs: PythonSession | undefined, keys: readonly number[]): Promise<Work> {
    const { shape } = this.#setting
    const before = new Set(await this.#floor.list(db))
    this.#fill(writer, keys, 1)
    await writer.push()
    const overwritten = new Set([db, ...(shape.groups === null ? keys.map((i) => `${db}/${keyOf(i)}`) : [])])
    const touched = await this.#objectsOf((await this.#floor.list(db)).filter((key) => overwritten.has(key) || !before.has(key)))
    let edition = 1
    const contenders: Contender[] = [
      {
        name: 'floor',
        run: async () => void (await this.#floor.put(touched.map(({ key, body }) => ({ key: `floor/${key}`, body })))),
        clean: () => this.#floor.remove('floor/'),
      },
      {
        name: 'ours',
        prepare: () => this.#fill(writer, keys, ++edition),
        run: async () => {
          const { objectsUploaded } = await writer.push()
          if (objectsUploaded !== touched.length - 1) throw new Error(`${objectsUploaded} objects were sent, not ${touched.length - 1}`)
        },
      },
    ]
    if (theirs) contenders.push({ name: 'Python', prepare: () => theirs.set(keys, shape.bytes, ++edition), run: () => theirs.push() })
    return this.#work(`change ${keys.length} of ${shape.keys.toLocaleString('en')} and push`, contenders)
  }

  /** Of a remote of its own, with everything local. */
  async #theirWriter(): Promise<PythonSession | undefined> {
    const { python, lab, place, shape } = this.#setting
    if (!python) return undefined
    const theirs = await python.open(place, 'theirs', lab.freshPath(), 'c', shape.groups ?? undefined)
    await theirs.set(shape.keys, shape.bytes, 0)
    await theirs.push()
    return theirs
  }

  /* What moves all values takes as much memory, here or at the server. */
  #touching(contender: Contender): Contender {
    const { keys, bytes } = this.#setting.shape
    return {
      ...contender,
      prepare: async () => {
        await contender.prepare?.()
        touchMemory(2 * keys * (bytes + 100))
      },
    }
  }

  #work(name: string, contenders: Contender[], operations?: number): Work {
    const { shape, way } = this.#setting
    const size = shape.bytes >= 1000 ? `${shape.bytes / 1000} KB` : `${shape.bytes} B`
    const title = `${name}: ${shape.keys.toLocaleString('en')} × ${size}, ${shape.groups === null ? 'per key' : `${shape.groups} groups`}, ${way}`
    return operations === undefined ? { title, contenders } : { title, operations, contenders }
  }

  #open(key: string, path: string, options: OpenEbookletOptions<Uint8Array> = {}): Promise<Database> {
    const { library, place, shape } = this.#setting
    const made = options.flag === 'c' ? { numGroups: shape.groups, valueSerializer: 'bytes' as const, buckets: shape.keys } : {}
    return library.openEbooklet<Uint8Array>(new library.S3Connection({ ...place, dbKey: key }), path, { lockTiming: { settle: 5, poll: 5 }, ...made, ...options })
  }

  #fill(database: Database, keys: Iterable<number>, edition: number): void {
    for (const i of keys) database.set(keyOf(i), valueOf(i, this.#setting.shape.bytes, edition))
  }

  *#all(): Generator<number> {
    for (let i = 0; i < this.#setting.shape.keys; i++) yield i
  }

  #freshKey(): string {
    return `first-${this.#made++}`
  }

  async #objectsOf(keys: readonly string[]): Promise<BareObject[]> {
    const wanted = keys.filter((key) => key === db || key.startsWith(`${db}/`))
    const bodies = await this.#floor.get(wanted.map((key) => ({ key })))
    return wanted.map((key, at) => ({ key, body: bodies[at]! }))
  }
}
