/**
 * The local file of a reader that shares it: below, the shared file, which stands still as long as anybody reads it; above,
 * what this reader changes. When the reader ends and nobody else reads, the one goes into the other.
 */
import type { Booklet, ReservedSlots, SlotContent } from '../../booklet/index.js'
import { resolveSerializer } from '../../serializers/index.js'
import type { LocalFile } from '../../sync/local-file.js'
import type { IndexFile } from '../../sync/state.js'
import { indexFileBeside } from '../index-file.js'
import type { Overlay } from './overlay.js'
import { overlaysBeside, settle, type SharedFile } from './settle.js'

const json = resolveSerializer<unknown>('orjson')

export class LayeredFile implements LocalFile {
  readonly reserved: ReservedSlots
  /** The index of the remote, as the shared file knows it or as this reader took it in. */
  readonly indexFile: IndexFile
  readonly #shared: SharedFile
  readonly #base: Booklet<string, unknown>
  readonly #overlay: Overlay
  /** Keys whose value in the shared file counts no more. */
  readonly #hidden = new Set<string>()
  readonly #slots = new Map<1 | 2, SlotContent | undefined>()
  #metadata: { json: Uint8Array | undefined; timestamp: number | undefined } | undefined
  #fileTimestamp: number | undefined
  #prune: { before?: number } | undefined
  #closed = false

  /** @param base opened for reading; it is closed with this one */
  constructor(shared: SharedFile, base: Booklet<string, unknown>, overlay: Overlay) {
    this.#shared = shared
    this.#base = base
    this.#overlay = overlay
    this.reserved = {
      get: (slot) => (this.#slots.has(slot) ? this.#slots.get(slot) : base.reserved.get(slot)),
      set: (slot, bytes, timestamp) => this.#setSlot(slot, bytes, timestamp ?? shared.environment.now()),
      delete: (slot) => this.#deleteSlot(slot),
    }
    this.indexFile = layeredIndex(shared.path, overlay)
  }

  get path(): string {
    return this.#shared.path
  }
  get uuid(): string {
    return this.#base.uuid
  }
  get openedClean(): boolean {
    return this.#base.openedClean
  }
  get hasTimestamps(): boolean {
    return this.#base.hasTimestamps
  }
  get holdsNothing(): boolean {
    return this.#overlay.holdsNothing && this.#base.holdsNothing
  }
  get valueSerializerCode(): number {
    return this.#base.valueSerializerCode
  }
  get nBuckets(): number {
    return this.#base.nBuckets
  }
  get fileTimestamp(): number {
    return this.#fileTimestamp ?? this.#base.fileTimestamp
  }
  set fileTimestamp(timestamp: number) {
    this.#fileTimestamp = timestamp
  }

  headerBytes(): Uint8Array {
    return this.#base.headerBytes()
  }

  get metadata(): unknown {
    if (!this.#metadata) return this.#base.metadata
    return this.#metadata.json && json.decode(this.#metadata.json)
  }
  get metadataTimestamp(): number | undefined {
    return this.#metadata ? this.#metadata.timestamp : this.#base.metadataTimestamp
  }

  setMetadata(value: unknown, options: { timestamp?: number } = {}): void {
    if (value === undefined) this.#metadata = { json: undefined, timestamp: undefined }
    else this.#metadata = { json: json.encode(value), timestamp: options.timestamp ?? this.#shared.environment.now() }
  }

  getTimestamp(key: string): number | undefined {
    return this.#overlay.getTimestamp(key) ?? this.#below(key)?.getTimestamp(key)
  }

  getBytes(key: string): Uint8Array | undefined {
    return this.#overlay.getBytes(key) ?? this.#below(key)?.getBytes(key)
  }

  getEntryBytes(key: string): { value: Uint8Array; timestamp: number | undefined } | undefined {
    const value = this.getBytes(key)
    return value && { value, timestamp: this.getTimestamp(key) }
  }

  lengthOf(key: string): number | undefined {
    return this.#overlay.lengthOf(key) ?? this.#below(key)?.lengthOf(key)
  }

  *timestamps(): Generator<[string, number]> {
    yield* this.#overlay.timestamps()
    for (const entry of this.#base.timestamps()) {
      if (!this.#hidden.has(entry[0]) && this.#overlay.getTimestamp(entry[0]) === undefined) yield entry
    }
  }

  setBytes(key: string, value: Uint8Array, { timestamp }: { timestamp: number }): void {
    this.#overlay.set(key, value, timestamp)
  }

  setTimestamp(key: string, timestamp: number): boolean {
    const value = this.getBytes(key)
    if (value) this.#overlay.set(key, value, timestamp)
    return value !== undefined
  }

  delete(key: string): boolean {
    const above = this.#overlay.delete(key)
    const below = this.#below(key)?.getTimestamp(key) !== undefined
    if (below) this.#hidden.add(key)
    return above || below
  }

  /** What is dropped is so for this reader at once; the shared file gets smaller at the end, if nobody else reads it then. */
  prune({ before, keep = [] }: { before?: number; keep?: Iterable<string> } = {}): number {
    const old = this.#prune?.before ?? 0
    this.#prune = before === undefined ? (this.#prune ?? {}) : { before: Math.max(before, old) }
    if (before === undefined) return 0
    const kept = new Set(keep)
    const dropped: string[] = []
    for (const [key, timestamp] of this.timestamps()) if (timestamp < before && !kept.has(key)) dropped.push(key)
    for (const key of dropped) this.delete(key)
    return dropped.length
  }

  /** What is in memory still stays there: it is only a copy of what the remote has. */
  sync(): void {
    this.#overlay.sync()
  }

  /**
   * Puts what was kept into the shared file when nobody else has that open; otherwise leaves it beside, for whoever has
   * it alone next.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const { uuid } = this
    this.#base.close()
    const kept = this.#overlay.kept()
    const prune = this.#prune
    try {
      if (!kept && !prune && overlaysBeside(this.path).length === 0) return
      if (settle(this.#shared, { uuid, kept, prune }) !== 'held') return
      // Now that it has no owner any more, another one may take it in, or this one, if the others went meanwhile.
      this.#overlay.leave()
      settle(this.#shared)
    } finally {
      this.#overlay.drop()
    }
  }

  #below(key: string): Booklet<string, unknown> | undefined {
    return this.#hidden.has(key) ? undefined : this.#base
  }

  #setSlot(slot: 1 | 2, bytes: Uint8Array, timestamp: number): void {
    this.#slots.set(slot, { bytes: bytes.slice(), timestamp })
    if (slot === 2) this.#overlay.setRemoteState(bytes)
  }

  #deleteSlot(slot: 1 | 2): boolean {
    const had = this.reserved.get(slot) !== undefined
    this.#slots.set(slot, undefined)
    return had
  }
}

function layeredIndex(path: string, overlay: Overlay): IndexFile {
  const below = indexFileBeside(path)
  let above: { bytes: Uint8Array | undefined } | undefined
  return {
    read: () => (above ? above.bytes : below.read()),
    write(bytes) {
      above = { bytes }
      overlay.setIndex(bytes)
    },
    remove: () => (above = { bytes: undefined }),
  }
}
