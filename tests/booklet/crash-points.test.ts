import { describe, expect, test } from 'vitest'
import type { Environment } from '../../src/base/environment.js'
import { type Booklet, openBookletOn } from '../../src/booklet/booklet.js'
import { type FixedBooklet, openFixedBookletOn } from '../../src/booklet/fixed-booklet.js'
import { checkHome } from '../../src/booklet/check/check.js'
import { BrokenHandleError, checkBooklet, FileNotClosedError } from '../../src/booklet/index.js'
import { Stopped, StoppingDisk } from './stopping-disk.js'

/*
 * A scripted workload runs on a disk that dies at its n-th changing call, for every n. Whatever is left
 * must open again, with exactly the contents of the last sync that returned, or of the one under way.
 */

type Any = Booklet<string, Uint8Array> | FixedBooklet<string>
type Model = Map<string, string>

interface Step {
  name: string
  /** Changes the booklet and the model alike; what becomes durable at its end is the model then. */
  run(booklet: Any, model: Model): void
}

interface Setting {
  name: string
  fixed: boolean
  timestamps: boolean
  buckets: number
  bufferSize: number
  valueLength: number
}

const settings: Setting[] = [
  { name: 'variable', fixed: false, timestamps: true, buckets: 7, bufferSize: 1 << 20, valueLength: 0 },
  { name: 'variable, tiny buffer', fixed: false, timestamps: true, buckets: 7, bufferSize: 64, valueLength: 0 },
  { name: 'variable, no timestamps, tiny buffer', fixed: false, timestamps: false, buckets: 5, bufferSize: 100, valueLength: 0 },
  { name: 'fixed', fixed: true, timestamps: false, buckets: 7, bufferSize: 1 << 20, valueLength: 15 },
  { name: 'fixed, tiny buffer', fixed: true, timestamps: false, buckets: 11, bufferSize: 64, valueLength: 1 },
  { name: 'fixed, long values', fixed: true, timestamps: false, buckets: 3, bufferSize: 5000, valueLength: 2000 },
]

function environment(): Environment {
  let now = 1_700_000_000_000_000
  return {
    now: () => (now += 1000),
    randomBytes: (length) => new Uint8Array(length).fill(7),
    sleep: () => Promise.resolve(),
  }
}

function open(disk: StoppingDisk, setting: Setting, flag: 'r' | 'w' | 'c'): Any {
  const common = { flag, buckets: setting.buckets, bufferSize: setting.bufferSize, environment: environment() }
  return setting.fixed
    ? openFixedBookletOn<string>(disk, { ...common, ...(setting.valueLength ? { valueLength: setting.valueLength } : {}) })
    : openBookletOn<string, Uint8Array>(disk, { ...common, valueSerializer: 'bytes', timestamps: setting.timestamps })
}

function value(setting: Setting, seed: number): Uint8Array {
  return new Uint8Array(setting.valueLength || (seed * 7) % 90).fill(seed)
}

function script(setting: Setting): Step[] {
  const set = (booklet: Any, model: Model, key: string, seed: number) => {
    const bytes = value(setting, seed)
    booklet.setBytes(key, bytes)
    model.set(key, Buffer.from(bytes).toString('base64'))
  }
  const remove = (booklet: Any, model: Model, key: string) => {
    expect(booklet.delete(key)).toBe(model.delete(key))
  }
  return [
    { name: 'first sets', run: (b, m) => { for (let i = 0; i < 5; i++) set(b, m, `k${i}`, i + 1); b.sync() } },
    { name: 'overwrite, delete, add', run: (b, m) => { set(b, m, 'k1', 20); set(b, m, 'k1', 21); remove(b, m, 'k0'); remove(b, m, 'k3'); set(b, m, 'k3', 22); set(b, m, 'new', 23); remove(b, m, 'new'); b.sync() } },
    { name: 'large', run: (b, m) => {
      if (setting.fixed) return
      const bytes = new Uint8Array(20_000).fill(9)
      b.setBytes('large', bytes)
      m.set('large', Buffer.from(bytes).toString('base64'))
      b.sync()
    } },
    { name: 'prune', run: (b) => { b.prune() } },
    { name: 'after prune', run: (b, m) => { set(b, m, 'k5', 30); set(b, m, 'k2', 31); remove(b, m, 'k4'); b.sync() } },
    { name: 'grow', run: (b, m) => { for (let i = 10; i < 25; i++) set(b, m, `g${i}`, i); b.sync() } },
    { name: 'prune again', run: (b, m) => { remove(b, m, 'g11'); b.prune() } },
    { name: 'close', run: (b, m) => { set(b, m, 'last', 40); remove(b, m, 'k1'); b.close() } },
  ]
}

