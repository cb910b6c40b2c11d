import type { Environment } from '../../src/base/environment.js'
import { type Booklet, openBookletOn } from '../../src/booklet/booklet.js'
import { type FixedBooklet, openFixedBookletOn } from '../../src/booklet/fixed-booklet.js'
import { FileNotClosedError, FormatError } from '../../src/booklet/index.js'
import { SeededRandom } from '../support/seed.js'
import { Disk, PowerCut } from './disk.js'
import { walk } from './disk-walk.js'

type Any = Booklet<string, Uint8Array> | FixedBooklet<string>

interface Entry {
  /** latin1 */
  value: string
  timestamp: number | undefined
}

/** What a booklet should hold. */
interface Model {
  entries: Map<string, Entry>
  metadata: string | undefined
  /** What slot 1 holds, latin1. */
  slot: string | undefined
  fileTimestamp: number | undefined
}

export interface Shape {
  fixed: boolean
  timestamps: boolean
  buckets: number
  bufferSize: number
  /** Fixed: of each value. Variable: the most. */
  valueLength: number
}

/** What a life went through. */
export interface Tally {
  cuts: number
  disks: number
  repairs: number
  finishedSyncs: number
  finishedRewrites: number
  /** Cuts while an open for writing was repairing. */
  cutRepairs: number
  /** How often what came back was the state of the step under way, not of the last sync. */
  wentThrough: number
}

export function newTally(): Tally {
  return { cuts: 0, disks: 0, repairs: 0, finishedSyncs: 0, finishedRewrites: 0, cutRepairs: 0, wentThrough: 0 }
}

function copyOf(model: Model): Model {
  return { ...model, entries: new Map(model.entries) }
}

