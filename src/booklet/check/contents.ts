/** Whether what the blocks hold can be read: keys, metadata, the reserved slots, and values if asked for. */
import { equalBytes, utf8Decode, utf8Encode } from '../../base/bytes.js'
import { EbookletError } from '../../base/error.js'
import type { FindingList } from '../../base/findings.js'
import { METADATA_KEY, SLOT_1_KEY, SLOT_2_KEY } from '../../format/internal-keys.js'
import { decodeJournal, type Journal } from '../../format/journal.js'
import { parseJson } from '../../format/json.js'
import { decodeRemoteState, type RemoteState } from '../../format/remote-state.js'
import { limitSerializer, serializerByCode, UnsupportedSerializerError, UnsupportedValueError, type NamedSerializer } from '../../serializers/index.js'
import { offerPackages } from '../../values/optional-packages.js'
import { BlockCursor } from '../block-cursor.js'
import { Engine } from '../engine.js'
import { livePositions } from '../verify.js'
import type { Assessment } from './assess.js'
import { bookletFinding, namedKey, type BookletFinding } from './finding.js'

export interface ContentOptions {
  deep: boolean
  maxValueBytes: number
}

/** What the reserved slots say, as far as they can be read. */
export interface Slots {
  journal: Journal | undefined
  remoteState: RemoteState | undefined
}

/** A view of a file's valid blocks, as a lookup and an iteration of a reader would have it. */
export function readerOf(path: string, { file, header, headerBytes, verdict }: Assessment): Engine {
  const engine = new Engine({ file, path, readonly: true, bufferSize: 1, header: { ...header! }, headerBytes: headerBytes.slice(), dataEnd: verdict!.end })
  engine.livePositions = livePositions(verdict!)
  engine.keyCount = verdict!.keyCount
  return engine
}

/** Reads every key and, with `deep`, every value. */
export function checkContents(engine: Engine, options: ContentOptions, findings: FindingList<BookletFinding>): void {
  const { header } = engine
  const keys = runnable(header.keySerializer)
  const values = options.deep && !engine.layout.fixed ? runnable(header.valueSerializer) : undefined
  if (keys === undefined && values === undefined) return
  offerPackages()
  const limited = values && limitSerializer(values, options.maxValueBytes)
  const cursor = new BlockCursor(engine, { values: values !== undefined })
  while (cursor.next()) {
    const key = cursor.key()
    const named = () => ({ position: cursor.position, ...namedKey(key, keys?.name === 'str') })
    if (keys) attempt(() => keys.decode(key), (reason) => findings.add(bookletFinding('bad-key', { ...named(), reason })))
    if (limited && cursor.head.valueLength <= options.maxValueBytes) {
      attempt(() => limited.decode(cursor.valueView()), (reason) => findings.add(bookletFinding('bad-value', { ...named(), reason })))
    }
  }
}

/* Undefined for one that this release can't run, or that the file doesn't record. */
function runnable(code: number): NamedSerializer<unknown> | undefined {
  try {
    const serializer = serializerByCode(code)
    return serializer.code === 0 ? undefined : serializer
  } catch {
    return undefined
  }
}

function attempt(decode: () => unknown, failed: (reason: string) => void): void {
  try {
    decode()
  } catch (error) {
    if (error instanceof UnsupportedSerializerError || error instanceof UnsupportedValueError) return
    if (!(error instanceof EbookletError)) throw error
    failed(error.message)
  }
}

/**
 * Reads the metadata and the reserved slots of a variable-length file.
 * @param ofEbooklet whether it is known that an Ebooklet uses the slots
 */
export function checkInternals(engine: Engine, ofEbooklet: boolean, findings: FindingList<BookletFinding>): Slots {
  const slots: Slots = { journal: undefined, remoteState: undefined }
  if (engine.layout.fixed) return slots
  const metadata = valueOf(engine, METADATA_KEY)
  if (metadata) attempt(() => parsed(metadata), (reason) => findings.add(bookletFinding('bad-metadata', { reason })))
  const journal = valueOf(engine, SLOT_1_KEY)
  if (journal) attempt(() => (slots.journal = decodeJournal(journal)), (reason) => findings.add(bookletFinding('bad-slot', { slot: 1, content: 'journal', reason, certain: ofEbooklet || startsAsJson(journal) })))
  const state = valueOf(engine, SLOT_2_KEY)
  if (state) attempt(() => (slots.remoteState = decodeRemoteState(state)), (reason) => findings.add(bookletFinding('bad-slot', { slot: 2, content: 'remote state', reason, certain: ofEbooklet || startsAsJson(state) })))
  for (const key of slots.journal?.written ?? []) {
    if (!finds(engine, utf8Encode(key))) findings.add(bookletFinding('pending-write-missing', { key }))
  }
  return slots
}

/** Which of the three internal entries can't be read and so is to be removed; undefined when it is sound, or may be of another program. */
export function unreadableInternal(key: Uint8Array, value: Uint8Array, ofEbooklet: boolean): 'metadata' | 'journal' | 'remote state' | undefined {
  const [content, decode] = equalBytes(key, METADATA_KEY) ? (['metadata', parsed] as const) : equalBytes(key, SLOT_1_KEY) ? (['journal', decodeJournal] as const) : (['remote state', decodeRemoteState] as const)
  let bad = false
  attempt(() => void decode(value), () => (bad = true))
  return bad && (content === 'metadata' || ofEbooklet || startsAsJson(value)) ? content : undefined
}

/* Other programs may keep there what they like; both of the known contents are JSON objects. */
function startsAsJson(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b && bytes[1] === 0x22
}

function parsed(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8Decode(bytes)
  } catch (cause) {
    throw new MetadataError('the metadata is not UTF-8', { cause })
  }
  return parseJson(text)
}

class MetadataError extends EbookletError {
  readonly code = 'FORMAT'
}

function valueOf(engine: Engine, key: Uint8Array): Uint8Array | undefined {
  return finds(engine, key) ? engine.foundValue() : undefined
}

/* Chains that are damaged were told of already. */
function finds(engine: Engine, key: Uint8Array): boolean {
  try {
    return engine.find(key)
  } catch {
    return false
  }
}