function contents(booklet: Any): Model {
  const model: Model = new Map()
  for (const { key, value } of booklet.rawEntries()) {
    expect(model.has(key)).toBe(false)
    model.set(key, Buffer.from(value).toString('base64'))
    expect(Buffer.from(booklet.getBytes(key)!).equals(Buffer.from(value))).toBe(true)
  }
  expect(booklet.size).toBe(model.size)
  return model
}

/** Runs the script on a disk until it stops; gives the models before and after the step under way. */
function runUntilStop(disk: StoppingDisk, setting: Setting, steps: Step[]): { before: Model | undefined; after: Model | undefined; finished: boolean } {
  const model: Model = new Map()
  let before: Model | undefined
  try {
    const booklet = open(disk, setting, 'c')
    before = new Map()
    for (const step of steps) {
      before = new Map(model)
      step.run(booklet, model)
    }
    return { before: new Map(model), after: new Map(model), finished: true }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    return { before, after: model, finished: false }
  }
}

function same(a: Model, b: Model | undefined): boolean {
  return b !== undefined && a.size === b.size && [...a].every(([key, bytes]) => b.get(key) === bytes)
}

/* A step that stopped may have changed the model only in part: run the rest of it to know what its sync would make durable. */
function modelAfter(setting: Setting, steps: Step[], before: Model): Model[] {
  const disk = new StoppingDisk()
  const booklet = open(disk, setting, 'c')
  const model: Model = new Map()
  const out: Model[] = []
  for (const step of steps) {
    if (same(model, before)) out.push(new Map(model))
    const start = new Map(model)
    step.run(booklet, model)
    if (same(start, before)) out.push(new Map(model))
  }
  return out
}

function checkAfterStop(disk: StoppingDisk, setting: Setting, acceptable: Model[], at: string): void {
  const { main, side } = disk.snapshot()
  // What a stop leaves can be put right without any loss.
  expect(checkHome(new StoppingDisk(main, side), undefined).count.error, `damage ${at}`).toBe(0)
  // A reader either refuses or sees one of the right states.
  try {
    const seen = contents(open(new StoppingDisk(main, side), setting, 'r'))
    expect(acceptable.some((model) => same(seen, model)), `reader ${at}`).toBe(true)
  } catch (error) {
    if (!(error instanceof FileNotClosedError)) throw new Error(`reader ${at}`, { cause: error })
  }
  const repaired = new StoppingDisk(main, side)
  const writer = open(repaired, setting, 'w')
  const seen = contents(writer)
  expect(acceptable.some((model) => same(seen, model)), `writer ${at}: ${JSON.stringify(writer.repair)} ${[...seen.keys()].join()}`).toBe(true)
  writer.setBytes('more', value(setting, 50))
  writer.close()
  seen.set('more', Buffer.from(value(setting, 50)).toString('base64'))
  const { main: closed, side: leftover } = repaired.snapshot()
  expect(checkBooklet(closed).findings, `clean ${at}`).toEqual([])
  expect(leftover).toBeUndefined()
  expect(same(contents(open(new StoppingDisk(closed), setting, 'r')), seen), `reader after repair ${at}`).toBe(true)
  const again = open(new StoppingDisk(closed), setting, 'w')
  expect(again.repair, `nothing left to repair ${at}`).toBeUndefined()
}