function empty(): Model {
  return { entries: new Map(), metadata: undefined, slot: undefined, fileTimestamp: undefined }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/**
 * One booklet file on a disk that loses power again and again. After each cut several of the disks that may be left are
 * looked at; the life goes on with one of them.
 */
export class Life {
  readonly #random: SeededRandom
  readonly #shape: Shape
  readonly #tally: Tally
  #disk = new Disk()
  #model = empty()
  /** What may be found after a cut now: the state of the last sync, and what the step under way makes of it. */
  #acceptable: Model[] = [empty()]
  #booklet: Any | undefined
  /** Opened with flag `n` over a file: a side file of that one may stay. */
  #renewed = false
  #now = 1_700_000_000_000_000

  constructor(seed: number, shape: Shape, tally: Tally) {
    this.#random = new SeededRandom(seed)
    this.#shape = shape
    this.#tally = tally
  }

  /** Works until the power is cut, `cuts` times; then ends in order. @param span changing calls between two cuts, at most */
  run(cuts: number, span = 60, disksPerCut = 4): void {
    for (let cut = 0; cut < cuts; cut++) {
      this.#disk.supply.limit = this.#disk.supply.calls + this.#random.below(span)
      this.#workUntilCut()
      this.#tally.cuts++
      const next = this.#look(disksPerCut)
      this.#disk = next.disk
      this.#model = next.model
      this.#acceptable = [copyOf(next.model)]
      this.#booklet = undefined
    }
    this.#disk.supply.limit = Infinity
    this.#booklet = this.#open(this.#disk, 'c')
    this.#compare(this.#booklet, [this.#model])
    this.#booklet.close()
    walk(this.#disk.contents())
  }

  /**
   * Cuts the power `cuts` times in one and the same sync, in which a file that was pruned gets more keys than buckets: `before`
   * keys lie in it, `added` come. One sync without a cut is the measure.
   */
  runGrowth(before: number, added: number, cuts: number): void {
    this.#booklet = this.#open(this.#disk, 'c')
    for (let i = 0; i < before; i++) this.#set(`before ${i}`, 1)
    this.#durable([], () => this.#booklet!.prune())
    this.#booklet.close()
    const [start, model] = [this.#disk, this.#model]
    const calls = this.#grow(start, model, added, Infinity)
    if (this.#booklet.nBuckets <= this.#shape.buckets) throw new Error('the file did not grow')
    this.#booklet.close()
    walk(this.#disk.contents())
    for (let cut = 0; cut < cuts; cut++) {
      this.#grow(start, model, added, this.#random.below(calls))
      this.#tally.cuts++
      this.#look(2)
    }
  }

  /* Returns the changing calls of the sync. */
  #grow(start: Disk, model: Model, added: number, limit: number): number {
    this.#disk = start.copy()
    this.#model = copyOf(model)
    this.#acceptable = [copyOf(model)]
    this.#booklet = this.#open(this.#disk, 'w')
    for (let i = 0; i < added; i++) this.#set(`added ${i}`, 1)
    this.#delete('before 7')
    const { supply } = this.#disk
    const calls = supply.calls
    supply.limit = calls + limit
    try {
      this.#durable([], () => this.#booklet!.sync())
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
    }
    return supply.calls - calls
  }

  #workUntilCut(): void {
    try {
      this.#booklet ??= this.#begin()
      for (;;) this.#step()
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
    }
  }

  #begin(): Any {
    const booklet = this.#open(this.#disk, 'c')
    this.#compare(booklet, [this.#model])
    return booklet
  }

  #open(disk: Disk, flag: 'r' | 'w' | 'c' | 'n'): Any {
    const { fixed, buckets, bufferSize, valueLength, timestamps } = this.#shape
    const environment: Environment = { now: () => disk.supply.clock, randomBytes: (length) => this.#random.bytes(length), sleep: () => Promise.resolve() }
    return fixed
      ? openFixedBookletOn<string>(disk, { flag, buckets, bufferSize, environment, valueLength })
      : openBookletOn<string, Uint8Array>(disk, { flag, buckets, bufferSize, environment, timestamps, valueSerializer: 'bytes' })
  }

  #step(): void {
    const random = this.#random
    const model = this.#model
    const dice = random.below(100)
    if (dice < 4) this.#changeSlot()
    else if (dice < 45) this.#set(this.#key(), random.below(this.#shape.valueLength + 1))
    else if (dice < 60) this.#delete(this.#key())
    else if (dice < 68) this.#stamp(this.#key())
    else if (dice < 72) for (let i = 0; i < 12; i++) this.#set(`burst ${random.below(40)}`, random.below(this.#shape.valueLength + 1))
    else if (dice < 86) this.#durable([], () => this.#booklet!.sync())
    else if (dice < 90) this.#durable([], () => this.#booklet!.prune())
    else if (dice < 92) this.#evict()
    else if (dice < 93) this.#clear()
    else if (dice < 95) this.#setMetadata()
    else if (dice < 96) this.#setFileTimestamp()
    else if (dice < 97) this.#anew()
    else {
      this.#durable([], () => this.#booklet!.close())
      walk(this.#disk.contents())
      this.#booklet = this.#open(this.#disk, 'w')
      this.#compare(this.#booklet, [model])
    }
  }

  /** Runs what makes the model durable at its end; `targets` are further states on the way there, the last one its result. */
  #durable(targets: Model[], run: () => void): void {
    this.#acceptable.push(copyOf(this.#model), ...targets)
    run()
    this.#model = copyOf(targets.at(-1) ?? this.#model)
    this.#acceptable = [copyOf(this.#model)]
  }

  #key(): string {
    return `key ${this.#random.below(25)}`
  }

  get #stamped(): boolean {
    return this.#shape.timestamps && !this.#shape.fixed
  }

  #set(key: string, length: number): void {
    const value = this.#random.bytes(this.#shape.fixed ? this.#shape.valueLength : length)
    const timestamp = this.#stamped ? this.#now++ : undefined
    this.#booklet!.setBytes(key, value, timestamp === undefined ? undefined : { timestamp })
    this.#model.entries.set(key, { value: latin1(value), timestamp })
  }

  #delete(key: string): void {
    const found = this.#booklet!.delete(key)
    if (found !== this.#model.entries.delete(key)) throw new Error(`delete of ${key} gave ${found}`)
  }

  #stamp(key: string): void {
    const entry = this.#model.entries.get(key)
    if (!this.#stamped || !entry) return
    const timestamp = this.#now++
    ;(this.#booklet as Booklet<string, Uint8Array>).setTimestamp(key, timestamp)
    this.#model.entries.set(key, { ...entry, timestamp })
  }

  #evict(): void {
    if (!this.#stamped) return
    const before = this.#now - this.#random.below(60)
    const keep = this.#key()
    const target = copyOf(this.#model)
    for (const [key, { timestamp }] of target.entries) if (timestamp! < before && key !== keep) target.entries.delete(key)
    this.#durable([target], () => this.#booklet!.prune({ before, keep: [keep] }))
  }

  #clear(): void {
    this.#acceptable.push({ ...empty(), fileTimestamp: this.#model.fileTimestamp })
    this.#booklet!.clear()
    this.#model = { ...empty(), fileTimestamp: this.#model.fileTimestamp }
    this.#acceptable = [copyOf(this.#model)]
  }

  #setMetadata(): void {
    if (this.#shape.fixed) return
    const metadata = `metadata ${this.#now++}`
    ;(this.#booklet as Booklet<string, Uint8Array>).metadata = metadata
    this.#model.metadata = metadata
  }

  /** Sets slot 1, or overwrites some of its bytes. */
  #changeSlot(): void {
    if (this.#shape.fixed) return
    const { reserved, slotBytes } = this.#booklet as Booklet<string, Uint8Array>
    const { slot } = this.#model
    if (slot === undefined || this.#random.below(4) === 0) {
      const bytes = this.#random.bytes(this.#random.below(2000))
      reserved.set(1, bytes)
      this.#model.slot = latin1(bytes)
      return
    }
    const at = this.#random.below(slot.length + 1)
    const bytes = this.#random.bytes(this.#random.below(Math.min(300, slot.length - at + 1)))
    slotBytes.overwrite(1, at, bytes)
    this.#model.slot = slot.slice(0, at) + latin1(bytes) + slot.slice(at + bytes.length)
  }

  #setFileTimestamp(): void {
    const fileTimestamp = this.#now++
    this.#durable([{ ...copyOf(this.#model), fileTimestamp }], () => (this.#booklet!.fileTimestamp = fileTimestamp))
  }

  /** Flag `n` over the file that is there. */
  #anew(): void {
    this.#durable([], () => this.#booklet!.close())
    this.#acceptable.push(empty())
    this.#renewed = true
    this.#booklet = this.#open(this.#disk, 'n')
    this.#model = empty()
    // Nothing of the new file was synced yet, so the old one may still be there: whole.
  }

  /** Looks at some of the disks that may be left, and gives one of them with what it holds. */
  #look(count: number): { disk: Disk; model: Model } {
    let kept: { disk: Disk; model: Model } | undefined
    for (let i = 0; i < count; i++) {
      this.#tally.disks++
      try {
        kept = this.#lookOnce()
      } catch (cause) {
        throw new Error(`${(cause as Error).message}; ${this.#disk.describe()}`, { cause })
      }
    }
    return kept!
  }

  #lookOnce(): { disk: Disk; model: Model } {
    let disk = this.#disk.afterCut(this.#random)
    this.#checkReader(disk.copy())
    if (this.#random.next() < 0.3) disk = this.#cutRepair(disk)
    return { disk: disk.copy(), model: this.#checkWriter(disk.copy()) }
  }

  /** Cuts the power again while the file is being repaired. */
  #cutRepair(disk: Disk): Disk {
    disk.supply.limit = disk.supply.calls + this.#random.below(14)
    try {
      this.#open(disk, 'c').close()
      disk.supply.limit = Infinity
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
      this.#tally.cutRepairs++
    }
    return disk.afterCut(this.#random)
  }

  /* A reader refuses, or sees one of the right states. */
  #checkReader(disk: Disk): void {
    try {
      this.#compare(this.#open(disk, 'r'), this.#acceptable)
    } catch (error) {
      if (error instanceof FileNotClosedError || error instanceof FormatError) return
      throw new Error('as a reader sees it', { cause: error })
    }
  }

  #checkWriter(disk: Disk): Model {
    const booklet = this.#open(disk, 'c')
    const { repair } = booklet
    if (repair) this.#tally.repairs++
    if (repair?.finishedSync) this.#tally.finishedSyncs++
    if (repair?.finishedRewrite) this.#tally.finishedRewrites++
    const model = this.#compare(booklet, this.#acceptable)
    if (model !== this.#acceptable[0]) this.#tally.wentThrough++
    const found = copyOf(model)
    this.#checkWorksOn(disk, booklet, model)
    return found
  }

  /* The repaired file is an ordinary one: it can be changed, closed, walked, and opened as clean. */
  #checkWorksOn(disk: Disk, booklet: Any, found: Model): void {
    const model = copyOf(found)
    const value = this.#random.bytes(this.#shape.valueLength)
    for (const key of ['key 1', 'after the repair']) {
      booklet.setBytes(key, value, this.#stamped ? { timestamp: 5 } : undefined)
      model.entries.set(key, { value: latin1(value), timestamp: this.#stamped ? 5 : undefined })
    }
    booklet.delete('key 2')
    model.entries.delete('key 2')
    booklet.close()
    if (!this.#renewed && disk.hasSidecar) throw new Error('the side file stayed')
    const walked = walk(disk.contents())
    sameEntries(walked.entries, model.entries)
    const again = this.#open(disk.copy(), 'w')
    if (again.repair) throw new Error(`something was left to repair: ${JSON.stringify(again.repair)}`)
    this.#compare(again, [model])
  }

  /** The state among those that the booklet holds; throws when it is none of them. */
  #compare(booklet: Any, states: readonly Model[]): Model {
    const entries = new Map<string, Entry>()
    for (const { key, value, timestamp } of booklet.rawEntries()) {
      if (entries.has(key)) throw new Error(`the key ${key} came twice`)
      entries.set(key, { value: latin1(value), timestamp })
    }
    if (booklet.size !== entries.size) throw new Error(`size ${booklet.size}, but ${entries.size} entries`)
    const metadata = this.#shape.fixed ? undefined : ((booklet as Booklet<string, Uint8Array>).metadata as string | undefined)
    const slotContent = this.#shape.fixed ? undefined : (booklet as Booklet<string, Uint8Array>).reserved.get(1)
    const slot = slotContent && latin1(slotContent.bytes)
    const problems: string[] = []
    // The latest first: of two equal states it is the one that went through.
    for (const state of [...states].reverse()) {
      try {
        sameEntries(entries, state.entries)
        if (metadata !== state.metadata) throw new Error(`metadata ${metadata} instead of ${state.metadata}`)
        if (slot !== state.slot) throw new Error('slot 1 holds something else')
        if (state.fileTimestamp !== undefined && booklet.fileTimestamp !== state.fileTimestamp) throw new Error(`file timestamp ${booklet.fileTimestamp} instead of ${state.fileTimestamp}`)
      } catch (error) {
        problems.push((error as Error).message)
        continue
      }
      for (const [key, entry] of state.entries) {
        const found = booklet.getEntryBytes(key)
        if (!found || latin1(found.value) !== entry.value || found.timestamp !== entry.timestamp) throw new Error(`a lookup of ${key} gives something else than the entries`)
      }
      return state
    }
    throw new Error(`none of the states that may be: ${problems.join('; ')}; repair ${JSON.stringify(booklet.repair)}`)
  }
}

function sameEntries(found: ReadonlyMap<string, Entry>, wanted: ReadonlyMap<string, Entry>): void {
  for (const [key, { value, timestamp }] of wanted) {
    const there = found.get(key)
    if (!there) throw new Error(`${key} is lost`)
    if (there.value !== value) throw new Error(`${key} has another value`)
    if (there.timestamp !== timestamp) throw new Error(`${key} has the timestamp ${there.timestamp} instead of ${timestamp}`)
  }
  for (const key of found.keys()) if (!wanted.has(key)) throw new Error(`${key} came back`)
}
