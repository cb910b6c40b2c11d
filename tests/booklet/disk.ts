import type { FileHome } from '../../src/booklet/file-home.js'
import { MemoryFile, type RandomAccessFile } from '../../src/platform/random-access-file.js'
import type { SeededRandom } from '../support/seed.js'

/** What every call on a disk without power throws. */
export class PowerCut extends Error {}

const SECTOR = 512

type Change = { kind: 'write'; at: number; bytes: Uint8Array } | { kind: 'truncate'; length: number }

/** The bytes of a file at one moment, with its modification time. */
interface Image {
  bytes: Uint8Array
  modified: number
}

/** Power and clock of a disk: counts the changing calls, and cuts the power at one of them. */
class Supply {
  calls = 0
  limit = Infinity
  clock = 1_600_000_000_000_000

  change(): void {
    if (this.calls >= this.limit) throw new PowerCut(`the power was cut at call ${this.calls}`)
    this.calls++
    this.clock += 1_000_000
  }
}

/** One file: what was synced, and each change since. */
class VolatileFile {
  readonly #now: MemoryFile
  #modified: number
  #durable: Image
  #changes: Change[] = []
  /** Modification times since the last sync. */
  #times: number[] = []

  constructor(image: Image) {
    this.#now = new MemoryFile(image.bytes.slice())
    this.#durable = image
    this.#modified = image.modified
  }

  /** The file as a process sees it. */
  view(supply: Supply): RandomAccessFile {
    const touch = (time: number) => {
      this.#modified = time
      this.#times.push(time)
    }
    return {
      read: (position, target) => this.#now.read(position, target),
      size: () => this.#now.size(),
      modified: () => this.#modified,
      write: (at, bytes) => {
        supply.change()
        this.#changes.push({ kind: 'write', at, bytes: bytes.slice() })
        this.#now.write(at, bytes)
        touch(supply.clock)
      },
      truncate: (length) => {
        supply.change()
        this.#changes.push({ kind: 'truncate', length })
        this.#now.truncate(length)
        touch(supply.clock)
      },
      setModified: (microseconds) => {
        supply.change()
        touch(microseconds)
      },
      sync: () => {
        supply.change()
        this.#durable = { bytes: this.#now.contents().slice(), modified: this.#modified }
        this.#changes = []
        this.#times = []
      },
      close: () => undefined,
    }
  }

  contents(): Uint8Array {
    return this.#now.contents().slice()
  }

  /** The changes since the last sync, for the message of a failure. */
  describe(): string {
    const changes = this.#changes.map((change) => (change.kind === 'write' ? `write ${change.at}+${change.bytes.length}` : `truncate ${change.length}`))
    return `${this.#durable.bytes.length} bytes were synced, then ${changes.join(', ') || 'nothing'}`
  }

