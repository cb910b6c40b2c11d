import { fromHex } from '../base/bytes.js'
import type { Environment } from '../base/environment.js'
import { blockLayout, fillerHead, fillerSpans, LAST, NEXT_AT } from '../format/block.js'
import { type BookletHeader, decodeHeader, HEADER_LENGTH, headerVersion, NOT_CLOSED, patchHeader, REWRITING_VERSION, typeIdOf, UUID_AT } from '../format/booklet-header.js'
import { crc32 } from './crc32.js'
import { writeClean } from './commit.js'
import { Engine } from './engine.js'
import type { RepairReport } from './errors.js'
import type { FileHome } from './file-home.js'
import { PointerPatches } from './patches.js'
import { type RecoveryRecord, writeRecord } from './recovery-record.js'
import { enterRewriting, leaveRewriting } from './rewriting-mark.js'
import { applyRedo, changesHeader, redoFits } from './redo-list.js'
import { finishRewrite } from './rewrite.js'
import { checkLayout, type Surveyed } from './survey.js'
import { readCovered } from './tail.js'
import { isRegular, livePositions, type Verdict, verify } from './verify.js'

/**
 * Opens for writing what isn't marked as clean: after a crash, or after somebody else wrote to it. Finishes what can be
 * finished, cuts off what was never synced, and puts right what is wrong. A second crash meanwhile does
 * no harm: the next open comes to the same result.
 */
export function recover(
  home: FileHome, headerBytes: Uint8Array, found: BookletHeader, record: RecoveryRecord | undefined, bufferSize: number, environment: Environment,
): { engine: Engine; repair: RepairReport | undefined } {
  const { file, path } = home
  let header = found
  const keysBefore = header.nKeys === NOT_CLOSED ? undefined : header.nKeys
  const finishedRewrite = finishRewrite(home, headerBytes, header, record)
  const finishedSync = !finishedRewrite && finishCommit(home, headerBytes, header, record)
  // What stood there amid a rewrite was not to be believed, and a layout that is damaged now is told here.
  if (record !== undefined && (finishedRewrite || finishedSync || headerVersion(headerBytes) === REWRITING_VERSION)) header = decodeHeader(headerBytes, record.version)
  if (headerVersion(headerBytes) !== header.version || finishedRewrite) leaveRewriting(file, headerBytes, header.version)
  const size = file.size()
  checkLayout(path, size, header)
  const engine = new Engine({ file, path, readonly: false, bufferSize, header, headerBytes, dataEnd: size })
  const syncedEnd = finishedSync ? record!.newLength : syncedLength(record)
  const verdict = judge({ file, layout: engine.layout, header, end: size }, syncedEnd)
  const changed = mend(engine, verdict, size)
  engine.dataEnd = verdict.end
  engine.keyCount = verdict.keyCount
  header.nKeys = verdict.keyCount
  writeClean(engine, header, verdict.end, environment.now())
  if (!changed && !finishedSync && !finishedRewrite && keysBefore === verdict.keyCount && headerVersion(headerBytes) === header.version) {
    dropLeftover(home, header)
    return { engine, repair: undefined }
  }
  file.sync()
  // Not before: until here the next open would have needed it again.
  dropLeftover(home, header)
  return {
    engine,
    repair: {
      finishedSync, finishedRewrite, cutBytes: size - verdict.end, orphans: verdict.orphans.length + verdict.hidden.length,
      relinked: verdict.taken.length, danglingPointers: verdict.dangling, brokenChains: verdict.damaged,
      strayGaps: engine.livePositions ? verdict.gaps.length : 0, keysBefore, keys: verdict.keyCount,
    },
  }
}

/** Where the synced part ends, if that is known: a prune or clear that was about to begin or to end had synced all. */
export function syncedLength(record: RecoveryRecord | undefined): number | undefined {
  return record === undefined || record.state === 'rewrite' || record.state === 'clear' ? undefined : record.length
}

/** Removes the side file of a prune that died before it came to matter, or after it was done. */
export function dropLeftover(home: FileHome, header: BookletHeader): void {
  const sidecar = home.openSidecar()
  if (sidecar === undefined) return
  const start = new Uint8Array(HEADER_LENGTH)
  sidecar.read(0, start)
  sidecar.close()
  // Whatever else carries that name isn't ours to remove. Of ours, parts may be missing after a power cut.
  const id = typeIdOf(header.kind)
  const uuid = fromHex(header.uuid)
  const ours = start.every((byte, at) => byte === 0 || (at >= UUID_AT && at < UUID_AT + uuid.length ? byte === uuid[at - UUID_AT] : at >= id.length || byte === id[at]))
  if (ours) home.removeSidecar()
}

/** Does again what the list of an interrupted sync says, if it is whole and nobody else has written since. */
export function finishCommit({ file }: Pick<FileHome, 'file'>, headerBytes: Uint8Array, header: BookletHeader, record: RecoveryRecord | undefined): boolean {
  if (record?.state !== 'commit' || header.nKeys !== NOT_CLOSED) return false
  if (file.size() !== record.fileLength) return false
  const layout = blockLayout({ ...header, fixed: header.kind === 'fixed' })
  const list = readCovered(file, layout, record.redoAt, record.redoLength)
  if (list === undefined || crc32(list) !== record.checksum || !redoFits(file, list)) return false
  if (changesHeader(list) && headerVersion(headerBytes) === header.version) enterRewriting(file, headerBytes)
  applyRedo(file, list)
  file.sync()
  file.read(0, headerBytes)
  return true
}

/** Looks at the synced part alone, if a record of ours tells where it ends and no pointer leads beyond; else at everything. */
export function judge(what: Surveyed, syncedEnd: number | undefined): Verdict {
  if (syncedEnd !== undefined && syncedEnd <= what.end) {
    const verdict = verify({ ...what, end: syncedEnd })
    if (verdict.dangling === 0 && verdict.end === syncedEnd) return verdict
  }
  return verify(what)
}

/* Writes what is wrong; false when nothing is. Chains first, so that no lookup fails between two writes. */
function mend(engine: Engine, verdict: Verdict, size: number): boolean {
  if (isRegular(verdict, size)) return false
  const { file, headerBytes, header, layout } = engine
  patchHeader(headerBytes, { version: header.version, nKeys: NOT_CLOSED })
  writeRecord(headerBytes, undefined)
  file.write(0, headerBytes)
  file.sync()
  const { blocks } = verdict
  const links = new PointerPatches()
  for (const [bucket, chain] of verdict.broken) {
    chain.forEach((i, at) => {
      const next = chain[at + 1]
      links.add(blocks.position[i]! + NEXT_AT, next === undefined ? LAST : blocks.position[next]!)
    })
    links.add(engine.index.positionOf(bucket), chain[0] === undefined ? LAST : blocks.position[chain[0]]!)
  }
  links.apply(file)
  file.sync()
  const kills = new PointerPatches()
  for (const i of [...verdict.orphans, ...verdict.hidden]) kills.add(blocks.position[i]! + NEXT_AT, 0)
  kills.apply(file)
  let uncovered = false
  for (const { start, end } of verdict.gaps) {
    const spans = fillerSpans(layout, end - start)
    if (spans === undefined) uncovered = true
    let at = start
    for (const span of spans ?? []) {
      file.write(at, fillerHead(layout, span)!)
      at += span
    }
  }
  file.sync()
  if (uncovered) engine.livePositions = livePositions(verdict)
  return true
}