describe('a stop at every single write', () => {
  test.each(settings.map((setting) => [setting.name, setting] as const))('%s', (_name, setting) => {
    const steps = script(setting)
    const whole = new StoppingDisk()
    expect(runUntilStop(whole, setting, steps).finished).toBe(true)
    const total = whole.calls
    expect(total).toBeGreaterThan(60)
    const outcomes = new Map<Model, Model[]>()
    for (let limit = 0; limit < total; limit++) {
      for (const part of [0, 0.6]) {
        const disk = new StoppingDisk()
        disk.limit = limit
        disk.part = part
        const { before } = runUntilStop(disk, setting, steps)
        const at = `at call ${limit} of ${total}, part ${part}`
        if (before === undefined) {
          // It stopped while the file was created: creating it again must work.
          const { main } = disk.snapshot()
          expect(contents(open(new StoppingDisk(main), setting, 'c')).size, at).toBe(0)
          continue
        }
        const known = [...outcomes].find(([model]) => same(model, before))
        const acceptable = known?.[1] ?? modelAfter(setting, steps, before)
        if (!known) outcomes.set(before, acceptable)
        checkAfterStop(disk, setting, [before, ...acceptable], at)
      }
    }
  })

  test('a stop during the repair of a stop', () => {
    const setting = settings[1]!
    const steps = script(setting)
    const whole = new StoppingDisk()
    runUntilStop(whole, setting, steps)
    for (let limit = 10; limit < whole.calls; limit += 7) {
      const disk = new StoppingDisk()
      disk.limit = limit
      const { before } = runUntilStop(disk, setting, steps)
      if (before === undefined) continue
      const acceptable = [before, ...modelAfter(setting, steps, before)]
      const { main, side } = disk.snapshot()
      for (let second = 0; ; second++) {
        const repairing = new StoppingDisk(main, side)
        repairing.limit = second
        try {
          open(repairing, setting, 'w')
          break
        } catch (error) {
          if (!(error instanceof Stopped)) throw error
        }
        checkAfterStop(repairing, setting, acceptable, `at call ${limit}, then at ${second} of the repair`)
      }
    }
  })
})

describe('a write that fails once', () => {
  /* Sets and deletes in a row; whatever fails is tried again, on a new handle where the old one says so. */
  function persist(disk: StoppingDisk, setting: Setting): { model: Model; booklet: Any } {
    const model: Model = new Map()
    let booklet = retry(() => open(disk, setting, 'c'))
    let synced: Model = new Map()
    const attempt = (change: () => void) => {
      try {
        change()
      } catch (error) {
        if (error instanceof Stopped) change()
        else throw error
      }
    }
    for (let i = 0; i < 40; i++) {
      const key = `k${i % 23}`
      const bytes = value(setting, i + 1)
      if (i % 5 === 4) attempt(() => booklet.delete(key))
      else attempt(() => booklet.setBytes(key, bytes))
      if (i % 5 === 4) model.delete(key)
      else model.set(key, Buffer.from(bytes).toString('base64'))
      if (i % 6 !== 5) continue
      const step = () => (i % 18 === 17 ? void booklet.prune() : booklet.sync())
      try {
        step()
      } catch (error) {
        if (!(error instanceof Stopped)) throw error
        try {
          step()
        } catch (second) {
          if (!(second instanceof BrokenHandleError)) throw second
          booklet = open(disk, setting, 'w')
          const seen = contents(booklet)
          expect(same(seen, model) || same(seen, synced)).toBe(true)
          for (const key of new Set([...seen.keys(), ...model.keys()])) {
            const wanted = model.get(key)
            if (wanted === undefined) booklet.delete(key)
            else booklet.setBytes(key, Buffer.from(wanted, 'base64'))
          }
          booklet.sync()
        }
      }
      synced = new Map(model)
      expect(same(contents(booklet), model)).toBe(true)
    }
    return { model, booklet }
  }

  function retry<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
      return work()
    }
  }

  test.each(settings.map((setting) => [setting.name, setting] as const))('%s', (_name, setting) => {
    const whole = new StoppingDisk()
    persist(whole, setting)
    for (let limit = 0; limit < whole.calls; limit += 2) {
      const disk = new StoppingDisk()
      disk.limit = limit
      disk.once = true
      const { model, booklet } = persist(disk, setting)
      expect(same(contents(booklet), model), `call ${limit}`).toBe(true)
      retry(() => booklet.sync())
      const { main } = disk.snapshot()
      expect(same(contents(open(new StoppingDisk(main), setting, 'r')), model), `reader, call ${limit}`).toBe(true)
      const again = open(new StoppingDisk(main), setting, 'w')
      expect(again.repair, `call ${limit}`).toBeUndefined()
      expect(same(contents(again), model), `writer, call ${limit}`).toBe(true)
    }
  })
})
