/** What pushes have begun to send and no commit has settled yet. Kept beside the local file, so that it survives a kill. */
import { groupKey, valueKey } from '../../format/names.js'
import { decodeRecord, encodeRecordLine, type RecordedObject, type RecordLine, type UploadTarget } from '../../format/upload-record.js'

/** The file beside the local one. */
export interface UploadRecordFile {
  read(): string | undefined
  append(text: string): void
  remove(): void
}

/** For databases in memory: it lives as long as the session. */
export function uploadRecordInMemory(): UploadRecordFile {
  let content: string | undefined
  return {
    read: () => content,
    append: (text) => (content = (content ?? '') + text),
    remove: () => (content = undefined),
  }
}

export interface SentPart {
  /** In hexadecimal digits. */
  md5: string
  etag: string
}

/** An object that a push has begun to send. */
export interface UploadTry extends RecordedObject {
  /** The store's name of an upload by parts. */
  upload: string | undefined
  /** Acknowledged parts, by number. */
  parts: Map<number, SentPart>
  /** The ETag of the acknowledged object; undefined when it isn't known whether it arrived. */
  etag: string | undefined
  /** Whether a commit that may still arrive refers to it. */
  inDoubt: boolean
}

/**
 * The record of one database at one remote. Everything is written down before it happens or right after it was
 * acknowledged, never between: what it doesn't tell was not sent, or is sent again.
 */
export class UploadRecord {
  readonly #file: UploadRecordFile
  readonly #remote: string
  /** By their numbers. */
  readonly #tries = new Map<number, UploadTry>()
  /** The newest of each group or key. */
  #newest = new Map<number | string, UploadTry>()
  #next = 0
  /** Whether the file begins with our first line, and ends with a whole one. */
  #begun: 'no' | 'torn' | 'yes' = 'no'

  private constructor(file: UploadRecordFile, remote: string) {
    this.#file = file
    this.#remote = remote
  }

  /**
   * @param remote names the database: what was recorded of another one can't be used, nor cleaned up from here
   */
  static open(file: UploadRecordFile, remote: string): UploadRecord {
    const record = new UploadRecord(file, remote)
    const text = file.read()
    if (text !== undefined) record.#load(text)
    return record
  }

  #load(text: string): void {
    const lines = decodeRecord(text)
    const first = lines.next()
    if (first.done || first.value.is !== 'head' || first.value.remote !== this.#remote) return
    this.#begun = text.endsWith('\n') ? 'yes' : 'torn'
    for (const line of lines) this.#take(line)
  }

  #take(line: RecordLine): void {
    switch (line.is) {
      case 'object':
        this.#add({ ...line.object, upload: undefined, parts: new Map(), etag: undefined, inDoubt: false })
        return
      case 'upload':
        this.#with(line.of, (found) => (found.upload = line.upload))
        return
      case 'part':
        this.#with(line.part.of, (found) => found.parts.set(line.part.part, { md5: line.part.md5, etag: line.part.etag }))
        return
      case 'sent':
        this.#with(line.of, (found) => (found.etag = line.etag))
        return
      case 'commit':
        for (const each of this.#tries.values()) each.inDoubt = true
        return
      case 'head':
    }
  }

  #with(n: number, action: (found: UploadTry) => void): void {
    const found = this.#tries.get(n)
    if (found) action(found)
  }

  #add(added: UploadTry): void {
    this.#tries.set(added.n, added)
    this.#newest.set(slotOf(added.target), added)
    this.#next = Math.max(this.#next, added.n + 1)
  }

  get tries(): UploadTry[] {
    return [...this.#tries.values()]
  }

  /** What was begun last of a group or key. */
  newest(slot: number | string): UploadTry | undefined {
    return this.#newest.get(slot)
  }

  /** Call it before the first byte is sent. */
  begin(target: UploadTarget, shape: { size: number; md5?: string; partSize?: number }): UploadTry {
    const object: RecordedObject = { n: this.#next, target, size: shape.size, md5: shape.md5, partSize: shape.partSize }
    this.#write({ is: 'object', object })
    const added: UploadTry = { ...object, upload: undefined, parts: new Map(), etag: undefined, inDoubt: false }
    this.#add(added)
    return added
  }

  uploadBegun(of: UploadTry, upload: string): void {
    this.#write({ is: 'upload', of: of.n, upload })
    of.upload = upload
  }

  partSent(of: UploadTry, number: number, part: SentPart): void {
    // A store may give none: then nobody can tell the part again.
    if (part.etag === '') return
    this.#write({ is: 'part', part: { of: of.n, part: number, ...part } })
    of.parts.set(number, part)
  }

  sent(of: UploadTry, etag: string): void {
    if (etag === '') return
    this.#write({ is: 'sent', of: of.n, etag })
    of.etag = etag
  }

  /** Call it before a commit is sent: if it isn't acknowledged, it may still arrive. */
  committing(): void {
    if (this.#tries.size === 0) return
    this.#write({ is: 'commit' })
    for (const each of this.#tries.values()) each.inDoubt = true
  }

  /** Forgets all but these. */
  keepOnly(kept: readonly UploadTry[]): void {
    if (this.#tries.size > 0 || this.#begun !== 'no') this.#file.remove()
    this.#begun = 'no'
    this.#tries.clear()
    this.#newest.clear()
    if (kept.length === 0) return
    this.#writeAll(kept.flatMap(linesOf))
    for (const each of kept) this.#add({ ...each, inDoubt: false })
  }

  #write(line: RecordLine): void {
    this.#writeAll([line])
  }

  #writeAll(lines: readonly RecordLine[]): void {
    let text = lines.map(encodeRecordLine).join('')
    if (this.#begun === 'torn') text = `\n${text}`
    if (this.#begun === 'no') {
      // Whatever lies there is of another database, or can't be read.
      this.#file.remove()
      text = encodeRecordLine({ is: 'head', remote: this.#remote }) + text
    }
    this.#begun = 'torn'
    this.#file.append(text)
    this.#begun = 'yes'
  }
}

/** The key of an object that is sent. */
export function objectKey(dbKey: string, target: UploadTarget): string {
  return 'key' in target ? valueKey(dbKey, target.key) : groupKey(dbKey, target.group, target.generation)
}

function slotOf(target: UploadTarget): number | string {
  return 'key' in target ? target.key : target.group
}

function linesOf(of: UploadTry): RecordLine[] {
  const { n, target, size, md5, partSize, upload, parts, etag } = of
  const lines: RecordLine[] = [{ is: 'object', object: { n, target, size, md5, partSize } }]
  if (upload !== undefined) lines.push({ is: 'upload', of: n, upload })
  for (const [part, sent] of parts) lines.push({ is: 'part', part: { of: n, part, ...sent } })
  if (etag !== undefined) lines.push({ is: 'sent', of: n, etag })
  return lines
}