  /** One thing that the disk may hold after a power cut: what was synced is certain, of the rest anything may be missing. */
  afterCut(random: SeededRandom): Image {
    const bytes = new MemoryFile(this.#durable.bytes.slice())
    const plan = Damage.draw(random)
    for (const change of plan.order(this.#changes)) if (plan.keeps()) plan.apply(change, bytes)
    plan.loseSize(bytes, this.#durable.bytes.length)
    return { bytes: bytes.contents().slice(), modified: random.pick([this.#durable.modified, ...this.#times]) }
  }
}

/** How one power cut treats what was not synced. */
class Damage {
  private constructor(
    private readonly random: SeededRandom,
    /** 0 to 1: how much of it arrives. */
    private readonly arrival: number,
    private readonly tearing: 'none' | 'sectors' | 'bytes',
    private readonly reorders: boolean,
    private readonly losesSize: boolean,
  ) {}

  static draw(random: SeededRandom): Damage {
    const arrival = random.pick([0, 0.1, 0.5, 0.5, 0.9, 0.97, 1])
    return new Damage(random, arrival, random.pick(['none', 'sectors', 'sectors', 'bytes']), random.next() < 0.4, random.next() < 0.15)
  }

  order(changes: readonly Change[]): Change[] {
    const out = [...changes]
    if (!this.reorders) return out
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1)
      const [a, b] = [out[i]!, out[j]!]
      out[i] = b
      out[j] = a
    }
    return out
  }

  keeps(): boolean {
    return this.random.next() < this.arrival
  }

  apply(change: Change, file: MemoryFile): void {
    if (change.kind === 'truncate') file.truncate(change.length)
    else if (this.tearing === 'none' || this.random.next() < 0.3) file.write(change.at, change.bytes)
    else if (this.tearing === 'sectors') this.#sectors(change.at, change.bytes, file)
    else this.#part(change.at, change.bytes, file)
  }

  /* Each sector arrives or not. */
  #sectors(at: number, bytes: Uint8Array, file: MemoryFile): void {
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + SECTOR - ((at + from) % SECTOR))
      if (this.random.next() < 0.6) file.write(at + from, bytes.subarray(from, to))
      from = to
    }
  }

  /* The first bytes arrive, or the last. */
  #part(at: number, bytes: Uint8Array, file: MemoryFile): void {
    const cut = this.random.below(bytes.length + 1)
    if (this.random.next() < 0.5) file.write(at, bytes.subarray(0, cut))
    else file.write(at + cut, bytes.subarray(cut))
  }

  /* The data arrived, the new length did not, or another one did. */
  loseSize(file: MemoryFile, before: number): void {
    const size = file.size()
    if (!this.losesSize || size <= before) return
    file.truncate(this.random.next() < 0.5 ? before : before + this.random.below(size - before + 1))
  }
}

/**
 * A disk with one booklet file and its side file, which keeps apart what was synced and what was not. After
 * `limit` changing calls the power is cut; `afterCut` then makes disks of what may be left, as often as one likes.
 */
export class Disk implements FileHome {
  readonly path = 'made-up.blt'
  readonly sidecarPath = 'made-up.blt.prune'
  readonly file: RandomAccessFile
  readonly supply = new Supply()
  readonly #main: VolatileFile
  #side: VolatileFile | undefined
  /** What the folder may name as the side file: as last synced, and after each change since. */
  #sides: (VolatileFile | undefined)[]

  constructor(main: Image = { bytes: new Uint8Array(0), modified: 0 }, side?: Image) {
    this.#main = new VolatileFile(main)
    this.#side = side && new VolatileFile(side)
    this.#sides = [this.#side]
    this.file = this.#main.view(this.supply)
  }

  openSidecar(): RandomAccessFile | undefined {
    return this.#side?.view(this.supply)
  }

  createSidecar(): RandomAccessFile {
    this.supply.change()
    if (this.#side === undefined) {
      this.#side = new VolatileFile({ bytes: new Uint8Array(0), modified: this.supply.clock })
      this.#sides.push(this.#side)
    }
    const file = this.#side.view(this.supply)
    if (file.size() > 0) file.truncate(0)
    return file
  }

  removeSidecar(): void {
    if (this.#side === undefined) return
    this.supply.change()
    this.#side = undefined
    this.#sides.push(undefined)
  }

  syncFolder(): void {
    this.supply.change()
    this.#sides = [this.#side]
  }

  /** What the power cut found on its way to the booklet file. */
  describe(): string {
    return this.#main.describe()
  }

  /** The booklet file as a process sees it. */
  contents(): Uint8Array {
    return this.#main.contents()
  }

  get hasSidecar(): boolean {
    return this.#side !== undefined
  }

  /** A disk with what may be left after the power was cut here. */
  afterCut(random: SeededRandom): Disk {
    const disk = new Disk(this.#main.afterCut(random), this.#sides[random.below(this.#sides.length)]?.afterCut(random))
    disk.supply.clock = this.supply.clock + 1_000_000
    return disk
  }

  /** The same disk with everything written: after an orderly end, for another process. */
  copy(): Disk {
    const disk = new Disk({ bytes: this.#main.contents(), modified: this.file.modified()! }, this.#side && { bytes: this.#side.contents(), modified: 0 })
    disk.supply.clock = this.supply.clock + 1_000_000
    return disk
  }
}
